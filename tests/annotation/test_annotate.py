"""`annotate` from input to output: what it finds, bad records, interruptions."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import srsly
from helpers.annotate import ROWS, TEXTS, expected, files_of, read_output, write_input
from helpers.corpus import run_cli
from spacy.language import Language
from spacy.tokens import Doc

from spacy_dualner.annotation import work
from spacy_dualner.annotation.annotate import annotate
from spacy_dualner.annotation.annotate_settings import AnnotateSettings
from spacy_dualner.annotation.readers import open_input
from spacy_dualner.annotation.records import batches
from spacy_dualner.annotation.writers import OUTPUTS
from spacy_dualner.data.docbin import read_docs

# What is found


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("form", ["txt", "jsonl", "csv", "tsv", "spacy"])
def test_each_input_to_each_output(model: str, tmp_path: Path, form: str, output: str) -> None:
    source = write_input(tmp_path / f"in.{form}", ROWS)
    target = tmp_path / f"out{output}"
    done = annotate(model, source, target, AnnotateSettings(batch_size=4))
    found = read_output(target)
    assert found == expected(model, TEXTS)
    n_entities = sum(len(ents) for _, ents in found)
    n_words = sum(len(text.split()) for text in TEXTS)
    assert n_entities > len(TEXTS) / 2
    assert (done.texts, done.entities, done.words) == (len(TEXTS), n_entities, n_words)
    assert sorted(files_of(tmp_path)) == sorted([f"in.{form}", target.name])
    assert not target.with_name(f"{target.name}.partial").exists()


@pytest.mark.parametrize("form", ["jsonl", "csv", "spacy"])
def test_other_keys_are_carried(model: str, tmp_path: Path, form: str) -> None:
    source = write_input(tmp_path / f"in.{form}", ROWS)
    annotate(model, source, tmp_path / "out.jsonl")
    for number, record in enumerate(srsly.read_jsonl(tmp_path / "out.jsonl")):
        assert list(record) == ["text", "ents", "id", "body", "input_ents"]
        assert (record["id"], record["body"]) == (str(number), "")
        assert record["input_ents"] == "x\ny"
        assert isinstance(record["ents"], list)
    annotate(model, source, tmp_path / "out.spacy")
    docs = list(read_docs(tmp_path / "out.spacy", spacy.blank("xx").vocab))
    assert [doc.user_data["id"] for doc in docs] == [row["id"] for row in ROWS]
    assert docs[0].user_data["ents"] == "x\ny"


def test_a_text_key_of_another_name(model: str, tmp_path: Path) -> None:
    rows = [{"text": "a title", "body": text} for text in TEXTS]
    source = write_input(tmp_path / "in.jsonl", rows)
    annotate(model, source, tmp_path / "out.jsonl", AnnotateSettings(text_key="body"))
    assert read_output(tmp_path / "out.jsonl") == expected(model, TEXTS)
    first = next(srsly.read_jsonl(tmp_path / "out.jsonl"))
    assert first["input_text"] == "a title"


def test_scores_are_the_components(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    annotate(model, source, tmp_path / "out.jsonl")
    annotate(model, source, tmp_path / "out.spacy")
    records = srsly.read_jsonl(tmp_path / "out.jsonl")
    docs = read_docs(tmp_path / "out.spacy", spacy.blank("xx").vocab)
    nlp = spacy.load(model)
    n_scores = 0
    for record, written, doc in zip(records, docs, nlp.pipe(TEXTS), strict=True):
        scores = doc.spans["dualner"].attrs["scores"]
        assert [ent["score"] for ent in record["ents"]] == pytest.approx(scores, abs=1e-4)
        assert written.spans["dualner"].attrs["scores"] == pytest.approx(scores, abs=1e-5)
        n_scores += len(scores)
    assert n_scores > len(TEXTS) / 2


def test_entities_of_other_components_have_no_score(model: str, tmp_path: Path) -> None:
    nlp = spacy.load(model)
    ruler = nlp.add_pipe("entity_ruler", before="dualner")
    ruler.add_patterns([{"label": "WORK", "pattern": "happens"}])
    nlp.get_pipe("dualner").cfg["overwrite"] = False
    nlp.to_disk(tmp_path / "model")
    source = write_input(tmp_path / "in.txt", ROWS)
    annotate(str(tmp_path / "model"), source, tmp_path / "out.jsonl")
    ents = [ent for r in srsly.read_jsonl(tmp_path / "out.jsonl") for ent in r["ents"]]
    assert {ent["label"]: "score" in ent for ent in ents} == {
        "WORK": False,
        "PER": True,
        "LOC": True,
        "ORG": True,
    }


@Language.component("test_without_groups")
def without_groups(doc: Doc) -> Doc:
    doc.spans.clear()
    return doc


@pytest.mark.parametrize("kind", ["off", "removed"])
def test_without_the_span_group_there_are_no_scores(model: str, tmp_path: Path, kind: str) -> None:
    nlp = spacy.load(model)
    if kind == "off":
        nlp.get_pipe("dualner").cfg["spans_key"] = None
    else:
        nlp.add_pipe("test_without_groups")
    nlp.to_disk(tmp_path / "model")
    source = write_input(tmp_path / "in.txt", ROWS)
    annotate(str(tmp_path / "model"), source, tmp_path / "out.jsonl")
    assert read_output(tmp_path / "out.jsonl") == expected(model, TEXTS)
    records = srsly.read_jsonl(tmp_path / "out.jsonl")
    assert not any("score" in ent for record in records for ent in record["ents"])


def test_a_pipeline_without_dualner(tmp_path: Path) -> None:
    nlp = spacy.blank("ar")
    patterns = [{"label": "LOC", "pattern": "برلين"}, {"label": "X", "pattern": "Jose\u0301"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(tmp_path / "model")
    texts = ["😀 أنا في برلين اليوم", "👩‍👩‍👧  Jose\u0301 !", ""]
    source = write_input(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    annotate(str(tmp_path / "model"), source, tmp_path / "out.jsonl")
    assert list(srsly.read_jsonl(tmp_path / "out.jsonl")) == [
        {
            "text": texts[0],
            "ents": [{"start": 9, "end": 14, "label": "LOC", "text": "برلين"}],
        },
        {
            "text": texts[1],
            "ents": [{"start": 7, "end": 12, "label": "X", "text": "Jose\u0301"}],
        },
        {"text": "", "ents": []},
    ]


def test_convert_reads_the_conll_output(model: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = write_input(tmp_path / "in.txt", ROWS)
    annotate(model, source, tmp_path / "in" / "train-sw.conll")
    status, _ = run_cli("dualner", "convert", tmp_path / "in", tmp_path / "corpus")
    assert status == 0
    docs = read_docs(tmp_path / "corpus" / "train" / "sw.spacy", spacy.blank("xx").vocab)
    found = [(d.text.strip(), [(e.text, e.label_) for e in d.ents]) for d in docs]
    assert found == expected(model, TEXTS)


def test_memory_is_given_back(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word stays in the vocabulary, and the pipeline is loaded anew now and then."""
    source = write_input(tmp_path / "in.txt", [{"text": f"Anna met n{n}"} for n in range(45)])
    loaded: list[str] = []
    load = spacy.load

    def count(model: str) -> Language:
        loaded.append(model)
        return load(model)

    monkeypatch.setattr(work.spacy, "load", count)
    monkeypatch.setattr(work, "_MAX_STRINGS", 50)
    annotator = work.Annotator(model, OUTPUTS[".jsonl"])
    for batch in batches(open_input(source), (0, 0), 3):
        assert annotator.annotate(batch.records).texts == 3
        assert not any(f"n{n}" in annotator.nlp.vocab.strings for n in range(45))
    assert 1 < len(loaded) < 15


