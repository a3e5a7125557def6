"""Which tokens of Docs are words: decided here alone, for all that pairs words with values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc
from torch import Tensor

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Item = TypeVar("Item")
Values = TypeVar("Values", NDArray, Tensor)


def is_word(token: str) -> bool:
    """Whether a token is a word: it is not, if it is white space alone.

    A vocabulary may not know what white space is (`Vocab()`), so that the token itself is asked.
    """
    return not token.isspace()


class DocWords:
    """The words of Docs, one after the other: their tokens, but for those of white space.

    Encoders never saw white space. It may stand within an entity, but neither begins nor ends one.

    docs (Sequence[Doc]): Docs; empty ones, or of white space alone, have no words.
    """

    def __init__(self, docs: Sequence[Doc]) -> None:
        ends = np.cumsum([0, *map(len, docs)], dtype=np.int64)
        orths = np.concatenate(
            [np.zeros(0, dtype=np.uint64), *(doc.to_array(ORTH) for doc in docs if len(doc))]
        )
        # Docs need not share a vocabulary: each token's text is looked up where it stands.
        known, first, number = np.unique(orths, return_index=True, return_inverse=True)
        holders = np.searchsorted(ends, first, side="right") - 1
        self._strings = {
            orth: docs[holder].vocab.strings
            for orth, holder in zip(known.tolist(), holders.tolist(), strict=True)
        }
        of_known = np.array([is_word(self.string(orth)) for orth in self._strings], dtype=bool)
        # The token of each word, counted through all Docs, and its hash.
        self.tokens: Ints = np.flatnonzero(of_known[number])
        self.orths: Hashes = orths[self.tokens]
        self.n_tokens = len(orths)
        self.begins: Ints = ends[:-1]  # tokens before each Doc
        self.lengths: Ints = np.diff(np.searchsorted(self.tokens, ends))  # words of each Doc

    def __len__(self) -> int:
        return len(self.tokens)

    def string(self, orth: int) -> str:
        """The text of a word, or of white space, by its hash."""
        return self._strings[orth][orth]

    def of_tokens(self, values: Values) -> Values:
        """Those of the values of all tokens, `[tokens, ...]`, one for each, that are of words."""
        check_lengths("token", self.n_tokens, len(values))
        if len(self) == self.n_tokens:
            return values
        if isinstance(values, Tensor):
            return values[torch.from_numpy(self.tokens).to(values.device)]
        return values[self.tokens]

    def to_tokens(self, values: Tensor, fill: float) -> Tensor:
        """Values of words, `[words, ...]`, one for each, for all tokens; `fill` for white space."""
        check_lengths("word", len(self), len(values))
        rows = values.new_full((self.n_tokens, *values.shape[1:]), fill)
        return rows.index_copy(0, torch.from_numpy(self.tokens).to(values.device), values)

    def by_doc(self, values: list[Item]) -> list[list[Item]]:
        """Values of words, for each Doc those of its own."""
        check_lengths("word", len(self), len(values))
        ends = np.cumsum(self.lengths).tolist()
        return [values[end - n : end] for end, n in zip(ends, self.lengths.tolist(), strict=True)]

    def locate(self, words: Ints) -> tuple[Ints, Ints]:
        """Number of the Doc of each of some words (Ints1d), and of the token in that Doc."""
        tokens = self.tokens[words]
        docs = np.searchsorted(self.begins, tokens, side="right") - 1
        return docs, tokens - self.begins[docs]


def check_lengths(of: str, expected: int, found: int) -> None:
    """Raise ValueError where there is not one value for each `of` (a word, a place)."""
    if expected != found:
        raise ValueError(f"{found} values for {expected} {of}s: there has to be one for each.")
