"""Losses and the objective of stage 2, against plain formulas."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from helpers import oracle
from helpers.losses import (
    N_TYPES,
    SIZES,
    Batch,
    classes,
    crossed_over,
    make_batch,
    objective,
    pull_by_pairs,
    randn,
)
from helpers.many import many
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_dualner.encoder.heads import split_logits
from spacy_dualner.labels.scheme import IGNORE, HeadValues
from spacy_dualner.teaching.objective import stage2_loss
from spacy_dualner.teaching.settings import ConfigSchemaTeaching
from spacy_dualner.training.losses import labelled_loss, self_teaching_loss

moderate = settings(max_examples=many(40))
ONES = HeadValues(*torch.ones(3, dtype=torch.float64))


# Labelled words


def cross_entropy(logits: Tensor, labels: list[int]) -> Tensor:
    """Sum over words with a label."""
    terms = [
        -torch.log(torch.softmax(x, -1)[k]) for x, k in zip(logits, labels, strict=True) if k >= 0
    ]
    return sum(terms, logits.new_zeros(()))


def random_labels(n_words: int, seed: int) -> HeadValues:
    generator = torch.Generator().manual_seed(seed)
    return HeadValues(*(torch.randint(-1, k, (n_words,), generator=generator) for k in SIZES))


@moderate
@given(n_words=st.integers(0, 8), seed=st.integers(0, 99))
def test_labelled_loss_is_a_mean_over_labelled_words_of_each_head(n_words, seed) -> None:
    logits = HeadValues(*(randn(n_words, k, seed=seed) for k in SIZES))
    labels = random_labels(n_words, seed)
    weights = HeadValues(*torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64))
    expected = 0.0
    for x, y, weight in zip(logits, labels, weights, strict=True):
        known = sum(label >= 0 for label in y.tolist())
        expected = expected + weight * cross_entropy(x, y.tolist()) / max(1, known)
    value = labelled_loss(logits, labels, weights)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)
    value = labelled_loss(logits, labels, ONES, torch.tensor(20))
    expected = sum(cross_entropy(x, y.tolist()) for x, y in zip(logits, labels, strict=True)) / 20
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)


def test_gradient_of_the_labelled_loss() -> None:
    logits = [randn(5, k).requires_grad_() for k in SIZES]
    labels = random_labels(5, 1)
    assert any((y == IGNORE).any() for y in labels)
    for n_words in (None, torch.tensor(9)):
        assert torch.autograd.gradcheck(
            lambda *x, n=n_words: labelled_loss(HeadValues(*x), labels, ONES, n), logits
        )


@pytest.mark.parametrize("n_words", [0, 3])
def test_without_labels_the_loss_is_zero(n_words) -> None:
    logits = [randn(n_words, k).requires_grad_() for k in SIZES]
    labels = HeadValues(*(torch.full((n_words,), IGNORE) for _ in SIZES))
    value = labelled_loss(HeadValues(*logits), labels, ONES)
    value.backward()
    assert value == 0
    assert all(not x.grad.any() for x in logits)


# Self-teaching


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) summed over words."""
    p, q = torch.softmax(teacher, -1), torch.softmax(student, -1)
    return (p * (p / q).log()).sum()


@moderate
@given(n_words=st.integers(0, 8), seed=st.integers(0, 99))
def test_self_teaching_loss_is_a_divergence_from_the_teacher(n_words, seed) -> None:
    student = HeadValues(*(randn(n_words, k, seed=seed) for k in SIZES))
    teacher = HeadValues(*(randn(n_words, k, seed=seed + 1) for k in SIZES))
    mask = randn(n_words, seed=seed) > 0
    value = self_teaching_loss(student, teacher, mask, torch.tensor(11))
    expected = sum(divergence(s[mask], t[mask]) for s, t in zip(student, teacher, strict=True)) / 11
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)
    same = self_teaching_loss(teacher, teacher, mask, torch.tensor(11))
    torch.testing.assert_close(same, torch.zeros_like(same), rtol=0, atol=1e-12)


def test_gradient_of_the_self_teaching_loss() -> None:
    student = [randn(4, k).requires_grad_() for k in SIZES]
    teacher = HeadValues(*(randn(4, k, seed=7) for k in SIZES))
    mask = torch.tensor([True, False, True, True])
    assert torch.autograd.gradcheck(
        lambda *x: self_teaching_loss(HeadValues(*x), teacher, mask, torch.tensor(3)), student
    )


# The objective


