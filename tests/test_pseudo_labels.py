"""Pseudo labels and how much each counts, against plain Python and enumeration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lattice import all_ways, plain_marginals, shares_of_ways
from test_losses import N_TYPES, SIZES, crossed_over, make_batch, words_of
from torch import Tensor

from spacy_dualner.decoding.lattice import make_lattice
from spacy_dualner.decoding.read import read_spans
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE, HeadValues
from spacy_dualner.teaching.pseudo_labels import PseudoLabels, Words, pseudo_labels
from spacy_dualner.teaching.quotas import Quotas
from spacy_dualner.teaching.settings import PseudoLabelSettings

moderate = settings(deadline=None, max_examples=25)
# What teaches the tag head, and what the start and end heads.
TEACHERS = {"crossed": ("span", "tag"), "joint": ("joint", "joint")}
both_heads = pytest.mark.parametrize("heads", TEACHERS)
# Sentences of few words, annotated or not, and a seed.
small = given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=4),
    st.integers(0, 999),
)
Sentences = list[tuple[int, bool]]


@dataclass
class Read:
    """What one decoding finds in a sentence; of labels those of the tag, start and end head."""

    entities: list[oracle.Entity]
    sureness: list[float]
    labels: tuple[list[int], ...]
    marginals: list[np.ndarray]


def read(logits: Tensor, decode: str) -> Read:
    """Read a sentence alone, going through all ways to place entities."""
    n_words = len(logits)
    layout, like = Layout([n_words]), [0] * n_words
    spans = read_spans(logits, layout, decode)
    entities = list(zip(*(values.tolist() for values in spans), strict=True))
    lattice = make_lattice(logits, layout, decode)
    shares, ways = shares_of_ways(lattice, 0, n_words), all_ways(n_words, N_TYPES)
    sureness = [sum(shares[i] for i, way in enumerate(ways) if e in way) for e in entities]
    labels = (oracle.tags_of(entities, like), *oracle.bounds_of(entities, like))
    return Read(entities, sureness, labels, plain_marginals(lattice, [n_words]))


def given_by(sentences: Sentences, seed: int) -> tuple[Tensor, Words]:
    """A teacher's logits for sentences."""
    lengths, is_source = map(list, zip(*sentences, strict=True))
    return make_batch(lengths, is_source, seed).teacher, words_of(lengths, is_source)


def reads(logits: Tensor, sentences: Sentences, heads: str) -> list[list[Read]]:
    """What teaches the tag head, the start head and the end head, of each sentence."""
    of_tag, of_bounds = TEACHERS[heads]
    rows = []
    for own in logits.split([n for n, _ in sentences]):
        bounds = read(own, of_bounds)
        rows.append([read(own, of_tag), bounds, bounds])
    return rows


def assert_rows(values: HeadValues, rows: list[list[Any]]) -> None:
    """Values of words equal those of each sentence's heads."""
    for head, expected in zip(values, zip(*rows, strict=True), strict=True):
        expected = np.concatenate([np.asarray(row, dtype=float) for row in expected])
        np.testing.assert_allclose(head.numpy(), expected, atol=1e-6, rtol=0)


# Labels


def test_pseudo_labels_are_crossed_over_between_heads_that_disagree() -> None:
    """The tag head sees a person, the start and end heads a place; each teaches the other."""
    logits = torch.zeros(4, sum(SIZES))
    tag, start, end = logits.split(SIZES, -1)
    tag[:, 0] = start[:, 0] = end[:, 0] = 1.0
    loc, per = 1, 3
    tag[0, 2 * per - 1] = tag[1, 2 * per] = 2.0  # B-PER I-PER O O
    start[2, loc] = end[3, loc] = 2.0  # none none LOC none, none none none LOC
    pseudo = pseudo_labels(logits, words_of([4], [False]), PseudoLabelSettings()).labels
    assert pseudo.tag.tolist() == [0, 0, 2 * loc - 1, 2 * loc]
    assert pseudo.start.tolist() == [per, 0, 0, 0]
    assert pseudo.end.tolist() == [0, per, 0, 0]


