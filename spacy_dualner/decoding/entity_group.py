"""A span group that follows its Doc's tokens."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import srsly
from spacy.tokens import Doc, Span, SpanGroup

# How spaCy stores a member: three ids, first token and that after the last, and characters alike.
_STORED = ">QQQllll"


class EntityGroup(SpanGroup):
    """A span group whose members name the same text after tokens were merged or split.

    spaCy's retokenizer leaves span groups as they are, so that their numbers of tokens mean other
    words afterwards. Characters do not change: tokens are found again by these. A member that lies
    within a merged token becomes that token. What is made of the group's bytes is a `SpanGroup`.

    The arguments are those of `SpanGroup`.
    """

    def __getitem__(self, i: int) -> Span:
        i, doc = range(len(self))[i], self.doc
        # spaCy raises it where the Doc has fewer tokens by now.
        with suppress(IndexError):
            span = super().__getitem__(i)
            last = doc[span.end - 1]
            characters = doc[span.start].idx, last.idx + len(last)
            if characters == (span.start_char, span.end_char):
                return span
        stored = srsly.msgpack_loads(super().to_bytes())["spans"][i]
        span_id, kb_id, label, _, _, start, end = struct.unpack(_STORED, stored)
        found: Any = doc.char_span(
            start, end, label=label, kb_id=kb_id, span_id=span_id, alignment_mode="expand"
        )
        self[i] = found  # type: ignore[index]  # not in its stub
        return found

    def __iter__(self) -> Iterator[Span]:
        return (self[i] for i in range(len(self)))

    def copy(self, doc: Doc | None = None) -> EntityGroup:
        """A copy, for another Doc of the same text if one is given."""
        plain = super().copy(doc)
        return EntityGroup(plain.doc, name=plain.name, attrs=plain.attrs, spans=list(plain))

    def to_bytes(self) -> bytes:
        """The members, by their tokens as they are now."""
        list(self)
        return super().to_bytes()
