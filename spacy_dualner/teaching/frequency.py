"""Words too frequent in a language's raw text to begin or end a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..conversions import Spans
from ..encoder.subwords import Ints, SubwordBatch, ragged_arange
from .arrays import SentenceArrays
from .templates import word_keys

Bools = NDArray[np.bool_]


def frequent_words(corpus: SentenceArrays, n_source: int, share: float, tokenizer: Any) -> Bools:
    """Which words of unlabelled text are too frequent to begin or end a name.

    Those that stand in at least a share of their language's unlabelled sentences, but for two
    kinds: words without a letter, as brackets and full stops end many names; and words that in
    annotated text begin or end names at least as often as they stand outside of them (`San`).

    corpus (SentenceArrays): Annotated sentences, then unlabelled ones.
    n_source (int): How many are annotated.
    share (float): Share of a language's unlabelled sentences.
    tokenizer (PreTrainedTokenizerBase): Tells which sub-words have letters.
    RETURNS (Bools1d): For each word of the corpus; False in annotated sentences.
    """
    frequent = np.zeros(len(corpus.word_lengths), dtype=bool)
    lettered = _with_letters(tokenizer, corpus.ids)
    of_names = _edges_of_names(corpus, n_source)
    langs = corpus.langs[n_source:]
    for lang in np.unique(langs):
        own = n_source + np.flatnonzero(langs == lang)
        batch, _ = corpus.select(own)
        keys = word_keys(batch.ids, batch.word_lengths)
        of_sentence = np.repeat(np.arange(len(own)), batch.sentence_lengths)
        names, name = np.unique(keys, return_inverse=True)
        pairs = np.unique(name * len(own) + of_sentence)
        n_sentences = np.bincount(pairs // len(own), minlength=len(names))
        chosen = (n_sentences >= share * len(own)) & ~np.isin(names, of_names)
        begins = np.cumsum(batch.word_lengths) - batch.word_lengths
        words = np.logical_or.reduceat(lettered[batch.ids], begins)
        places = ragged_arange(corpus.word_bounds[own], batch.sentence_lengths)
        frequent[places] = chosen[name] & words
    return frequent


def name_words(corpus: SentenceArrays, chosen: Bools, tokenizer: Any) -> dict[str, list[str]]:
    """The words that were chosen in each language, most frequent first.

    corpus (SentenceArrays): The corpus.
    chosen (Bools1d): For each word of the corpus.
    tokenizer (PreTrainedTokenizerBase): Turns sub-words back into text.
    RETURNS (Dict[str, List[str]]): By language; languages without one are left out.
    """
    of_lang = np.repeat(corpus.langs, corpus.word_counts())
    named = {}
    for lang in np.unique(of_lang[chosen]):
        ids, lengths = _subwords(corpus, chosen & (of_lang == lang))
        _, first, counts = np.unique(word_keys(ids, lengths), return_index=True, return_counts=True)
        begins = (np.cumsum(lengths) - lengths)[first]
        named[corpus.lang_names[lang]] = [
            tokenizer.decode(ids[begin : begin + length]).strip()
            for begin, length in zip(
                *(x[np.argsort(-counts, kind="stable")] for x in (begins, lengths[first])),
                strict=True,
            )
        ]
    return named


def same_words(corpus: SentenceArrays, chosen: Bools, batch: SubwordBatch) -> Bools:
    """Which words of some text are among those that were chosen in a corpus.

    corpus (SentenceArrays): The corpus.
    chosen (Bools1d): For each word of it.
    batch (SubwordBatch): The text.
    RETURNS (Bools1d): For each word of the text.
    """
    if not chosen.any():
        return np.zeros(len(batch.word_lengths), dtype=bool)
    return np.isin(word_keys(batch.ids, batch.word_lengths), word_keys(*_subwords(corpus, chosen)))


def _subwords(corpus: SentenceArrays, chosen: Bools) -> tuple[Ints, Ints]:
    """Ids of the sub-words of the words that were chosen, end to end, and their number a word."""
    ends = np.cumsum(corpus.word_lengths, dtype=np.int64)
    word = np.flatnonzero(chosen)
    lengths = corpus.word_lengths[word].astype(np.int64)
    return corpus.ids[ragged_arange(ends[word] - lengths, lengths)].astype(np.int64), lengths


def _edges_of_names(corpus: SentenceArrays, n_source: int) -> NDArray[np.uint64]:
    """Keys of the words that begin or end names as often as they stand outside of them."""
    batch, tags = corpus.select(np.arange(n_source))
    within = tags > 0
    # B- is odd, I- even; annotation is well-formed, so none begins a sentence with I-.
    goes_on = np.append(within[1:] & (tags[1:] % 2 == 0), False)
    is_edge = within & ((tags % 2 == 1) | ~goes_on)
    keys, word = np.unique(word_keys(batch.ids, batch.word_lengths), return_inverse=True)
    edges, outside = (np.bincount(word[x], minlength=len(keys)) for x in (is_edge, tags == 0))
    return keys[(edges >= outside) & (edges > 0)]


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