@moderate
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_pseudo_labels_equal_the_oracle(lengths, seed) -> None:
    batch = make_batch(lengths, [False] * len(lengths), seed)
    words = words_of(lengths, batch.is_source)
    pseudo = pseudo_labels(batch.teacher, words, PseudoLabelSettings())
    expected = [crossed_over(*sentence) for sentence in batch.split(batch.teacher)]
    assert_rows(pseudo.labels, expected)
    assert pseudo.weights is None


@moderate
@small
def test_joint_labels_are_what_joint_decoding_reads(sentences, seed) -> None:
    logits, words = given_by(sentences, seed)
    pseudo = pseudo_labels(logits, words, PseudoLabelSettings(heads="joint"))
    rows = [read(own, "joint").labels for own in logits.split([n for n, _ in sentences])]
    assert_rows(pseudo.labels, rows)


@both_heads
@moderate
@small
def test_soft_labels_are_the_marginals_of_the_other_heads(heads, sentences, seed) -> None:
    logits, words = given_by(sentences, seed)
    pseudo = pseudo_labels(logits, words, PseudoLabelSettings(heads=heads, soft=True))
    rows = [
        [finding.marginals[i] for i, finding in enumerate(row)]
        for row in reads(logits, sentences, heads)
    ]
    assert_rows(pseudo.labels, rows)
    for head, size in zip(pseudo.labels, SIZES, strict=True):
        assert head.shape == (len(logits), size)
        torch.testing.assert_close(head.sum(1), torch.ones(len(logits)))


# Weights


def confidences(findings: list[Read], logits: Tensor, confidence: str) -> list[list[float]]:
    """How sure each head's labels of a sentence are."""
    if confidence == "agreement":
        tag, span = (read(logits, decode).labels[0] for decode in ("tag", "span"))
        return [[float(a == b) for a, b in zip(tag, span, strict=True)]] * 3
    rows = []
    for i, finding in enumerate(findings):
        if confidence == "word":
            row = [finding.marginals[i][word, c] for word, c in enumerate(finding.labels[i])]
        else:
            row = finding.marginals[0][:, 0].tolist()
            for (first, last, _), probability in zip(
                finding.entities, finding.sureness, strict=True
            ):
                row[first : last + 1] = [probability] * (last - first + 1)
        rows.append(row)
    return rows


@both_heads
@pytest.mark.parametrize("confidence", ["word", "entity", "agreement"])
@moderate
@small
def test_labels_count_by_confidence(confidence, heads, sentences, seed) -> None:
    logits, words = given_by(sentences, seed)
    expected = [
        confidences(row, own, confidence)
        for row, own in zip(
            reads(logits, sentences, heads), logits.split([n for n, _ in sentences]), strict=True
        )
    ]
    choice = {"heads": heads, "confidence": confidence}
    pseudo = pseudo_labels(logits, words, PseudoLabelSettings(**choice))
    assert_rows(pseudo.weights, expected)
    hard = pseudo_labels(logits, words, PseudoLabelSettings(heads=heads))
    assert all(map(torch.equal, pseudo.labels, hard.labels))
    if confidence != "agreement":
        above = [[[float(c >= 0.8) for c in row] for row in rows] for rows in expected]
        pseudo = pseudo_labels(logits, words, PseudoLabelSettings(**choice, threshold=0.8))
        assert_rows(pseudo.weights, above)


@both_heads
@moderate
@small
def test_target_sentences_without_entity_weigh_less(heads, sentences, seed) -> None:
    """Where neither of two findings has an entity; annotated sentences count in full."""
    logits, words = given_by(sentences, seed)
    empty, rows = (0.0, 0.3, 2.0)[seed % 3], []
    for row, (n_words, is_source) in zip(reads(logits, sentences, heads), sentences, strict=True):
        found = any(finding.entities for finding in row)
        rows.append([[1.0 if found or is_source else empty] * n_words] * 3)
    pseudo = pseudo_labels(logits, words, PseudoLabelSettings(heads=heads, empty=empty))
    assert_rows(pseudo.weights, rows)


def person(tag: float = -9.0, bounds: float = -9.0) -> Tensor:
    """Three words, the first two a person to the heads by that much more than nothing at all."""
    logits = torch.full((3, sum(SIZES)), -9.0)
    per = 3
    of_tag, start, end = logits.split(SIZES, -1)
    of_tag[:, 0] = start[:, 0] = end[:, 0] = 0.0
    of_tag[0, 2 * per - 1] = of_tag[1, 2 * per] = tag
    start[0, per] = end[1, per] = bounds
    return logits


