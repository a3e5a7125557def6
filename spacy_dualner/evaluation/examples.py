"""Examples of entities in their sentences, drawn by displaCy."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import inf
from typing import Any

from spacy import displacy

from .mistakes import Pair, Place
from .predicting import Judged

# Tokens that are shown before and after an entity.
_CONTEXT = 30
# As displaCy's own. The label stays with the last word, and has a direction of its own.
_MARK = (
    '<mark class="entity{this}" style="background: hsl({hue} 75% 85%)"><bdi>{text}</bdi>&#160;'
    '<bdi class="label">{label}</bdi>{kb_link}</mark>'
)


@dataclass(frozen=True)
class Example:
    """An entity, or an annotated and a found one that belong together."""

    lang: str  # the language of the text
    judged: Judged  # its sentence
    pair: Pair  # the entity
    from_right: bool  # whether the language is written from right to left

    @property
    def sure(self) -> float:
        """Its confidence; infinite where none is known."""
        place = self.pair.found or self.pair.gold
        return self.judged.sure.get(place, inf) if place else inf

    def drawn(self, hues: dict[str, int]) -> dict[str, Any]:
        """What the page shows.

        hues (Dict[str, int]): The colour of each type; new ones are added.
        RETURNS (Dict[str, Any]): `lang`, `sure`, and the sentence as HTML: `annotated` and `found`.
        """
        own = self.judged
        lines = {"found": {place: own.sure.get(place, inf) for place in own.found}}
        if self.pair.kind != "found":
            lines["annotated"] = dict.fromkeys(own.annotated, inf)
        html = {name: self._line(entities.items(), hues) for name, entities in lines.items()}
        return {"lang": self.lang, "sure": self.sure, **html}

    def _line(self, entities: Iterable[tuple[Place, float]], hues: dict[str, int]) -> str:
        places = [place for place in (self.pair.gold, self.pair.found) if place is not None]
        first, last = min(p.start for p in places), max(p.end for p in places)
        gold: Any = self.judged.gold
        span = gold.char_span(first, last, alignment_mode="expand")
        # An entity may be as long as its text.
        shown = gold[max(0, span.start - _CONTEXT) : min(span.end, span.start + 99) + _CONTEXT]
        before = "… " if shown.start else ""
        text = before + shown.text + (" …" if shown.end < len(gold) else "")
        shift = len(before) - shown.start_char
        marks = [
            {
                "start": max(place.start, shown.start_char) + shift,
                "end": min(place.end, shown.end_char) + shift,
                "label": escape(place.type if sure == inf else f"{place.type} {sure:.2f}"),
                "params": {
                    "this": " this" if place in places else "",
                    "hue": hues.setdefault(place.type, len(hues) * 137 % 360),
                },
            }
            for place, sure in entities
            if place.start < shown.end_char and place.end > shown.start_char
        ]
        direction = "rtl" if self.from_right or is_from_right(text) else "ltr"
        line = {"text": text, "ents": marks, "settings": {"direction": direction}}
        options = {"template": _MARK}
        return displacy.render(line, "ent", manual=True, jupyter=False, options=options)


def is_from_right(text: str) -> bool:
    """Whether most letters of a text are written from right to left."""
    kinds = Counter(map(unicodedata.bidirectional, text))
    return kinds["R"] + kinds["AL"] > kinds["L"]
