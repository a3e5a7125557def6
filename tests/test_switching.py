"""Entities put in the place of others, against lists read from left to right."""

from __future__ import annotations

import io
from collections import deque

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import IGNORE, entities_in_tags, tags_of
from test_arrays import pack as pack_arrays

from spacy_dualner.encoder.subwords import SubwordBatch
from spacy_dualner.teaching.arrays import SentenceArrays
from spacy_dualner.teaching.switching import EntityPool, switch_entities

N_TYPES = 3
# A word: its sub-words. An entity: sentence, first and last word in it, type.
Word = list[int]
Found = tuple[int, int, int, int]


@st.composite
def sentences(draw, first_id: int) -> list[tuple[list[Word], list[int]]]:
    """Words of distinct sub-words with well-formed tags; of sentences without gold, IGNORE."""
    made, next_id = [], first_id
    for n_words in draw(st.lists(st.integers(0, 6), max_size=5)):
        words: list[Word] = []
        for n in draw(st.lists(st.integers(1, 3), min_size=n_words, max_size=n_words)):
            words.append(list(range(next_id, next_id + n)))
            next_id += n
        entities, at = [], 0
        while draw(st.booleans()) and at < n_words:
            first = draw(st.integers(at, n_words - 1))
            last = draw(st.integers(first, n_words - 1))
            entities.append((first, last, draw(st.integers(1, N_TYPES))))
            at = last + 1
        annotated = draw(st.booleans())
        tags = tags_of(entities, [0] * n_words) if annotated else [IGNORE] * n_words
        made.append((words, tags))
    return made


@st.composite
def corpora(draw) -> tuple[list[list[Word]], list[Found]]:
    """The words of a corpus's sentences, and entities found there."""
    words = [ws for ws, _ in draw(sentences(1000)) if ws]
    found = []
    for _ in range(draw(st.integers(0, 8)) if words else 0):
        sentence = draw(st.integers(0, len(words) - 1))
        first = draw(st.integers(0, len(words[sentence]) - 1))
        last = draw(st.integers(first, len(words[sentence]) - 1))
        found.append((sentence, first, last, draw(st.integers(1, N_TYPES))))
    return words, found


def corpus_of(words: list[list[Word]]) -> SentenceArrays:
    return pack_arrays([("de", [(ids, IGNORE) for ids in sentence]) for sentence in words])


def add(pool: EntityPool, corpus: SentenceArrays, found: list[Found]) -> None:
    pool.add(corpus, *np.array(found, dtype=np.int64).reshape(-1, 4).T)


def pack(batch: list[tuple[list[Word], list[int]]]) -> tuple[SubwordBatch, np.ndarray]:
    words = [ids for ws, _ in batch for ids in ws]
    subwords = SubwordBatch(
        np.array([i for ids in words for i in ids], dtype=np.int64),
        np.array([len(ids) for ids in words], dtype=np.int64),
        np.array([len(ws) for ws, _ in batch], dtype=np.int64),
    )
    return subwords, np.array([tag for _, tags in batch for tag in tags], dtype=np.int64)


def unpack(batch: SubwordBatch, tags: np.ndarray) -> list[tuple[list[Word], list[int]]]:
    assert {x.dtype for x in (*batch, tags)} == {np.dtype(np.int64)}
    ids, lengths, labels = (iter(x.tolist()) for x in (batch.ids, batch.word_lengths, tags))
    sentences = [
        (
            [[next(ids) for _ in range(next(lengths))] for _ in range(n_words)],
            [next(labels) for _ in range(n_words)],
        )
        for n_words in batch.sentence_lengths
    ]
    assert not [*ids, *lengths, *labels]
    return sentences


def words_of(corpus: list[list[Word]], entity: Found) -> list[Word]:
    sentence, first, last, _ = entity
    return corpus[sentence][first : last + 1]


