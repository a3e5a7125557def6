"""Example sentences: gold above predicted, rendered with displaCy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from spacy import displacy
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import read_docs
from spacy_dualner.labels.words import is_word

from .entities import Counts, Entities, EntityStore
from .results import Run

FIXED, BROKEN = "fixed", "broken"

WANTED = {FIXED: 2, BROKEN: 1}
"""How many sentences of each kind a language shows, if it has them."""

N_COLOURS = 6

_LENGTHS = range(5, 31)  # words of a sentence that reads well
_UNSPACED = ("ja", "th", "zh")  # split by character
_ENTITY = """<mark class="entity {state}" style="--tone: {bg}">\
{text}<span class="kind">{label}</span></mark>"""


@dataclass(frozen=True)
class Line:
    """A sentence with the entities that someone found: `html`, by `who`."""

    who: str
    html: str


@dataclass(frozen=True)
class Example:
    """A sentence that two methods read differently.

    kind (str): `fixed` where the second method has fewer mistakes, `broken` where more.
    direction (str): ltr or rtl.
    lines (List[Line]): Gold, then each method.
    """

    lang: str
    number: int
    kind: str
    direction: str
    lines: list[Line]


def find_examples(store: EntityStore, first: Run, second: Run, lang: str) -> list[Example]:
    """Sentences of a test set that the second run fixes, and that it breaks.

    store (EntityStore): Gold and predictions.
    first, second (Run): The runs to compare, their methods named in the lines.
    lang (str): The language.
    RETURNS (List[Example]): Sentences with fewest mistakes left and most mended come first;
        those that are short or long come last. Empty where predictions are not there.
    """
    gold = store.gold("test", lang)
    found = [store.predicted(run, "test", lang) for run in (first, second)]
    counts = [store.counts(run, "test", lang) for run in (first, second)]
    if gold is None or found[0] is None or found[1] is None:
        return []
    wrong = [_mistakes(count) for count in counts if count is not None]
    docs = read_docs(store.results.corpus("test", lang), Vocab())
    sentences = [[token.text for token in doc if is_word(token.text)] for doc in docs]
    reads_well = np.array([len(words) in _LENGTHS for words in sentences], dtype=bool)
    examples = []
    for kind, (worse, better) in ((FIXED, wrong), (BROKEN, wrong[::-1])):
        changed = np.flatnonzero(worse > better)
        order = np.lexsort((changed, -worse[changed], better[changed], ~reads_well[changed]))
        for number in changed[order][: WANTED[kind]].tolist():
            told = [("gold", gold.entities), (first.method, found[0]), (second.method, found[1])]
            lines = _render(store.types, sentences[number], lang, number, told)
            examples.append(Example(lang, number, kind, direction(lang), lines))
    return examples


def direction(lang: str) -> str:
    """How a language is written, as spaCy says: rtl or ltr."""
    try:
        return str(get_lang_class(lang).Defaults.writing_system["direction"])
    except ImportError:
        return "ltr"


def colour(types: Sequence[str], type_: str) -> str:
    """The CSS colour of an entity type, by its place among all."""
    return f"var(--type-{sorted(types).index(type_) % N_COLOURS + 1})"


def _mistakes(counts: Counts) -> np.ndarray:
    """Of each sentence, entities that are predicted or annotated but not both."""
    return counts.predicted + counts.gold - 2 * counts.right


def _render(
    types: Sequence[str],
    words: Sequence[str],
    lang: str,
    number: int,
    told: Sequence[tuple[str, Entities]],
) -> list[Line]:
    gap = 0 if lang in _UNSPACED else 1
    ends = np.cumsum([len(word) + gap for word in words]) - gap
    starts = ends - [len(word) for word in words]
    true: set[tuple[int, ...]] = set()
    parsed = []
    for who, entities in told:
        rows = sorted(map(tuple, entities[entities[:, 0] == number, 1:].tolist()))
        if who == "gold":
            true = set(rows)
        ents = [
            {
                "start": int(starts[first]),
                "end": int(ends[last]),
                "label": escape(types[type_]),
                "params": {"state": "right" if (first, last, type_) in true else "wrong"},
            }
            for first, last, type_ in rows
        ]
        text = (" " * gap).join(words)
        settings = {"direction": direction(lang), "lang": lang}
        parsed.append({"text": text, "ents": ents, "settings": settings})
    # displaCy escapes words but not types, and looks for the colours of types in capitals.
    colours = {escape(type_).upper(): colour(types, type_) for type_ in types}
    options = {"template": _ENTITY, "colors": colours}
    return [
        Line(who, displacy.render(p, style="ent", manual=True, jupyter=False, options=options))
        for (who, _), p in zip(told, parsed, strict=True)
    ]
