"""Gold and predicted entities of a results folder as arrays, and what counts for F1."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import read_docs
from spacy_dualner.errors import DataError
from spacy_dualner.labels.words import is_word

from .results import Results, Run

Entities = NDArray[np.int64]
"""`[n, 4]`: number of the sentence, first and last word (inclusive), number of the type."""


@dataclass(frozen=True)
class Gold:
    """The annotated sentences of a language and split."""

    n_sentences: int
    entities: Entities


class Counts(NamedTuple):
    """Entities of each sentence (int64 vectors): predicted rightly, predicted, and annotated."""

    right: NDArray[np.int64]
    predicted: NDArray[np.int64]
    gold: NDArray[np.int64]


class EntityStore:
    """Reads the entities of a results folder, types numbered alike in gold and predictions.

    results (Results): The results folder.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self._types: dict[str, int] = {}
        self._gold: dict[tuple[str, str], Gold | None] = {}

    @property
    def types(self) -> list[str]:
        """Names by type number, of all that were read so far."""
        return list(self._types)

    def gold(self, split: str, lang: str) -> Gold | None:
        """The gold standard; None where the results folder lacks the sentences.

        RAISES (DataError): If the file is no DocBin.
        """
        if (split, lang) not in self._gold:
            path = self.results.corpus(split, lang)
            self._gold[split, lang] = self._read_gold(split, lang) if path.exists() else None
        return self._gold[split, lang]

    def predicted(self, run: Run, split: str, lang: str) -> Entities | None:
        """What a run found; None where its predictions are not there.

        RAISES (DataError): If the file is malformed.
        """
        path = run.folder / "predictions.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                name = f"{split}.{lang}"
                if name not in arrays:
                    return None
                rows = arrays[name].astype(np.int64).reshape(-1, 4)
                numbers = np.array([self._number(str(t)) for t in arrays["types"]], dtype=np.int64)
                rows[:, 3] = numbers[rows[:, 3]]
        except (ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            message = f"not the predictions of a run ({error}). Remove the folder and study again."
            raise DataError(path, message) from None
        return rows

    def counts(self, run: Run, split: str, lang: str) -> Counts | None:
        """What counts for F1 in each sentence; None where gold or predictions are not there."""
        gold, predicted = self.gold(split, lang), self.predicted(run, split, lang)
        if gold is None or predicted is None:
            return None
        return count(gold, predicted)

    def _number(self, type_: str) -> int:
        return self._types.setdefault(type_, len(self._types))

    def _read_gold(self, split: str, lang: str) -> Gold:
        rows = []
        number = -1
        docs = read_docs(self.results.corpus(split, lang), Vocab())
        for number, doc in enumerate(docs):
            # Predictions count words: those before each token.
            before = np.cumsum([0, *(is_word(token.text) for token in doc)]).tolist()
            bounds = [(before[e.start], before[e.end], self._number(e.label_)) for e in doc.ents]
            rows += [(number, first, end - 1, type_) for first, end, type_ in bounds if first < end]
        return Gold(number + 1, np.array(rows, dtype=np.int64).reshape(-1, 4))


def count(gold: Gold, predicted: Entities) -> Counts:
    """Count the entities of each sentence.

    gold (Gold): The annotated sentences.
    predicted (Entities): Without repeats.
    RETURNS (Counts): A prediction is right where sentence, words and type are those of gold.
    """
    right = predicted[is_in(predicted, gold.entities)]
    of = (right, predicted, gold.entities)
    return Counts(*(np.bincount(rows[:, 0], minlength=gold.n_sentences) for rows in of))


def micro_f1(counts: Counts) -> float:
    """Micro F1 in percent, as seqeval's; 0 without any entity."""
    total = counts.predicted.sum() + counts.gold.sum()
    return float(200 * counts.right.sum() / total) if total else 0.0


def is_in(rows: Entities, others: Entities) -> NDArray[np.bool_]:
    """Which rows are also among others. Rows may have any number of columns of small integers."""
    if not len(rows) or not len(others):
        return np.zeros(len(rows), dtype=bool)
    sizes = tuple(np.maximum(rows.max(0), others.max(0)) + 1)
    keys = (np.ravel_multi_index(tuple(columns.T), sizes) for columns in (rows, others))
    return np.isin(*keys)