def taken(pool: EntityPool, corpus: SentenceArrays, numbers) -> list[tuple[list[Word], int]]:
    """The words and type of pooled entities, by their places in the corpus."""
    entities = []
    for first, n_words, first_subword, n_subwords, type_ in zip(
        *(column.tolist() for column in pool.take(np.array(numbers, dtype=np.int64))), strict=True
    ):
        ids = iter(corpus.ids[first_subword : first_subword + n_subwords].tolist())
        lengths = corpus.word_lengths[first : first + n_words].tolist()
        entities.append(([[next(ids) for _ in range(n)] for n in lengths], type_))
        assert not [*ids]
    return entities


# The pool


@given(case=corpora(), size=st.integers(1, 6), at=st.integers(0, 8))
def test_pool_holds_the_last(case, size, at) -> None:
    """However many come at once; and what it holds reads as it was found."""
    words, found = case
    corpus, pool = corpus_of(words), EntityPool(size)
    add(pool, corpus, found[:at])
    add(pool, corpus, found[at:])
    last = deque(found, maxlen=size)
    assert len(pool) == len(last)
    expected = [(words_of(words, entity), entity[3]) for entity in last]
    assert sorted(taken(pool, corpus, range(len(pool)))) == sorted(expected)


@given(case=corpora(), types=st.lists(st.integers(1, N_TYPES)), seed=st.integers(0, 99))
def test_draw_gives_the_type(case, types, seed) -> None:
    words, found = case
    corpus, pool = corpus_of(words), EntityPool(5)
    add(pool, corpus, found)
    numbers = pool.draw(np.array(types, dtype=np.int64), np.random.default_rng(seed)).tolist()
    present = {entity[3] for entity in found[-5:]}
    for number, type_ in zip(numbers, types, strict=True):
        assert (number >= 0) == (type_ in present)
        if number >= 0:
            [(_, got)] = taken(pool, corpus, [number])
            assert got == type_


def test_draws_are_even() -> None:
    corpus, pool = corpus_of([[[i] for i in range(10)]]), EntityPool(10)
    add(pool, corpus, [(0, i, i, 1 + i % 2) for i in range(10)])
    numbers = pool.draw(np.full(5000, 2), np.random.default_rng(0))
    counts = np.bincount(numbers, minlength=10)
    assert (counts[::2] == 0).all()
    assert (abs(counts[1::2] / 5000 - 0.2) < 0.03).all()


def test_state_goes_on_as_before() -> None:
    """From a file, in the middle of a ring that has come round once."""
    corpus = corpus_of([[[i] for i in range(20)]])
    found = [(0, i, i, 1 + i % 3) for i in range(20)]
    pool, other = EntityPool(6), EntityPool(2)
    add(pool, corpus, found[:5])
    add(pool, corpus, found[5:8])
    file = io.BytesIO()
    torch.save(pool.state_dict(), file)
    state = pool.state_dict()
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    types = np.tile([1, 2, 3], 20)
    for step in range(3):
        for each in (pool, other):
            add(each, corpus, found[8 + 3 * step : 11 + 3 * step])
        first, second = (each.draw(types, np.random.default_rng(step)) for each in (pool, other))
        assert first.tolist() == second.tolist()
        assert taken(pool, corpus, first) == taken(other, corpus, second)
    # The state is that of its time, whatever pools have met since.
    for _ in range(2):
        again = EntityPool(6)
        again.load_state_dict(state)
        words = sorted(ids[0][0] for ids, _ in taken(again, corpus, range(6)))
        assert words == [2, 3, 4, 5, 6, 7]
        add(again, corpus, found[8:])


# Switching


