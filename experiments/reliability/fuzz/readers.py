"""What is fuzzed: each reader with inputs to begin with, and what has to hold of every input."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_dualner.annotation.journal import Journal, Unfinished
from spacy_dualner.annotation.readers import open_input
from spacy_dualner.annotation.records import batches
from spacy_dualner.annotation.select import Selector
from spacy_dualner.annotation.shortlist import Shortlist
from spacy_dualner.annotation.work import Annotator
from spacy_dualner.annotation.writers import OUTPUTS, TOOLS
from spacy_dualner.cli._util import read_preset
from spacy_dualner.cli.card import read_statements
from spacy_dualner.cli.evaluate import compare_cli
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.forms import FORMS, recognise_form
from spacy_dualner.data.tags import ALL_TYPES
from spacy_dualner.data.tally import Tally
from spacy_dualner.errors import DualNerError
from spacy_dualner.packaging.card import write_card
from spacy_dualner.packaging.statements import Statements
from spacy_dualner.pipeline import find_component, load_pipeline
from spacy_dualner.teaching.checkpoint import load_checkpoint, save_checkpoint
from spacy_dualner.training.history import read_history

from . import seeds
from .mutate import Case


@dataclass(frozen=True)
class Reader:
    """One reader.

    seeds (List[Case]): Inputs, before they are damaged.
    read (Callable[[Path], object]): Reads what is in a folder, and checks what comes of it.
    share (float): How many of its inputs are tried; the slow ones have fewer.
    """

    seeds: list[Case]
    read: Callable[[Path], object]
    share: float = 1.0


def lines_of(path: Path) -> list[str] | None:
    """The lines of a file by other means than ours; None where it is damaged, or no UTF-8."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    lines = re.split("\r\n|\n|\r", data.decode("utf-8-sig", "surrogateescape"))
    return lines if lines[-1] else lines[:-1]


def converted(form: str, folder: Path) -> None:
    """`convert`: each line, record, row or Doc is used, left out by name, or refused."""
    with suppress(DualNerError):
        recognise_form(folder)
    (place,) = FORMS[form].find(folder).values()
    tally, n_sentences, n_words = Tally(), 0, 0
    for _, sentences in FORMS[form].read(place, "xx", [ALL_TYPES], tally):
        for words, tags in sentences:
            assert words and all(words) and len(tags) in (0, len(words)), (words, tags)
            assert all(tag == "O" or (tag[:2] in ("B-", "I-") and tag[2:]) for tag in tags), tags
            n_sentences, n_words = n_sentences + 1, n_words + len(words)
    assert sum(file.sentences for file in tally.files) == n_sentences
    for file in tally.files:
        assert file.read == file.used + sum(file.left_out.values()), file
        # A member of an archive has a name that may be too long for a file.
        path = Path(file.source)
        lines = lines_of(path) if os.path.isfile(path) else None
        if FORMS[form].unit == "lines" and lines is not None:
            assert file.read == len(lines), (file, lines)
        if FORMS[form].unit == "records" and lines is not None:
            held = [line for line in lines if line.strip()]
            listed = held and held[0].lstrip().startswith("[")
            held = json.loads("\n".join(lines).strip()) if listed else held
            assert file.read == len(held), (file, held)
        if form == "spacy":
            assert file.read == len(DocBin().from_disk(path)), file
    assert all(isinstance(text, str) for f in tally.files for text in [*f.notes(), *f.warnings()])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if zlib.crc32(b"".join(path.read_bytes() for path in files)) % 16 == 0 and n_sentences:
        with tempfile.TemporaryDirectory(dir=folder.parent) as output:
            counts = convert(folder, Path(output), form=form, langs=["xx"], types=[ALL_TYPES])
            found = [
                len(doc)
                for (lang, split), count in counts.items()
                if split != "unlabelled" or (lang, "train") not in counts
                for doc in read_docs(Path(output, split, f"{lang}.spacy"), Vocab())
            ]
            assert (len(found), sum(found)) == (n_sentences, n_words), (counts, n_sentences)


