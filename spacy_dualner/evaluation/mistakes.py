"""Kinds of mistakes: found entities paired with annotated ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

KINDS = ("correct", "type", "boundary", "boundary and type", "spurious", "missed")
"""The same words and type; the same words, another type; words in common, the same type; words in
common, another type; found and none of these; annotated and none of these."""


class Place(NamedTuple):
    """An entity of a sentence: where it begins, where it has ended, and its type."""

    start: int
    end: int
    type: Any


class Pair(NamedTuple):
    """An annotated and a found entity that belong together, or one of them, and the kind."""

    kind: str
    gold: Place | None
    found: Place | None


def pair(gold: Sequence[Place], found: Sequence[Place]) -> list[Pair]:
    """Pair the entities of a sentence, the closest kind first. Each is in one pair."""
    close = []
    for b, theirs in enumerate(found):
        for a, own in enumerate(gold):
            if own.start < theirs.end and theirs.start < own.end:
                other_type = own.type != theirs.type
                kind = other_type + 2 * (own[:2] != theirs[:2])
                close.append((kind, b, a))
    of_found, of_gold = dict(enumerate(found)), dict(enumerate(gold))
    pairs = []
    for kind, b, a in sorted(close):
        if a in of_gold and b in of_found:
            pairs.append(Pair(KINDS[kind], of_gold.pop(a), of_found.pop(b)))
    pairs += [Pair("spurious", None, theirs) for theirs in of_found.values()]
    return pairs + [Pair("missed", own, None) for own in of_gold.values()]
