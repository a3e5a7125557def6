"""Overlapping windows over long texts, and padded blocks of windows of like length.

Everything here is array arithmetic; the only loop is over blocks. Which window a word's vector
comes from, and where in its block it stands, is settled before the encoder runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..labels.words import check_lengths
from .subwords import Ints, SubwordBatch, ragged_arange


@dataclass(frozen=True)
class Shape:
    """How to cut and pad.

    prefix (Tuple[int, ...]): Special ids before each window (`<s>`).
    suffix (Tuple[int, ...]): Special ids after each window (`</s>`).
    pad (int): Padding id.
    window (int): Sub-words of one window, special ones not counted.
    overlap (int): Sub-words that neighbouring windows share; no word may be longer.
    budget (int): Padded sub-words of one block, special ones counted. A single window is never
        cut to fit.
    max_padding (float): Largest share of a window's row that may be padding, unless it is 8
        sub-words or fewer.
    skipped (int): Id of a sub-word that gives a word no vector where others of it follow; -1 for
        none.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int
    window: int
    overlap: int
    budget: int
    max_padding: float = 0.25
    skipped: int = -1


class Block(NamedTuple):
    """One padded input of the encoder, and where the words' vectors stand in its output.

    input_ids (Ints2d): Sub-word ids with special ones, padded, `[rows, width]`.
    lengths (Ints1d): Sub-words in each row that are not padding.
    words (Ints1d): The words whose vectors are taken from this block, by number in the batch.
    first (Ints1d): Position in the flattened block of each word's first sub-word that counts.
    counts (Ints1d): Number of sub-words of each word from that one on.
    """

    input_ids: Ints
    lengths: Ints
    words: Ints
    first: Ints
    counts: Ints


class _Windows(NamedTuple):
    first: Ints  # position of each window's first sub-word in the batch
    lengths: Ints  # sub-words of each window
    of_word: Ints  # the window that gives each word its vector


def make_blocks(batch: SubwordBatch, shape: Shape) -> list[Block]:
    """Cut sentences into windows and gather windows of like length into padded blocks.

    batch (SubwordBatch): The sentences.
    shape (Shape): Sizes and special ids.
    RETURNS (List[Block]): Longest first; each word of the batch stands in exactly one block.
    Raises ValueError where sub-words, words and sentences of the batch do not add up.
    """
    check_lengths("word", int(batch.sentence_lengths.sum()), len(batch.word_lengths))
    check_lengths("sub-word", int(batch.word_lengths.sum()), len(batch.ids))
    word_first = np.cumsum(batch.word_lengths) - batch.word_lengths
    skips = (batch.ids[word_first] == shape.skipped) & (batch.word_lengths > 1)
    windows = _cut_windows(batch, word_first, shape)
    order = np.argsort(-windows.lengths, kind="stable")
    bounds = _group(windows.lengths[order], shape)
    # Rank of each window in the sorted order, hence its block and row.
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    word_rank = rank[windows.of_word]
    by_rank = np.argsort(word_rank, kind="stable")
    word_bounds = np.searchsorted(word_rank[by_rank], bounds)
    n_prefix, n_special = len(shape.prefix), len(shape.prefix) + len(shape.suffix)
    blocks = []
    for i, (begin, end) in enumerate(pairwise(bounds)):
        rows = order[begin:end]
        lengths = windows.lengths[rows]
        width = int(lengths[0]) + n_special
        ids = np.full((len(rows), width), shape.pad, dtype=np.int64)
        row = np.repeat(np.arange(len(rows)), lengths)
        column = ragged_arange(np.full(len(rows), n_prefix), lengths)
        ids[row, column] = batch.ids[ragged_arange(windows.first[rows], lengths)]
        ids[:, :n_prefix] = shape.prefix
        for k, special in enumerate(shape.suffix):
            ids[np.arange(len(rows)), n_prefix + lengths + k] = special
        words = by_rank[word_bounds[i] : word_bounds[i + 1]]
        within = word_first[words] - windows.first[windows.of_word[words]]
        first = (word_rank[words] - begin) * width + n_prefix + within + skips[words]
        counts = batch.word_lengths[words] - skips[words]
        blocks.append(Block(ids, lengths + n_special, words, first, counts))
    return blocks


def count_windows(lengths: Ints, shape: Shape) -> Ints:
    """How many windows sentences of so many sub-words are cut into."""
    beyond = np.maximum(lengths - shape.window, 0)
    return np.where(lengths > 0, 1 + -(-beyond // (shape.window - shape.overlap)), 0)


def padded_widths(lengths: Ints, shape: Shape) -> Ints:
    """How wide the rows of windows are in their blocks, special sub-words counted.

    lengths (Ints1d): Sub-words of windows, falling. Those of the first ones alone do not depend on
        those after them.
    """
    bounds = _group(lengths, shape)
    widths = lengths[bounds[:-1]] + len(shape.prefix) + len(shape.suffix)
    return np.repeat(widths, np.diff(bounds))


def _cut_windows(batch: SubwordBatch, word_first: Ints, shape: Shape) -> _Windows:
    """Windows over all sentences; a word belongs to the window that gives it most context."""
    size, stride = shape.window, shape.window - shape.overlap
    n_words = batch.sentence_lengths
    last_word = np.cumsum(n_words)
    sub_ends = np.concatenate(([0], np.cumsum(batch.word_lengths)))
    begins, ends = sub_ends[last_word - n_words], sub_ends[last_word]
    n_sub = ends - begins
    beyond = np.maximum(n_sub - size, 0)
    counts = count_windows(n_sub, shape)
    sentence = np.repeat(np.arange(len(n_sub)), counts)
    number = ragged_arange(np.zeros_like(counts), counts)
    # The last window of a sentence ends where the sentence ends, so that it is full as well.
    first = begins[sentence] + np.minimum(number * stride, beyond[sentence])
    lengths = np.minimum(n_sub[sentence], size)
    first_window = np.cumsum(counts) - counts

    word_sentence = np.repeat(np.arange(len(n_sub)), n_words)
    of_word = first_window[word_sentence]
    (long,) = np.nonzero(beyond[word_sentence])
    if len(long):
        own = word_sentence[long]
        begin = word_first[long] - begins[own]
        end = begin + batch.word_lengths[long]
        # The best window is the one whose middle is nearest, or a neighbour of it.
        nearest = np.rint(((begin + end) / 2 - size / 2) / stride).astype(np.int64)
        best, best_context = np.zeros_like(nearest), np.full_like(nearest, -1)
        for step in (0, -1, 1):
            window = np.clip(nearest + step, 0, counts[own] - 1)
            start = np.minimum(window * stride, beyond[own])
            left = np.where(start == 0, size, begin - start)
            right = np.where(start == beyond[own], size, start + size - end)
            inside = (begin >= start) & (end <= start + size)
            context = np.where(inside, np.minimum(left, right), -1)
            better = context > best_context
            best[better], best_context[better] = window[better], context[better]
        of_word[long] += best
    return _Windows(first, lengths, of_word)


def _group(lengths: Ints, shape: Shape) -> Ints:
    """Bounds of the blocks over windows sorted by falling length."""
    n_special = len(shape.prefix) + len(shape.suffix)
    bounds = [0]
    while bounds[-1] < len(lengths):
        begin = bounds[-1]
        longest = int(lengths[begin])
        most = max(1, shape.budget // (longest + n_special))
        shortest = min(longest * (1 - shape.max_padding), longest - 8)
        similar = int(np.searchsorted(-lengths, -shortest, side="right"))
        bounds.append(max(begin + 1, min(begin + most, similar)))
    return np.array(bounds)
