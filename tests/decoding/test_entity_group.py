"""The span group names the entities of the Doc, also after its tokens were merged or split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import srsly
from helpers.corpus import run_cli
from helpers.tiny import SENTENCES
from spacy.language import Language
from spacy.tokens import Doc, DocBin

TEXTS = [" ".join(words) for words, _ in SENTENCES]


def scored(doc: Doc) -> list[tuple[str, str, float]]:
    """Text, type and confidence of each member of the group, which have to be the entities."""
    group = doc.spans["dualner"]
    assert [(e.start, e.end, e.label_) for e in doc.ents] == [
        (e.start, e.end, e.label_) for e in group
    ]
    scores = group.attrs["scores"]
    return [(e.text, e.label_, score) for e, score in zip(group, scores, strict=True)]


def merge_entities(doc: Doc) -> None:
    with doc.retokenize() as retokenizer:
        for ent in doc.ents:
            retokenizer.merge(ent, attrs={"ent_type": ent.label})


def split_first(doc: Doc) -> None:
    """The first token in two, and two others in one: as many tokens as before."""
    first = doc[0]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[2:4])  # "lives in"
        halves = [first.text[:2], first.text[2:]]
        retokenizer.split(first, halves, heads=[(first, 0), (first, 0)])


@pytest.mark.parametrize("change", [merge_entities, split_first])
@pytest.mark.parametrize("look_before", [True, False])
def test_after_retokenisation(
    trained_nlp: Language, change: Callable[[Doc], None], look_before: bool
) -> None:
    for text in (TEXTS[0], f"{TEXTS[0]} {TEXTS[4]}"):
        expected = scored(trained_nlp(text))
        doc = trained_nlp(text)
        if look_before:
            assert scored(doc) == expected
        change(doc)
        assert [(e.text, e.label_) for e in doc.spans["dualner"]] == [e[:2] for e in expected]
        if change is merge_entities:
            assert scored(doc) == expected
            assert all(len(ent) == 1 for ent in doc.spans["dualner"])
            for again in (
                Doc(doc.vocab).from_bytes(doc.to_bytes()),
                next(iter(DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab))),
                doc.copy(),
            ):
                assert scored(again) == expected


def test_a_name_within_a_merged_token_is_that_token(trained_nlp: Language) -> None:
    doc = trained_nlp(TEXTS[0])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:5])  # "in Berlin"
    assert [e.text for e in doc.spans["dualner"]] == ["Anna Smith", "in Berlin"]


def test_the_pipeline_and_the_command(own: Language, tmp_path: Path) -> None:
    expected = [scored(own(text)) for text in TEXTS]
    own.add_pipe("merge_entities")
    for doc, ents in zip(own.pipe(TEXTS, batch_size=2), expected, strict=True):
        assert [e[:2] for e in scored(doc)] == [e[:2] for e in ents]
        assert [e[2] for e in scored(doc)] == pytest.approx([e[2] for e in ents], abs=1e-5)
    own.to_disk(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    status, output = run_cli("dualner", "annotate", tmp_path / "model", tmp_path / "texts.txt",
                             tmp_path / "out.jsonl")  # fmt: skip
    assert status == 0, output
    records = list(srsly.read_jsonl(tmp_path / "out.jsonl"))
    assert [record["text"] for record in records] == TEXTS
    for record, ents in zip(records, expected, strict=True):
        assert [(e["text"], e["label"]) for e in record["ents"]] == [e[:2] for e in ents]
        assert [e["score"] for e in record["ents"]] == pytest.approx([e[2] for e in ents], abs=1e-3)
