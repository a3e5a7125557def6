"""The work of `threshold`: of each type the lowest confidence above which enough is right."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve
from tqdm import tqdm

from ..data.docbin import read_docs, split_paths
from ..data.outputs import check_output
from ..decoding.thresholds import of_type
from ..errors import DualNerError
from ..labels.gold_types import foreign_types
from ..pipeline import find_component, load_pipeline, write_copy
from .fingerprint import sentence_hashes, share_known
from .predicting import judge
from .reliability import Bools, Floats
from .scores import check_annotated
from .text_settings import TextSettings

NEVER = 1.0
"""Stored for a type where no threshold is enough: next to nothing of it is reported."""


class Share(NamedTuple):
    """A share and its 95% interval by Wilson, each 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """What a threshold makes of some entities."""

    right: int  # those reported that are right
    reported: int  # those reported
    annotated: int  # those annotated

    @property
    def precision(self) -> Share | None:
        """None where nothing is reported."""
        return _share(self.right, self.reported)

    @property
    def recall(self) -> Share | None:
        """None where nothing is annotated."""
        return _share(self.right, self.annotated)


@dataclass(frozen=True)
class Thresholds:
    """What `find_thresholds` found."""

    table: dict[str, float]  # by type, for the component's setting
    short: list[str]  # types of which no threshold is enough
    unseen: list[str]  # types that were not found in the text; they keep the threshold they had
    types: dict[str, Outcome]  # by type
    languages: dict[str, Outcome]  # by language, of all types
    every: Outcome  # of all types in all languages
    share_known: float  # about which share of the text confidences were calibrated on


def find_thresholds(
    model: str | Path,
    corpus: Path,
    precision: float,
    settings: TextSettings = TextSettings(),
    *,
    output: Path | None = None,
    progress: bool = False,
) -> Thresholds:
    """Find the lowest threshold of each type at which enough of what is reported is right.

    model (Union[str, Path]): Folder or package of the pipeline. It predicts once.
    corpus (Path): Corpus folder, or one `xx.spacy`.
    precision (float): The share that has to be right, above 0 to 1.
    settings (TextSettings): Which text of the corpus is read.
    output (Optional[Path]): Folder for a copy of the pipeline with these thresholds.
    progress (bool): Whether to show a progress bar.
    RETURNS (Thresholds): What was found.
    Raises DualNerError where the component or annotated text is missing.
    """
    if not 0 < precision <= 1:
        raise DualNerError(f"A precision of {precision:g} cannot be held. Give a share, as in 0.9.")
    nlp = load_pipeline(model)
    pipe = find_component(nlp, settings.component)
    if output is not None:
        check_output(output, nlp.path)
    paths = split_paths(corpus, settings.split, settings.langs)
    check_annotated(paths.values(), settings.limit)
    found: list[tuple[str, str, float, bool]] = []
    gold_langs, gold_types = Counter[str](), Counter[str]()
    hashes: list[int] = []
    for lang, path in tqdm(paths.items(), leave=False, disable=None if progress else True):
        docs = list(read_docs(path, nlp.vocab, settings.limit))
        hashes += sentence_hashes(docs)
        for own in judge(nlp, docs, pipe):
            gold_langs[lang] += len(own.annotated)
            gold_types.update(place.type for place in own.annotated)
            found += [
                (lang, place.type, p, place in own.annotated) for place, p in own.sure.items()
            ]
    if message := foreign_types(gold_types, pipe.labels, "The annotated text"):
        warnings.warn(message, stacklevel=2)
    langs, types, sure, right = (np.array([row[i] for row in found]) for i in range(4))
    right = right.astype(bool)
    table, short, unseen = {}, [], []
    for type_ in pipe.labels:
        least = lowest_threshold(sure[types == type_], right[types == type_], precision)
        if type_ not in types:
            unseen.append(type_)
            least = of_type(pipe.cfg["threshold"], type_)
        elif least is None:
            short.append(type_)
        table[type_] = NEVER if least is None else least
    kept = sure >= np.array([of_type(table, type_) for type_ in types])

    def outcome(own: Bools, annotated: int) -> Outcome:
        return Outcome(int((own & kept & right).sum()), int((own & kept).sum()), annotated)

    if output is not None:
        write_copy(model, output, settings.component, lambda pipe: pipe.cfg.update(threshold=table))
    return Thresholds(
        table,
        short,
        unseen,
        {type_: outcome(types == type_, gold_types[type_]) for type_ in pipe.labels},
        {lang: outcome(langs == lang, gold_langs[lang]) for lang in paths},
        outcome(kept, gold_langs.total()),
        share_known(hashes, pipe.cfg["calibrated_on"]),
    )


def lowest_threshold(sure: Floats, right: Bools, precision: float) -> float | None:
    """The lowest threshold above which at least a share of the entities is right.

    It is half-way between the least sure entity that is reported and the next one: the batch that
    an entity is in changes its confidence by a little.

    RETURNS (Optional[float]): 0 where all can be reported; None where no threshold is enough.
    """
    if not right.any():
        return None
    shares, _, steps = precision_recall_curve(right, sure)
    enough = np.flatnonzero(shares[:-1] >= precision)
    if not len(enough):
        return None
    step = enough[0]
    # To as many digits as JSON stores.
    return round(float(steps[step - 1 : step + 1].mean()), 9) if step else 0.0


def _share(part: int, whole: int) -> Share | None:
    if not whole:
        return None
    low, high = binomtest(part, whole).proportion_ci(method="wilson")
    return Share(part / whole, float(low), float(high))
