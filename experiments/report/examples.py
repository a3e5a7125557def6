"""Example sentences: gold above predicted, rendered with displaCy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from spacy import displacy
from spacy.util import get_lang_class

from .predictions import Predictions

WANTED = {"fixed": 2, "broken": 1}
"""How many sentences of each kind a language shows, if it has them."""

_LENGTHS = range(5, 31)  # words of a sentence that reads well
_UNSPACED = ("ja", "th", "zh")  # split by character
_ENTITY = '<mark class="entity {state}">{text}<span class="kind">{label}</span></mark>'


@dataclass(frozen=True)
class Example:
    """A sentence that two methods read differently.

    lang (str): Its language.
    number (int): Its place in the test set.
    kind (str): `fixed` where the second method has fewer mistakes, `broken` where more.
    direction (str): ltr or rtl.
    lines (Dict[str, str]): HTML of the sentence with the entities of gold and of each method.
    """

    lang: str
    number: int
    kind: str
    direction: str
    lines: dict[str, str]


def find_examples(predictions: Predictions, runs: dict[str, str], lang: str) -> list[Example]:
    """Sentences of a test set that the second run fixes, and that it breaks.

    predictions (Predictions): Gold and predictions.
    runs (Dict[str, str]): Keys of the two runs, by method.
    lang (str): The language.
    RETURNS (List[Example]): Sentences with fewest mistakes left and most mended come first;
        those that are short or long come last. Empty where predictions are not there.
    """
    counts = [predictions.counts(key, "test", lang) for key in runs.values()]
    gold = predictions.gold("test", lang)
    if gold is None or counts[0] is None or counts[1] is None:
        return []
    wrong = [own.predicted + own.gold - 2 * own.right for own in counts if own is not None]
    told = {"gold": gold.entities}
    for method, key in runs.items():
        found = predictions.predicted(key, "test", lang)
        told[method] = gold.entities[:0] if found is None else found
    odd = np.array([len(words) not in _LENGTHS for words in gold.sentences], dtype=bool)
    examples = []
    for (kind, wanted), (worse, better) in zip(WANTED.items(), (wrong, wrong[::-1]), strict=True):
        changed = np.flatnonzero(worse > better)
        order = np.lexsort((changed, -worse[changed], better[changed], odd[changed]))
        for number in changed[order][:wanted].tolist():
            lines = _render(gold.sentences[number], lang, {
                who: entities[entities.sentence == number] for who, entities in told.items()
            })  # fmt: skip
            examples.append(Example(lang, number, kind, direction(lang), lines))
    return examples


def direction(lang: str) -> str:
    """How a language is written, as spaCy says: rtl or ltr."""
    try:
        return str(get_lang_class(lang).Defaults.writing_system["direction"])
    except ImportError:
        return "ltr"


def _render(words: Sequence[str], lang: str, told: dict[str, pd.DataFrame]) -> dict[str, str]:
    gap = 0 if lang in _UNSPACED else 1
    ends = np.cumsum([len(word) + gap for word in words]) - gap
    starts = ends - [len(word) for word in words]
    rows = {
        who: sorted(zip(own["first"], own["last"], own["type"], strict=True))
        for who, own in told.items()
    }
    lines = {}
    for who, entities in rows.items():
        # displaCy escapes words but not types.
        ents = [
            {
                "start": int(starts[first]),
                "end": int(ends[last]),
                "label": escape(type_),
                "params": {"state": "" if (first, last, type_) in rows["gold"] else "wrong"},
            }
            for first, last, type_ in entities
        ]
        settings = {"direction": direction(lang), "lang": lang}
        text = {"text": (" " * gap).join(words), "ents": ents, "settings": settings}
        options = {"template": _ENTITY}
        lines[who] = displacy.render(text, style="ent", manual=True, jupyter=False, options=options)
    return lines