@pytest.mark.parametrize(
    ("name", "content", "counts"),
    [
        ("a.txt", "Anna sings\n\nUlm\r", "3 (3 texts, 0 bad records)"),
        (
            "a.jsonl",
            '{"text": "Anna"}\n\nbad\n\n',
            "4 (1 texts, 1 bad records, 2 others (a header,",
        ),
        (
            "a.csv",
            'id,text\n1,"Anna\nsings"\n2\n',
            "4 (1 texts, 1 bad records, 2 others (a header,",
        ),
        (
            "a.tsv",
            'id\ttext\n1\t"Anna\n2\tUlm"\n',
            "3 (2 texts, 0 bad records, 1 others (a header,",
        ),
    ],
)
def test_lines_in_and_out_add_up(
    model: str, tmp_path: Path, name: str, content: str, counts: str
) -> None:
    (tmp_path / name).write_text(content, newline="")
    for n_texts in ("1", "64"):  # where a batch ends makes no difference
        command = ["dualner", "annotate", model, tmp_path / name, tmp_path / "out.jsonl", "--force"]
        status, printed = run_cli(*command, "--batch-size", n_texts)
        assert status == 0
        assert f"Lines: {counts}" in " ".join(printed.split())


def test_docs_have_no_lines(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.spacy", ROWS)
    status, printed = run_cli("dualner", "annotate", model, source, tmp_path / "out.jsonl")
    assert status == 0
    assert "Lines:" not in printed
