"""Sentences end to end in one row, one IGNORE between neighbours: no padding, no crossing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from .scheme import IGNORE
from .words import check_lengths


class Layout:
    """Where the words of sentences, of 0 words or more, stand in one row with gaps."""

    def __init__(self, sentence_lengths: ArrayLike, device: torch.device | str = "cpu") -> None:
        lengths = np.asarray(sentence_lengths, dtype=np.int64)
        self.n_words = int(lengths.sum())
        self.n_places = self.n_words + len(lengths)
        self._begins = np.cumsum(lengths + 1) - lengths - 1
        places = np.arange(self.n_words) + np.repeat(np.arange(len(lengths)), lengths)
        self.places = torch.from_numpy(places).to(device)

    def spread(self, values: Tensor, gap: float = IGNORE) -> Tensor:
        """Values of words `[words, ...]` to a row `[places, ...]`, with `gap` in the gaps."""
        check_lengths("word", self.n_words, len(values))
        row = values.new_full((self.n_places, *values.shape[1:]), gap)
        row[self.places] = values
        return row

    def gather(self, row: Tensor) -> Tensor:
        """A row `[places]` back to labels of words `[words]`."""
        check_lengths("place", self.n_places, len(row))
        return row[self.places]

    def parts(self, n_words: int) -> Iterator[Part]:
        """One or more parts, cut between sentences, of so many words; a longer sentence is one."""
        lengths = np.diff(self._begins, append=self.n_places) - 1
        words = np.cumsum([0, *lengths])
        first = 0
        while first < len(lengths) or not first:
            fitting = int(np.searchsorted(words, words[first] + n_words, side="right")) - 1
            last = min(max(fitting, first + 1), len(lengths))
            own = slice(int(words[first]), int(words[last]))
            layout = Layout(lengths[first:last], self.places.device)
            yield Part(layout, own, own.start + first)
            first = last or 1

    def word(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the word that stands at each of some places in the row."""
        return places - self.locate(places)[0]

    def locate(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sentence number and word number within it, for places in the row."""
        sentences = np.searchsorted(self._begins, places, side="right") - 1
        return sentences, places - self._begins[sentences]


class Part(NamedTuple):
    """Neighbouring sentences of a row."""

    layout: Layout  # those sentences as a row
    words: slice  # their words in the whole row
    first: int  # their first place in the whole row
