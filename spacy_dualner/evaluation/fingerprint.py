"""A fingerprint of text: what tells, without keeping the text, whether other text holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.strings import get_string_id
from spacy.tokens import Doc

from ..labels.words import is_word

# The sentences of the lowest hashes stand for all: enough to see a tenth of some hundred sentences.
_SIZE = 512
_STORED = ">u4"


def sentence_hashes(docs: Iterable[Doc]) -> list[int]:
    """A number of 32 bits for the words of each sentence."""
    texts = (" ".join(token.text for token in doc if is_word(token.text)) for doc in docs)
    return [get_string_id(text) >> 32 for text in texts]


def fingerprint(docs: Iterable[Doc]) -> str:
    """The fingerprint of some sentences."""
    return np.unique(sentence_hashes(docs))[:_SIZE].astype(_STORED).tobytes().hex()


def share_known(hashes: Sequence[int], known: str) -> float:
    """About which share of sentences, 0 to 1, is in the text of a fingerprint, if there is one."""
    lowest = np.frombuffer(bytes.fromhex(known), dtype=_STORED)
    # Of hashes above the last one, a full fingerprint says nothing.
    told = [own for own in hashes if len(lowest) < _SIZE or own <= lowest[-1]]
    return float(np.isin(told, lowest).mean()) if told else 0.0
