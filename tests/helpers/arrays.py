"""A corpus of few sub-words as the arrays that a step reads."""

from __future__ import annotations

import numpy as np

from spacy_dualner.encoder.arrays import SentenceArrays

# A sentence: its language, and the sub-words and tag of each word.
Sentence = tuple[str, list[tuple[list[int], int]]]


def corpus_of(sentences: list[list[int]], langs: str = "") -> SentenceArrays:
    """Sentences whose words are one sub-word each, without tags.

    langs (str): A letter for the language of each; all are of one if empty.
    """
    names = langs or "x" * len(sentences)
    pairs = zip(names, sentences, strict=True)
    return arrays_of([(2 * name, [([i], -1) for i in ids]) for name, ids in pairs])


def arrays_of(sentences: list[Sentence]) -> SentenceArrays:
    names = list(dict.fromkeys(lang for lang, _ in sentences))
    words = [word for _, s in sentences for word in s]

    def bounds(lengths: list[int]) -> np.ndarray:
        return np.cumsum([0, *lengths])

    return SentenceArrays(
        np.array([i for ids, _ in words for i in ids], dtype=np.int32),
        np.array([len(ids) for ids, _ in words], dtype=np.int16),
        np.array([tag for _, tag in words], dtype=np.int16),
        bounds([len(s) for _, s in sentences]),
        bounds([sum(len(ids) for ids, _ in s) for _, s in sentences]),
        np.array([names.index(lang) for lang, _ in sentences], dtype=np.int16),
        names,
    )
