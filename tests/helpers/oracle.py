"""Plain per-sentence reference implementations that the tensor operations are held against.

Written from the definitions, one word after the other. An entity is `(first, last, type)` with the
last word included; class numbers are those of `spacy_dualner.labels.scheme`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import strategies as st

IGNORE = -1
Entity = tuple[int, int, int]


def entities_in_tags(tags: Sequence[int]) -> list[Entity]:
    """Entities of BIO tags as conlleval reads them; no entity crosses an IGNORE."""
    entities: list[Entity] = []
    open_: tuple[int, int] | None = None  # first word and type of the entity being read
    for i, tag in enumerate(tags):
        begins_with_b = tag > 0 and tag % 2 == 1
        type_ = (tag + 1) // 2 if tag > 0 else 0
        if open_ is not None and (begins_with_b or type_ != open_[1]):
            entities.append((open_[0], i - 1, open_[1]))
            open_ = None
        if type_ and open_ is None:
            open_ = (i, type_)
    if open_ is not None:
        entities.append((open_[0], len(tags) - 1, open_[1]))
    return entities


def entities_in_bounds(start: Sequence[int], end: Sequence[int]) -> list[Entity]:
    """Equation 5: each start takes the nearest end of its type, unless a start or gap is first."""
    entities = []
    for i, type_ in enumerate(start):
        if type_ <= 0:
            continue
        for k in range(i, len(start)):
            if k > i and start[k] != 0:
                break  # another entity starts, or the sentence is over
            if end[k] == type_:
                entities.append((i, k, type_))
                break
    return entities


def tags_of(entities: Sequence[Entity], like: Sequence[int]) -> list[int]:
    """BIO tags of entities that do not overlap; IGNORE where `like` has it."""
    tags = [IGNORE if label == IGNORE else 0 for label in like]
    for first, last, type_ in entities:
        for i in range(first, last + 1):
            assert tags[i] == 0
            tags[i] = 2 * type_
        tags[first] = 2 * type_ - 1
    return tags


def bounds_of(entities: Sequence[Entity], like: Sequence[int]) -> tuple[list[int], list[int]]:
    """Start and end labels of entities; IGNORE where `like` has it."""
    start = [IGNORE if label == IGNORE else 0 for label in like]
    end = list(start)
    for first, last, type_ in entities:
        start[first] = type_
        end[last] = type_
    return start, end


def extract_span(tags: Sequence[int]) -> tuple[list[int], list[int]]:
    """Equation 6 for one sentence."""
    return bounds_of(entities_in_tags(tags), tags)


def sequential(start: Sequence[int], end: Sequence[int]) -> list[int]:
    """Equation 5 for one sentence."""
    return tags_of(entities_in_bounds(start, end), start)


def is_well_formed(tags: Sequence[int]) -> bool:
    """Whether each `I-` continues an entity of its type."""
    return all(
        tag <= 0 or tag % 2 == 1 or before in (tag, tag - 1) for before, tag in pairwise([0, *tags])
    )


def tag_names(tags: Sequence[int], types: Sequence[str]) -> list[str]:
    """Names of tag classes."""
    return ["O" if t == 0 else f"{'IB'[t % 2]}-{types[(t + 1) // 2 - 1]}" for t in tags]


def pad(rows: Sequence[Sequence[int]], extra: int = 0) -> list[list[int]]:
    """Rows of one width, filled with IGNORE; `extra` more than needed."""
    width = max(map(len, rows), default=0) + extra
    return [[*row, *[IGNORE] * (width - len(row))] for row in rows]


def in_one_row(rows: Sequence[Sequence[int]]) -> list[int]:
    """Rows end to end with one IGNORE after each."""
    return [label for row in rows for label in [*row, IGNORE]]


# Strategies, each giving the number of types first.


def _with_types(make: Callable[[int], st.SearchStrategy]) -> st.SearchStrategy:
    return st.integers(1, 8).flatmap(lambda c: st.tuples(st.just(c), make(c)))


def _sentences(word: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(st.lists(word, max_size=12), min_size=1, max_size=5)


def _lay_out(chunks: Sequence[tuple[int, int, int]]) -> tuple[list[Entity], int]:
    """Gaps, lengths and types to entities and the number of words."""
    entities, at = [], 0
    for gap, length, type_ in chunks:
        at += gap
        if length:
            entities.append((at, at + length - 1, type_))
        at += length
    return entities, at


# Any tags, mostly ill-formed: (C, sentences).
any_tags = _with_types(lambda c: _sentences(st.integers(0, 2 * c)))
# Any start and end labels: (C, sentences of (start, end)).
any_bounds = _with_types(
    lambda c: _sentences(
        st.tuples(
            st.one_of(st.just(0), st.integers(0, c)),
            st.one_of(st.just(0), st.integers(0, c)),
        )
    )
)
# Entities that do not overlap: (C, sentences of (entities, number of words)).
any_entities = _with_types(
    lambda c: st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, c)), max_size=5
        ).map(_lay_out),
        min_size=1,
        max_size=5,
    )
)
