"""The lattice against the enumeration of all ways to place entities."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
import torch
from helpers.oracle import Entity, entities_in_tags
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spacy_dualner.decoding import read as decoding
from spacy_dualner.decoding.confidence import confidences, doubts
from spacy_dualner.decoding.decodings import DECODINGS, read_tags
from spacy_dualner.decoding.lattice import (
    Lattice,
    best_tags,
    expected_entities,
    make_lattice,
    span_log_probs,
)
from spacy_dualner.decoding.read import read_spans
from spacy_dualner.errors import DualNerError
from spacy_dualner.labels.conversions import Spans, tags_to_spans
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE, HeadValues, LabelScheme

OUTSIDE, SINGLE, BEGIN, INSIDE, END = range(5)


@cache
def all_ways(n_words: int, n_types: int) -> list[tuple[Entity, ...]]:
    """Every way to place entities that do not overlap, each as (first, last, type) in order."""
    if n_words == 0:
        return [()]
    ways = list(all_ways(n_words - 1, n_types))
    for first in range(n_words):
        for type_ in range(1, n_types + 1):
            entity = (first, n_words - 1, type_)
            ways += [(*way, entity) for way in all_ways(first, n_types)]
    return ways


@cache
def roles_of_ways(n_words: int, n_types: int) -> np.ndarray:
    """Role and type of each word in each way, as a column of `columns`."""
    rows = []
    for way in all_ways(n_words, n_types):
        row = [0] * n_words
        for first, last, type_ in way:
            for i in range(first, last + 1):
                if first == last:
                    role = SINGLE
                elif i in (first, last):
                    role = BEGIN if i == first else END
                else:
                    role = INSIDE
                row[i] = 1 + (role - 1) * n_types + type_ - 1
        rows.append(row)
    return np.array(rows, dtype=np.int64).reshape(len(rows), n_words)


def columns(lattice: Lattice, places: slice) -> np.ndarray:
    """A sentence's scores side by side, `[words, 4C + 1]`."""
    return torch.cat((lattice.outside[:, None], *lattice[1:]), 1)[places].numpy()


def scores_of_ways(lattice: Lattice, begin: int, n_words: int) -> np.ndarray:
    """The score of each of `all_ways` for the sentence whose first word has the place `begin`."""
    table = columns(lattice, slice(begin, begin + n_words))
    paths = roles_of_ways(n_words, lattice.begin.shape[1])
    return table[np.arange(n_words), paths].sum(1)


def shares_of_ways(lattice: Lattice, begin: int, n_words: int) -> np.ndarray:
    """The probability of each of `all_ways`."""
    scores = scores_of_ways(lattice, begin, n_words)
    return np.exp(scores - np.logaddexp.reduce(scores))


def random_logits(rng: np.random.Generator, n_words: int, n_types: int) -> torch.Tensor:
    size = rng.choice([0.1, 1.0, 5.0, 30.0])
    return torch.from_numpy(rng.normal(size=(n_words, 4 * n_types + 3)) * size)


def as_spans(entities: list[Entity], offset: int) -> Spans:
    table = torch.tensor([(s + offset, e + offset, t) for s, e, t in entities]).view(-1, 3)
    return Spans(*table.T)


