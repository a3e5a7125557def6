"""What teacher and student see, read back from the blocks word by word."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.arrays import arrays_of
from helpers.teaching import data_of

from spacy_dualner.encoder.pairs import Fusion, PairBlock
from spacy_dualner.encoder.windows import Shape
from spacy_dualner.labels.scheme import IGNORE
from spacy_dualner.teaching.views import Blocks, PairViews, Views

SHAPE = Shape(prefix=(0,), suffix=(2,), pad=1, window=62, overlap=20, budget=200)
# Words of their sub-words and tags. Of the annotated sentences the first ends with an entity of two
# words, the second begins with one of one word.
SOURCE = [
    ("en", [([10], 0), ([11, 12], 1), ([13], 2)]),
    ("en", [([14], 1), ([15], 0)]),
]
TARGET = [
    ("de", [([20], IGNORE), ([21], IGNORE), ([22, 23], IGNORE)]),
    ("de", [([24], IGNORE)]),
]
CORPUS = arrays_of([*SOURCE, *TARGET])
DATA = data_of(CORPUS, len(SOURCE))
TEXT = [[ids for ids, _ in words] for _, words in [*SOURCE, *TARGET]]


def read(blocks: Blocks, n_words: int) -> list[list[int]]:
    """The sub-words of each word."""
    words: list[list[int]] = [[] for _ in range(n_words)]
    assert not isinstance(blocks, PairBlock)
    for block in blocks:
        flat = block.input_ids.flatten().tolist()
        for word, first, count in zip(block.words, block.first, block.counts, strict=True):
            assert not words[word]
            words[word] = flat[first : first + count]
    return words


def text(*sentences: int) -> list[list[int]]:
    return [ids for number in sentences for ids in TEXT[number]]


def test_both_see_the_same_blocks() -> None:
    view = Views(DATA, SHAPE).make(np.array([3, 0, 2]))
    assert view.student is view.teacher
    assert read(view.teacher, view.n_words) == text(3, 0, 2)
    assert view.gold.tolist() == [IGNORE, 0, 1, 2, IGNORE, IGNORE, IGNORE]
    assert view.sentence_lengths.tolist() == [1, 3, 3]
    assert view.is_source.tolist() == [False, True, True, True, False, False, False]
    assert not view.unread.any() and view.n_read == view.n_words == 7


@pytest.mark.parametrize("drawn", [[2, 0, 3, 1], [3], [0, 1]])
def test_the_teacher_does_not_see_all_of_target_sentences(drawn: list[int]) -> None:
    views = Views(DATA, SHAPE)
    views.unread = np.array([False, False, False, False, False, True, True, False, False])
    view = views.make(np.array(drawn))
    kept = [word for n in drawn for word in TEXT[n][2 if n == 2 else 0 :]]
    assert read(view.student, view.n_words) == text(*drawn)
    assert read(view.teacher, view.n_read) == kept
    assert [word for word, gone in zip(text(*drawn), view.unread, strict=True) if not gone] == kept
    assert (view.student is view.teacher) == (2 not in drawn)


def test_filter_sees_translations_with_their_sentences() -> None:
    data = data_of(CORPUS, len(SOURCE), np.array([-1, -1, 0, 1]))
    assert data.with_partners(np.array([3, 2])).tolist() == [1, 0, 3, 2]
    views = PairViews(data, SHAPE, Fusion(1, 1))
    view = views.make(np.array([3, 2]))
    assert isinstance(view.teacher, PairBlock) and view.student is view.teacher
    flat = view.teacher.source.input_ids.flatten(), view.teacher.target.input_ids.flatten()
    sides = zip(flat, (view.teacher.source, view.teacher.target), strict=True)
    seen = [
        ids[first : first + count].tolist()
        for ids, side in sides
        for first, count in zip(side.first, side.counts, strict=True)
    ]
    assert seen == text(1, 0, 3, 2)
    assert view.is_source.tolist() == [True] * 5 + [False] * 4
    assert view.gold.tolist() == [1, 0, 0, 1, 2, *[IGNORE] * 4]
