"""The entity-aware regulariser and its variants, against plain formulas."""

from __future__ import annotations

from io import BytesIO
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_dualner.labels.conversions import Spans
from spacy_dualner.teaching.regulariser import (
    Entities,
    EntityMemory,
    Regulariser,
    entity_regulariser,
    gather_entities,
)

moderate = settings(deadline=None, max_examples=60)
N_TYPES = 3
PAIRS = Regulariser()
CONTRASTIVE = Regulariser("contrastive")
VARIANTS = [
    Regulariser(kind, between_langs, normalise)
    for kind in ("pairs", "set", "means")
    for between_langs in (False, True)
    for normalise in (False, True)
] + [Regulariser("contrastive", between_langs, temperature=0.4) for between_langs in (False, True)]
# Type and language of each entity; languages need not be numbered without gaps.
labels = st.lists(st.tuples(st.integers(1, N_TYPES), st.sampled_from([0, 1, 5])), max_size=10)
MIXED = [(1, 0), (1, 0), (1, 1), (1, 5), (2, 0), (2, 1), (2, 1), (3, 1)]


def randn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def entities_of(vectors: Tensor, labelled: list[tuple[int, int]]) -> Entities:
    return Entities(vectors, *torch.tensor(labelled, dtype=torch.long).reshape(-1, 2).T)


def of_spans(vectors: Tensor, spans: list[tuple[int, int, int]], langs=None) -> Entities:
    """Entities of (first word, last word, type); all words of one language by default."""
    columns = torch.tensor(spans, dtype=torch.long).reshape(-1, 3).T
    langs = torch.zeros(len(vectors), dtype=torch.long) if langs is None else langs
    return gather_entities(vectors, Spans(*columns), langs)


# Plain formulas


def plain_pairs(
    variant: Regulariser, labelled: list[tuple[int, int]], r: list[Tensor], n_own: int
) -> Tensor:
    """Equation 9 with its double loop, over pairs with at least one of the first n_own."""
    total = torch.zeros((), dtype=torch.float64)
    for type_ in range(1, N_TYPES + 1):
        of_type = [
            (v, lang, i < n_own)
            for i, (v, (t, lang)) in enumerate(zip(r, labelled, strict=True))
            if t == type_
        ]
        if variant.kind == "means":
            of_type = [
                (torch.stack([v for v, own, _ in of_type if own == lang]).mean(0), lang, True)
                for lang in {lang for _, lang, _ in of_type}
            ]
        pairs = [
            (a - b) ** 2
            for m, (a, of_a, a_counts) in enumerate(of_type)
            for q, (b, of_b, b_counts) in enumerate(of_type)
            if m != q and (of_a != of_b or not variant.between_langs) and (a_counts or b_counts)
        ]
        if pairs and variant.kind == "set":
            n_counting = max(1, sum(counts for _, _, counts in of_type))
            total = total + sum(p.sum() for p in pairs) / n_counting
        elif pairs:
            total = total + sum(p.mean() for p in pairs) / len(pairs)
    return total / N_TYPES


def plain_contrastive(
    variant: Regulariser, labelled: list[tuple[int, int]], r: list[Tensor], n_own: int
) -> Tensor:
    """L_out of Khosla et al., for each anchor the mean over its positives outside the log."""
    unit = [v / v.norm() for v in r]
    of_anchors = []
    for i in range(n_own):
        others = [a for a in range(len(r)) if a != i]
        among = sum(torch.exp(unit[i] @ unit[a] / variant.temperature) for a in others)
        positives = [
            p
            for p in others
            if labelled[p][0] == labelled[i][0]
            and (labelled[p][1] != labelled[i][1] or not variant.between_langs)
        ]
        terms = [
            -torch.log(torch.exp(unit[i] @ unit[p] / variant.temperature) / among)
            for p in positives
        ]
        if terms:
            of_anchors.append(sum(terms) / len(terms))
    return sum(of_anchors) / len(of_anchors) if of_anchors else torch.zeros((), dtype=torch.float64)


def plain(variant: Regulariser, vectors: Tensor, labelled, n_own: int | None = None) -> Tensor:
    r = list(vectors)
    n_own = len(r) if n_own is None else n_own
    if variant.kind == "contrastive":
        return plain_contrastive(variant, labelled, r, n_own)
    if variant.normalise:
        r = [v / v.norm() * len(v) ** 0.5 for v in r]
    return plain_pairs(variant, labelled, r, n_own)


# All variants


@moderate
@given(labelled=labels, variant=st.sampled_from(VARIANTS), seed=st.integers(0, 99))
def test_regulariser_equals_the_double_loop(labelled, variant, seed) -> None:
    vectors = randn(len(labelled), 4, seed=seed)
    value = entity_regulariser(entities_of(vectors, labelled), N_TYPES, variant)
    expected = plain(variant, vectors, labelled)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


