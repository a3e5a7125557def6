"""What teacher and student see, read back from the blocks word by word."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from test_arrays import pack

from spacy_dualner.encoder.blocks import Shape
from spacy_dualner.encoder.pairs import Fusion, PairBlock
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE
from spacy_dualner.teaching.arrays import SentenceArrays
from spacy_dualner.teaching.noise import Noise
from spacy_dualner.teaching.settings import NoiseSettings
from spacy_dualner.teaching.switching import EntityPool
from spacy_dualner.teaching.views import Blocks, Views

MASK, LOC = 99, 1
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
CORPUS = pack([*SOURCE, *TARGET])
TEXT = [[ids for ids, _ in words] for _, words in [*SOURCE, *TARGET]]


def views(corpus: SentenceArrays = CORPUS, noise: Any = None, **settings: Any) -> Views:
    chosen = NoiseSettings(**(noise or {}))
    tokenizer = SimpleNamespace(mask_token_id=MASK)
    return Views(corpus, len(SOURCE), SHAPE, Noise(chosen, tokenizer, max_word=20), **settings)


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


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def text(*sentences: int) -> list[list[int]]:
    return [ids for number in sentences for ids in TEXT[number]]


def test_without_noise_both_see_the_same_blocks() -> None:
    view = views().make(np.array([3, 0, 2]), rng())
    assert view.student is view.teacher
    assert read(view.teacher, view.n_words) == text(3, 0, 2)
    assert view.gold.tolist() == [IGNORE, 0, 1, 2, IGNORE, IGNORE, IGNORE]
    assert view.sentence_lengths.tolist() == [1, 3, 3]
    assert view.is_source.tolist() == [False, True, True, True, False, False, False]
    assert view.langs.tolist() == [1, 0, 0, 0, 1, 1, 1]


def test_without_noise_nothing_is_left_to_chance() -> None:
    generator = rng()
    before = generator.bit_generator.state
    views().make(np.array([0, 2]), generator)
    assert generator.bit_generator.state == before


def test_noise_is_for_the_student_and_in_target_sentences() -> None:
    view = views(noise={"mask": 0.999999}).make(np.array([0, 2, 1, 3]), rng())
    assert read(view.teacher, view.n_words) == text(0, 2, 1, 3)
    masked = [[MASK], [MASK], [MASK, MASK]], [[MASK]]
    assert read(view.student, view.n_words) == [*text(0), *masked[0], *text(1), *masked[1]]


def test_target_sentences_once_more() -> None:
    """With noise of their own, in the same order."""
    some = views(noise={"mask": 0.5})
    view = some.make(np.array([2, 0, 3]), rng())
    blocks, n_words = some.again(view, rng())
    seen, target = read(blocks, n_words), text(2, 3)
    assert n_words == int((~view.is_source).sum()) == len(target)
    for ids, own in zip(seen, target, strict=True):
        assert ids in (own, [MASK] * len(own))
    several = {str(read(*some.again(view, np.random.default_rng(i)))) for i in range(20)}
    assert len(several) > 3
    blocks, n_words = views().again(view, rng())
    assert read(blocks, n_words) == target


def pool_of(*entities: tuple[int, int, int, int]) -> EntityPool:
    """A pool of entities: sentence, first word, last word, type."""
    pool = EntityPool(10)
    pool.add(CORPUS, *np.array(entities, dtype=np.int64).reshape(-1, 4).T)
    return pool


def test_entities_are_switched_in_source_sentences_for_both() -> None:
    """Two words of a target sentence stand for those of a source sentence."""
    some = views(switch=1.0, pool=pool_of((2, 1, 2, LOC)))
    view = some.make(np.array([2, 1, 0, 3]), rng())
    assert view.student is view.teacher
    pooled = TEXT[2][1:]
    switched = [*text(2), *pooled, [15], [10], *pooled, *text(3)]
    assert read(view.teacher, view.n_words) == switched
    assert view.gold.tolist() == [*[IGNORE] * 3, 1, 2, 0, 0, 1, 2, IGNORE]
    assert view.sentence_lengths.tolist() == [3, 3, 3, 1]
    assert view.is_source.tolist() == [*[False] * 3, *[True] * 6, False]
    assert view.langs.tolist() == [*[1] * 3, *[0] * 6, 1]


def test_nothing_to_switch_by() -> None:
    """An empty pool, or one without an entity of the type."""
    for pool in (pool_of(), pool_of((2, 1, 2, LOC + 1))):
        view = views(switch=1.0, pool=pool).make(np.array([0, 2]), rng())
        assert read(view.teacher, view.n_words) == text(0, 2)


def test_what_the_teacher_finds_in_target_sentences_is_pooled() -> None:
    """As joint decoding reads it."""
    some = views(switch=1.0, pool=EntityPool(10))
    view = some.make(np.array([2, 0, 3]), rng())
    # All heads see an entity at the end of the first sentence, and at the beginning of the second.
    tags, starts, ends = [0, 1, 2, 1, 2, 0, 0], [0, 1, 0, 1, 0, 0, 0], [0, 0, 1, 0, 1, 0, 0]
    heads = [
        20.0 * torch.nn.functional.one_hot(torch.tensor(row), size)
        for row, size in ((tags, 7), (starts, 4), (ends, 4))
    ]
    some.remember(view, torch.cat(heads, 1), Layout(view.sentence_lengths))
    assert some.pool is not None and len(some.pool) == 1
    (number,) = some.pool.draw(np.array([LOC]), rng())
    entity = some.pool.take(np.array([number]))
    first = CORPUS.word_bounds[2] + 1
    assert (entity.first_word.item(), entity.n_words.item()) == (first, 2)
    views().remember(view, torch.cat(heads, 1), Layout(view.sentence_lengths))


def test_filter_sees_translations_with_their_sentences() -> None:
    partners = np.array([-1, -1, 0, 1])
    some = views(partners=partners, fusion=Fusion(1, 1))
    view = some.make(np.array([3, 2]), rng())
    assert view.sentences.tolist() == some.with_partners(np.array([3, 2])).tolist() == [1, 0, 3, 2]
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
