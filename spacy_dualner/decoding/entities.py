"""Entities that were found, and how a Doc gets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from math import inf
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from spacy.attrs import ENT_ID, ENT_IOB, ENT_KB_ID, ENT_TYPE
from spacy.tokens import Doc, Span
from torch import Tensor

from ..errors import DualNerError
from ..labels.layout import Layout
from ..labels.words import DocWords
from .decodings import check_decoding
from .entity_group import EntityGroup
from .read import Measure, read_entities
from .thresholds import Threshold, can_drop, check_threshold, of_type


class Found(NamedTuple):
    """Entities of one Doc, in order and never overlapping, and their confidences (0 to 1)."""

    spans: list[Span]
    confidences: list[float]

    def where(self, kept: Sequence[bool]) -> Found:
        """Some of them. kept (Sequence[bool]): Whether each is one."""
        return Found(list(compress(self.spans, kept)), list(compress(self.confidences, kept)))

    def above(self, threshold: Threshold) -> Found:
        """Those that are at least so sure. threshold (Threshold): The component's setting."""
        pairs = zip(self.spans, self.confidences, strict=True)
        return self.where([sure >= of_type(threshold, span.label_) for span, sure in pairs])


def find_entities(
    docs: Sequence[Doc],
    logits: Tensor,
    decode: str,
    labels: Sequence[str],
    measure: Measure | None = None,
) -> list[Found]:
    """Read the entities of Docs from logits.

    logits (Floats2d): `[tokens of all Docs, 4C + 3]`; those of white space mean nothing.
    measure (Optional[Measure]): Gives their confidences; all are 1 by default.
    """
    found = [Found([], []) for _ in docs]
    words = DocWords(docs)
    logits = words.of_tokens(logits)
    layout = Layout(words.lengths, logits.device)
    spans, sure = read_entities(logits, layout, decode, measure)
    if sure is None:
        sure = torch.ones(len(spans.start))
    starts, ends, types = (values.cpu().numpy() for values in spans)
    numbers, first = words.locate(layout.word(starts))
    _, last = words.locate(layout.word(ends))
    columns = (numbers, first, last, types, sure)
    for i, begin, end, type_, confidence in zip(*(c.tolist() for c in columns), strict=True):
        found[i].spans.append(Span(docs[i], begin, end + 1, label=labels[type_ - 1]))
        found[i].confidences.append(confidence)
    return found


class EntitySettings(NamedTuple):
    """What a Doc gets. The settings are those of `component.DualNer`."""

    threshold: Threshold
    spans_key: str | None
    keep_candidates: bool
    overwrite: bool

    @property
    def use_confidences(self) -> bool:
        """Whether confidences are asked for, which take time."""
        return self.spans_key is not None or can_drop(self.threshold)


def check_settings(cfg: Mapping[str, Any]) -> EntitySettings:
    """Check a component's settings (DualNerError) and give those that tell what a Doc gets."""
    check_decoding(cfg["decode"])
    for decode, temperature in cfg["temperature"].items():
        check_decoding(decode)
        if not isinstance(temperature, Real) or not 0 < float(temperature) < inf:
            message = f"The temperature of {decode} is {temperature!r}. Give a number above 0."
            raise DualNerError(message)
    check_threshold(cfg["threshold"], cfg["labels"])
    if not isinstance(key := cfg["spans_key"], str | None):
        raise DualNerError(f"spans_key is {key!r}. Give a name, or null for no span group.")
    return EntitySettings(*(cfg[name] for name in EntitySettings._fields))


def set_entities(doc: Doc, found: Found, settings: EntitySettings) -> None:
    """Set `doc.ents` and the span group, also where nothing is found.

    Tokens that were blocked (`doc.set_ents(blocked=...)`) stay so, and are in no entity, as with
    spaCy's `ner`.
    """
    iob, type_, id_, kb_id = doc.to_array([ENT_IOB, ENT_TYPE, ENT_ID, ENT_KB_ID]).T
    blocked = np.flatnonzero((iob == 3) & (type_ == 0)).tolist()
    earlier = [] if settings.overwrite else list(doc.ents)
    if settings.overwrite:
        # `set_ents` leaves them, so that other entities would have them.
        for i in np.flatnonzero(id_ | kb_id).tolist():
            doc[i].ent_id = doc[i].ent_kb_id = 0
    taken = {*blocked, *(i for ent in earlier for i in range(ent.start, ent.end))}
    free = found.where([taken.isdisjoint(range(span.start, span.end)) for span in found.spans])
    sure = free.above(settings.threshold)
    doc.set_ents(
        [*earlier, *sure.spans],
        blocked=[doc[i : i + 1] for i in blocked],
        default="outside",
    )
    if settings.spans_key is not None:
        kept = free if settings.keep_candidates else sure
        attrs = {"scores": kept.confidences}
        key = settings.spans_key
        doc.spans[key] = EntityGroup(doc, name=key, spans=kept.spans, attrs=attrs)
