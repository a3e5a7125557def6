"""What the teacher finds in the text of each target language before it begins to teach."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ..decoding.read import read_spans
from ..encoder.arrays import SentenceArrays
from ..encoder.subwords import Ints
from ..encoder.windows import Shape
from .network import predict

SAMPLE = 500
"""Sentences of each language that are looked at."""

NEXT_TO_NOTHING = 0.02
"""Entities a sentence below which a teacher has nothing to teach but that there are none."""


def survey(
    network: nn.Module, corpus: SentenceArrays, target: Mapping[str, Ints], shape: Shape
) -> list[str]:
    """What is to be said of languages with nothing to teach but that there are no entities.

    Up to `SAMPLE` sentences of each are looked at, evenly spread over its text.
    """
    remarks = []
    for name, sentences in target.items():
        batch = corpus.sample(sentences, SAMPLE)
        n_sentences = len(batch.sentence_lengths)
        n_found = len(read_spans(*predict(network, batch, shape), "span").start)
        if n_found < NEXT_TO_NOTHING * n_sentences:
            remarks.append(
                f"{name}: the teacher finds {n_found} entities in {n_sentences} sentences, so the "
                "student will learn to find next to nothing. See whether stage 1 was trained to "
                "its end, take an encoder that knows the language, or leave the language out of "
                "corpora.target.langs."
            )
    return remarks
