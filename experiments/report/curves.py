"""Training curves and Figure 3's: scores over steps, and over the share of annotated source."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from spacy_dualner.errors import DataError
from spacy_dualner.training.history import read_history

from .measures import Measure, Measured
from .results import Results, Run


@dataclass(frozen=True)
class Curve:
    """What one run's evaluations on the development sets say.

    stage (int): 1 or 2.
    steps (List[int]): Of the evaluations; 0 in stage 2 is the stage-1 model.
    f1 (Dict[str, List[Optional[float]]]): F1 of each language at each step, in percent.
    agreement (Dict[str, List[Optional[float]]]): F1 of the span heads' entities against the tag
        head's; empty in stage 1.
    bests (List[int]): The steps at which the score that selects rose above all before: there, in
        stage 2, the student replaced the teacher.
    """

    stage: int
    steps: list[int]
    f1: dict[str, list[float | None]]
    agreement: dict[str, list[float | None]]
    bests: list[int]

    @property
    def mean_f1(self) -> list[float | None]:
        """Mean of all languages at each step."""
        return _mean_over(self.f1, len(self.steps))

    @property
    def mean_agreement(self) -> list[float | None]:
        return _mean_over(self.agreement, len(self.steps))


def read_curve(run: Run) -> Curve | None:
    """The curve of a run, without the untrained model; None where it has no history.

    RAISES (DataError): If the history is malformed.
    """
    path = run.folder / "history.jsonl"
    try:
        lines = [line for line in read_history(path) if run.stage1 or line["step"]]
        steps = [int(line["step"]) for line in lines]
        scores = [float(line["score"]) for line in lines]
        f1, agreement = (
            {
                lang: [(line.get(name) or {}).get(lang) for line in lines]
                for lang in dict.fromkeys(lang for line in lines for lang in line.get(name) or {})
            }
            for name in ("f1", "agreement")
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not the history of a run ({error!r}). Remove the file.") from None
    if not lines:
        return None
    before = [float("-inf"), *accumulate(scores, max)]
    bests = [step for step, score, best in zip(steps, scores, before, strict=False) if score > best]
    return Curve(2 if run.stage1 else 1, steps, f1, agreement, bests[1:])


@dataclass(frozen=True)
class ShareCurve:
    """F1 by share of annotated source text, for one method and measure.

    shares (List[int]): In percent, ascending.
    values (List[List[float]]): Of each share, one a seed.
    """

    method: str
    measure: Measure
    shares: list[int]
    values: list[list[float]]

    @property
    def means(self) -> list[float]:
        return [statistics.fmean(values) for values in self.values]


def share_curves(
    measured: Measured, backbone: str, measure: Measure, methods: Sequence[str]
) -> list[ShareCurve]:
    """The curve of each method that has runs."""
    results = measured.results
    langs = measured.langs(measure)
    curves = []
    for method in methods:
        points = {}
        for share in results.shares(backbone):
            values = [r.mean(measure.split, langs) for r in results.find(backbone, method, share)]
            known = [value for value in values if value is not None]
            if known:
                points[share] = known
        if points:
            curves.append(ShareCurve(method, measure, list(points), list(points.values())))
    return curves


def first_curves(results: Results, backbone: str) -> dict[str, tuple[Curve | None, Curve]]:
    """By method, the curves of its first seed: of the stage 1 it began from, and its own."""
    curves: dict[str, tuple[Curve | None, Curve]] = {}
    for method in results.methods(backbone):
        runs = results.find(backbone, method)
        own = read_curve(runs[0]) if runs else None
        if own is not None:
            stage1 = results.stage1(runs[0])
            curves[method] = (read_curve(stage1) if stage1 else None, own)
    return curves


def _mean_over(of: dict[str, list[float | None]], n_steps: int) -> list[float | None]:
    """None at a step that lacks a language."""
    means = []
    for i in range(n_steps):
        known = [value for values in of.values() if (value := values[i]) is not None]
        means.append(statistics.fmean(known) if known and len(known) == len(of) else None)
    return means