def plain_loss(settings: ConfigSchemaTeaching, batch: Batch, share: float = 1.0) -> Tensor:
    """Equations 5 to 10, sentence by sentence."""
    losses = {True: batch.student.new_zeros(()), False: batch.student.new_zeros(())}
    entities, at = [], 0
    for length, source, gold, student, teacher in zip(
        batch.lengths,
        batch.is_source,
        batch.gold,
        batch.split(batch.student),
        batch.split(batch.teacher),
        strict=True,
    ):
        if settings.method == "dual":
            pseudo = sum(map(cross_entropy, student, crossed_over(*teacher)))
        else:
            pseudo = sum(map(divergence, student, teacher))
        if source:
            labels = (gold, *oracle.extract_span(gold))
            losses[True] = (
                losses[True] + 0.5 * sum(map(cross_entropy, student, labels)) + 0.5 * pseudo
            )
        else:
            losses[False] = losses[False] + pseudo
        found = oracle.entities_in_bounds(classes(student[1]), classes(student[2]))
        entities += [(at + first, at + last, type_) for first, last, type_ in found]
        at += length
    total = sum(losses[s] / batch.words(s).clamp(min=1) for s in (True, False))
    if settings.alpha:
        pull = pull_by_pairs(batch.vectors, entities, N_TYPES, settings.mse_norm)
        total = total + settings.alpha * share * pull
    return total


@moderate
@given(
    sentences=st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=6),
    method=st.sampled_from(["dual", "selfkl"]),
    alpha=st.sampled_from([0.0, 0.5]),
    norm=st.sampled_from(["pairs", "set"]),
    seed=st.integers(0, 99),
)
def test_stage2_loss_equals_the_plain_formula(sentences, method, alpha, norm, seed) -> None:
    """0.5 gold + 0.5 pseudo for source words, pseudo alone for target words, and the pull."""
    batch = make_batch(*map(list, zip(*sentences, strict=True)), seed)
    settings = objective(method=method, alpha=alpha, mse_norm=norm)
    value = stage2_loss(settings, *batch.piece(share=0.25))
    torch.testing.assert_close(value, plain_loss(settings, batch, 0.25), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["dual", "selfkl"])
def test_gradient_of_stage2_loss(method) -> None:
    batch = make_batch([4, 3, 5, 2], [True, False, False, True], seed=3)
    piece, vectors, student, teacher = batch.piece()
    assert torch.autograd.gradcheck(
        lambda v, s: stage2_loss(objective(method=method), piece, v, s, teacher),
        (vectors.clone().requires_grad_(), student.clone().requires_grad_()),
    )


@pytest.mark.parametrize("method", ["dual", "selfkl"])
@pytest.mark.parametrize("cuts", [[2], [1, 4], [1, 2, 3, 4, 5]])
def test_pieces_add_up_to_the_batch(method, cuts) -> None:
    """Whatever the pieces hold: source words, target words, or both."""
    batch = make_batch([4, 1, 6, 3, 2, 5], [True, True, False, True, False, False], seed=5)
    settings = objective(method=method, alpha=0.0)
    whole = stage2_loss(settings, *batch.piece())
    bounds = [0, *cuts, len(batch.lengths)]
    pieces = [
        stage2_loss(settings, *batch.piece(b, e, 1 / (len(bounds) - 1)))
        for b, e in pairwise(bounds)
    ]
    torch.testing.assert_close(sum(pieces), whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(whole, plain_loss(settings, batch), rtol=1e-9, atol=0)


@pytest.mark.parametrize("is_source", [True, False])
def test_a_batch_of_one_kind_of_sentences(is_source) -> None:
    batch = make_batch([3, 5], [is_source] * 2, seed=4)
    value = stage2_loss(objective(), *batch.piece())
    assert value.isfinite()
    torch.testing.assert_close(value, plain_loss(objective(), batch), rtol=1e-9, atol=0)


def test_no_gradient_flows_into_the_teacher() -> None:
    batch = make_batch([4, 3, 5], [True, False, True])
    piece, vectors, student, teacher = batch.piece()
    teacher = teacher.clone().requires_grad_()
    stage2_loss(objective(), piece, vectors, student.clone().requires_grad_(), teacher).backward()
    assert teacher.grad is None


def test_the_regulariser_trains_the_vectors_and_not_the_choice_of_spans() -> None:
    batch = make_batch([6, 7, 5], [True, False, True], seed=2)
    student = batch.student
    # Two entities of type 1, one in a source and one in a target sentence; word 3 is in neither.
    student[:, SIZES[0]] = student[:, -SIZES[2]] = 30.0
    for first, last in ((0, 1), (8, 9)):
        student[first, SIZES[0] + 1] = student[last, -SIZES[2] + 1] = 60.0
    gradients = {}
    for alpha in (0.0, 1.0):
        piece, vectors, student, teacher = batch.piece()
        vectors, student = (x.clone().requires_grad_() for x in (vectors, student))
        stage2_loss(objective(alpha=alpha), piece, vectors, student, teacher).backward()
        gradients[alpha] = vectors.grad, student.grad
    assert gradients[0.0][0] is None
    pulled = gradients[1.0][0].abs().sum(-1).nonzero().flatten().tolist()
    assert pulled == [0, 1, 8, 9]
    torch.testing.assert_close(gradients[1.0][1], gradients[0.0][1], rtol=0, atol=0)


def test_split_logits() -> None:
    values = split_logits(torch.arange(4 * N_TYPES + 3)[None])
    assert [v.shape[-1] for v in values] == list(SIZES)
    assert torch.cat(values, -1).tolist() == [list(range(4 * N_TYPES + 3))]