def annotated(form: str, annotators: list[Annotator], folder: Path) -> None:
    """`annotate` and `select`: each record is in the output or is a fault, also after a stop."""
    (path,) = folder.iterdir()
    reader = open_input(str(path), form, "text")
    lines = lines_of(path) if reader.of_lines else None
    # A file of line ends alone has a record for each.
    size = max(4, len(lines or ()) // 64)
    read = list(batches(reader, (0, 0), size))
    n_records = sum(len(batch.records) + len(batch.faults) for batch in read)
    if lines is not None:
        assert reader.position[1] == len(lines), (reader.position, lines)
        assert path.suffix == ".gz" or reader.position[0] == path.stat().st_size
        if form in ("txt", "jsonl"):
            held = [line for line in lines if form == "txt" or line.strip()]
            assert n_records == len(held), (n_records, held)
    again = [batch for first in read[:1] for batch in batches(reader, first.position, size)]
    # Bytes are read in blocks, from wherever reading begins: `done` may differ.
    assert [repr(batch[:-1]) for batch in again] == [repr(batch[:-1]) for batch in read[1:]]
    for batch in read:
        for annotator in annotators:
            if isinstance(annotator, Selector):
                annotator.shortlist = Shortlist(1_000, 0)
            done = annotator.annotate(batch.records)
            assert done.texts + len(done.faults) == len(batch.records), done
            assert all(sane(str(fault)) for fault in (*batch.faults, *done.faults))
            if isinstance(annotator, Selector):
                assert len(annotator.shortlist.chosen()) <= done.texts
            elif done.output.startswith(b"{"):
                assert len([json.loads(x) for x in done.output.split(b"\n")[:-1]]) == done.texts


def sane(message: str) -> bool:
    """Whether a message is one line, and not of a length that nobody reads."""
    return len(message.splitlines()) == 1 and len(message) <= 2_000 and message.isprintable()


def equal(expected: bytes, read: Callable[[Path], bytes], folder: Path) -> None:
    """What is stored is refused, or is what it was."""
    found = read(folder)
    assert found == expected, "silently different"


def of_pipeline(folder: Path) -> bytes:
    """What a pipeline makes of some texts, to the last bit."""
    nlp = load_pipeline(folder)
    docs = list(nlp.pipe([seeds.TEXT, "Anna Smith lives in Berlin .", "Acme Corp hired Anna"]))
    scores = np.asarray(find_component(nlp, "dualner").predict(docs))
    ents = [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]
    return scores.tobytes() + repr(ents).encode()


def of_journal(folder: Path) -> bytes:
    """What a run goes on with."""
    unfinished = Unfinished(folder / "out.jsonl")
    if b'"checksum"' not in (unfinished.folder / "journal.json").read_bytes():
        raise DualNerError("Those of earlier versions have no checksum, and are believed.")
    journal = unfinished.load()
    found = repr(journal).encode()
    more: list[tuple[bytes, bytes]] = []
    if journal is not None:
        unfinished.write(journal, (part for part in more))
    return found


def of_checkpoint(folder: Path) -> bytes:
    """What teach goes on with."""
    import torch

    state = load_checkpoint(folder, torch.device("cpu"))
    return repr(state).encode()


def results(model: Path | None, folder: Path) -> None:
    """`compare` and `card` of what evaluate wrote."""
    path = folder / "results.json"
    compare_cli(path, path)
    if model and zlib.crc32(path.read_bytes()) % 8 == 0:
        from spacy_dualner.cli.evaluate import read_results

        card = folder / "card"
        write_card(model, Statements(), results=read_results(path), output=card)
        shutil.rmtree(card)


def preset(folder: Path) -> None:
    """The commands' `--preset`."""
    read_preset(str(folder))
    read_statements(str(folder), {})


def readers(pipeline: Path | None = None, real: Path | None = None) -> dict[str, Reader]:
    """All readers by name; those of stored pipelines only where one is given."""
    held, found = seeds.of_real(real), {}
    own, records = held[:3], seeds.tools(held[:1])

    def add(form: str, name: str, *contents: bytes) -> None:
        gz = seeds.gzip.compress(contents[0], 1, mtime=0)
        cases = [{name: content} for content in contents]
        cases += [{f"{name}.gz": gz}] if form not in ("spacy", "raw") else []
        found[f"convert {form}"] = Reader(cases, partial(converted, form))

    raw = {s: seeds.columns(held, "xx:{word}\t{tag}") for s in ("train", "dev")}
    odd = {"./a/train": raw["train"][:99], "x" * 120 + "/dev": raw["dev"][:99], "more": b"x" * 2000}
    add("raw", "xx.tar.gz", seeds.tar(raw), seeds.tar(odd))
    add(
        "tsv",
        "train-xx.tsv",
        seeds.columns(held, "{word}\t{tag}"),
        seeds.columns(own[1:], "{word}"),
    )
    add(
        "conll",
        "train-xx.conll",
        seeds.columns(own, "{word} -X- _ {tag}"),
        seeds.columns(own, "{n}\t{word}\t_\t{tag}"),
    )
    ten = "{n}\t{word}\t_\t_\t_\t_\t_\t_\t_\tname={tag}|x=1"
    ranges = b"# text\n1-2\tab\tO\n1\ta\tO\n2\tb\tB-PER\n2.1\tc\tO\n\n"
    add(
        "conllu",
        "train-xx.conllu",
        seeds.columns(own, "{n}\t{word}\t{tag}"),
        seeds.columns(own, ten),
        ranges,
    )
    add("iob", "train-xx.iob", b"Anna|NN|B-PER Berg|NN|I-PER .|.|O\nx|X|O\n", b"a|O b|B-LOC\n\n")
    add("spacy", "train-xx.spacy", seeds.docbin(own))
    for tool, tasks in records.items():
        whole = json.dumps(tasks, indent=1).encode()
        add(tool, "train-xx.jsonl", seeds.lines_of(tasks), whole)
    add("text", "xx.txt", seeds.TEXT.encode(), "\ufeffa\n\ufeffb\r\n\nc".encode("utf-16"))
    add("translated", "en-xx.txt", b"Anna lives here\nx\n\n")
    found["convert hub"] = Reader(seeds.hub(own), partial(converted, "hub"))
    rows = [{"text": seeds.TEXT, "id": 1, "more": {"a": [None, 1.5]}, "lang": "xx"}]
    tables = {sep: f'id{sep}text\n1{sep}a"b\n2{sep}"x\n\n3{sep}y{sep}z\n'.encode() for sep in ",\t"}
    quoted = b'id,text\n1,"a\nb"\n2,"c ""d"""\n'
    texts = {
        "txt": [seeds.TEXT.encode(), b"\n\na\n"],
        "jsonl": [seeds.lines_of(rows), seeds.lines_of(records["annotate"])],
        "csv": [tables[","], quoted],
        "tsv": [tables["\t"]],
        "spacy": [seeds.docbin(own)],
    }
    annotators: list[Annotator] = []
    if pipeline:
        annotators = [
            Annotator(str(pipeline), form)
            for form in (OUTPUTS[".jsonl"], TOOLS["label-studio"], OUTPUTS[".spacy"])
        ]
        annotators.append(Selector(str(pipeline), OUTPUTS[".jsonl"]))
    for form, contents in texts.items():
        cases = [{f"a.{form}": content} for content in contents]
        if form != "spacy":
            cases.append({f"a.{form}.gz": seeds.gzip.compress(contents[0], 1, mtime=0)})
        found[f"read {form}"] = Reader(cases, partial(annotated, form, []))
        if annotators:
            found[f"annotate {form}"] = Reader(cases, partial(annotated, form, annotators), 0.02)
    scores = {kind: dict.fromkeys("prf", 1.5) for kind in ("span", "tag", "joint")}
    scored = {"languages": {"xx": scores}, "mean": scores, "mean_targets": scores, "decode": "span"}
    found["results"] = Reader(
        [{"results.json": json.dumps(scored).encode()}], partial(results, pipeline), 0.3
    )
    history = seeds.lines_of(
        [{"step": 1, "epoch": 0, "loss": 1.0, "score": 0.5, "f1": {"xx": 1}, "seconds": 2.0}] * 2
    )
    found["history"] = Reader(
        [{"h.jsonl": history}], lambda folder: read_history(folder / "h.jsonl")
    )
    card = '[data]\npath = "a"\nsource = ["en"]\ntest_limit = 1\n\n[card]\npath = "a"\n'
    found["preset"] = Reader([{"preset.cfg": card.encode()}], preset)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _journal(folder)
        journal = _files(folder)
        held_journal = of_journal(folder)
    found["journal"] = Reader([journal], partial(equal, held_journal, of_journal))
    with tempfile.TemporaryDirectory() as name:
        import torch

        save_checkpoint(Path(name), {"step": 3, "weights": {"a": torch.arange(40.0)}, "n": "x"})
        state = of_checkpoint(Path(name))
        found["checkpoint"] = Reader([_files(Path(name))], partial(equal, state, of_checkpoint))
    if pipeline:
        case = _files(pipeline)
        told = {name: content for name, content in case.items() if not name.endswith("/model")}
        found["card"] = Reader([told], lambda folder: write_card(folder, Statements()), 0.05)
        found["pipeline"] = Reader(
            [case], partial(equal, of_pipeline(pipeline), of_pipeline), 0.002
        )
    return found


def _files(folder: Path) -> Case:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _journal(folder: Path) -> None:
    """What a run leaves that is stopped after a batch."""
    unfinished = Unfinished(folder / "out.jsonl")
    unfinished.folder.mkdir()
    journal = Journal({"input": [["a.txt", 3, 4]], "batch size": 4}, (120, 4), 120)
    unfinished.write(journal, (part for part in [(b'{"text": "x"}\n' * 4, b"")]))
    journal.finished = False
    unfinished.save(journal)
