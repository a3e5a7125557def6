"""Which sentences an epoch holds, against the formula."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spacy_dualner.teaching.sampling import draw_epoch
from spacy_dualner.teaching.settings import SamplingSettings

# Sentences of each group, and whether it is source text.
some_groups = st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=6)


def corpus_of(groups: list[tuple[int, bool]], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Group of each sentence, and whether it is source text, in any order."""
    sizes, is_source = map(np.array, zip(*groups, strict=True))
    of_sentence = np.repeat(np.arange(len(groups)), sizes)
    of_sentence = np.random.default_rng(seed).permutation(of_sentence)
    return of_sentence, is_source[of_sentence]


def wanted(groups: list[tuple[int, bool]], temperature: float, source_share: float) -> list[float]:
    """Sentences of each group in an epoch, before rounding."""
    n = sum(size for size, _ in groups)
    n_source = sum(size for size, is_source in groups if is_source)
    share = source_share or n_source / n
    share = min(share, float(n_source > 0)) if n_source < n else 1.0
    flat = sum(size ** (1 / temperature) for size, is_source in groups if not is_source)
    return [
        share * n * size / n_source
        if is_source
        else (1 - share) * n * size ** (1 / temperature) / flat
        for size, is_source in groups
    ]


@given(groups=some_groups, seed=st.integers(0, 9))
def test_by_default_each_sentence_is_drawn_once_and_nothing_by_chance(groups, seed) -> None:
    rng = np.random.default_rng(seed)
    before = rng.bit_generator.state
    drawn = draw_epoch(*corpus_of(groups), SamplingSettings(), rng)
    assert drawn.tolist() == list(range(sum(size for size, _ in groups)))
    assert rng.bit_generator.state == before


@given(
    groups=some_groups,
    temperature=st.sampled_from([0.5, 1.0, 2.0, 5.0, 1000.0]),
    source_share=st.sampled_from([0.0, 0.25, 0.9]),
    seed=st.integers(0, 9),
)
def test_an_epoch_has_its_length_and_shares(groups, temperature, source_share, seed) -> None:
    """Also of a corpus that has source text alone, or target text alone."""
    of_sentence, is_source = corpus_of(groups, seed)
    choice = SamplingSettings(temperature=temperature, source_share=source_share)
    drawn = draw_epoch(of_sentence, is_source, choice, np.random.default_rng(seed))
    assert len(drawn) == len(of_sentence)
    counts = np.bincount(of_sentence[drawn], minlength=len(groups))
    assert np.abs(counts - wanted(groups, temperature, source_share)).max() <= 1 + 1e-6
    times = np.bincount(drawn, minlength=len(of_sentence))
    for group in range(len(groups)):
        own = times[of_sentence == group]
        assert own.max() - own.min() <= 1


def test_epochs_differ_in_what_is_left_over() -> None:
    of_sentence, is_source = corpus_of([(50, True), (50, False)])
    rng = np.random.default_rng(0)
    choice = SamplingSettings(source_share=0.2)
    one, two = (set(draw_epoch(of_sentence, is_source, choice, rng).tolist()) for _ in range(2))
    assert one != two
