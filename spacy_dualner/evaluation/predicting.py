"""Annotated sentences and what a pipeline finds in them, with or without confidences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import tee
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, SpanGroup

from ..component import DualNer
from .mistakes import Place
from .raw_text import as_written, is_annotated, place_of, places


class Judged(NamedTuple):
    """A sentence as annotated and as a pipeline predicts it: text and tokens are the same."""

    gold: Doc  # the annotated one
    doc: Doc  # the predicted one
    annotated: list[Place]  # entities, in characters of the text
    found: list[Place]  # those of `doc.ents`, but for those in words that have no annotation
    # Confidence of each that was found, below the threshold as well; empty where no component says.
    sure: dict[Place, float]


def judge(
    nlp: Language, docs: Iterable[Doc], pipe: DualNer | None, *, unknown: bool = False
) -> Iterator[Judged]:
    """Run a pipeline over Docs, whose tokens it gets.

    pipe (Optional[DualNer]): Its component whose confidences are asked for. Its settings change.
    unknown (bool): Whether entities in words that have no annotation count.
    """
    key = "" if pipe is None else pipe.cfg["spans_key"] or pipe.name
    if pipe is not None:
        pipe.cfg |= {"keep_candidates": True, "spans_key": key}
    written, sent = tee(map(as_written, docs))
    fresh = (
        Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
        for doc in sent
    )
    for gold, doc in zip(written, nlp.pipe(fresh), strict=True):
        known = is_annotated(gold) | unknown
        group = SpanGroup(doc, attrs={"scores": []}) if pipe is None else doc.spans[key]
        sure = zip(map(place_of, group), group.attrs["scores"], strict=True)
        yield Judged(
            gold,
            doc,
            places(gold),
            [place for place in places(doc) if known[place.start : place.end].any()],
            {place: p for place, p in sure if place and known[place.start : place.end].any()},
        )
