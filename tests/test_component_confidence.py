"""Confidences as users meet them: the span group, the threshold, and what travels with a Doc."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from helpers.corpus import run_cli
from helpers.pipeline import time_limit, write_docs
from helpers.tiny import SENTENCES, make_examples, make_nlp, train_nlp
from spacy.cli.find_threshold import find_threshold
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from spacy_dualner.errors import DualNerError

TEXTS = [" ".join(words) for words, _ in SENTENCES]
Row = tuple[int, int, str, float]
Settings = dict[str, object]


@pytest.fixture(scope="module")
def learned(encoder_path: Path) -> bytes:
    """A pipeline that is not sure of everything."""
    return train_nlp(encoder_path, steps=25).to_bytes()


@pytest.fixture
def nlp(encoder_path: Path, learned: bytes) -> Language:
    return make_nlp(encoder_path).from_bytes(learned)


def set_up(nlp: Language, **settings: object) -> Language:
    nlp.get_pipe("dualner").cfg.update(settings)
    return nlp


def group(doc: Doc, key: str = "dualner") -> list[Row]:
    """The spans of the group with their scores."""
    spans = doc.spans[key]
    rows = zip(spans, spans.attrs["scores"], strict=True)
    return [(span.start, span.end, span.label_, score) for span, score in rows]


def ents(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def groups(docs: Iterable[Doc]) -> list[list[Row]]:
    return [group(doc) for doc in docs]


def all_scores(nlp: Language) -> list[float]:
    return sorted(row[3] for rows in groups(nlp.pipe(TEXTS)) for row in rows)


def middle(nlp: Language) -> float:
    """A threshold that some entities reach and some do not."""
    scores = all_scores(nlp)
    assert scores[0] < scores[-1]
    return scores[len(scores) // 2]


# The group


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_the_group_is_aligned_with_the_entities(nlp: Language, decode: str) -> None:
    set_up(nlp, decode=decode)
    docs = list(nlp.pipe(TEXTS))
    assert any(doc.ents for doc in docs)
    for doc in docs:
        assert [row[:3] for row in group(doc)] == ents(doc)
        for *_, score in group(doc):
            assert type(score) is float and 0 <= score <= 1
        json.dumps(doc.spans["dualner"].attrs)
    assert len(set(all_scores(nlp))) > 1


def test_the_group_is_there_where_nothing_is_found(nlp: Language) -> None:
    for doc in [*nlp.pipe(["", " ", "nothing happens here"]), nlp("")]:
        doc.spans["dualner"].attrs["scores"].append("changed")
        again = nlp(doc.text)
        assert not group(again) or doc.text.strip()
    set_up(nlp, threshold=1.0)
    for doc in nlp.pipe(TEXTS):
        assert group(doc) == [] == ents(doc)


def test_what_is_surer_of_scores_higher(nlp: Language, trained_nlp: Language) -> None:
    """More training on the same sentences: higher confidence."""
    fewer, more = all_scores(nlp), all_scores(trained_nlp)
    assert sum(fewer) / len(fewer) < sum(more) / len(more)


def test_scores_do_not_depend_on_the_batch(nlp: Language) -> None:
    texts = [*TEXTS, "", "Anna Smith lives in Berlin . " * 40, "  "]
    together = [row for rows in groups(nlp.pipe(texts, batch_size=99)) for row in rows]
    alone = [row for rows in groups(map(nlp, texts)) for row in rows]
    assert [row[:3] for row in together] == [row[:3] for row in alone]
    assert [row[3] for row in together] == pytest.approx([row[3] for row in alone], abs=1e-4)


def test_no_key_no_group(nlp: Language) -> None:
    expected = [ents(doc) for doc in nlp.pipe(TEXTS)]
    for threshold in (0.0, 1e-9):
        set_up(nlp, spans_key=None, threshold=threshold)
        docs = list(nlp.pipe(TEXTS))
        assert not any(doc.spans for doc in docs)
        assert [ents(doc) for doc in docs] == expected
    set_up(nlp, threshold=1.0)
    assert not any(doc.ents for doc in nlp.pipe(TEXTS))


def test_other_groups_stay_and_an_earlier_one_is_replaced(nlp: Language) -> None:
    set_up(nlp, spans_key="names")
    for text in ("Anna Smith lives in Berlin .", "nothing happens here"):
        doc = nlp.make_doc(text)
        doc.spans["mine"] = [doc[:2]]
        doc.spans["names"] = [Span(doc, 1, 2, label="OLD")]
        doc = nlp(doc)
        assert set(doc.spans) == {"mine", "names"}
        assert [span.text for span in doc.spans["mine"]] == [doc[:2].text]
        assert [row[:3] for row in group(doc, "names")] == ents(doc)
        assert doc.spans["names"].name == "names"


def test_settings_come_from_the_config(encoder_path: Path, learned: bytes) -> None:
    settings: Settings = {"threshold": 0.5, "spans_key": "names", "keep_candidates": True}
    nlp = make_nlp(encoder_path, **settings)
    assert {key: nlp.get_pipe("dualner").cfg[key] for key in settings} == settings
    assert make_nlp(encoder_path, spans_key=None).get_pipe("dualner").cfg["spans_key"] is None
    temperature = {"span": 2.0, "tag": 3.0, "joint": 4.0}
    nlp = make_nlp(encoder_path, temperature=temperature)
    assert nlp.get_pipe("dualner").cfg["temperature"] == temperature


# Threshold and candidates


def test_the_threshold_drops_what_is_less_sure(nlp: Language) -> None:
    before = groups(nlp.pipe(TEXTS))
    set_up(nlp, threshold=(limit := middle(nlp)))
    docs = list(nlp.pipe(TEXTS))
    expected = [[row for row in rows if row[3] >= limit] for rows in before]
    assert [[row[:3] for row in rows] for rows in expected] == [ents(doc) for doc in docs]
    assert [[row[:3] for row in rows] for rows in expected] == [
        [row[:3] for row in rows] for rows in groups(docs)
    ]
    assert 0 < sum(map(len, expected)) < sum(map(len, before))
    assert all(token.ent_iob for doc in docs for token in doc)


def test_a_threshold_of_each_type(nlp: Language) -> None:
    before = groups(nlp.pipe(TEXTS))
    table = {"PER": 1.0, "LOC": middle(nlp)}
    set_up(nlp, threshold=table)
    docs = list(nlp.pipe(TEXTS))
    expected = [[row for row in rows if row[3] >= table.get(row[2], 0)] for rows in before]
    assert [[row[:3] for row in rows] for rows in expected] == [ents(doc) for doc in docs]
    left = {row[2] for rows in expected for row in rows}
    assert left == {"LOC", "ORG"} < {row[2] for rows in before for row in rows}
    scores = nlp.get_pipe("dualner").predict(docs)
    decoded = nlp.get_pipe("dualner").decode(docs, scores)
    assert [[(e.start, e.end, e.label_) for e in found] for found in decoded] == [
        ents(doc) for doc in docs
    ]
    set_up(nlp, spans_key=None)
    assert [ents(doc) for doc in nlp.pipe(TEXTS)] == [ents(doc) for doc in docs]


@pytest.mark.parametrize("threshold", [0.25, {"PER": 0.5, "ORG": 0.25}])
def test_a_threshold_is_stored(
    encoder_path: Path, learned: bytes, threshold: object, tmp_path: Path
) -> None:
    """In the config and with the component, by way of a config file and of `nlp.config`."""
    made = make_nlp(encoder_path, threshold=threshold)
    made.config.to_disk(tmp_path / "config.cfg")
    config = spacy.util.load_config(tmp_path / "config.cfg")
    filled = spacy.util.load_model_from_config(config, auto_fill=True)
    for nlp in (made, filled):
        assert nlp.get_pipe("dualner").cfg["threshold"] == threshold
    pipe = make_nlp(encoder_path).from_bytes(learned).get_pipe("dualner")
    pipe.cfg["threshold"] = threshold
    pipe.to_disk(tmp_path / "pipe")
    made = make_nlp(encoder_path, threshold=0.75).from_bytes(learned)
    for again in (made.get_pipe("dualner").from_disk(tmp_path / "pipe"),
                  made.get_pipe("dualner").from_bytes(pipe.to_bytes())):  # fmt: skip
        assert again.cfg["threshold"] == threshold


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (1.5, "The threshold is 1.5. Give a number from 0 to 1."),
        ("high", "The threshold is 'high'."),
        ({"PER": -1}, "The threshold of PER is -1. Give a number"),
        (
            {"PER": 0.5, "PRODUCT": 0.5, "GPE": 0.1},
            "a threshold for GPE, PRODUCT, which the pipeline does not know. "
            "Its types are: LOC, ORG, PER.",
        ),
    ],
)
def test_a_threshold_that_is_none(nlp: Language, threshold: object, said: str) -> None:
    """Said when it is used, and when it is loaded."""
    pipe = nlp.get_pipe("dualner")
    stored = pipe.to_bytes()
    set_up(nlp, threshold=threshold)
    with pytest.raises(DualNerError, match=said):
        nlp(TEXTS[0])
    spoilt = srsly.msgpack_loads(stored) | {"cfg": srsly.json_dumps(pipe.cfg).encode()}
    with pytest.raises(DualNerError, match=said):
        pipe.from_bytes(srsly.msgpack_dumps(spoilt))


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), "warm"])
def test_a_temperature_that_is_none(nlp: Language, temperature: object) -> None:
    """Said when it is used, and when it is loaded; with 0, nothing was found any more."""
    pipe = nlp.get_pipe("dualner")
    stored = pipe.to_bytes()
    set_up(nlp, temperature={"span": temperature})
    said = f"The temperature of span is {temperature!r}. Give a number above 0."
    with pytest.raises(DualNerError, match=said):
        nlp(TEXTS[0])
    cfg = json.dumps(pipe.cfg).encode()
    if temperature == temperature:  # JSON has no NaN
        with pytest.raises(DualNerError, match=said):
            pipe.from_bytes(srsly.msgpack_dumps(srsly.msgpack_loads(stored) | {"cfg": cfg}))


def test_a_threshold_for_a_type_that_the_training_text_lacks(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path, threshold={"PRODUCT": 0.5})
    with pytest.raises(DualNerError, match="a threshold for PRODUCT"):
        nlp.initialize(lambda: make_examples(nlp))


def test_candidates_are_kept_in_the_group_alone(nlp: Language) -> None:
    before = groups(nlp.pipe(TEXTS))
    set_up(nlp, threshold=(limit := middle(nlp)), keep_candidates=True)
    docs = list(nlp.pipe(TEXTS))
    assert groups(docs) == before
    assert [ents(doc) for doc in docs] == [
        [row[:3] for row in rows if row[3] >= limit] for rows in before
    ]


def test_a_higher_temperature_is_less_sure(nlp: Language) -> None:
    before = [ents(doc) for doc in nlp.pipe(TEXTS)], sum(all_scores(nlp))
    # As what fits one may give it.
    set_up(nlp, temperature={"span": np.float32(3.0), "tag": 1.0, "joint": 1.0})
    after = [ents(doc) for doc in nlp.pipe(TEXTS)], sum(all_scores(nlp))
    assert after[0] == before[0] and after[1] < before[1]
    # Each decoding has its own.
    set_up(nlp, temperature={"span": 1.0, "tag": 3.0, "joint": 3.0})
    assert sum(all_scores(nlp)) == pytest.approx(before[1])


def test_earlier_entities_without_overwrite(nlp: Language) -> None:
    """They stay in `doc.ents`; the group holds what was found beside them."""
    set_up(nlp, overwrite=False)
    doc = Doc(nlp.vocab, words=SENTENCES[0][0])
    free = nlp(doc.copy())
    assert len(free.ents) > 1
    first = free.ents[0]
    doc.set_ents([Span(doc, first.start, first.start + 1, label="OLD")])
    doc = nlp(doc)
    old = (first.start, first.start + 1, "OLD")
    found = [row for row in group(free) if row[0] >= first.end]
    assert group(doc) == found
    assert ents(doc) == [old, *(row[:3] for row in found)]


# Docs that travel


def by_bytes(docs: list[Doc], path: Path) -> list[Doc]:
    return [Doc(spacy.blank("xx").vocab).from_bytes(doc.to_bytes()) for doc in docs]


def by_docbin(docs: list[Doc], path: Path) -> list[Doc]:
    DocBin(docs=docs).to_disk(path / "docs.spacy")
    return list(DocBin().from_disk(path / "docs.spacy").get_docs(spacy.blank("xx").vocab))


def by_copy(docs: list[Doc], path: Path) -> list[Doc]:
    return [doc.copy() for doc in docs]


@pytest.mark.parametrize("way", [by_bytes, by_docbin, by_copy])
@pytest.mark.parametrize("texts", [TEXTS, ["", " "]])
def test_docs_travel_with_their_scores(
    nlp: Language, way: Callable, texts: list[str], tmp_path: Path
) -> None:
    docs = list(nlp.pipe(texts))
    again = way(docs, tmp_path)
    assert groups(again) == groups(docs)
    assert [ents(doc) for doc in again] == [ents(doc) for doc in docs]


def test_two_processes_give_the_same_scores(nlp: Language) -> None:
    with time_limit(60):
        alone = groups(nlp.pipe(TEXTS * 2, batch_size=2))
        both = groups(nlp.pipe(TEXTS * 2, batch_size=2, n_process=2))
    assert both == alone and any(both)


# Commands


@pytest.fixture
def folder(nlp: Language, tmp_path: Path) -> Path:
    nlp.to_disk(tmp_path / "model")
    write_docs(tmp_path / "docs.spacy")
    return tmp_path


@pytest.mark.parametrize("n_process", [1, 2])
def test_apply_writes_the_group(nlp: Language, folder: Path, n_process: int) -> None:
    srsly.write_jsonl(folder / "texts.jsonl", [{"text": text} for text in TEXTS])
    out = folder / "out.spacy"
    with time_limit(60):
        status, _ = run_cli(
            "apply", folder / "model", folder / "texts.jsonl", out, "--n-process", n_process
        )
    assert status == 0
    docs = list(DocBin().from_disk(out).get_docs(spacy.blank("xx").vocab))
    assert groups(docs) == groups(nlp.pipe(TEXTS, batch_size=1))
    for doc in docs:
        assert [row[:3] for row in group(doc)] == ents(doc)


def test_find_threshold(nlp: Language, folder: Path) -> None:
    """The score falls where the threshold drops what is right, down to 0."""
    data = folder / "docs.spacy"
    arguments = (folder / "model", data, "dualner", "threshold", "ents_f")
    status, output = run_cli("find-threshold", *arguments, "--n_trials", 5)
    assert status == 0
    assert "Best threshold" in output and "All scores are identical" not in output
    best, score, scores = find_threshold(*arguments, n_trials=5)
    assert list(scores) == [0.0, 0.25, 0.5, 0.75, 1.0]
    expected = {}
    examples = [
        spacy.training.Example(nlp.make_doc(doc.text), doc)
        for doc in DocBin().from_disk(data).get_docs(nlp.vocab)
    ]
    for threshold in scores:
        set_up(nlp, threshold=threshold)
        expected[threshold] = nlp.evaluate(examples)["ents_f"]
    assert scores == expected
    assert len(set(scores.values())) > 1 and scores[1.0] == 0.0
    assert score == max(scores.values()) == scores[best]


def test_evaluate_heeds_the_threshold(nlp: Language, folder: Path) -> None:
    """What is set in a pipeline is stored with it and counts in every command."""
    set_up(nlp, threshold=1.0).to_disk(folder / "strict")
    for name, check in (("model", lambda f: f > 0), ("strict", lambda f: f == 0)):
        out = folder / f"{name}.json"
        run_cli("evaluate", folder / name, folder / "docs.spacy", "--output", out)
        assert check(srsly.read_json(out)["ents_f"])
