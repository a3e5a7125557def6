"""What the teacher finds in the text of each target language before it begins to teach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..conversions import Spans, tags_to_spans
from ..decoding import read_spans
from ..encoder.blocks import Shape, make_blocks
from ..encoder.subwords import Ints
from ..layout import Layout
from .arrays import SentenceArrays
from .frequency import same_words, trim_spans

SAMPLE = 500
"""Sentences of each language that are looked at."""

NEXT_TO_NOTHING = 0.02
"""Entities a sentence below which a teacher has nothing to teach but that there are none."""

MOST_LOST = 0.02
"""F1, from 0 to 1, that frequent words may cost the teacher on annotated text of a language."""

MOST_TAKEN = 0.5
"""Share of what is found that they may cut or remove, where there is no annotated text."""


class Finds(NamedTuple):
    """What was found in a sample of a language.

    sentences (int): Unlabelled sentences looked at.
    entities (int): Entities found in them.
    taken (int): Those that begin or end with a frequent word, and would be cut or removed.
    f1 (Optional[float]): Of what is found in annotated text, from 0 to 1; None where there is none.
    f1_left (Optional[float]): Of what would be left of that.
    """

    sentences: int
    entities: int
    taken: int = 0
    f1: float | None = None
    f1_left: float | None = None

    @property
    def suffers(self) -> bool:
        """Whether frequent words would take too much."""
        if self.f1 is not None and self.f1_left is not None:
            return self.f1 - self.f1_left > MOST_LOST
        return self.taken > MOST_TAKEN * self.entities

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
        if self.suffers:
            harm = ""
            if self.f1 is not None and self.f1_left is not None:
                harm = f", and F1 on development text from {self.f1:.1%} to {self.f1_left:.1%}"
            said.append(
                f"{lang}: frequent words would cut or remove {self.taken} of the {self.entities} "
                f"entities that the teacher finds in {self.sentences} sentences{harm}. They must "
                "be parts of names there: this language is taught as in the paper, without "
                "teaching.pseudo_labels."
            )
        return said


def survey(
    network: nn.Module,
    corpus: SentenceArrays,
    target: Mapping[str, Ints],
    shape: Shape,
    decode: str,
    frequent: NDArray[np.bool_] | None = None,
    annotated: SentenceArrays | None = None,
) -> dict[str, Finds]:
    """Look at up to `SAMPLE` sentences of each language, evenly spread over its text.

    network (nn.Module): The teacher, as `network.predict_tags` takes it.
    corpus (SentenceArrays): All text.
    target (Mapping[str, Ints1d]): Numbers of each language's unlabelled sentences.
    shape (Shape): How to cut and pad.
    decode (str): How entities are read: `span`, `tag` or `joint`.
    frequent (Optional[Bools1d]): For each word of the corpus, whether it begins and ends no name.
    annotated (Optional[SentenceArrays]): Text that tells what is right, of any languages.
    RETURNS (Dict[str, Finds]): Of each language that has text.
    """
    was_training = network.training
    network.eval()
    of_word = np.repeat(corpus.langs, corpus.word_counts())
    found = {}
    for name, sentences in target.items():
        if not len(sentences):
            continue
        chosen = np.zeros(len(of_word), dtype=bool)
        if frequent is not None:
            chosen = frequent & (of_word == corpus.lang_names.index(name))
        look = _look(network, corpus, sentences, shape, decode, corpus, chosen)
        finds = Finds(*look[:3])
        if frequent is not None and annotated is not None and name in annotated.lang_names:
            own = annotated.of_lang(name)
            *_, f1, left = _look(network, annotated, own, shape, decode, corpus, chosen)
            finds = finds._replace(f1=f1, f1_left=left)
        found[name] = finds
    network.train(was_training)
    return found


def _look(
    network: nn.Module,
    text: SentenceArrays,
    sentences: Ints,
    shape: Shape,
    decode: str,
    corpus: SentenceArrays,
    frequent: NDArray[np.bool_],
) -> tuple[int, int, int, float, float]:
    """Sentences, entities, those taken, and F1 before and after; frequent are words of `corpus`."""
    n = min(SAMPLE, len(sentences))
    batch, tags = text.select(sentences[np.arange(n) * len(sentences) // n])
    with torch.no_grad():
        _, logits = network(make_blocks(batch, shape), len(batch.word_lengths))
    layout = Layout(batch.sentence_lengths, logits.device)
    spans = read_spans(logits.float(), layout, decode)
    at_edge = torch.from_numpy(same_words(corpus, frequent, batch)).to(logits.device)
    row = layout.spread(at_edge.long()) == 1
    taken = int((row[spans.start] | row[spans.end]).sum())
    gold = tags_to_spans(layout.spread(torch.from_numpy(tags).to(logits.device)))
    left = trim_spans(spans, row)
    return n, len(spans.start), taken, _f1(spans, gold), _f1(left, gold)


def _f1(found: Spans, gold: Spans) -> float:
    """From 0 to 1."""
    first, second = (set(zip(*(x.tolist() for x in spans), strict=True)) for spans in (found, gold))
    return 2 * len(first & second) / max(1, len(first) + len(second))
