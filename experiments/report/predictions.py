"""Gold and predicted entities of a results folder, what counts for F1, and kinds of mistakes."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import read_docs
from spacy_dualner.errors import DataError
from spacy_dualner.evaluation.mistakes import KINDS, Place, pair
from spacy_dualner.labels.words import is_word

from .results import Results

COLUMNS = ["sentence", "first", "last", "type"]
"""Of a table of entities: number of the sentence, first and last word (inclusive), type."""


class Gold(NamedTuple):
    """The number of annotated sentences of a language and split, and their entities (COLUMNS)."""

    n_sentences: int
    entities: pd.DataFrame


class Matches(NamedTuple):
    """Entities of each sentence (int64 vectors): predicted rightly, predicted, and annotated."""

    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    gold: NDArray[np.int64]


class Predictions:
    """Reads the entities of a results folder.

    results (Results): The results folder.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self._gold: dict[tuple[str, str], Gold | None] = {}

    def gold(self, split: str, lang: str) -> Gold | None:
        """The gold standard; None where the results folder lacks the sentences.

        RAISES (DataError): If the file is no DocBin.
        """
        if (split, lang) not in self._gold:
            there = self.results.corpus(split, lang).exists()
            self._gold[split, lang] = self._read_gold(split, lang) if there else None
        return self._gold[split, lang]

    def predicted(self, key: str, split: str, lang: str) -> pd.DataFrame | None:
        """The entities that a run found; None where its predictions are not there.

        RAISES (DataError): If the file is malformed.
        """
        path = self.results.runs.folder[key] / "predictions.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if (name := f"{split}.{lang}") not in arrays:
                    return None
                found = pd.DataFrame(arrays[name].reshape(-1, 4), columns=COLUMNS)
                return found.assign(type=arrays["types"][found.type].astype(object))
        except (ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            message = f"not the predictions of a run ({error}). Remove the folder and study again."
            raise DataError(path, message) from None

    def counts(self, key: str, split: str, lang: str) -> Matches | None:
        """What counts for F1 in each sentence; None where gold or predictions are not there."""
        gold, predicted = self.gold(split, lang), self.predicted(key, split, lang)
        if gold is None or predicted is None:
            return None
        found = (predicted.merge(gold.entities), predicted, gold.entities)
        n = gold.n_sentences
        return Matches(*(np.bincount(f.sentence.astype(int), minlength=n) for f in found))

    def mistakes(self, key: str, split: str, lang: str) -> pd.Series | None:
        """Entities of a run by kind of mistake; None likewise."""
        gold, predicted = self.gold(split, lang), self.predicted(key, split, lang)
        return None if gold is None or predicted is None else mistakes(gold.entities, predicted)

    def _read_gold(self, split: str, lang: str) -> Gold:
        number, rows = -1, []
        for number, doc in enumerate(read_docs(self.results.corpus(split, lang), Vocab())):
            # Predictions count words: those before each token.
            before = np.cumsum([0, *(is_word(token.text) for token in doc)]).tolist()
            bounds = [(before[e.start], before[e.end], e.label_) for e in doc.ents]
            rows += [(number, first, end - 1, type_) for first, end, type_ in bounds if first < end]
        return Gold(number + 1, pd.DataFrame(rows, columns=COLUMNS))


def mistakes(gold: pd.DataFrame, predicted: pd.DataFrame) -> pd.Series:
    """Count the entities of some sentences by kind of mistake, each entity once.

    gold, predicted (DataFrame): Entities with COLUMNS.
    RETURNS (Series): By kind, in the order of `spacy_dualner.evaluation.mistakes.KINDS`.
    """
    places: tuple[dict[int, list[Place]], ...] = (defaultdict(list), defaultdict(list))
    for own, table in zip(places, (gold, predicted), strict=True):
        for sentence, first, last, type_ in table[COLUMNS].itertuples(index=False):
            own[sentence].append(Place(first, last + 1, type_))
    true, found = places
    counts = dict.fromkeys(KINDS, 0)
    for sentence in {*true, *found}:
        for kind, *_ in pair(true[sentence], found[sentence]):
            counts[kind] += 1
    return pd.Series(counts)