def test_a_quota_keeps_the_surest_of_a_language() -> None:
    """A sure entity, and one that the tag head alone finds: target, source, another language."""
    sentences = [person(5.0, 5.0), person(tag=0.5), person(tag=0.5), person(tag=0.5)]
    words = words_of([3] * 4, [False, False, True, False])
    words = words._replace(langs=torch.tensor([0, 0, 0, 1]).repeat_interleave(3))
    choice = PseudoLabelSettings(quota=0.5)
    quotas = Quotas(0.5, n_langs=2, n_types=N_TYPES)
    pseudo = pseudo_labels(torch.cat(sentences), words, choice, quotas)
    assert pseudo.labels.start.tolist() == [3, 0, 0] * 4
    assert pseudo.labels.tag.tolist() == [5, 6, 0] + [0] * 9
    # What the tag head finds teaches the start and end heads; the tag head is taught nothing there.
    assert pseudo.weights.tag.tolist() == [1.0] * 12
    dropped = [1.0] * 3 + [0.0, 0.0, 1.0] + [1.0] * 6
    assert pseudo.weights.start.tolist() == pseudo.weights.end.tolist() == dropped


def test_a_finding_that_teaches_all_heads_counts_once() -> None:
    quotas = Quotas(0.5, n_langs=1, n_types=N_TYPES)
    choice = PseudoLabelSettings(heads="joint", quota=0.5)
    pseudo_labels(person(5.0, 5.0), words_of([3], [False]), choice, quotas)
    assert float(quotas.counts.sum()) == 1.0


@both_heads
@moderate
@small
def test_weights_multiply(heads, sentences, seed) -> None:
    logits, words = given_by(sentences, seed)

    def weights(**chosen: Any) -> HeadValues:
        quotas = Quotas(chosen.get("quota", 1.0), 1, N_TYPES)
        choice = PseudoLabelSettings(heads=heads, **chosen)
        return pseudo_labels(logits, words, choice, quotas).weights

    each = [{"confidence": "word"}, {"quota": 0.5}, {"empty": 0.4}]
    together = weights(confidence="word", quota=0.5, empty=0.4)
    for whole, *parts in zip(together, *(weights(**chosen) for chosen in each), strict=True):
        torch.testing.assert_close(whole, parts[0] * parts[1] * parts[2])


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
@pytest.mark.parametrize("soft", [False, True])
@both_heads
def test_no_words(heads, soft, lengths) -> None:
    logits, words = torch.zeros(0, sum(SIZES)), words_of(lengths, [False] * len(lengths))
    for confidence, quota in product(("none", "word", "entity", "agreement"), (0.5, 1.0)):
        choice = PseudoLabelSettings(
            heads=heads, soft=soft, confidence=confidence, quota=quota, empty=0.5
        )
        pseudo = pseudo_labels(logits, words, choice, Quotas(quota, 1, N_TYPES))
        assert [tuple(head.shape) for head in pseudo.labels] == [
            (0, size) if soft else (0,) for size in SIZES
        ]
        assert [len(weights) for weights in pseudo.weights] == [0] * 3


# A choice of words


def test_words_that_are_not_chosen_have_no_label() -> None:
    chosen = torch.tensor([True, False, True])
    weights = HeadValues(*torch.rand(3, 3))
    hard = PseudoLabels(HeadValues(*torch.tensor([[1, 2, 0], [3, 1, 0], [2, 2, 0]])), weights)
    assert torch.stack(tuple(hard.only(chosen).labels)).tolist() == [
        [1, IGNORE, 0], [3, IGNORE, 0], [2, IGNORE, 0]
    ]  # fmt: skip
    soft = PseudoLabels(HeadValues(*(torch.rand(3, size) for size in SIZES)), weights)
    for before, after in zip(soft.labels, soft.only(chosen).labels, strict=True):
        assert torch.equal(after[chosen], before[chosen])
        assert not after[~chosen].any()
    assert hard.only(chosen).weights is weights and soft.only(chosen).weights is weights
