"""What the teacher finds in the text of each target language before it begins to teach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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


class Finds(NamedTuple):
    """How many unlabelled sentences of a language were looked at, and entities found in them."""

    sentences: int
    entities: int

    @property
    def too_few(self) -> bool:
        """Whether there is nothing to teach but that there are none."""
        return self.entities < NEXT_TO_NOTHING * self.sentences

    def remark(self, lang: str) -> str:
        """What is to be said of too few. lang (str): The language."""
        return (
            f"{lang}: the teacher finds {self.entities} entities in {self.sentences} "
            "sentences, so the student will learn to find next to nothing. See whether stage 1 "
            "was trained to its end, take an encoder that knows the language, or leave the "
            "language out of corpora.target.langs."
        )


def survey(
    network: nn.Module, corpus: SentenceArrays, target: Mapping[str, Ints], shape: Shape
) -> dict[str, Finds]:
    """Look at up to `SAMPLE` sentences of each language, evenly spread over its text."""
    was_training = network.training
    network.eval()
    found = {}
    for name, sentences in target.items():
        if len(sentences):
            batch = corpus.sample(sentences, SAMPLE)
            spans = read_spans(*predict(network, batch, shape), "span")
            found[name] = Finds(len(batch.sentence_lengths), len(spans.start))
    network.train(was_training)
    return found