@moderate
@given(own=labels, others=labels, variant=st.sampled_from(VARIANTS), seed=st.integers(0, 99))
def test_remembered_entities_are_partners(own, others, variant, seed) -> None:
    """As constants; two of them are no pair."""
    vectors = randn(len(own) + len(others), 4, seed=seed)
    here, there = vectors[: len(own)].clone().requires_grad_(), vectors[len(own) :]
    value = entity_regulariser(entities_of(here, own), N_TYPES, variant, entities_of(there, others))
    expected = plain(variant, torch.cat((here, there)), own + others, len(own))
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(value, here)
    if expected.requires_grad:
        (by_pairs,) = torch.autograd.grad(expected, here)
        torch.testing.assert_close(gradient, by_pairs, rtol=1e-9, atol=1e-9)
    else:
        assert not gradient.any()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gradient_of_the_regulariser(variant) -> None:
    vectors = randn(len(MIXED), 3).requires_grad_()
    remembered = entities_of(randn(3, 3, seed=1), [(1, 1), (2, 0), (3, 0)])
    for memory in (None, remembered):
        assert torch.autograd.gradcheck(
            lambda v, m=memory: entity_regulariser(entities_of(v, MIXED), N_TYPES, variant, m),
            vectors,
        )
    (by_function,) = torch.autograd.grad(
        entity_regulariser(entities_of(vectors, MIXED), N_TYPES, variant), vectors
    )
    (by_pairs,) = torch.autograd.grad(plain(variant, vectors, MIXED), vectors)
    torch.testing.assert_close(by_function, by_pairs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_regulariser_pulls_together(variant) -> None:
    """A step down its gradient brings two entities of one type nearer to each other."""
    labelled = [(1, 0), (1, 1), (2, 0)]
    vectors = randn(3, 4).requires_grad_()
    before = entity_regulariser(entities_of(vectors, labelled), 2, variant)
    (gradient,) = torch.autograd.grad(before, vectors)
    stepped = vectors.detach() - 0.01 * gradient
    after = entity_regulariser(entities_of(stepped, labelled), 2, variant)
    assert 0 < after < before
    if variant.kind == "contrastive" or variant.normalise:
        near = [torch.cosine_similarity(v[0], v[1], dim=0) for v in (vectors, stepped)]
    else:
        near = [-(v[0] - v[1]).norm() for v in (vectors, stepped)]
    assert near[1] > near[0]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("labelled", [[], [(2, 0)], [(1, 0), (2, 0), (3, 1)]])
def test_without_a_pair_the_regulariser_is_zero(variant, labelled) -> None:
    """With anything to compare with or nothing, and its gradient is zero, not NaN."""
    remembered = entities_of(randn(0, 4), [])
    for memory in (None, remembered):
        vectors = randn(len(labelled), 4).requires_grad_()
        value = entity_regulariser(entities_of(vectors, labelled), N_TYPES, variant, memory)
        value.backward()
        assert value == 0 and not vectors.grad.any()


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v.between_langs or v.kind == "means"], ids=str
)
def test_entities_of_one_language_are_left_alone(variant) -> None:
    """Exactly, far from the origin in single precision too."""
    labelled = [(1 + i % 2, i % 2) for i in range(14)]
    vectors = (randn(14, 4) + 1000).float().requires_grad_()
    value = entity_regulariser(entities_of(vectors, labelled), N_TYPES, variant)
    value.backward()
    assert value == 0 and not vectors.grad.any()


# Pairs and set


@pytest.mark.parametrize("kind", ["pairs", "set"])
def test_types_with_fewer_than_two_entities_add_nothing(kind) -> None:
    """They still count among the C types that the mean is over."""
    vectors = randn(6, 4)
    variant = Regulariser(kind)
    pair, lone = [(0, 1, 1), (2, 2, 1)], [(4, 5, 3)]
    of_pair = entity_regulariser(of_spans(vectors, pair), 1, variant)
    assert of_pair > 0
    for spans in (pair, pair + lone):
        value = entity_regulariser(of_spans(vectors, spans), 4, variant)
        torch.testing.assert_close(value, of_pair / 4, rtol=1e-12, atol=0)


def test_the_regulariser_keeps_its_precision() -> None:
    """Vectors far from the origin in float32, and half-precision vectors, lose nothing to it."""
    spans = [(i, i + 1, 1) for i in range(8)]
    langs = torch.arange(9) % 3
    labelled = [(1, i % 3) for i in range(8)]
    far, half = (randn(9, 4) + 1000).float(), randn(9, 4).bfloat16()
    for between_langs in (False, True):
        variant = Regulariser(between_langs=between_langs)
        for vectors in (far, half):
            value = entity_regulariser(of_spans(vectors, spans, langs), N_TYPES, variant)
            assert value.dtype == torch.float32
            exact = plain(variant, of_spans(vectors.double(), spans).vectors, labelled)
            torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=0)


