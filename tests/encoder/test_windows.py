"""Windows over long texts and padded blocks, against a word-by-word reading of what they hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from helpers.many import many
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spacy_dualner.encoder.subwords import SubwordBatch, ragged_arange
from spacy_dualner.encoder.windows import Block, Shape, make_blocks

moderate = settings(max_examples=many(200))
PREFIX, SUFFIX, PAD = (-10, -11), (-20, -21, -22), -99


@st.composite
def shapes(draw) -> Shape:
    window = draw(st.integers(2, 24))
    return Shape(
        prefix=PREFIX[: draw(st.integers(0, 2))],
        suffix=SUFFIX[: draw(st.integers(0, 3))],
        pad=PAD,
        window=window,
        overlap=draw(st.integers(1, window - 1)),
        budget=draw(st.integers(1, 200)),
        max_padding=draw(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])),
    )


@st.composite
def cases(draw) -> tuple[Shape, list[list[int]]]:
    """A shape, and sentences as the number of sub-words of each word."""
    shape = draw(shapes())
    word = st.integers(1, shape.overlap)
    short = st.lists(word, max_size=6)
    long = st.lists(word, min_size=10, max_size=60)
    return shape, draw(st.lists(st.one_of(short, short, long), max_size=12))


def make_batch(sentences: list[list[int]]) -> SubwordBatch:
    """Sub-words numbered from 0, so that each says where it stood."""
    word_lengths = np.array([n for words in sentences for n in words], dtype=np.int64)
    sentence_lengths = np.array([len(words) for words in sentences], dtype=np.int64)
    return SubwordBatch(np.arange(word_lengths.sum()), word_lengths, sentence_lengths)


def rows_of(block: Block, shape: Shape) -> list[list[int]]:
    """The windows in a block, with special ids and padding checked and taken off."""
    rows = []
    for ids, length in zip(block.input_ids.tolist(), block.lengths.tolist(), strict=True):
        n_prefix, n_suffix = len(shape.prefix), len(shape.suffix)
        real, padding = ids[:length], ids[length:]
        assert padding == [PAD] * len(padding)
        assert tuple(real[:n_prefix]) == shape.prefix
        assert tuple(real[length - n_suffix :]) == shape.suffix
        rows.append(real[n_prefix : length - n_suffix])
    return rows


def expected_windows(begin: int, end: int, shape: Shape) -> list[tuple[int, int]]:
    """Windows of one sentence from left to right; the last ends where the sentence does."""
    if begin == end:
        return []
    windows, at = [], begin
    while at + shape.window < end:
        windows.append((at, at + shape.window))
        at += shape.window - shape.overlap
    return [*windows, (max(begin, end - shape.window), end)]


@moderate
@given(case=cases())
@example(case=(Shape((), (), PAD, 6, 3, 1), [[3] * 20]))
@example(case=(Shape((-1,), (-2,), PAD, 7, 3, 40), [[], [3, 3, 3, 1, 2, 3, 3, 3], [], [1]]))
@example(case=(Shape((-1,), (-2,), PAD, 8, 4, 40), [[]]))
def test_every_word_stands_once_in_the_window_that_gives_it_most_context(case) -> None:
    shape, sentences = case
    batch = make_batch(sentences)
    blocks = make_blocks(batch, shape)
    bounds = np.concatenate(([0], np.cumsum(batch.word_lengths)))
    sentence_bounds = []
    at = 0
    for words in sentences:
        sentence_bounds.append((at, at + sum(words)))
        at += sum(words)
    windows = [expected_windows(*bound, shape) for bound in sentence_bounds]
    of_word = [i for i, words in enumerate(sentences) for _ in words]

    rows = [row for block in blocks for row in rows_of(block, shape)]
    assert all(row == list(range(row[0], row[-1] + 1)) for row in rows)
    assert sorted((row[0], row[-1] + 1) for row in rows) == sorted(
        window for of_sentence in windows for window in of_sentence
    )

    seen = []
    for block in blocks:
        width = block.input_ids.shape[1]
        flat = block.input_ids.reshape(-1)
        inner = rows_of(block, shape)
        for word, first, count in zip(
            block.words.tolist(), block.first.tolist(), block.counts.tolist(), strict=True
        ):
            begin, end = bounds[word : word + 2].tolist()
            # The block holds this word's sub-words, all in one row.
            assert count == end - begin
            assert flat[first : first + count].tolist() == list(range(begin, end))
            assert first // width == (first + count - 1) // width
            row = inner[first // width]
            whole = sentence_bounds[of_word[word]]
            assert _context((row[0], row[-1] + 1), begin, end, whole) == max(
                _context(window, begin, end, whole)
                for window in windows[of_word[word]]
                if window[0] <= begin and end <= window[1]
            )
            seen.append(word)
    assert sorted(seen) == list(range(len(batch.word_lengths)))


def _context(window: tuple[int, int], begin: int, end: int, sentence: tuple[int, int]) -> float:
    """Sub-words on the poorer side of a word; a side that reaches the text's end is not poor."""
    left = begin - window[0] if window[0] > sentence[0] else np.inf
    right = window[1] - end if window[1] < sentence[1] else np.inf
    return min(left, right)


@moderate
@given(case=cases())
def test_blocks_are_bounded_in_size_and_padding_and_as_full_as_that_allows(case) -> None:
    shape, sentences = case
    blocks = make_blocks(make_batch(sentences), shape)
    for block in blocks:
        n_rows, width = block.input_ids.shape
        assert block.lengths.max() == width
        assert n_rows == 1 or n_rows * width <= shape.budget
        padding = width - block.lengths
        assert all((padding <= 8) | (padding <= shape.max_padding * width + 1e-9))
    n_special = len(shape.prefix) + len(shape.suffix)
    for block, following in pairwise(blocks):
        n_rows, width = block.input_ids.shape
        padding = width - following.lengths.max()
        assert padding >= 0  # longest first
        full = (n_rows + 1) * width > shape.budget
        differs = padding > 8 and padding > shape.max_padding * (width - n_special) - 1e-9
        assert full or differs


def test_one_long_text_does_not_widen_the_short_ones() -> None:
    shape = Shape((0,), (2,), 1, 510, 255, 4096)
    blocks = make_blocks(make_batch([[1] * 10] * 63 + [[1] * 349]), shape)
    assert sum(block.input_ids.size for block in blocks) == 63 * 12 + 351
    assert len(blocks) == 2


def test_texts_of_one_length_share_a_block() -> None:
    shape = Shape((0,), (2,), 1, 510, 255, 4096)
    assert len(make_blocks(make_batch([[1] * 10] * 64), shape)) == 1


def test_nothing_to_encode() -> None:
    shape = Shape((0,), (2,), 1, 510, 255, 4096)
    assert make_blocks(make_batch([]), shape) == []
    assert make_blocks(make_batch([[], []]), shape) == []


@given(runs=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_ragged_arange(runs) -> None:
    starts, lengths = np.array(runs, dtype=np.int64).reshape(-1, 2).T
    expected = [i for start, n in runs for i in range(start, start + n)]
    assert ragged_arange(starts, lengths).tolist() == expected
