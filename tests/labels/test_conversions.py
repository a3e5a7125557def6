"""Conversions between tags, start/end labels and spans, against one-word-at-a-time oracles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import oracle
from helpers.many import many
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from torch.utils._python_dispatch import TorchDispatchMode

from spacy_dualner.decoding.decodings import read_tags
from spacy_dualner.labels.conversions import (
    Spans,
    extract_span,
    sequential,
    spans_to_tags,
    tags_to_spans,
)
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE, LabelScheme

moderate = settings(max_examples=many(150))
TYPES = tuple("ABCDEFGH")


def spread(layout: Layout, rows: list[list[int]]) -> torch.Tensor:
    """Sentences as one row with gaps, by the package's own layout."""
    return layout.spread(torch.tensor([label for row in rows for label in row], dtype=torch.long))


def entities(spans: Spans) -> list[tuple[int, int, int]]:
    return list(zip(*(values.tolist() for values in spans), strict=True))


# ExtractSpan


@moderate
@given(case=oracle.any_tags, extra=st.integers(0, 3))
@example(case=(1, [[]]), extra=0)
@example(case=(2, [[2, 2, 4, 3, 4, 2], []]), extra=1)
def test_extract_span_of_any_tags_in_a_padded_batch(case, extra) -> None:
    _, rows = case
    padded = oracle.pad(rows, extra)
    start, end = extract_span(torch.tensor(padded, dtype=torch.long))
    expected = [oracle.extract_span(row) for row in padded]
    assert start.tolist() == [s for s, _ in expected]
    assert end.tolist() == [e for _, e in expected]


@moderate
@given(case=oracle.any_tags)
def test_extract_span_of_any_tags_in_one_row(case) -> None:
    _, rows = case
    layout = Layout([len(row) for row in rows])
    start, end = extract_span(spread(layout, rows))
    expected = [oracle.extract_span(row) for row in rows]
    assert start.tolist() == oracle.in_one_row([s for s, _ in expected])
    assert end.tolist() == oracle.in_one_row([e for _, e in expected])


@moderate
@given(row=st.lists(st.integers(-1, 6), max_size=15))
def test_no_entity_crosses_a_word_without_label(row) -> None:
    start, end = extract_span(torch.tensor(row, dtype=torch.long))
    assert (start.tolist(), end.tolist()) == oracle.extract_span(row)


# Sequential