def matches(
    before: tuple[list[Word], list[int]],
    after: tuple[list[Word], list[int]],
    pooled: dict[int, list[list[Word]]],
    must: bool,
) -> int | None:
    """How many entities of a sentence were replaced; None where it is not one that could come out.

    pooled: words of the entities that may be put in, by type; must: whether all have to be.
    """
    (words, tags), (new_words, new_tags) = before, after
    begins = {first: (last, type_) for first, last, type_ in entities_in_tags(tags)}
    n_replaced, at, i = 0, 0, 0
    while i < len(words):
        if i not in begins:
            if new_words[at : at + 1] != [words[i]] or new_tags[at] != tags[i]:
                return None
            i, at = i + 1, at + 1
            continue
        last, type_ = begins[i]
        own, options = words[i : last + 1], pooled.get(type_, [])
        kept = new_words[at : at + len(own)] == own and not (must and options)
        fitting = [own] if kept else [o for o in options if new_words[at : at + len(o)] == o]
        if not fitting:
            return None
        # Of options that begin alike, the tags say which it is.
        sizes = {len(option) for option in fitting}
        n = next((n for n in sizes if _is_entity(new_tags, at, n, type_)), 0)
        if not n:
            return None
        n_replaced += not kept
        i, at = last + 1, at + n
    return n_replaced if at == len(new_words) == len(new_tags) else None


def _is_entity(tags: list[int], at: int, n: int, type_: int) -> bool:
    goes_on = tags[at + n : at + n + 1] == [2 * type_]
    return tags[at : at + n] == [2 * type_ - 1] + [2 * type_] * (n - 1) and not goes_on


def pool_of(case: tuple[list[list[Word]], list[Found]]):
    words, found = case
    corpus, pool = corpus_of(words), EntityPool(8)
    add(pool, corpus, found)
    pooled: dict[int, list[list[Word]]] = {}
    for entity in found:
        pooled.setdefault(entity[3], []).append(words_of(words, entity))
    return corpus, pool, pooled


@given(
    batch=sentences(0),
    case=corpora(),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_switched_sentences(batch, case, share, seed) -> None:
    corpus, pool, pooled = pool_of(case)
    before, tags = pack(batch)
    switched = switch_entities(before, tags, corpus, pool, share, np.random.default_rng(seed))
    assert unpack(before, tags) == batch
    after = unpack(*switched)
    assert len(after) == len(batch)
    for old, new in zip(batch, after, strict=True):
        if share == 0 or IGNORE in old[1] or not pooled:
            assert new == old
        assert matches(old, new, pooled, must=share == 1) is not None


def test_entities_of_all_lengths() -> None:
    """By hand: shorter, longer, at both ends of sentences, side by side, with no stand-in."""
    corpus = corpus_of([[[90], [91, 92], [93]], [[94, 95, 96], [97]]])
    pool = EntityPool(4)
    add(pool, corpus, [(0, 1, 2, 1), (1, 0, 0, 2)])
    batch = [
        ([[1], [2, 3], [4]], [1, 3, 4]),
        ([], []),
        ([[5], [6]], [IGNORE, IGNORE]),
        ([[7], [8], [9]], [5, 0, 1]),
    ]
    rng = np.random.default_rng(0)
    switched = switch_entities(*pack(batch), corpus, pool, 1.0, rng)
    assert unpack(*switched) == [
        ([[91, 92], [93], [94, 95, 96]], [1, 2, 3]),
        ([], []),
        ([[5], [6]], [IGNORE, IGNORE]),
        ([[7], [8], [91, 92], [93]], [5, 0, 1, 2]),
    ]


def test_no_sentences() -> None:
    corpus, pool, _ = pool_of(([[[90]]], [(0, 0, 0, 1)]))
    batch, tags = switch_entities(*pack([]), corpus, pool, 1.0, np.random.default_rng(0))
    assert unpack(batch, tags) == []


def test_share_of_switched_entities() -> None:
    corpus, pool, _ = pool_of(([[[90], [91]]], [(0, 0, 1, 2)]))
    batch = [([[i], [7]], [3, 0]) for i in range(4000)]
    switched = switch_entities(*pack(batch), corpus, pool, 0.3, np.random.default_rng(0))
    after = unpack(*switched)
    n_switched = after.count(([[90], [91], [7]], [3, 4, 0]))
    assert abs(n_switched / 4000 - 0.3) < 0.03
    assert sum(old == new for old, new in zip(batch, after, strict=True)) == 4000 - n_switched
