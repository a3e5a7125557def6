"""Texts whose entities are given by character: how a file counts, and which words they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from unicodedata import category, normalize

import regex
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..errors import DataError, DualNerError
from .tags import Sentence, is_known, unknown_tag
from .tally import BLANK, FileTally
from .text import WordSplitter

ALIGN = ("expand", "contract", "strict")
"""What becomes of an entity that cuts a word, as in spaCy's `Doc.char_span`."""

_CHANGED = {"expand": "widened to whole words", "contract": "narrowed to whole words"}
_UNFIT = "with an entity that is not where the file says"
# For each entity that does not fit by another way of counting, so many have to fit by that alone.
_MANY = 10


class Mark(NamedTuple):
    """An entity of a text."""

    start: int  # its first character
    end: int  # the first one after it
    label: str  # its type
    surface: str | None = None  # its text, where the file says so


class MarkedText(NamedTuple):
    """A text and its entities."""

    place: str  # where in the file it is, for errors
    text: str  # the text
    marks: Sequence[Mark] = ()  # its entities
    left_out: str = ""  # why it is none to learn from, if so
    other: Sequence[str] = ()  # what else the file says of it, and has no place in a corpus


# What else than characters a tool may count: pieces of text, and how many it takes one for.
_CLUSTER = regex.compile(r"\X")
_COUNTS: dict[str, tuple[Any, Callable[[str], int]]] = {
    "UTF-16 code units": (re.compile("[\U00010000-\U0010ffff]"), lambda piece: 2),
    "characters composed to NFC": (_CLUSTER, lambda piece: len(normalize("NFC", piece))),
    "characters decomposed to NFD": (_CLUSTER, lambda piece: len(normalize("NFD", piece))),
    "CR and LF as one character": (re.compile("\r\n"), lambda piece: 1),
    "line feeds as CR and LF": (re.compile("(?<!\r)\n"), lambda piece: 2),
    "grapheme clusters": (_CLUSTER, lambda piece: 1),
}


def read_marked(
    read: Callable[[], Iterable[MarkedText]],
    types: Sequence[str],
    tally: FileTally,
    *,
    align: str = ALIGN[0],
    dropped: Collection[str] = (),
) -> Iterator[Sentence]:
    """Read texts with entities by character, each as one sentence. The file is read twice.

    types (Sequence[str]): The entity types that there may be.
    align (str): What becomes of an entity that cuts a word, one of ALIGN.
    dropped (Collection[str]): Types of no interest, whose entities hide no others.
    YIELDS (Sentence): The words of a text, as the pipelines of the presets split it, none of them
        white space, and their tags.
    RAISES (DataError): If an entity is of another type, or most are not where the file says.
    """
    if align not in ALIGN:
        raise DualNerError(f"Unknown --align {align!r}. Choose one of: {', '.join(ALIGN)}.")
    split = WordSplitter()
    tally.counted = count = find_count(read())
    first = ""
    for place, text, marks, left_out, other in read():
        tally.read += 1
        for what in other:
            tally.note(what, place)
        found = [_to_characters(text, mark, count) for mark in marks]
        if not (left_out or all(_is_there(text, mark) for mark in found)):
            left_out, first = _UNFIT, first or place
        if left_out or not text.strip():
            tally.left_out[left_out or BLANK] += 1
            continue
        for mark in found:
            if not is_known(mark.label, types):
                raise DataError(f"{tally.source}:{place}", unknown_tag(f"B-{mark.label}", types))
        found = [mark for mark in found if mark.label not in dropped]
        doc = split(text)
        doc.set_ents(_spans(doc, found, align, tally, place))
        words = [token for token in doc if not token.is_space]
        tags = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in words]
        yield tally.add(place, [token.text for token in words], tags)
    if tally.left_out[_UNFIT] > tally.used:
        message = f"texts {_UNFIT}: {tally.left_out[_UNFIT]:,}, and others only {tally.used:,}. Do"
        message += " the entities belong to this text? Export them anew."
        raise DataError(f"{tally.source}:{first}", message)


def find_count(records: Iterable[MarkedText]) -> str:
    """Find what a file counts in place of characters: a name of `_COUNTS`, or empty for these.

    That is taken by which entities fit that do not fit by characters, and next to none the other
    way round. One fits if its text is what the file says or, where that says nothing, if it neither
    cuts a word nor has white space at its edge.
    """
    gained, lost = Counter[str](), Counter[str]()
    for record in records:
        for mark in record.marks:
            plain = _to_characters(record.text, mark, "")
            for count in _COUNTS:
                other = _to_characters(record.text, mark, count)
                if other != plain:
                    fits = _fits(record.text, other), _fits(record.text, plain)
                    gained[count] += fits == (True, False)
                    lost[count] += fits == (False, True)
    best = max(_COUNTS, key=lambda count: gained[count] - lost[count])
    return best if gained[best] > _MANY * lost[best] else ""


@lru_cache(maxsize=16)
def _positions(text: str, count: str) -> Sequence[int]:
    """The character at which each unit begins, and where the last one ends."""
    found: list[int] = []
    done = 0
    if count:
        pattern, size = _COUNTS[count]
        for match in pattern.finditer(text):
            if (units := size(match[0])) != len(match[0]):
                found += [*range(done, match.start()), *[match.start()] * units]
                done = match.end()
    return [*found, *range(done, len(text) + 1)]


def _to_characters(text: str, mark: Mark, count: str) -> Mark:
    at = _positions(text, count)
    ends = (at[place] if 0 <= place < len(at) else -1 for place in mark[:2])
    return mark._replace(start=next(ends), end=next(ends))


def _is_there(text: str, mark: Mark) -> bool:
    if not 0 <= mark.start <= mark.end:
        return False
    return mark.surface is None or _same(text[mark.start : mark.end], mark.surface)


def _same(one: str, other: str) -> bool:
    """Whether two texts are alike but for white space at the edges, line ends and accents' form."""
    return one == other or normalize("NFC", one).split() == normalize("NFC", other).split()


def _fits(text: str, mark: Mark) -> bool:
    if mark.surface is not None or not _is_there(text, mark):
        return _is_there(text, mark)
    cut = any(
        0 < edge < len(text) and _in_word(text[edge - 1]) and _in_word(text[edge])
        for edge in mark[:2]
    )
    return not cut and mark[:2] == _trim(text, mark)


def _in_word(character: str) -> bool:
    return category(character)[0] in "LMN"


def _trim(text: str, mark: Mark) -> tuple[int, int]:
    """Where an entity begins and ends without the white space at its edges."""
    own = text[mark.start : mark.end]
    return mark.start + len(own) - len(own.lstrip()), mark.end - len(own) + len(own.rstrip())


def _spans(doc: Doc, marks: Iterable[Mark], align: str, tally: FileTally, place: str) -> list[Span]:
    """The entities as words of a Doc, apart from each other. What becomes otherwise is noted."""
    spans: list[Span] = []
    for mark in dict.fromkeys(mark._replace(surface=None) for mark in marks):
        start, end = _trim(doc.text, mark)
        if start >= end:
            tally.note("entities left out, as they are empty", place)
            continue
        span = doc.char_span(start, end, mark.label, alignment_mode=align)
        if span is None or span.text.isspace():
            tally.note("entities left out, as they cut a word", place)
            continue
        if (span.start_char, span.end_char) != (start, end):
            tally.note(f"entities {_CHANGED[align]}", place)
        spans.append(span)
    kept = filter_spans(spans)
    for _ in range(len(spans) - len(kept)):
        tally.note("entities left out, as they overlap one that is as long or longer", place)
    return kept