@pytest.mark.parametrize("decode", DECODINGS)
def test_equal_to_enumeration(decode: str) -> None:
    """The best path, and the probability of each entity there could be, in 340 batches each."""
    rng = np.random.default_rng(DECODINGS.index(decode))
    n_sets = 0
    while n_sets < 340:
        n_types = int(rng.integers(1, 4))
        lengths = [int(n) for n in rng.integers(0, 7, size=2)]
        layout = Layout(lengths)
        logits = random_logits(rng, sum(lengths), n_types)
        temperature = float(rng.choice([0.5, 1.0, 3.0]))
        lattice = make_lattice(logits, layout, decode).over(temperature)
        found = tags_to_spans(best_tags(lattice))
        begin = 0
        for n_words in lengths:
            if not n_words:
                begin += 1
                continue
            n_sets += 1
            ways = all_ways(n_words, n_types)
            scores = scores_of_ways(lattice, begin, n_words)
            shares = shares_of_ways(lattice, begin, n_words)
            own = tuple(
                (s - begin, e - begin, t)
                for s, e, t in zip(*(v.tolist() for v in found), strict=True)
                if begin <= s < begin + n_words
            )
            assert scores[ways.index(own)] == pytest.approx(scores.max(), abs=1e-9)
            entities = sorted({entity for way in ways for entity in way})
            expected = np.zeros(len(entities))
            number = {entity: i for i, entity in enumerate(entities)}
            for way, share in zip(ways, shares, strict=True):
                for entity in way:
                    expected[number[entity]] += share
            got = span_log_probs(lattice, as_spans(entities, begin)).exp().numpy()
            assert np.abs(got - expected).max() < 1e-9
            begun = np.zeros(n_words + 1)  # with the gap
            for (first, _, _), share in zip(entities, expected, strict=True):
                begun[first] += share
            counts = expected_entities(lattice)[begin : begin + n_words + 1].numpy()
            assert np.abs(counts - begun).max() < 1e-9
            begin += n_words + 1


