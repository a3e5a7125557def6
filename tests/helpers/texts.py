"""Made texts of all that offsets and tokenisers stumble over, with entities of whole words."""

from __future__ import annotations

import random

from spacy.tokens import Doc
from spacy.util import filter_spans

from spacy_dualner.data.text import WordSplitter

PIECES = [
    *["Anna", "Schmidt", "Saint-Denis", "O'Neil", "U.S.", "wohnt", "in", "3,5", "(Bonn)", "e.V."],
    *["😀", "👩‍👩‍👧", "🇩🇪", "👍🏽", "𝔸𝔹", "Köln", "Ko\u0308ln", "Jose\u0301", "q\u0323\u0307"],
    *["פגשתי", "אֶת", "\u202bבברלין\u202c", "أنقرة", "تُركيا", "नई", "दिल्ली", "ประเทศไทย"],
    *["東京都", "ガギグ", "カ\u3099", "서울", "\u1109\u1165\u110b\u116e\u11af", "Ber\u00adlin"],
    *["New\u00a0York", "a\u200bb", "\ufeffx", "ﬁn", "Ǆ", "İstanbul'da", "ß", "\u2028", "\x85"],
]
SPACES = [" "] * 12 + ["\u00a0", "\r\n", "\n", "\t", "  ", " \u00a0", "\u3000", "", "\r\n\r\n"]
TYPES = ["PER", "LOC", "ORG", "Job title"]


def made_docs(number: int, seed: int = 0) -> list[Doc]:
    """Texts as the pipelines of the presets split them, with entities that begin and end with words
    and not with white space."""
    made, split = random.Random(seed), WordSplitter()
    docs = []
    for _ in range(number):
        n_pieces = made.randint(1, 14)
        text = "".join(made.choice(PIECES) + made.choice(SPACES) for _ in range(n_pieces))
        doc = split(made.choice(["", "", " ", "\r\n"]) + text + made.choice(PIECES[:10]))
        words = [token.i for token in doc if not token.is_space]
        spans = []
        for _ in range(made.randint(0, 4)):
            first = made.randrange(len(words))
            last = min(first + made.randint(0, 3), len(words) - 1)
            label = made.choice(TYPES)
            spans.append(doc.char_span(doc[words[first]].idx, _end(doc, words[last]), label))
        doc.set_ents(filter_spans(spans))
        docs.append(doc)
    return docs


def _end(doc: Doc, word: int) -> int:
    return doc[word].idx + len(doc[word])


def words_and_entities(doc: Doc) -> tuple[list[str], list[tuple[int, int, str]]]:
    """The words that are no white space, and the entities by their places among these."""
    words = [token for token in doc if not token.is_space]
    place = {token.i: at for at, token in enumerate(words)}
    found = [(place[ent.start], place[ent.end - 1] + 1, ent.label_) for ent in doc.ents]
    return [token.text for token in words], found
