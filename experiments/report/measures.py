"""The means that methods are compared by, over languages and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .entities import EntityStore
from .results import Results, Run, deviation_of, mean_of
from .significance import Comparison, Resampled, resample

SPLITS = {"test": "test sets", "dev": "development sets"}


@dataclass(frozen=True)
class Measure:
    """A mean of F1 over languages.

    split (str): test or dev.
    targets_only (bool): Whether the source language is left out.
    """

    split: str
    targets_only: bool

    @property
    def name(self) -> str:
        over = "mean of targets" if self.targets_only else "mean of all languages"
        return f"{SPLITS[self.split]}, {over}"


TEST_TARGETS = Measure("test", True)
TEST_ALL = Measure("test", False)
DEV_TARGETS = Measure("dev", True)
DEV_ALL = Measure("dev", False)
"""What the paper's Table 2 and Figure 3 show; Table 1 shows test sets."""


@dataclass(frozen=True)
class Mean:
    """Mean and sample standard deviation over seeds of a measure, in percent."""

    value: float | None
    deviation: float | None
    seeds: int


class Measured:
    """All scores of a study, with their bootstrap.

    results (Results): The study.
    resampled (Dict[str, Resampled]): By split.
    """

    def __init__(self, results: Results, resampled: dict[str, Resampled]) -> None:
        self.results = results
        self.resampled = resampled

    @classmethod
    def of(cls, results: Results, store: EntityStore, n_resamples: int) -> Measured:
        """Draw `n_resamples` test and development sets, and score all runs on them."""
        langs = {split: results.scored(split) for split in SPLITS}
        resampled = {
            split: resample(store, results.runs, split, langs[split], n_resamples)
            for split in SPLITS
        }
        return cls(results, resampled)

    def langs(self, measure: Measure) -> list[str]:
        """The languages of a measure."""
        langs = self.results.targets if measure.targets_only else self.results.langs
        return self.results.scored(measure.split, langs)

    def mean(self, runs: Sequence[Run], measure: Measure) -> Mean:
        """The mean over the runs of a cell, one a seed."""
        return self.mean_over(runs, measure.split, self.langs(measure))

    def mean_over(self, runs: Sequence[Run], split: str, langs: Sequence[str]) -> Mean:
        """The same over given languages."""
        values = [run.mean(split, langs) for run in runs]
        n_seeds = sum(value is not None for value in values)
        return Mean(mean_of(values), deviation_of(values), n_seeds)

    def compare(
        self, first: Sequence[Run], second: Sequence[Run], measure: Measure
    ) -> Comparison | None:
        """The difference between two methods' runs on a measure."""
        return self.resampled[measure.split].compare(first, second, self.langs(measure))

    def ahead(
        self, first: Sequence[Run], others: Sequence[Sequence[Run]], split: str = "test"
    ) -> tuple[list[str], list[str]] | None:
        """The target languages in which a method is above all others, and the remaining ones.

        RETURNS (Optional[Tuple[List[str], List[str]]]): None where any of them has no runs.
        """
        if not first or not others or not all(others):
            return None
        above: list[str] = []
        rest: list[str] = []
        for lang in self.results.scored(split, self.results.targets):
            values = [self.mean_over(runs, split, [lang]).value for runs in (first, *others)]
            if None not in values:
                own, *compared = values
                (above if own > max(compared) else rest).append(lang)  # type: ignore[type-var, operator]
        return above, rest
