"""The entity-aware regulariser, against a plain formula."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from helpers.losses import pull_by_pairs, randn
from helpers.many import many
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_dualner.labels.conversions import Spans
from spacy_dualner.teaching.regulariser import Entities, entity_regulariser, gather_entities

N_TYPES = 3
NORMS = ["pairs", "set"]
both = pytest.mark.parametrize("norm", NORMS)
# First word, last word and type of an entity.
Span = tuple[int, int, int]
MIXED: list[Span] = [(0, 1, 1), (1, 1, 1), (3, 5, 1), (2, 4, 2), (4, 4, 2), (5, 5, 3)]


def of_spans(vectors: Tensor, spans: list[Span]) -> Entities:
    return gather_entities(vectors, Spans(*torch.tensor(spans, dtype=torch.long).view(-1, 3).T))


def pull(norm: str, spans: list[Span], vectors: Tensor) -> Tensor:
    return entity_regulariser(of_spans(vectors, spans), N_TYPES, norm)


@settings(max_examples=many(60))
@given(
    spans=st.lists(st.tuples(*[st.integers(0, 6)] * 2, st.integers(1, N_TYPES)), max_size=10),
    norm=st.sampled_from(NORMS),
    seed=st.integers(0, 99),
)
def test_regulariser_equals_the_double_loop(spans, norm, seed) -> None:
    vectors = randn(7, 2, seed=seed)
    expected = pull_by_pairs(vectors, spans, N_TYPES, norm)
    torch.testing.assert_close(pull(norm, spans, vectors), expected, rtol=1e-9, atol=1e-9)


@both
def test_gradient_of_the_regulariser(norm: str) -> None:
    vectors = randn(6, 3).requires_grad_()
    assert torch.autograd.gradcheck(partial(pull, norm, MIXED), vectors)
    (by_function,) = torch.autograd.grad(pull(norm, MIXED, vectors), vectors)
    (by_pairs,) = torch.autograd.grad(pull_by_pairs(vectors, MIXED, N_TYPES, norm), vectors)
    torch.testing.assert_close(by_function, by_pairs, rtol=1e-9, atol=1e-12)


@both
def test_the_regulariser_pulls_together(norm: str) -> None:
    """A step down its gradient brings two entities of one type nearer to each other."""
    spans = [(0, 0, 1), (1, 1, 1), (2, 2, 2)]
    vectors = randn(3, 4).requires_grad_()
    before = pull(norm, spans, vectors)
    (gradient,) = torch.autograd.grad(before, vectors)
    stepped = vectors.detach() - 0.01 * gradient
    assert 0 < pull(norm, spans, stepped) < before
    first, second = ((v[0] - v[1]).norm() for v in (vectors, stepped))
    assert second < first
    assert torch.equal(stepped[2], vectors[2])


@both
@pytest.mark.parametrize("spans", [[], [(0, 1, 2)], [(0, 0, 1), (1, 1, 2), (2, 2, 3)]])
def test_without_a_pair_the_regulariser_is_zero(norm: str, spans: list[Span]) -> None:
    """And its gradient is zero, not NaN."""
    vectors = randn(3, 4).requires_grad_()
    value = pull(norm, spans, vectors)
    value.backward()
    assert value == 0 and not vectors.grad.any()


@both
def test_types_with_fewer_than_two_entities_add_nothing(norm: str) -> None:
    """They still count among the C types that the mean is over."""
    vectors = randn(6, 4)
    pair, lone = [(0, 1, 1), (2, 2, 1)], [(4, 5, 3)]
    of_pair = entity_regulariser(of_spans(vectors, pair), 1, norm)
    assert of_pair > 0
    for spans in (pair, pair + lone):
        value = entity_regulariser(of_spans(vectors, spans), 4, norm)
        torch.testing.assert_close(value, of_pair / 4, rtol=1e-12, atol=0)


@both
def test_the_regulariser_keeps_its_precision(norm: str) -> None:
    """Vectors far from the origin in float32, and half-precision vectors, lose nothing to it."""
    spans = [(i, i + 1, 1) for i in range(8)]
    for vectors in ((randn(9, 4) + 1000).float(), randn(9, 4).bfloat16()):
        value = pull(norm, spans, vectors)
        assert value.dtype == torch.float32
        exact = pull_by_pairs(vectors.double(), spans, N_TYPES, norm)
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=0)


def test_the_regulariser_of_many_entities() -> None:
    """Linear in the number of entities: all pairs of these would be four hundred million."""
    vectors = randn(20_000, 4)
    entities = Entities(vectors, torch.ones(20_000, dtype=torch.long))
    value = entity_regulariser(entities, 1)
    torch.testing.assert_close(value, 2 * vectors.var(0).mean(), rtol=1e-9, atol=0)


def test_entities_are_their_first_and_last_words() -> None:
    vectors = randn(5, 2)
    entities = of_spans(vectors, [(0, 2, 2), (3, 3, 1)])
    assert entities.vectors.tolist() == [
        vectors[0].tolist() + vectors[2].tolist(),
        vectors[3].tolist() * 2,
    ]
    assert entities.type.tolist() == [2, 1]
    assert of_spans(vectors.half(), []).vectors.dtype == torch.float32
