"""Pseudo labels, against plain Python."""

from __future__ import annotations

import pytest
import torch
from helpers.losses import SIZES, crossed_over, make_batch
from helpers.many import many
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_dualner.labels.layout import Layout
from spacy_dualner.teaching.pseudo_labels import pseudo_labels


def test_pseudo_labels_are_crossed_over_between_heads_that_disagree() -> None:
    """The tag head sees a person, the start and end heads a place; each teaches the other."""
    logits = torch.zeros(4, sum(SIZES))
    tag, start, end = logits.split(SIZES, -1)
    tag[:, 0] = start[:, 0] = end[:, 0] = 1.0
    loc, per = 1, 3
    tag[0, 2 * per - 1] = tag[1, 2 * per] = 2.0  # B-PER I-PER O O
    start[2, loc] = end[3, loc] = 2.0  # none none LOC none, none none none LOC
    pseudo = pseudo_labels(logits, Layout([4]))
    assert pseudo.tag.tolist() == [0, 0, 2 * loc - 1, 2 * loc]
    assert pseudo.start.tolist() == [per, 0, 0, 0]
    assert pseudo.end.tolist() == [0, per, 0, 0]


@settings(max_examples=many(25))
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_pseudo_labels_equal_the_oracle(lengths, seed) -> None:
    batch = make_batch(lengths, [False] * len(lengths), seed)
    pseudo = pseudo_labels(batch.teacher, Layout(lengths))
    of_sentences = [crossed_over(*sentence) for sentence in batch.split(batch.teacher)]
    for head, expected in zip(pseudo, zip(*of_sentences, strict=True), strict=True):
        assert head.tolist() == [label for labels in expected for label in labels]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_no_words(lengths) -> None:
    pseudo = pseudo_labels(torch.zeros(0, sum(SIZES)), Layout(lengths))
    assert [tuple(head.shape) for head in pseudo] == [(0,)] * 3
