"""What the teacher finds in the text of each target language before it begins to teach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..decoding import read_spans
from ..encoder.blocks import Shape, make_blocks
from ..encoder.subwords import Ints, ragged_arange
from ..layout import Layout
from .arrays import SentenceArrays
from .frequency import trim_spans

SAMPLE = 300
"""Sentences of each language that are looked at."""

NEXT_TO_NOTHING = 0.02
"""Entities a sentence below which a teacher has nothing to teach but that there are none."""

MOST_TAKEN = 0.1
"""Share of the entities found that frequent words may take away."""


class Finds(NamedTuple):
    """What was found in a sample of a language.

    sentences (int): Sentences looked at.
    entities (int): Entities found in them.
    removed (int): Those of which no word would be left without the frequent ones.
    trimmed (int): Those that would lose some words.
    """

    sentences: int
    entities: int
    removed: int = 0
    trimmed: int = 0

    @property
    def share_taken(self) -> float:
        """Share of the entities that the frequent words would take away, whole."""
        return self.removed / max(1, self.entities)

    def remarks(self, lang: str) -> list[str]:
        """What is to be said of it. lang (str): The language."""
        said = []
        if self.entities < NEXT_TO_NOTHING * self.sentences:
            said.append(
                f"{lang}: the teacher finds {self.entities} entities in {self.sentences} "
                "sentences, so the student will learn to find next to nothing. See whether stage 1 "
                "was trained to its end, take an encoder that knows the language, or leave the "
                "language out of corpora.target.langs."
            )
        if self.share_taken > MOST_TAKEN:
            said.append(
                f"{lang}: frequent words would take {self.share_taken:.0%} of the entities that "
                f"the teacher finds ({self.removed} of {self.entities} in {self.sentences} "
                f"sentences), more than {MOST_TAKEN:.0%}. They must be names there: this language "
                "is taught without teaching.pseudo_labels.frequent."
            )
        return said


def survey(
    network: nn.Module,
    corpus: SentenceArrays,
    target: Mapping[str, Ints],
    shape: Shape,
    decode: str,
    frequent: NDArray[np.bool_] | None = None,
) -> dict[str, Finds]:
    """Look at up to `SAMPLE` sentences of each language, evenly spread over its text.

    network (nn.Module): The teacher, as `network.predict_tags` takes it.
    corpus (SentenceArrays): All text.
    target (Mapping[str, Ints1d]): Numbers of each language's unlabelled sentences.
    shape (Shape): How to cut and pad.
    decode (str): How entities are read: `span`, `tag` or `joint`.
    frequent (Optional[Bools1d]): For each word of the corpus, whether it begins and ends no name.
    RETURNS (Dict[str, Finds]): Of each language that has text.
    """
    was_training = network.training
    network.eval()
    found = {}
    for name, sentences in target.items():
        n = min(SAMPLE, len(sentences))
        if not n:
            continue
        chosen = sentences[np.arange(n) * len(sentences) // n]
        batch, _ = corpus.select(chosen)
        with torch.no_grad():
            _, logits = network(make_blocks(batch, shape), len(batch.word_lengths))
        layout = Layout(batch.sentence_lengths, logits.device)
        spans = read_spans(logits.float(), layout, decode)
        removed = trimmed = 0
        if frequent is not None:
            words = ragged_arange(corpus.word_bounds[chosen], batch.sentence_lengths)
            own = torch.from_numpy(frequent[words]).to(logits.device)
            row = layout.spread(own.long()) == 1
            removed = len(spans.start) - len(trim_spans(spans, row).start)
            trimmed = int((row[spans.start] | row[spans.end]).sum()) - removed
        found[name] = Finds(n, len(spans.start), removed, trimmed)
    network.train(was_training)
    return found
