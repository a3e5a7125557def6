"""Types in each language as frequent as in annotated text, against plain Python."""

from __future__ import annotations

import io
from math import log

import torch
from hypothesis import given
from hypothesis import strategies as st
from test_losses import N_TYPES, SIZES, randn
from torch import Tensor

from spacy_dualner.labels.scheme import IGNORE
from spacy_dualner.teaching.balance import TypeBalance

# Six words begin an entity, of types 1, 1, 1, 2, 2, 3; four are inside of one of type 1, 1, 2, 3.
GOLD = torch.tensor([0, 1, 2, 1, 2, 1, 3, 4, 3, 5, 6, IGNORE, 0])
LOC = 1


def classes(type_: int) -> list[int]:
    """Of a type, among all logits: begin, inside, start, end."""
    return [2 * type_ - 1, 2 * type_, SIZES[0] + type_, SIZES[0] + SIZES[1] + type_]


def probabilities(logits: Tensor) -> Tensor:
    return torch.cat([head.softmax(-1) for head in logits.split(SIZES, -1)], -1)


def leaning(n_words: int, seed: int = 0) -> Tensor:
    """A teacher that prefers LOC to other types."""
    logits = randn(n_words, sum(SIZES), seed=seed)
    logits[:, classes(LOC)] += 2.0
    return logits


def shares(probs: Tensor) -> list[list[float]]:
    """Of each of begin, inside, start, end: the share of each type among all of them."""
    sums = [[float(probs[:, c].sum()) for c in classes(t + 1)] for t in range(N_TYPES)]
    return [[row[k] / sum(r[k] for r in sums) for row in sums] for k in range(4)]


@given(seed=st.integers(0, 99), strength=st.sampled_from([0.25, 1.0]))
def test_scores_of_a_type_move_by_the_ratio_of_shares(seed: int, strength: float) -> None:
    """Once so much was seen that what is assumed beforehand does not matter."""
    balance = TypeBalance(strength, GOLD, n_langs=2, n_types=N_TYPES)
    logits, langs = leaning(2000, seed), torch.ones(2000, dtype=torch.long)
    is_source = torch.zeros(2000, dtype=torch.bool)
    moved = balance.balance(logits, langs, is_source) - logits
    gold = [
        [3 / 6, 2 / 6, 1 / 6],
        [2 / 4, 1 / 4, 1 / 4],
        [3 / 6, 2 / 6, 1 / 6],
        [3 / 6, 2 / 6, 1 / 6],
    ]
    found = shares(probabilities(logits))
    for type_ in range(N_TYPES):
        for k, c in enumerate(classes(type_ + 1)):
            expected = strength * (log(gold[k][type_]) - log(found[k][type_]))
            assert (moved[:, c] - expected).abs().max() < 0.1
    untouched = [0, SIZES[0], SIZES[0] + SIZES[1]]
    assert not moved[:, untouched].any()


def test_source_words_stay_and_do_not_count() -> None:
    one, two = (TypeBalance(1.0, GOLD, n_langs=1, n_types=N_TYPES) for _ in range(2))
    logits, langs = leaning(50), torch.zeros(50, dtype=torch.long)
    is_source = torch.arange(50) % 2 == 0
    balanced = one.balance(logits, langs, is_source)
    assert torch.equal(balanced[is_source], logits[is_source])
    alone = two.balance(logits[~is_source], langs[~is_source], is_source[~is_source])
    torch.testing.assert_close(balanced[~is_source], alone)


def test_languages_do_not_move_each_other() -> None:
    one, two = (TypeBalance(1.0, GOLD, n_langs=2, n_types=N_TYPES) for _ in range(2))
    langs = torch.arange(60) % 2
    is_source = torch.zeros(60, dtype=torch.bool)
    logits = torch.where(langs[:, None] == 0, leaning(60), randn(60, sum(SIZES), seed=1))
    own = langs == 0
    together = one.balance(logits, langs, is_source)[own]
    torch.testing.assert_close(together, two.balance(logits[own], langs[own], is_source[own]))


def test_a_type_that_is_never_annotated_nor_found() -> None:
    balance = TypeBalance(1.0, torch.zeros(5, dtype=torch.long), n_langs=1, n_types=N_TYPES)
    logits, langs = leaning(5), torch.zeros(5, dtype=torch.long)
    assert balance.balance(logits, langs, langs > 0).isfinite().all()
    none = torch.zeros(0, dtype=torch.long)
    assert len(balance.balance(logits[:0], none, none > 0)) == 0


def test_a_checkpoint_goes_on_as_before() -> None:
    one, two, fresh = (TypeBalance(1.0, GOLD, n_langs=1, n_types=N_TYPES) for _ in range(3))
    logits, langs = leaning(100), torch.zeros(100, dtype=torch.long)
    one.balance(logits, langs, langs > 0)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    two.load_state_dict(torch.load(file, weights_only=True))
    expected = one.balance(logits, langs, langs > 0)
    assert torch.equal(two.balance(logits, langs, langs > 0), expected)
    assert not torch.equal(fresh.balance(logits, langs, langs > 0), expected)
