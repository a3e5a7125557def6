"""Quotas: the surest entities of each language and type, going by those found before."""

from __future__ import annotations

import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spacy_dualner.teaching.quotas import Quotas

N_LANGS, N_TYPES = 2, 3


def found(n: int, seed: int, lang: int, shift: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Entities of a language; types differ in how sure they are."""
    generator = torch.Generator().manual_seed(seed)
    types = torch.randint(1, N_TYPES + 1, (n,), generator=generator)
    log_odds = 2 * torch.randn(n, generator=generator) + 2 * types + shift
    return log_odds.sigmoid(), torch.full((n,), lang), types


def joined(*parts: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
    return tuple(map(torch.cat, zip(*parts, strict=True)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_share_of_each_language_and_type_is_kept(share: float) -> None:
    """Also where most entities are surer than 0.99, and in one language less than in another."""
    quotas = Quotas(share, N_LANGS, N_TYPES)
    kept = torch.zeros(N_LANGS, N_TYPES)
    total = torch.zeros(N_LANGS, N_TYPES)
    for step in range(300):
        batch = joined(found(40, step, 0), found(40, 1000 + step, 1, shift=-4.0))
        within = quotas.within(*batch)
        if step >= 100:
            places = batch[1], batch[2] - 1
            kept.index_put_(places, within.float(), accumulate=True)
            total.index_put_(places, torch.ones(80), accumulate=True)
    assert total.min() > 2000
    assert ((kept / total) - share).abs().max() < 0.03


@given(seed=st.integers(0, 99), share=st.sampled_from([0.1, 0.5, 0.9]))
def test_what_is_kept_is_surer_than_what_is_not(seed: int, share: float) -> None:
    quotas = Quotas(share, N_LANGS, N_TYPES)
    for step in range(3):
        sureness, langs, types = found(50, 10 * seed + step, 0)
        within = quotas.within(sureness, langs, types)
        for type_ in range(1, N_TYPES + 1):
            own, is_kept = sureness[types == type_], within[types == type_]
            if is_kept.any() and not is_kept.all():
                assert own[is_kept].min() > own[~is_kept].max()


@given(seed=st.integers(0, 99), shift=st.sampled_from([-6.0, 0.0, 6.0]))
def test_languages_do_not_move_each_other(seed: int, shift: float) -> None:
    alone, together = (Quotas(0.5, N_LANGS, N_TYPES) for _ in range(2))
    for step in range(5):
        own, other = found(20, 10 * seed + step, 0), found(60, 7 * seed + step, 1, shift)
        assert torch.equal(alone.within(*own), together.within(*joined(own, other))[:20])


def test_a_language_may_change_with_time() -> None:
    """Entities that grow surer are not all kept because of what was found long ago."""
    quotas = Quotas(0.5, N_LANGS, N_TYPES)
    for step in range(1000):
        quotas.within(*found(20, step, 0))
    surer = [quotas.within(*found(20, step, 0, shift=3.0)).float().mean() for step in range(3000)]
    assert sum(surer[:20]) / 20 > 0.8
    assert abs(sum(surer[-200:]) / 200 - 0.5) < 0.05


def test_from_nothing() -> None:
    quotas = Quotas(0.5, N_LANGS, N_TYPES)
    assert quotas.within(*found(0, 0, 0)).tolist() == []
    assert quotas.within(*found(1, 0, 0)).tolist() == [True]
    for sureness in (0.0, 1.0):
        one = torch.tensor([sureness]), torch.tensor([1]), torch.tensor([1])
        assert Quotas(0.5, N_LANGS, N_TYPES).within(*one).tolist() == [True]


def test_a_checkpoint_goes_on_as_before() -> None:
    quotas, other = (Quotas(0.5, N_LANGS, N_TYPES) for _ in range(2))
    quotas.within(*found(100, 0, 0))
    file = io.BytesIO()
    torch.save(quotas.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    fresh = Quotas(0.5, N_LANGS, N_TYPES).within(*found(10, 1, 0, shift=1.0))
    expected = quotas.within(*found(10, 1, 0, shift=1.0))
    assert torch.equal(other.within(*found(10, 1, 0, shift=1.0)), expected)
    assert not torch.equal(fresh, expected)
