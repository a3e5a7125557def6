"""`select`: which texts it takes, of which languages, and what is left of a bad run."""

from __future__ import annotations

import json
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from helpers.annotate import TEXTS, files_of, read_output
from helpers.corpus import run_cli
from spacy.tokens import Doc, DocBin

from spacy_dualner.annotation.annotate import annotate
from spacy_dualner.annotation.annotate_settings import SelectSettings
from spacy_dualner.annotation.select import select
from spacy_dualner.annotation.shortlist import Shortlist, pattern_of
from spacy_dualner.annotation.writers import OUTPUTS
from spacy_dualner.errors import DataError

VOCAB = spacy.blank("xx").vocab


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    srsly.write_jsonl(path, rows)
    return str(path)


def rows_of(lang: str, n: int) -> list[dict[str, Any]]:
    """Texts that the pipeline cannot know, no two of one template."""
    return [
        {"text": f"{lang}a{'bcdefghij'[i]} Xy Acme {'qrstuvwxy'[i]}", "lang": lang}
        for i in range(n)
    ]


def langs_of(path: Path) -> Counter[str]:
    return Counter(record["lang"] for record in srsly.read_jsonl(path))


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_is_chosen_is_annotated_as_annotate_does(
    model: str, tmp_path: Path, output: str
) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": text, "id": n} for n, text in enumerate(TEXTS)])
    target = tmp_path / f"out{output}"
    langs, read = select(model, source, target, SelectSettings(n=3, batch_size=4))
    assert (langs, read.texts, read.faults) == ({"": 3}, len(TEXTS), 0)
    annotate(model, source, tmp_path / f"all{output}")
    found, every = read_output(target), read_output(tmp_path / f"all{output}")
    assert len({text for text, _ in found}) == 3
    assert all(each in every for each in found)
    if output == ".jsonl":
        for record in srsly.read_jsonl(target):
            assert TEXTS[record["id"]] == record["text"]
            assert all(0 < ent["score"] <= 1 for ent in record["ents"])
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("place", ["before", "after"])
def test_entities_of_other_components_are_there_too(model: str, tmp_path: Path, place: Any) -> None:
    nlp = spacy.load(model)
    nlp.get_pipe("dualner").cfg["overwrite"] = False
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True}, **{place: "dualner"})
    ruler.add_patterns([{"label": "WORK", "pattern": "Xy"}])
    nlp.to_disk(tmp_path / "model")
    source = write(tmp_path / "in.jsonl", rows_of("de", 4))
    annotate(str(tmp_path / "model"), source, tmp_path / "all.jsonl")
    select(str(tmp_path / "model"), source, tmp_path / "out.jsonl")
    key = itemgetter("text")
    found, every = (
        sorted(srsly.read_jsonl(tmp_path / name), key=key) for name in ("out.jsonl", "all.jsonl")
    )
    assert found == every
    assert all("WORK" in [ent["label"] for ent in record["ents"]] for record in found)


def test_the_same_input_gives_the_same_output(model: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows_of("de", 9) + rows_of("sw", 9))
    for name in ("one.jsonl", "two.jsonl"):
        select(model, source, tmp_path / name, SelectSettings(n=6))
    one, two = (files_of(tmp_path)[name] for name in ("one.jsonl", "two.jsonl"))
    assert one == two


def test_each_language_has_its_share(model: str, tmp_path: Path) -> None:
    """Also of the first so many; what one does not have, the others fill up."""
    rows = [*rows_of("de", 9), *rows_of("sw", 9), *rows_of("ja", 1)]
    source = write(tmp_path / "in.jsonl", rows)
    langs, _ = select(model, source, tmp_path / "out.jsonl", SelectSettings(n=9))
    assert langs == langs_of(tmp_path / "out.jsonl") == {"de": 4, "ja": 1, "sw": 4}
    first = [record["lang"] for record in srsly.read_jsonl(tmp_path / "out.jsonl")][:5]
    assert first == ["de", "ja", "sw", "de", "sw"]


def test_docs_name_their_language_too(model: str, tmp_path: Path) -> None:
    docs = [Doc(VOCAB, words=row["text"].split()) for row in rows_of("de", 5) + rows_of("sw", 5)]
    for number, doc in enumerate(docs):
        doc.user_data["lang"] = "de" if number < 5 else "sw"
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "in.spacy")
    langs, _ = select(
        model, str(tmp_path / "in.spacy"), tmp_path / "out.spacy", SelectSettings(n=4)
    )
    assert langs == {"de": 2, "sw": 2}


def test_texts_of_one_template_count_once(model: str, tmp_path: Path) -> None:
    texts = [f"Anna  lives in Berlin since {year} ." for year in range(1950, 1990)]
    source = write(tmp_path / "in.jsonl", [{"text": text} for text in [*texts, "Acme in Rome"]])
    langs, _ = select(model, source, tmp_path / "out.jsonl", SelectSettings(n=20))
    assert langs == {"": 2}