@pytest.mark.parametrize("decode", DECODINGS)
def test_doubts_are_shares_of_expected_errors(decode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entities found or missed in each way to place them, by the probability of the way."""
    monkeypatch.setattr(decoding, "_LOGITS", 60)  # some sentences at a time
    rng = np.random.default_rng(7)
    lengths = [3, 0, 6, 1, 2, 5]
    layout = Layout(lengths)
    logits = random_logits(rng, sum(lengths), 2)
    lattice = make_lattice(logits, layout, "joint").over(2.0)
    found = list(zip(*(v.tolist() for v in read_spans(logits, layout, decode)), strict=True))
    expected, begin = [], 0
    for n_words in lengths:
        own = {(s - begin, e - begin, t) for s, e, t in found if begin <= s < begin + n_words}
        ways = all_ways(n_words, 2)
        shares = shares_of_ways(lattice, begin, n_words)
        errors = sum(p * len(own ^ {*way}) for way, p in zip(ways, shares, strict=True))
        either = len(own) + sum(p * len(way) for way, p in zip(ways, shares, strict=True))
        expected.append(errors / (either + 1))
        begin += n_words + 1
    got = doubts(logits, layout, decode, temperature=2.0)
    np.testing.assert_allclose(got, expected, atol=1e-9, rtol=0)


def test_scores_are_the_heads_log_probabilities() -> None:
    """One word, one type: each role by hand."""
    logits = torch.tensor([[0.3, -1.0, 0.7, 0.2, -0.4, 1.1, 0.6]], dtype=torch.float64)
    tag, start, end = (logits[0, a:b].log_softmax(0) for a, b in ((0, 3), (3, 5), (5, 7)))
    by_hand = {
        "tag": [tag[0], tag[1], tag[1], tag[2], tag[2]],
        "span": [
            start[0] + end[0],
            start[1] + end[1],
            start[1] + end[0],
            start[0] + end[0],
            start[0] + end[1],
        ],
    }
    both = zip(by_hand["tag"], by_hand["span"], strict=True)
    by_hand["joint"] = [(a + b) / 3 for a, b in both]
    for decode, expected in by_hand.items():
        row = columns(make_lattice(logits, Layout([1]), decode), slice(0, 1))[0]
        values = np.array([float(value) for value in expected])
        np.testing.assert_allclose(row - row[0], values - values[0], atol=1e-12)


@pytest.mark.parametrize("decode", DECODINGS)
def test_a_long_row_is_as_exact_as_a_short_one(decode: str) -> None:
    """Sums over 20,000 words neither drift nor overflow; sentences do not feel one another."""
    rng = np.random.default_rng(0)
    lengths = [3, 20_000, 0, 5]
    logits = random_logits(rng, sum(lengths), 3)
    layout = Layout(lengths)
    lattice = make_lattice(logits, layout, decode)
    spans = tags_to_spans(best_tags(lattice))
    together = span_log_probs(lattice, spans)
    begin = layout.n_places - 6
    alone = make_lattice(logits[-5:], Layout([5]), decode)
    own = tags_to_spans(best_tags(alone))
    last = spans.start >= begin
    assert (spans.start[last] - begin).tolist() == own.start.tolist()
    torch.testing.assert_close(together[last], span_log_probs(alone, own), atol=1e-9, rtol=0)
    assert (together <= 0).all()


def plain_total(table: Tensor, n_types: int, unite: Callable[..., Tensor]) -> Tensor:
    """All paths of a sentence united, word by word, from its scores as `columns` has them."""
    closed, within = torch.zeros(1, dtype=torch.double), None
    for row in table:
        outside, single, begin, inside, end = row.split([1, *[n_types] * 4])
        ways = [outside + closed, single + closed] + ([] if within is None else [within + end])
        opened = begin + closed
        goes_on = [opened] if within is None else [opened, within + inside]
        closed, within = unite(torch.cat(ways), 0)[None], unite(torch.stack(goes_on), 0)
    return closed[0]


def shares_of_roles(lattice: Lattice, begin: int, n_words: int, n_types: int) -> np.ndarray:
    """The probability of each word's roles, as `columns` has them: sums over all entities."""
    first, last = np.triu_indices(n_words)
    places = (torch.from_numpy(begin + x).repeat_interleave(n_types) for x in (first, last))
    spans = Spans(*places, torch.arange(1, n_types + 1).repeat(len(first)))
    shares = span_log_probs(lattice, spans).exp().view(-1, n_types).numpy()
    roles = np.zeros((n_words, 4, n_types))
    for start, end, share in zip(first, last, shares, strict=True):
        if start == end:
            roles[start, SINGLE - 1] += share
        else:
            roles[start, BEGIN - 1] += share
            roles[start + 1 : end, INSIDE - 1] += share
            roles[end, END - 1] += share
    outside = 1 - roles.sum((1, 2))
    return np.hstack((outside[:, None], roles.reshape(n_words, -1)))


@pytest.mark.parametrize("decode", DECODINGS)
def test_many_types(decode: str) -> None:
    """The probability of a role is the derivative of the log sum by its score."""
    n_types, lengths = 66, [7, 0, 40, 1, 12]
    rng = np.random.default_rng(2)
    layout = Layout(lengths)
    lattice = make_lattice(random_logits(rng, sum(lengths), n_types), layout, decode)
    spans = tags_to_spans(best_tags(lattice))
    begin = 0
    for n_words in lengths:
        table = torch.from_numpy(columns(lattice, slice(begin, begin + n_words))).requires_grad_()
        if n_words:
            (shares,) = torch.autograd.grad(plain_total(table, n_types, torch.logsumexp), table)
            got = shares_of_roles(lattice, begin, n_words, n_types)
            np.testing.assert_allclose(got, shares.numpy(), atol=1e-9, rtol=0)
            (path,) = torch.autograd.grad(plain_total(table, n_types, torch.amax), table)
            starts = (path[:, 1 : 2 * n_types + 1].sum(1) > 0).nonzero()[:, 0] + begin
            own = spans.start[(spans.start >= begin) & (spans.start < begin + n_words)]
            assert starts.tolist() == own.tolist()
        begin += n_words + 1


@pytest.mark.parametrize("decode", DECODINGS)
def test_entities_are_read_by_parts(decode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as fit a lattice, which is made once of each; a longer sentence is one part."""
    rng = np.random.default_rng(3)
    lengths = [5, 0, 30, 2, 2, 0, 9]
    layout, logits = Layout(lengths), random_logits(rng, sum(lengths), 3)
    sure = partial(confidences, temperature=2.0)
    spans, whole = decoding.read_entities(logits, layout, decode, sure)
    made: list[int] = []

    def make(logits: Tensor, layout: Layout, decode: str) -> Lattice:
        made.append(layout.n_words)
        return make_lattice(logits, layout, decode)

    monkeypatch.setattr(decoding, "make_lattice", make)
    monkeypatch.setattr(decoding, "_LOGITS", 10 * logits.shape[1])
    again, parts = decoding.read_entities(logits, layout, decode, sure)
    assert made == [5, 30, 4, 9]
    assert len(spans.start) and [v.tolist() for v in again] == [v.tolist() for v in spans]
    torch.testing.assert_close(parts, whole, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        decoding.measure_spans(logits, layout, decode, spans, sure), whole, atol=1e-9, rtol=0
    )


@pytest.mark.parametrize("decode", ["crf", "", "Joint"])
def test_an_unknown_decoding_is_refused(decode: str) -> None:
    logits, layout = torch.zeros(2, 7), Layout([2])
    for read in (make_lattice, read_tags, read_spans):
        with pytest.raises(DualNerError, match=f"'{decode}'.*span, tag"):
            read(logits, layout, decode)
    with pytest.raises(DualNerError, match=r"'joint'.*span, tag"):
        read_tags(logits, layout, "joint")


@pytest.mark.parametrize("decode", DECODINGS)
@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [1], [0, 1, 0]])
def test_few_words(decode: str, lengths: list[int]) -> None:
    layout = Layout(lengths)
    lattice = make_lattice(torch.zeros(sum(lengths), 7), layout, decode)
    tags = best_tags(lattice)
    assert len(tags) == layout.n_places
    assert (tags != IGNORE).sum() == sum(lengths)
    assert len(span_log_probs(lattice, Spans(*torch.zeros(3, 0, dtype=torch.long)))) == 0
    assert len(read_spans(torch.zeros(sum(lengths), 7), layout, decode).start) == 0


# Reading entities


def confident(tags: list[int], n_types: int, start: list[int], end: list[int]) -> torch.Tensor:
    """Logits of heads that are sure of these classes."""
    scheme = LabelScheme(tuple(map(str, range(n_types))))
    sizes = (scheme.n_tags, scheme.n_bounds, scheme.n_bounds)
    parts = [
        20.0 * torch.nn.functional.one_hot(torch.tensor(classes), size)
        for classes, size in zip((tags, start, end), sizes, strict=True)
    ]
    return torch.cat(parts, 1)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_all_decodings_agree_where_all_heads_do(tags: list[int]) -> None:
    expected = entities_in_tags(tags)
    start, end, repaired = [0] * len(tags), [0] * len(tags), [0] * len(tags)
    for first, last, type_ in expected:
        start[first] = end[last] = type_
        repaired[first : last + 1] = [2 * type_] * (last - first + 1)
        repaired[first] = 2 * type_ - 1
    logits = confident(repaired, 3, start, end)
    for decode in DECODINGS:
        found = read_spans(logits, Layout([len(tags)]), decode)
        assert list(zip(*(v.tolist() for v in found), strict=True)) == expected


@given(st.integers(0, 2**32 - 1))
def test_joint_entities_are_likelier_than_not_and_never_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout = Layout([4, 0, 7])
    logits = random_logits(rng, 11, 2)
    found = read_spans(logits, layout, "joint")
    lattice = make_lattice(logits, layout, "joint")
    assert (span_log_probs(lattice, found).exp() >= 0.5).all()
    assert (found.start[1:] > found.end[:-1]).all()
    # No other entity is likelier than not: of two that overlap at most one can be.
    best = tags_to_spans(best_tags(lattice))
    likely = span_log_probs(lattice, best).exp() >= 0.5
    assert found.start.tolist() == best.start[likely].tolist()


def test_joint_outvotes_one_head() -> None:
    """The end head misses an entity that both others see; the greedy reading loses it."""
    heads = HeadValues(
        torch.tensor([[0.0, 4.0, 0.0], [0.0, 0.0, 4.0], [4.0, 0.0, 0.0]]),
        torch.tensor([[0.0, 4.0], [4.0, 0.0], [4.0, 0.0]]),
        torch.tensor([[4.0, 0.0], [0.2, 0.0], [4.0, 0.0]]),
    )
    logits, layout = torch.cat(heads, 1), Layout([3])
    assert not len(read_spans(logits, layout, "span").start)
    joint = read_spans(logits, layout, "joint")
    assert [v.tolist() for v in joint] == [[0], [1], [1]]
