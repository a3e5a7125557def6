"""Words too frequent in a language's raw text to begin or end a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..conversions import Spans
from ..encoder.subwords import Ints, ragged_arange
from .arrays import SentenceArrays

Bools = NDArray[np.bool_]

# An odd number with its bits well mixed: sums of powers of it tell sequences of ids apart.
_BASE = np.uint64(0x9E3779B97F4A7C15)


def frequent_words(corpus: SentenceArrays, sentences: Ints, share: float, tokenizer: Any) -> Bools:
    """Which words stand in at least a share of their language's sentences.

    Words without a letter are never called frequent: brackets and full stops end many names.

    corpus (SentenceArrays): The corpus.
    sentences (Ints1d): Numbers of the sentences that count.
    share (float): Share of a language's sentences.
    tokenizer (PreTrainedTokenizerBase): Tells which sub-words have letters.
    RETURNS (Bools1d): For each word of the corpus; False in other sentences.
    """
    frequent = np.zeros(len(corpus.word_lengths), dtype=bool)
    lettered = _with_letters(tokenizer, corpus.ids)
    for lang in np.unique(corpus.langs[sentences]):
        own = sentences[corpus.langs[sentences] == lang]
        batch, _ = corpus.select(own)
        keys = _keys(batch.ids, batch.word_lengths)
        of_sentence = np.repeat(np.arange(len(own)), batch.sentence_lengths)
        names, name = np.unique(keys, return_inverse=True)
        pairs = np.unique(name * len(own) + of_sentence)
        n_sentences = np.bincount(pairs // len(own), minlength=len(names))
        begins = np.cumsum(batch.word_lengths) - batch.word_lengths
        words = np.logical_or.reduceat(lettered[batch.ids], begins)
        places = ragged_arange(corpus.word_bounds[own], batch.sentence_lengths)
        frequent[places] = (n_sentences[name] >= share * len(own)) & words
    return frequent


def _keys(ids: Ints, word_lengths: Ints) -> NDArray[np.uint64]:
    """A number for each word, the same for the same sub-words."""
    begins = np.cumsum(word_lengths) - word_lengths
    place = np.arange(len(ids)) - np.repeat(begins, word_lengths)
    powers = np.cumprod(np.full(place.max(initial=0) + 1, _BASE))
    mixed = (ids.astype(np.uint64) + np.uint64(1)) * powers[place]
    return np.add.reduceat(mixed, begins)


def _with_letters(tokenizer: Any, ids: NDArray) -> Bools:
    """Whether each sub-word of the vocabulary, as far as a text uses it, has a letter."""
    used = np.unique(ids)
    lettered = np.zeros(int(used.max(initial=0)) + 1, dtype=bool)
    for i in used.tolist():
        text = tokenizer.convert_tokens_to_string([tokenizer.convert_ids_to_tokens(i)])
        lettered[i] = any(map(str.isalpha, text))
    return lettered


def trim_spans(spans: Spans, frequent: Tensor) -> Spans:
    """Entities without the frequent words at their edges; those of such words alone are left out.

    spans (Spans): Entities, in places of a row.
    frequent (Bools1d): `[places]`.
    RETURNS (Spans): In the same order.
    """
    place = torch.arange(len(frequent), device=frequent.device)
    after = torch.where(frequent, len(frequent), place).flip(0).cummin(0).values.flip(0)
    before = torch.where(frequent, -1, place).cummax(0).values
    start, end = after[spans.start], before[spans.end]
    left = start <= end
    return Spans(start[left], end[left], spans.type[left])
