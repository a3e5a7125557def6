"""Small odd inputs of every form, as the fuzzer begins with them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from spacy_dualner.data.panx import read_splits

from .mutate import Case

Sentence = tuple[list[str], list[str]]

WORDS = ["Anna", "Ünal", "#1", "\ufeffin", "e\u0301\u2028x", "👨\u200d👩", "東", "-", "a:b", '"q']
TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "B-ORG", "O", "S-LOC", "O"]
SENTENCES: list[Sentence] = [(WORDS, TAGS), (["Ulm"], ["I-LOC"]), (["-DOCSTART-", "x"], ["O", "O"])]
TEXT = "Anna Ünal\r\nliebt 👨\u200d👩\u200d👧 in\u00a0e\u0301 Bonn."


def of_real(folder: Path | None) -> list[Sentence]:
    """Our own sentences and a few of each real PAN-X archive of a folder, if one is given."""
    found = list(SENTENCES)
    for path in sorted(folder.glob("*.tar.gz")) if folder else ():
        for _, sentences in read_splits(path, path.name.partition(".")[0]):
            found += [sentence for sentence, _ in zip(sentences, range(3), strict=False)]
            break
    return found


def tar(members: dict[str, bytes], packed: bool = True) -> bytes:
    """An archive, by default compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1, mtime=0) if packed else buffer.getvalue()


def docbin(sentences: list[Sentence]) -> bytes:
    """A DocBin with all that Docs may carry."""
    held, vocab = DocBin(store_user_data=True, attrs=["ENT_IOB", "ENT_TYPE", "HEAD"]), Vocab()
    for words, tags in sentences:
        tags = [tag.replace("S-", "B-") for tag in tags]
        doc = Doc(vocab, words=words, spaces=[True] * len(words), ents=["O"] * len(words))
        doc.set_ents([Span(doc, i, i + 1, tag[2:]) for i, tag in enumerate(tags) if tag != "O"])
        doc.spans["sc"] = [Span(doc, 0, 1, "PER")]
        doc.user_data.update(lang="xx", id=1, more={"a": [1.5, None]})
        held.add(doc)
    return held.to_bytes()


def columns(sentences: list[Sentence], line: str) -> bytes:
    """Lines of words and tags in some layout."""
    text = "\n".join(
        "".join(
            line.format(n=n, word=word, tag=tag) + "\n"
            for n, (word, tag) in enumerate(zip(words, tags, strict=True), 1)
        )
        for words, tags in sentences
    )
    return text.encode()


def tools(sentences: list[Sentence]) -> dict[str, list[dict[str, Any]]]:
    """Records as each annotation tool writes them."""
    found: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("doccano", "prodigy", "label-studio", "annotate")
    }
    for text in [TEXT, *(" ".join(words) for words, _ in sentences)]:
        end = len(text.split()[0])
        span = {"start": 0, "end": end, "label": "PER"}
        labels = [[0, end, "PER"]]
        found["doccano"].append({"id": 1, "text": text, "label": labels, "meta": {"a": None}})
        tokens = [{"text": text[:end], "start": 0, "end": end, "id": 0, "ws": True}]
        spans = [span | {"token_start": 0, "token_end": 0}]
        found["prodigy"].append(
            {"text": text, "tokens": tokens, "spans": spans, "answer": "accept", "_input_hash": 1}
        )
        value = {"start": 0, "end": end, "text": text[:end], "labels": ["PER"]}
        done = [{"result": [{"type": "labels", "to_name": "text", "value": value}], "id": 7}]
        found["label-studio"].append({"id": 1, "data": {"text": text}, "annotations": done})
        found["annotate"].append({"text": text, "ents": [span | {"text": text[:end]}], "id": 10})
    return found


def lines_of(records: list[dict[str, Any]]) -> bytes:
    """Records, one a line."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def hub(sentences: list[Sentence]) -> list[Case]:
    """The same rows as parquet, plain and compressed, and as `save_to_disk` writes them."""
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet as pq

    names = ["O", *(f"{prefix}-{label}" for label in ("PER", "LOC", "ORG") for prefix in "BIS")]
    table = pa.table(
        {
            "tokens": [words for words, _ in sentences],
            "ner_tags": [[names.index(tag) for tag in tags] for _, tags in sentences],
            "langs": [["xx"] * len(words) for words, _ in sentences],
        }
    )
    features = {"ner_tags": {"feature": {"names": names}}}
    note = json.dumps({"info": {"features": features}})
    table = table.replace_schema_metadata({"huggingface": note})
    cases: list[Case] = []
    for compression in ("none", "snappy", "zstd"):
        parquet = pa.BufferOutputStream()
        pq.write_table(table, parquet, compression=compression, write_page_checksum=False)
        cases.append({"train.parquet": parquet.getvalue().to_pybytes()})
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    state = {"_data_files": [{"filename": "data-0.arrow"}], "_split": "train"}
    info = {"features": features}
    saved = {"data-0.arrow": stream.getvalue().to_pybytes()}
    told = {"state.json": state, "dataset_info.json": info}
    return [*cases, saved | {name: json.dumps(value).encode() for name, value in told.items()}]
