"""What picks the best student: development F1 per language, or the heads' agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from accelerate.utils import gather_object
from torch import nn

from ..encoder.subwords import Ints
from ..errors import DualNerError
from ..scorer import entity_scores
from ..training.history import AGREEMENT, F1
from .data import TeachingData
from .network import Recogniser, predict_tags

NEAR_ZERO = 0.05
"""F1, from 0 to 1, below which what a model finds is mostly wrong."""


@dataclass
class Development:
    """Scores students."""

    # `mean` over all development languages, `source` languages only, or `agreement` between the two
    # heads on unlabelled sentences.
    select: str
    data: TeachingData
    recogniser: Recogniser

    def __post_init__(self) -> None:
        self.dev, source_langs = self.data.dev, self.data.source_langs
        self.held_back = self.data.corpus.subset(self.data.held_back)
        names = self.dev.lang_names
        if self.select == "source":
            names = [name for name in names if name in source_langs]
        if self.select == "agreement":
            names = self.held_back.lang_names
        if not names:
            raise DualNerError(
                f"select = '{self.select}' has nothing to score: "
                + {
                    "mean": "there is no development corpus. Set corpora.dev, or select = "
                    "'agreement', which needs no labels.",
                    "source": "no development corpus is of a source language "
                    f"({', '.join(source_langs)}). Set corpora.dev, or select = 'mean' or "
                    "'agreement'.",
                    "agreement": "there is no unlabelled target text. Set corpora.target.",
                }[self.select]
            )
        if self.select != "agreement":
            self._check_annotated(names)
        self.selecting = names

    def _check_annotated(self, names: Sequence[str]) -> None:
        """Text without an entity scores 0 whatever a student does."""
        bare = [n for n in names if not (self.dev.select(self.dev.of_lang(n))[1] > 0).any()]
        if bare:
            raise DualNerError(
                f"select = '{self.select}': no annotated entity in the development text of "
                f"{', '.join(bare)}. Annotate it, leave it out of corpora.dev.langs, or set select "
                "= 'agreement', which needs no labels."
            )

    @property
    def columns(self) -> dict[str, str]:
        """Scores to show, in the order of the log, and the names of their columns."""
        columns = {f"{F1}{name}": name for name in self.dev.lang_names}
        if self.select == "agreement":
            columns |= {f"{AGREEMENT}{name}": f"{AGREEMENT}{name}" for name in self.selecting}
        return columns

    def score(
        self, network: nn.Module, process: int = 0, n_processes: int = 1
    ) -> tuple[float, dict[str, float]]:
        """Score a network. Of several processes each takes some languages, and all have to call.

        RETURNS (Tuple[float, Dict[str, float]]): The score that selects, and all scores from 0 to
            1: `ents_f_xx` on development text, `agree_xx` of the heads on text held back, or where
            there is none on development text.
        """
        # The largest first, so that no process has much more than another.
        sizes: Counter[str] = Counter()
        for part in (self.dev, self.held_back):
            for name in part.lang_names:
                sizes[name] += int(part.subword_counts()[part.of_lang(name)].sum())
        own = sorted(sizes, key=lambda name: -sizes[name])[process::n_processes]
        gathered = gather_object([self._scores(network, set(own))])
        scores = {name: value for found in gathered for name, value in found.items()}
        prefix = AGREEMENT if self.select == "agreement" else F1
        return sum(scores[f"{prefix}{n}"] for n in self.selecting) / len(self.selecting), scores

    def _scores(self, network: nn.Module, langs: set[str]) -> dict[str, float]:
        scores = {}
        # Text held back comes last: where there is some, agreement is of that.
        for part in (self.dev, self.held_back):
            for name in langs.intersection(part.lang_names):
                sentences = part.of_lang(name)
                predicted = predict_tags(network, part, sentences, self.recogniser.shape)
                scores[f"{AGREEMENT}{name}"] = self._f1(predicted["span"], predicted["tag"])
                if part is self.dev:
                    ends = np.cumsum(part.word_counts()[sentences])
                    gold = np.split(part.select(sentences)[1], ends[:-1])
                    scores[f"{F1}{name}"] = self._f1(gold, predicted["span"])
        return scores

    def weakness(self, scores: Mapping[str, float]) -> str:
        """What is to be said of the scores of a model that is about to teach, if anything."""
        own = {name: scores[f"{F1}{name}"] for name in self.dev.lang_names}
        weak = [f"{name} {100 * f1:.1f}" for name, f1 in own.items() if f1 < NEAR_ZERO]
        if not weak:
            return ""
        return (
            f"F1 of the stage-1 model on development text is near zero: {', '.join(weak)}. It "
            "would teach its mistakes there. See in the log of stage 1 whether it was trained to "
            "its end, or take an encoder that knows the language."
        )

    def _f1(self, gold: Sequence[Ints], predicted: Sequence[Ints]) -> float:
        # Words without gold tag count as outside, on both sides.
        names = np.array([*self.recogniser.scheme.tags, "O"])
        known = [np.where(g < 0, -1, p) for g, p in zip(gold, predicted, strict=True)]
        as_names = ([names[tags].tolist() for tags in side] for side in (gold, known))
        return entity_scores(*as_names)["f"] / 100