def test_a_pattern_is_of_words_and_not_of_names() -> None:
    def doc(words: str, *tags: str) -> Doc:
        return Doc(VOCAB, words=words.split(), ents=list(tags))

    anna = doc("Anna Smith born 1950", "B-PER", "I-PER", "O", "O")
    assert pattern_of(anna) == pattern_of(doc("Eve BORN 2001", "B-PER", "O", "O"))
    for other in (
        doc("Anna Smith born 1950", "B-LOC", "I-LOC", "O", "O"),
        doc("Anna Smith born 950", "B-PER", "I-PER", "O", "O"),
        doc("Anna Smith died 1950", "B-PER", "I-PER", "O", "O"),
        doc("1950 born Anna", "O", "O", "B-PER"),
    ):
        assert pattern_of(anna) != pattern_of(other)


def test_doubtful_texts_are_drawn_more_often_and_few_are_kept() -> None:
    """One in ten is nine times as doubtful as the others: half of what is drawn first."""
    drawn = 0
    for seed in range(200):
        shortlist = Shortlist(2, seed)
        for n in range(50):
            doc = Doc(VOCAB, words=[chr(ord("a") + n), "x"])
            doubtful = n % 10 == 9
            shortlist.add(doc, 0.9 if doubtful else 0.1, b"doubtful" * doubtful)
            assert len(shortlist._best[""]) == len(shortlist._patterns[""]) <= 2
        drawn += shortlist.chosen()[0] == ("", b"doubtful")
    assert 80 <= drawn <= 120


def test_a_text_without_doubt_is_never_drawn() -> None:
    shortlist = Shortlist(2, 0)
    shortlist.add(Doc(VOCAB, words=["a"]), 0.0, b"")
    assert shortlist.chosen() == []


def test_another_seed_chooses_other_texts(model: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows_of("de", 9))
    for seed in range(4):
        select(model, source, tmp_path / f"{seed}.jsonl", SelectSettings(n=3, seed=seed))
    assert len(set(files_of(tmp_path).values())) > 2


def test_odd_numbers_are_kept_and_what_no_text_can_hold_is_a_fault(
    model: str, tmp_path: Path
) -> None:
    """A batch with a fault is annotated in halves: no text is drawn twice for that."""
    path, rows = tmp_path / "in.jsonl", rows_of("de", 4)
    lines = [json.dumps(row | {"id": 2**70 + n}) for n, row in enumerate(rows)]
    lines[2:2] = ['{"text": "Eve Xy", "id": 1e400}', '{"text": "Eva Xy", "odd": "\\ud800"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    faults: list[DataError] = []
    out = tmp_path / "out.jsonl"
    chosen, read = select(model, str(path), out, SelectSettings(n=9), on_fault=faults.append)
    held = [json.loads(line) for line in out.read_text("utf8").splitlines()]
    assert sorted(record["id"] for record in held) == [2**70 + n for n in range(4)]
    assert chosen == {"de": 4} and [fault.line for fault in faults] == [3, 4]
    assert "1e400 is too large a number" in faults[0].message
    assert read.texts + read.faults == 6


def test_bad_records_are_left_out(model: str, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "Anna Xy"}\n{"text": \n{"text": 5}\n', encoding="utf-8")
    status, printed = run_cli("dualner", "select", model, path, tmp_path / "out.jsonl")
    assert status == 0
    assert f"{path}:2: not JSON" in printed and f"{path}:3: the value of 'text'" in printed
    assert "2 bad records were left out" in printed
    assert "1 of 1 texts (no language 1) written to" in " ".join(printed.split())
    assert [record["text"] for record in srsly.read_jsonl(tmp_path / "out.jsonl")] == ["Anna Xy"]


@pytest.mark.parametrize("rows", [[], [{"text": ""}, {"text": " "}]])
def test_nothing_to_choose(model: str, tmp_path: Path, rows: list[dict[str, str]]) -> None:
    source = write(tmp_path / "in.jsonl", rows)
    status, printed = run_cli("dualner", "select", model, source, tmp_path / "out.jsonl")
    assert status == 1 and "no text that may hold an entity" in " ".join(printed.split())
    assert list(files_of(tmp_path)) == ["in.jsonl"]


def test_what_is_there_stays_without_force(model: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows_of("de", 2))
    (tmp_path / "out.jsonl").write_text("important")
    command = ["dualner", "select", model, source, tmp_path / "out.jsonl"]
    status, printed = run_cli(*command)
    assert status == 1 and "replace it with --force" in " ".join(printed.split())
    assert (tmp_path / "out.jsonl").read_text() == "important"
    assert run_cli(*command, "--force")[0] == 0
    assert langs_of(tmp_path / "out.jsonl") == {"de": 2}
    before = Path(source).read_bytes()
    status, printed = run_cli("dualner", "select", model, source, source, "--force")
    assert status == 1 and "and the INPUT are one" in " ".join(printed.split())
    assert Path(source).read_bytes() == before


def test_a_pipeline_without_dualner(tmp_path: Path) -> None:
    spacy.blank("xx").to_disk(tmp_path / "model")
    source = write(tmp_path / "in.jsonl", rows_of("de", 2))
    status, printed = run_cli("dualner", "select", tmp_path / "model", source, tmp_path / "o.jsonl")
    assert status == 1 and "has no dualner component 'dualner'" in " ".join(printed.split())
