"""Random Docs of words, white space and odd Unicode, and what belongs to each of their words."""

from __future__ import annotations

import random
from collections.abc import Sequence

from helpers.oracle import IGNORE
from helpers.tiny import SENTENCES
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_dualner.labels.scheme import LabelScheme

SCHEME = LabelScheme.from_types(["LOC", "ORG", "PER"])
SPACES = [" ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "  \n", "\x1c"]
ODD = [
    "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200f", "\u202bשלום\u202c", "e\u0301\u0323",
    "\u0301", "न्‍क", "👩‍👩‍👧", "🏳️‍🌈", "🇩🇪", "𝔄𝔫𝔫𝔞", "北", "京", "ﬁ", "½", "x" * 90, "a\u3000b",
]  # fmt: skip
KNOWN = sorted({word for words, _ in SENTENCES for word in words})


def random_doc(rng: random.Random, vocab: Vocab, *, labelled: bool = True) -> Doc:
    """A Doc of up to a dozen tokens, often none or white space alone, with random entities."""
    pools = rng.choice([[KNOWN], [KNOWN, SPACES], [KNOWN, SPACES, ODD], [SPACES], [ODD]])
    tokens = [rng.choice(rng.choice(pools)) for _ in range(rng.choice([0, 1, 1, 2, 5, 12]))]
    doc = Doc(vocab, words=tokens, spaces=[rng.random() < 0.5 for _ in tokens])
    doc.user_data["lang"] = rng.choice(["en", "de"])
    if not labelled:
        return doc
    ents, missing, at = [], [], 0
    while at < len(doc):
        end = min(len(doc), at + rng.randint(1, 4))
        kind = rng.random()
        if kind < 0.5:
            ents.append(Span(doc, at, end, rng.choice(SCHEME.types)))
        elif kind < 0.6:
            missing.append(doc[at:end])
        at = end
    doc.set_ents(ents, missing=missing, default="outside")
    return doc


def words_of(doc: Doc) -> list[int]:
    """The tokens that are words."""
    return [token.i for token in doc if token.text.strip()]


def tags_of_words(doc: Doc) -> list[int]:
    """The gold tag class of each word, read from `doc.ents`."""
    tags = {i: IGNORE if doc[i].ent_iob == 0 else 0 for i in words_of(doc)}
    for ent in doc.ents:
        first = True
        for i in range(ent.start, ent.end):
            if i in tags:
                tags[i] = 2 * SCHEME.types.index(ent.label_) + (1 if first else 2)
                first = False
    return list(tags.values())


def bare(doc: Doc, vocab: Vocab) -> Doc:
    """The words alone, without annotation."""
    return Doc(vocab, words=[doc[i].text for i in words_of(doc)])


def spread(doc: Doc, labels: Sequence[int]) -> list[int]:
    """Labels of words for all tokens."""
    row = [IGNORE] * len(doc)
    for i, label in zip(words_of(doc), labels, strict=True):
        row[i] = label
    return row
