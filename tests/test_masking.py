"""Masking of words for an encoder to guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_blocks import shapes

from spacy_dualner.adaptation.masking import Masking
from spacy_dualner.encoder.blocks import make_blocks
from spacy_dualner.encoder.loading import load_encoder
from spacy_dualner.encoder.subwords import SubwordBatch

MASK, SPECIAL = 1000, 1001


@st.composite
def batches(draw) -> SubwordBatch:
    """Sentences of sub-words numbered from 0, some of them replaced by a special one."""
    sentences = draw(st.lists(st.lists(st.integers(1, 4), max_size=8), max_size=6))
    word_lengths = np.array([n for words in sentences for n in words], dtype=np.int64)
    ids = np.arange(word_lengths.sum())
    for at in draw(st.lists(st.integers(0, max(0, len(ids) - 1)), max_size=4)):
        ids[at : at + 1] = SPECIAL
    return SubwordBatch(ids, word_lengths, np.array([len(s) for s in sentences], dtype=np.int64))


def words_of(ids: np.ndarray, batch: SubwordBatch) -> list[list[int]]:
    parts = np.split(ids, np.cumsum(batch.word_lengths))[:-1]
    return [part.tolist() for part in parts]


@given(batch=batches(), share=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_whole_words_are_masked(batch: SubwordBatch, share: float, seed: int) -> None:
    masking = Masking(share, MASK, np.array([MASK, SPECIAL]), np.arange(2000, 2010))
    before = batch.ids.copy()
    masked = masking.apply(batch, np.random.default_rng(seed))
    assert np.array_equal(batch.ids, before) and np.array_equal(masked.ids, before)
    assert np.array_equal(masked.shown.word_lengths, batch.word_lengths)
    assert np.array_equal(masked.shown.sentence_lengths, batch.sentence_lengths)
    n_free = 0
    for true, shown, chosen in zip(
        words_of(batch.ids, batch), words_of(masked.shown.ids, batch), masked.chosen, strict=True
    ):
        n_free += SPECIAL not in true
        if SPECIAL in true:
            assert not chosen
        fates = [shown == true, set(shown) == {MASK}, all(2000 <= i < 2010 for i in shown)]
        assert sum(fates) == 1 and (chosen or fates[0])
    assert masked.chosen.sum() == (max(1, round(share * n_free)) if n_free else 0)


def test_most_chosen_words_are_masked_and_some_random_or_left() -> None:
    n_words = 100_000
    ones = np.ones(n_words, dtype=np.int64)
    batch = SubwordBatch(ones, ones, np.array([n_words]))
    masked = Masking(0.3, MASK, np.array([MASK]), np.array([5])).apply(
        batch, np.random.default_rng(0)
    )
    assert masked.n_targets == masked.chosen.sum() == 30_000
    shown = masked.shown.ids[masked.chosen]
    assert np.mean(shown == MASK) == pytest.approx(0.8, abs=0.01)
    assert np.mean(shown == 5) == pytest.approx(0.1, abs=0.01)


@given(batch=batches(), shape=shapes(), seed=st.integers(0, 99))
def test_each_sub_word_of_the_chosen_words_is_guessed_once(batch, shape, seed) -> None:
    """Also where windows overlap, and none of another word is."""
    if batch.word_lengths.max(initial=0) > shape.overlap:
        return
    masking = Masking(0.5, MASK, np.array([SPECIAL]), np.array([2000]))
    masked = masking.apply(batch, np.random.default_rng(seed))
    guessed = []
    for block in make_blocks(masked.shown, shape):
        positions, labels = masked.targets(block)
        seen = block.input_ids.reshape(-1)[positions]
        assert np.all((seen == MASK) | (seen == 2000) | (seen == labels))
        assert len(positions) == len(labels)
        guessed += labels.tolist()
    chosen = np.repeat(masked.chosen, batch.word_lengths)
    assert sorted(guessed) == sorted(batch.ids[chosen].tolist())
    assert len(guessed) == masked.n_targets


def test_masking_takes_special_ids_from_the_tokenizer(encoder_path: Path) -> None:
    tokenizer = load_encoder(str(encoder_path)).tokenizer
    masking = Masking.of(tokenizer, 0.15)
    assert masking.mask_id == tokenizer.mask_token_id
    assert set(masking.special) == {0, 1, 2, 3, 4}
    assert sorted([*masking.ordinary, *masking.special]) == list(range(len(tokenizer)))
