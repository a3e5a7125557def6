"""Annotated sentences and what a pipeline finds in them, compared by characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import tee
from typing import Any, NamedTuple

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, LENGTH, SPACY
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from ..component import DualNer
from ..data.text import PER_CHARACTER
from ..labels.words import is_word
from .mistakes import Place


class Judged(NamedTuple):
    """A sentence as annotated, and what a pipeline finds in the same text."""

    gold: Doc  # the annotated one, as written
    annotated: list[Place]  # entities, in characters of the text
    found: list[Place]  # those of `doc.ents`, but for those in words that have no annotation
    # Confidence of each that was found, below the threshold as well; empty where no component says.
    sure: dict[Place, float]


def judge(
    nlp: Language,
    docs: Iterable[Doc],
    pipe: DualNer | None = None,
    *,
    unknown: bool = False,
    raw: bool = False,
) -> Iterator[Judged]:
    """Run a pipeline over Docs, whose tokens it gets.

    pipe (Optional[DualNer]): Its component whose confidences are asked for. Its settings change.
    unknown (bool): Whether entities in words that have no annotation count.
    raw (bool): Whether the pipeline gets the text alone, for its own tokenizer to split.
    """
    key = "" if pipe is None else pipe.cfg["spans_key"] or pipe.name
    if pipe is not None:
        pipe.cfg |= {"keep_candidates": True, "spans_key": key}
    written, sent = tee(map(as_written, docs))
    fresh = (doc.text if raw else _bare(doc, nlp) for doc in sent)
    for gold, doc in zip(written, nlp.pipe(fresh), strict=True):
        known = is_annotated(gold) | unknown
        group = SpanGroup(doc, attrs={"scores": []}) if pipe is None else doc.spans[key]
        sure = zip(map(place_of, group), group.attrs["scores"], strict=True)
        yield Judged(
            gold,
            places(gold),
            [place for place in places(doc) if known[place.start : place.end].any()],
            {place: p for place, p in sure if place and known[place.start : place.end].any()},
        )


def as_written(doc: Doc) -> Doc:
    """A sentence with the spaces that its text has.

    Where the Doc knows its spaces, as from a tokenizer, they stay. Otherwise there is one between
    words, but none in Chinese, Japanese and Thai, which PAN-X splits by character, Latin letters
    included, with `#` for a space.

    doc (Doc): A sentence; its language in `user_data["lang"]`.
    """
    if not doc.has_unknown_spaces:
        return doc
    space = doc.user_data.get("lang") not in PER_CHARACTER
    written = Doc(doc.vocab, words=[token.text for token in doc], spaces=[space] * len(doc))
    attrs = [ENT_IOB, ENT_TYPE]
    entities: Any = doc.to_array(attrs)
    return written.from_array(attrs, entities) if len(doc) else written


def is_annotated(doc: Doc) -> np.ndarray:
    """Whether each character of a Doc is in a token with annotation, `[characters]`."""
    lengths = doc.to_array([LENGTH, SPACY]).sum(axis=1).astype(np.int64)
    return np.repeat(doc.to_array(ENT_IOB) != 0, lengths)


def places(doc: Doc) -> list[Place]:
    """Where the words of each entity begin and end, in characters."""
    return [place for ent in doc.ents if (place := place_of(ent)) is not None]


def place_of(span: Span) -> Place | None:
    """Where the words of a span begin and end; None where it has none."""
    words = [token for token in span if is_word(token.text)]
    return Place(words[0].idx, words[-1].idx + len(words[-1]), span.label_) if words else None


def _bare(doc: Doc, nlp: Language) -> Doc:
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(nlp.vocab, words=[token.text for token in doc], spaces=spaces)