def unzip(sentence: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [s for s, _ in sentence], [e for _, e in sentence]


@moderate
@given(case=oracle.any_bounds, extra=st.integers(0, 3))
@example(case=(1, [[]]), extra=0)
# A start takes the nearest end of its type over ends of others, and stops at any other start.
@example(case=(2, [[(1, 0), (0, 2), (0, 1), (0, 1)], [(1, 0), (2, 0), (0, 1)]]), extra=0)
def test_sequential_of_any_bounds_in_a_padded_batch(case, extra) -> None:
    n_types, sentences = case
    starts, ends = zip(*map(unzip, sentences), strict=True)
    starts, ends = oracle.pad(starts, extra), oracle.pad(ends, extra)
    tags = sequential(
        torch.tensor(starts, dtype=torch.long), torch.tensor(ends, dtype=torch.long), n_types
    )
    expected = [oracle.sequential(s, e) for s, e in zip(starts, ends, strict=True)]
    assert tags.tolist() == expected


@moderate
@given(case=oracle.any_bounds)
def test_sequential_of_any_bounds_in_one_row(case) -> None:
    n_types, sentences = case
    starts, ends = zip(*map(unzip, sentences), strict=True)
    layout = Layout([len(s) for s in sentences])
    tags = sequential(spread(layout, starts), spread(layout, ends), n_types)
    expected = [oracle.sequential(s, e) for s, e in map(unzip, sentences)]
    assert tags.tolist() == oracle.in_one_row(expected)


@moderate
@given(case=oracle.any_bounds)
def test_the_result_is_well_formed_and_never_overlaps(case) -> None:
    n_types, sentences = case
    starts, ends = zip(*map(unzip, sentences), strict=True)
    starts, ends = (torch.tensor(oracle.pad(b), dtype=torch.long) for b in (starts, ends))
    tags = sequential(starts, ends, n_types)
    assert tags.numel() == 0 or int(tags.max()) <= 2 * n_types
    assert all(oracle.is_well_formed(row) for row in tags.tolist())
    found = entities(tags_to_spans(tags))
    assert all(first <= last for first, last, _ in found)
    assert all(before[1] < after[0] for before, after in pairwise(found))


# Inverses


@moderate
@given(case=oracle.any_entities, extra=st.integers(0, 2))
def test_each_inverts_the_other_on_well_formed_input(case, extra) -> None:
    n_types, sentences = case
    none = [[0] * n for _, n in sentences]
    tags = [oracle.tags_of(e, n) for (e, _), n in zip(sentences, none, strict=True)]
    bounds = [oracle.bounds_of(e, n) for (e, _), n in zip(sentences, none, strict=True)]
    tags = torch.tensor(oracle.pad(tags, extra), dtype=torch.long)
    start, end = (
        torch.tensor(oracle.pad(b, extra), dtype=torch.long) for b in zip(*bounds, strict=True)
    )
    assert torch.equal(sequential(start, end, n_types), tags)
    again = extract_span(tags)
    assert torch.equal(again[0], start) and torch.equal(again[1], end)


@moderate
@given(case=oracle.any_entities)
def test_each_inverts_the_other_in_one_row(case) -> None:
    n_types, sentences = case
    tags = [oracle.tags_of(found, [0] * n) for found, n in sentences]
    layout = Layout([n for _, n in sentences])
    row = spread(layout, tags)
    assert torch.equal(sequential(*extract_span(row), n_types), row)


# Spans


@moderate
@given(case=oracle.any_tags, extra=st.integers(0, 2))
def test_tags_to_spans_lists_the_entities_by_flat_position(case, extra) -> None:
    _, rows = case
    padded = oracle.pad(rows, extra)
    width = len(padded[0])
    expected = [
        (i * width + first, i * width + last, type_)
        for i, row in enumerate(padded)
        for first, last, type_ in oracle.entities_in_tags(row)
    ]
    assert entities(tags_to_spans(torch.tensor(padded, dtype=torch.long))) == expected


@moderate
@given(case=oracle.any_tags)
def test_tags_to_spans_in_one_row(case) -> None:
    _, rows = case
    layout = Layout([len(row) for row in rows])
    found = tags_to_spans(spread(layout, rows))
    sentence, first = layout.locate(found.start.numpy())
    same, last = layout.locate(found.end.numpy())
    assert np.array_equal(sentence, same)
    expected = [
        (i, *entity) for i, row in enumerate(rows) for entity in oracle.entities_in_tags(row)
    ]
    assert list(zip(*(v.tolist() for v in (sentence, first, last, found.type)), strict=True)) == (
        expected
    )


@moderate
@given(case=oracle.any_tags, extra=st.integers(0, 2))
def test_spans_to_tags_repairs_and_inverts(case, extra) -> None:
    _, rows = case
    padded = oracle.pad(rows, extra)
    ill = torch.tensor(padded, dtype=torch.long)
    spans = tags_to_spans(ill)
    mended = spans_to_tags(spans, ill)
    assert mended.tolist() == [oracle.tags_of(oracle.entities_in_tags(row), row) for row in padded]
    assert all(map(torch.equal, tags_to_spans(mended), spans))


@moderate
@given(case=oracle.any_entities)
def test_spans_to_tags_in_one_row(case) -> None:
    _, sentences = case
    tags = [oracle.tags_of(found, [0] * n) for found, n in sentences]
    row = spread(Layout([n for _, n in sentences]), tags)
    assert torch.equal(spans_to_tags(tags_to_spans(row), row), row)


# The repair is the field's


@moderate
@given(case=oracle.any_tags)
def test_ill_formed_tags_are_read_as_seqeval_reads_them(case) -> None:
    _, rows = case
    for row in rows:
        expected = get_entities(oracle.tag_names(row, TYPES))
        mended = oracle.tags_of(oracle.entities_in_tags(row), row)
        assert oracle.is_well_formed(mended)
        assert get_entities(oracle.tag_names(mended, TYPES)) == expected
        found = entities(tags_to_spans(torch.tensor(row, dtype=torch.long)))
        assert [(TYPES[t - 1], first, last) for first, last, t in found] == expected


# Batches of any shape, at once


def test_any_leading_dimensions() -> None:
    tags = torch.randint(-1, 7, (3, 4, 9), generator=torch.Generator().manual_seed(0))
    start, end = extract_span(tags)
    back = sequential(start, end, 3)
    for i in range(3):
        for k in range(4):
            expected = oracle.extract_span(tags[i, k].tolist())
            assert (start[i, k].tolist(), end[i, k].tolist()) == expected
            assert back[i, k].tolist() == oracle.sequential(*expected)


class CountOperations(TorchDispatchMode):
    """Counts the tensor operations within."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("convert", [extract_span, lambda t: sequential(t % 4, (t + 1) % 4, 3)])
def test_the_work_is_done_over_whole_batches(convert) -> None:
    """As many operations for a large batch as for a small one: no loop over words or sentences."""
    counts = []
    for shape in ((1, 2), (60, 90)):
        with CountOperations() as operations:
            convert(torch.ones(shape, dtype=torch.long))
        counts.append(operations.count)
    assert counts[0] == counts[1] > 0


# Layout


@moderate
@given(lengths=st.lists(st.integers(0, 6), max_size=8))
def test_layout_spreads_gathers_and_locates(lengths) -> None:
    layout = Layout(lengths)
    words = torch.arange(sum(lengths))
    row = layout.spread(words)
    numbers = iter(range(sum(lengths)))
    rows = [[next(numbers) for _ in range(n)] for n in lengths]
    assert layout.n_words == len(words)
    assert row.tolist() == oracle.in_one_row(rows)
    assert torch.equal(layout.gather(row), words)
    places = np.flatnonzero(row.numpy() != IGNORE)
    sentence, word = layout.locate(places)
    expected = [(i, k) for i, n in enumerate(lengths) for k in range(n)]
    assert list(zip(sentence.tolist(), word.tolist(), strict=True)) == expected


# Reading predictions


@moderate
@given(case=oracle.any_tags, seed=st.integers(0, 99))
def test_read_tags_by_either_decoding(case, seed) -> None:
    n_types, rows = case
    scheme = LabelScheme.from_types(TYPES[:n_types])
    layout = Layout([len(row) for row in rows])
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(layout.n_words, 4 * n_types + 3, generator=generator)
    parts = logits.split((scheme.n_tags, scheme.n_bounds, scheme.n_bounds), -1)
    best = [part.argmax(-1).split([len(row) for row in rows]) for part in parts]
    tags, starts, ends = ([sentence.tolist() for sentence in head] for head in best)
    by_tag = [oracle.tags_of(oracle.entities_in_tags(t), t) for t in tags]
    by_span = [oracle.sequential(s, e) for s, e in zip(starts, ends, strict=True)]
    assert read_tags(logits, layout, "tag").tolist() == oracle.in_one_row(by_tag)
    assert read_tags(logits, layout, "span").tolist() == oracle.in_one_row(by_span)


# Label scheme


def test_class_numbers() -> None:
    scheme = LabelScheme.from_types(["PER", "LOC", "ORG", "LOC"])
    assert scheme.types == ("LOC", "ORG", "PER")
    assert scheme.tags == ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
    assert (scheme.n_types, scheme.n_tags, scheme.n_bounds) == (3, 7, 4)
    assert [scheme.tag_id(tag) for tag in scheme.tags] == list(range(7))
    with pytest.raises(KeyError):
        scheme.tag_id("B-MISC")