def test_the_regulariser_of_many_entities() -> None:
    """Linear in the number of entities: all pairs of these would be four hundred million."""
    vectors, lang = randn(20_000, 4), torch.arange(20_000) % 2
    entities = Entities(vectors, torch.ones_like(lang), lang)
    value = entity_regulariser(entities, 1, PAIRS)
    torch.testing.assert_close(value, 2 * vectors.var(0).mean(), rtol=1e-9, atol=0)
    even, odd = vectors[::2], vectors[1::2]
    apart = (even.mean(0) - odd.mean(0)).square()
    value = entity_regulariser(entities, 1, Regulariser(between_langs=True))
    spread = even.var(0, correction=0) + odd.var(0, correction=0)
    torch.testing.assert_close(value, (spread + apart).mean(), rtol=1e-9, atol=0)
    value = entity_regulariser(entities, 1, Regulariser("means"))
    torch.testing.assert_close(value, apart.mean(), rtol=1e-9, atol=0)


# Means, contrastive, and the scale


def test_means_leave_the_spread_within_a_language() -> None:
    """All entities of a language move alike, by the difference of the means."""
    labelled = [(1, 0)] * 3 + [(1, 1)] * 2
    vectors = randn(5, 4).requires_grad_()
    value = entity_regulariser(entities_of(vectors, labelled), 1, Regulariser("means"))
    (gradient,) = torch.autograd.grad(value, vectors)
    assert gradient[0].abs().sum() > 0
    torch.testing.assert_close(gradient[:3], gradient[:1].expand(3, -1), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient[3:], gradient[3:4].expand(2, -1), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v.normalise or v.kind == "contrastive"], ids=str
)
def test_normalised_vectors_have_no_length(variant) -> None:
    vectors = randn(len(MIXED), 4)
    longer = vectors * torch.arange(1, len(MIXED) + 1)[:, None]
    value, same = (
        entity_regulariser(entities_of(v, MIXED), N_TYPES, variant) for v in (vectors, longer)
    )
    torch.testing.assert_close(value, same, rtol=1e-12, atol=0)


def test_normalised_pairs_are_distances_of_unit_vectors() -> None:
    """At a right angle the squared distance is 2, whatever the number of dimensions."""
    for width in (2, 7):
        entities = entities_of(3 * torch.eye(2, width), [(1, 0), (1, 0)])
        value = entity_regulariser(entities, 1, Regulariser(normalise=True))
        assert value.item() == pytest.approx(2, rel=1e-6)


def test_the_contrastive_loss_of_vectors_that_say_nothing() -> None:
    """Where all are the same, a partner's share among the n - 1 others is 1 / (n - 1)."""
    entities = entities_of(torch.ones(len(MIXED), 4), MIXED)
    value = entity_regulariser(entities, N_TYPES, CONTRASTIVE)
    assert value.item() == pytest.approx(log(len(MIXED) - 1), rel=1e-6)


# Entities and their memory


def test_entities_are_their_first_and_last_words() -> None:
    vectors = randn(5, 2)
    langs = torch.tensor([3, 3, 3, 8, 8])
    entities = of_spans(vectors, [(0, 2, 2), (3, 3, 1)], langs)
    assert entities.vectors.tolist() == [
        vectors[0].tolist() + vectors[2].tolist(),
        vectors[3].tolist() * 2,
    ]
    assert entities.type.tolist() == [2, 1] and entities.lang.tolist() == [3, 8]
    assert of_spans(vectors.half(), []).vectors.dtype == torch.float32


@moderate
@given(counts=st.lists(st.integers(0, 6), max_size=6), size=st.integers(0, 9))
def test_the_last_entities_are_remembered(counts, size) -> None:
    memory = EntityMemory(size)
    numbers = torch.arange(sum(counts))
    for part in numbers.split(counts):
        vectors = part[:, None].double().requires_grad_()
        memory.add(Entities(2 * vectors, part + 1, -part))
    last = numbers[max(0, len(numbers) - size) :]
    remembered = memory.entities()
    if not len(last):
        assert remembered is None
        return
    assert remembered.vectors.flatten().tolist() == (2 * last).tolist()
    assert remembered.type.tolist() == (last + 1).tolist()
    assert remembered.lang.tolist() == (-last).tolist()
    assert not remembered.vectors.requires_grad


@pytest.mark.parametrize("n_entities", [0, 3])
def test_a_memory_goes_through_a_checkpoint(n_entities) -> None:
    memory, other = EntityMemory(8), EntityMemory(8)
    other.add(entities_of(randn(8, 4, seed=1), MIXED))
    if n_entities:
        memory.add(entities_of(randn(8, 4), MIXED))
        memory.add(entities_of(randn(n_entities, 4), MIXED[:n_entities]))
    file = BytesIO()
    torch.save(memory.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    if not n_entities:
        assert other.entities() is None
        return
    for was, now in zip(memory.entities(), other.entities(), strict=True):
        assert torch.equal(was, now)


def test_a_checkpoint_holds_no_forgotten_entities() -> None:
    memory = EntityMemory(4)
    memory.add(entities_of(randn(1000, 4), [(1, 0)] * 1000))
    memory.add(entities_of(randn(1, 4), [(1, 0)]))
    file = BytesIO()
    torch.save(memory.state_dict(), file)
    assert file.tell() < 8000
