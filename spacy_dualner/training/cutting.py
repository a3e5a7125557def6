"""Words cut into pieces that stand as words: how languages without spaces look, word by word."""

from __future__ import annotations

import random
from typing import Any, cast

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.tokens import Doc

from ..labels.words import is_word

LONGEST = 3
"""Characters of a piece, at most."""

_BEGIN, _INSIDE = 3, 1  # as spaCy numbers them


def cut_words(doc: Doc) -> Doc:
    """A copy whose words are cut at random into pieces of up to `LONGEST` characters.

    In Chinese and Japanese as PAN-X has them each character is a word, and a recogniser that has
    seen names of one to three words finds fragments. Cut, annotated text of any language shows it
    long names of short words.

    RETURNS (Doc): Without what was known of spaces. A piece belongs to the entity of its word.
    """
    pieces, of_word = [], []
    for number, token in enumerate(doc):
        text, at = token.text, 0
        while at < len(text):
            length = random.randint(1, LONGEST) if is_word(text) else len(text)
            pieces.append(text[at : at + length])
            of_word.append(number)
            at += length
    word = np.array(of_word, dtype=np.int64)
    values = doc.to_array([ENT_IOB, ENT_TYPE])[word]
    goes_on = np.diff(word, prepend=-1) == 0
    values[goes_on & (values[:, 0] == _BEGIN), 0] = _INSIDE
    # What is known of tokens and spans is kept under places, which are others now.
    of_doc = {key: value for key, value in doc.user_data.items() if isinstance(key, str)}
    cut = Doc(doc.vocab, words=pieces, user_data=of_doc)
    return cut.from_array([ENT_IOB, ENT_TYPE], cast(Any, values)) if pieces else cut
