"""What `annotate` writes for annotation tools, and that `convert` reads it as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import spacy
from helpers.annotate import ROWS, TEXTS, expected, write_input
from helpers.corpus import run_cli
from helpers.texts import made_docs, words_and_entities
from spacy.tokens import Doc, SpanGroup
from spacy.vocab import Vocab

from spacy_dualner.annotation.annotate import annotate
from spacy_dualner.annotation.annotate_settings import AnnotateSettings
from spacy_dualner.annotation.json_writers import Maker
from spacy_dualner.annotation.writers import OUTPUTS, TOOLS, output_form
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.tally import Tally
from spacy_dualner.errors import DataError, DualNerError

MAKER = Maker(["found"], "xx_dualner 1.0")


def written(path: Path, tool: str, docs: Sequence[Doc], carried: dict[str, Any]) -> list[Any]:
    """The records of a file for a tool, in two batches."""
    form = output_form(path, tool)
    joined = path.with_name("joined")
    parts = docs[: len(docs) // 2], docs[len(docs) // 2 :]
    joined.write_bytes(b"".join(form.encode(p, [carried] * len(p), MAKER) for p in parts))
    form.finish(joined, path)
    content = path.read_text(encoding="utf-8")
    return json.loads(content) if tool == "label-studio" else list(map(json.loads, lines(content)))


def lines(content: str) -> list[str]:
    return content.removesuffix("\n").split("\n")


def as_submitted(task: dict[str, Any]) -> dict[str, Any]:
    """What Label Studio exports of a task whose prediction was submitted as it is."""
    (prediction,) = task.pop("predictions")
    submitted = {"was_cancelled": False, "result": prediction["result"]}
    return {"id": 1, "annotations": [submitted], "predictions": [], **task}


AS_EXPORTED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "": lambda record: record,
    "doccano": lambda record: {"id": 1, **record, "Comments": []},
    "prodigy": lambda record: {**record, "_input_hash": 1, "answer": "accept"},
    "label-studio": as_submitted,
}


@pytest.mark.parametrize("tool", ["", *TOOLS])
def test_round_trip_of_made_texts(tmp_path, tool) -> None:
    docs = made_docs(2000)
    ending = TOOLS[tool].ending if tool else ".jsonl"
    records = written(tmp_path / f"out{ending}", tool, docs, {"id": 7})
    exported = list(map(AS_EXPORTED[tool], records))
    whole = tool == "label-studio"
    dumped = [json.dumps(exported)] if whole else map(json.dumps, exported)
    source = tmp_path / f"export{ending}"
    source.write_text("\n".join(dumped), encoding="utf-8")
    tally = Tally()
    convert(source, tmp_path / "corpus", langs=["de"], types=["all"], tally=tally)
    found = list(read_docs(tmp_path / "corpus" / "train" / "de.spacy", Vocab()))
    assert list(map(words_and_entities, found)) == list(map(words_and_entities, docs))
    (file,) = tally.files
    assert (file.read, file.used, file.notes(), file.warnings()) == (2000, 2000, [], [])


def scored_doc() -> Doc:
    doc = Doc(
        Vocab(), words=["Anna", "Berg", "in", "😀", "Bonn"], ents=["B-PER", "I-PER", *"OO", "B-LOC"]
    )
    doc.spans["found"] = SpanGroup(doc, spans=doc.ents, attrs={"scores": [0.98765, 0.5]})
    return doc


def test_doccano(tmp_path) -> None:
    carried = {"label": "news", "meta": 1}
    (record, _) = written(tmp_path / "a.jsonl", "doccano", [scored_doc()] * 2, carried)
    assert record == {
        "text": "Anna Berg in 😀 Bonn ",
        "label": [[0, 9, "PER"], [15, 19, "LOC"]],
        "scores": [0.9877, 0.5],
        "input_label": "news",
        "meta": 1,
    }


def test_prodigy(tmp_path) -> None:
    carried = {"answer": "accept", "_task_hash": 3, "meta": {"source": "x"}}
    (record, _) = written(tmp_path / "a.jsonl", "prodigy", [scored_doc()] * 2, carried)
    assert record["spans"][1] == {
        "start": 15,
        "end": 19,
        "label": "LOC",
        "score": 0.5,
        "text": "Bonn",
        "token_start": 4,
        "token_end": 4,
    }
    token = {"text": "Berg", "start": 5, "end": 9, "id": 1, "ws": True}
    assert record["tokens"][1] == token
    assert record["meta"] == {"source": "x"}
    assert (record["input_answer"], record["input__task_hash"]) == ("accept", 3)
    assert "answer" not in record


def test_label_studio(tmp_path) -> None:
    (task, _) = written(tmp_path / "a.json", "label-studio", [scored_doc()] * 2, {"text": "old"})
    assert task["data"] == {"text": "Anna Berg in 😀 Bonn ", "input_text": "old"}
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("xx_dualner 1.0", 0.5)
    assert prediction["result"][0] == {
        "id": "entity0",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "score": 0.9877,
        "value": {"start": 0, "end": 9, "text": "Anna Berg", "labels": ["PER"]},
    }


def test_no_text_is_an_empty_list(tmp_path) -> None:
    assert written(tmp_path / "a.json", "label-studio", [], {}) == []


def test_names_that_do_not_fit(tmp_path) -> None:
    for path, tool, fault in [
        ("a.jsonl", "label-studio", r"a.jsonl: OUTPUT has to end in .json\."),
        ("a.json", "", "has to end in one of .jsonl, .conll, .spacy"),
        ("a.spacy", "doccano", "has to end in .jsonl"),
        ("a.jsonl", "brat", "Unknown --output-form 'brat'. Choose one of: doccano, prodigy"),
    ]:
        with pytest.raises(DualNerError, match=fault):
            output_form(Path(path), tool)
    assert output_form(Path("a.JSONL")) is OUTPUTS[".jsonl"]


def test_what_a_pipeline_finds_comes_back(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", ROWS)
    target = tmp_path / "out.jsonl"
    status, output = run_cli("dualner", "annotate", model, source, target, "-o", "doccano")
    assert status == 0, output
    records = list(map(json.loads, lines(target.read_text())))
    assert [record["id"] for record in records] == [row["id"] for row in ROWS]
    scores = [score for record in records for score in record["scores"]]
    assert scores and all(0 < score <= 1 for score in scores)
    convert(target, tmp_path / "corpus", langs=["de"], form="doccano")
    docs = read_docs(tmp_path / "corpus" / "train" / "de.spacy", Vocab())
    found = [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]
    assert found == [ents for _, ents in expected(model, TEXTS)]


def test_the_version_of_the_pipeline_is_named(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS[:1])
    annotate(model, source, tmp_path / "a.json", AnnotateSettings(output_form="label-studio"))
    (task,) = json.loads((tmp_path / "a.json").read_text())
    meta = spacy.load(model).meta
    named = f"{meta['lang']}_{meta['name']} {meta['version']}"
    assert task["predictions"][0]["model_version"] == named


def test_a_run_goes_on_in_its_own_form_only(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", [*ROWS, {"text": 3}])
    settings = AnnotateSettings(output_form="prodigy", strict=True, batch_size=2)
    with pytest.raises(DataError):
        annotate(model, source, tmp_path / "out.jsonl", settings)
    other = replace(settings, resume=True, strict=False)
    for form in ("doccano", ""):
        with pytest.raises(DualNerError, match="is of a run with another output form"):
            annotate(model, source, tmp_path / "out.jsonl", replace(other, output_form=form))
    annotate(model, source, tmp_path / "out.jsonl", other)
    records = list(map(json.loads, lines((tmp_path / "out.jsonl").read_text())))
    assert len(records) == len(ROWS) and all("spans" in record for record in records)
