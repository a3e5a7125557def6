"""Entities that were found, and how a Doc gets them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.tokens import Doc, Span

from .entity_group import EntityGroup


class Found(NamedTuple):
    """Entities of one Doc, in order and never overlapping, and their confidences (0 to 1)."""

    spans: list[Span]
    confidences: list[float]


class EntitySettings(NamedTuple):
    """What a Doc gets. The settings are those of `component.DualNer`."""

    threshold: float
    spans_key: str | None
    keep_candidates: bool
    overwrite: bool


def set_entities(doc: Doc, found: Found, settings: EntitySettings) -> None:
    """Set `doc.ents` and the span group, also where nothing is found.

    Tokens that were blocked (`doc.set_ents(blocked=...)`) stay so, and are in no entity, as with
    spaCy's `ner`.

    doc (Doc): The Doc.
    found (Found): Its entities, whatever the threshold.
    settings (EntitySettings): Which of them count.
    """
    iob, type_ = doc.to_array([ENT_IOB, ENT_TYPE]).T
    blocked = np.flatnonzero((iob == 3) & (type_ == 0)).tolist()
    earlier = [] if settings.overwrite else list(doc.ents)
    taken = {*blocked, *(i for ent in earlier for i in range(ent.start, ent.end))}
    free = [
        (span, confidence)
        for span, confidence in zip(*found, strict=True)
        if taken.isdisjoint(range(span.start, span.end))
    ]
    sure = [(span, confidence) for span, confidence in free if confidence >= settings.threshold]
    doc.set_ents(
        [*earlier, *(span for span, _ in sure)],
        blocked=[doc[i : i + 1] for i in blocked],
        default="outside",
    )
    if settings.spans_key is not None:
        kept = free if settings.keep_candidates else sure
        spans = [span for span, _ in kept]
        attrs = {"scores": [confidence for _, confidence in kept]}
        key = settings.spans_key
        doc.spans[key] = EntityGroup(doc, name=key, spans=spans, attrs=attrs)
