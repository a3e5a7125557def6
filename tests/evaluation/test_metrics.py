"""Entity scores equal seqeval's and spaCy's own, overall, per type and per language."""

from __future__ import annotations

import pytest
import spacy
from helpers import oracle
from helpers.many import many
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from spacy_dualner.scorer import dualner_score, entity_scores, make_scorer, mean_scores

TYPES = ("LOC", "ORG", "PER")
VOCAB = Vocab()


def mend(tags: list[int]) -> list[str]:
    return oracle.tag_names(oracle.tags_of(oracle.entities_in_tags(tags), tags), TYPES)


# Gold and predicted tags of sentences, half of the words agreeing.
tag_pairs = st.lists(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), min_size=1, max_size=8
    ).map(lambda s: (mend([g for g, _, _ in s]), mend([g if same else p for g, p, same in s]))),
    min_size=1,
    max_size=6,
)


def make_example(gold: list[str], predicted: list[str], lang: str | None = None) -> Example:
    words = [f"w{i}" for i in range(len(gold))]
    reference = Doc(VOCAB, words=words, ents=gold)
    if lang is not None:
        reference.user_data["lang"] = lang
    return Example(Doc(VOCAB, words=words, ents=predicted), reference)


@settings(max_examples=many(60))
@given(pairs=tag_pairs)
@example(pairs=[(["O", "O"], ["O", "O"])])
@example(pairs=[(["O", "O"], ["B-LOC", "O"])])
@example(pairs=[(["B-LOC", "I-LOC"], ["O", "O"])])
@example(pairs=[(["B-LOC", "I-LOC"], ["B-LOC", "B-LOC"])])
def test_scores_equal_those_of_spacy(pairs) -> None:
    """In percent here, as fractions there. And those of seqeval's report, to the last bit."""
    tags = [gold for gold, _ in pairs], [predicted for _, predicted in pairs]
    scores = entity_scores(*tags)
    if scores["per_type"]:
        report = classification_report(*tags, output_dict=True, zero_division=0)
        ours = {**scores["per_type"], "micro avg": {key: scores[key] for key in "prf"}}
        for name, own in ours.items():
            row = [report[name][key] for key in ("precision", "recall", "f1-score")]
            assert [100 * float(value) for value in row] == [own[key] for key in "prf"]
    examples = [make_example(*pair) for pair in pairs]
    expected = get_ner_prf(examples)
    for key in "prf":
        assert scores[key] == pytest.approx(100 * (expected[f"ents_{key}"] or 0), abs=1e-9)
    per_type = expected["ents_per_type"] or {}
    assert scores["per_type"].keys() == per_type.keys()
    for type_, row in per_type.items():
        for key in "prf":
            assert scores["per_type"][type_][key] == pytest.approx(100 * row[key], abs=1e-9)


def test_scores_of_known_tags() -> None:
    gold = [["B-LOC", "I-LOC", "O", "B-PER"], ["B-ORG", "O"]]
    predicted = [["B-LOC", "O", "O", "B-PER"], ["O", "O"]]
    scores = entity_scores(gold, predicted)
    assert (scores["p"], scores["r"]) == pytest.approx((50, 100 / 3))
    assert scores["f"] == pytest.approx(40)
    assert {t: row["f"] for t, row in scores["per_type"].items()} == {
        "LOC": 0,
        "ORG": 0,
        "PER": 100,
    }
    assert all(isinstance(scores[key], float) for key in "prf")


@pytest.mark.parametrize("tags", [[], [[]], [["O", "O"], ["O"]]])
def test_scores_without_any_entity_are_zero(tags) -> None:
    assert entity_scores(tags, tags) == {"p": 0.0, "r": 0.0, "f": 0.0, "per_type": {}}


def test_mean_over_languages() -> None:
    rows = [{"p": 10.0, "r": 20.0, "f": 30.0, "per_type": {}}, {"p": 30.0, "r": 0.0, "f": 60.0}]
    assert mean_scores(iter(rows)) == {"p": 20, "r": 10, "f": 45}


# The scorer


def test_scorer_gives_each_language_and_their_mean() -> None:
    right, wrong = (["B-LOC", "O"],) * 2, (["B-LOC", "O"], ["O", "B-PER"])
    groups = {"de": [right, wrong], "sw": [right], "ta": [wrong, wrong, right]}
    examples = [make_example(*p, lang) for lang, pairs in groups.items() for p in pairs]
    scores = dualner_score(examples[::-1])
    alone = {
        lang: get_ner_prf([make_example(*p) for p in pairs])["ents_f"]
        for lang, pairs in groups.items()
    }
    assert {lang: scores[f"ents_f_{lang}"] for lang in groups} == pytest.approx(alone)
    assert scores["ents_f_mean"] == pytest.approx(sum(alone.values()) / 3)
    # The mean over languages is not the score over all sentences, which is there as well.
    assert scores["ents_f_mean"] != pytest.approx(scores["ents_f"])
    overall = get_ner_prf(examples)
    assert {key: scores[key] for key in overall} == overall


def test_scorer_without_languages() -> None:
    examples = [make_example(["B-LOC", "O"], ["B-LOC", "B-PER"])]
    scores = dualner_score(examples, **{"labels": ["LOC"], "decode": "span"})
    assert scores["ents_f_mean"] == scores["ents_f"] == pytest.approx(2 / 3)
    assert not [key for key in scores if key.startswith("ents_f_") and key != "ents_f_mean"]


def test_scorer_reads_its_examples_once() -> None:
    examples = (make_example(["B-LOC"], ["B-LOC"], lang) for lang in ("de", "sw"))
    scores = dualner_score(examples)
    assert (scores["ents_f_de"], scores["ents_f_sw"], scores["ents_f_mean"]) == (1, 1, 1)


def test_sentences_without_annotation_or_entities_do_not_spoil_the_mean() -> None:
    words = ["w0", "w1"]
    unknown = Doc(VOCAB, words=words, user_data={"lang": "xx"})
    examples = [
        make_example(["B-LOC", "O"], ["B-LOC", "O"], "de"),
        Example(Doc(VOCAB, words=words, ents=["B-LOC", "O"]), unknown),
    ]
    assert dualner_score(examples)["ents_f_mean"] == 1
    assert dualner_score([])["ents_f_mean"] is None


def test_scorer_is_registered_and_agrees_with_spacys_scorer() -> None:
    assert registry.scorers.get("spacy-dualner.scorer.v1") is make_scorer
    assert make_scorer() is dualner_score
    examples = [make_example(["B-LOC", "I-LOC", "O"], ["B-LOC", "I-LOC", "B-PER"])]
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner")
    by_spacy = Scorer(nlp).score(examples)
    assert dualner_score(examples)["ents_f"] == by_spacy["ents_f"] == pytest.approx(2 / 3)
