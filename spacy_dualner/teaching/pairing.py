"""Which source sentence a translated one is of, for FILTER."""

from __future__ import annotations

import numpy as np

from ..encoder.arrays import SentenceArrays
from ..encoder.subwords import Ints
from ..errors import DualNerError


def find_partners(corpus: SentenceArrays, n_source: int, longest: int) -> Ints:
    """The source sentence of each translation: of every language the k-th is of the k-th.

    corpus (SentenceArrays): Source sentences, then translations, each language in source order.
    longest (int): Sub-words of a window; pairs in which a sentence has more, or none, are left out.
    RETURNS (Ints1d): A source sentence's number for each sentence, or -1 where there is none.
    Raises DualNerError where there are no translations, or more than source sentences.
    """
    partners = np.full(len(corpus), -1)
    sizes = corpus.subword_counts()
    for name in corpus.lang_names:
        own = corpus.of_lang(name)
        own = own[own >= n_source]
        if len(own) > n_source:
            raise DualNerError(
                f"There are {len(own):,} translated sentences ({name}) of {n_source:,} source "
                "sentences. FILTER needs the k-th to be of the k-th: mend corpora.target, for "
                "instance by its limit."
            )
        pair = np.stack((sizes[own], sizes[: len(own)]))
        fits = (pair.min(0) > 0) & (pair.max(0) <= longest)
        partners[own[fits]] = np.flatnonzero(fits)
    if partners.max() < 0:
        raise DualNerError(
            "FILTER needs translations of the source sentences: set corpora.target to text made "
            "by `convert --form translated`."
        )
    return partners
