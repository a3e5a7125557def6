"""Paired bootstrap over sentences: how sure a difference in F1 is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .entities import Counts, EntityStore, micro_f1
from .results import Run, deviation_of

Floats = NDArray[np.float64]

_MAX_CELLS = 2**22  # sentences x resamples at once, 32 MB


@dataclass(frozen=True)
class Comparison:
    """A difference in mean F1, in points.

    difference (float): First minus second, mean over languages, and over the seeds of each.
    low, high (float): The 95% interval over resampled sentences.
    p (float): Two-sided: of no difference.
    seeds (Tuple[float, ...]): The difference of each seed that both have.
    n_langs (int): Languages in the mean.
    """

    difference: float
    low: float
    high: float
    p: float
    seeds: tuple[float, ...]
    n_langs: int

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation of the difference over seeds."""
        return deviation_of(self.seeds)


@dataclass(frozen=True)
class Resampled:
    """F1 of runs on the test (or development) sets, and on resampled ones.

    f1 (Dict[str, Dict[str, float]]): By run key and language, percent.
    samples (Dict[str, Dict[str, Floats1d]]): Likewise, on each resampled set. The sentences of
        resample i are the same for all runs.
    """

    f1: dict[str, dict[str, float]]
    samples: dict[str, dict[str, Floats]]

    def compare(
        self, first: Sequence[Run], second: Sequence[Run], langs: Sequence[str]
    ) -> Comparison | None:
        """Compare the runs of two methods on the mean over languages.

        Where the two have seeds in common, the other seeds are left out: stage 2 begins from the
        stage-1 model of the same seed.

        first, second (Sequence[Run]): Runs of a method, one a seed.
        langs (Sequence[str]): Languages; those without predictions of all runs are left out.
        RETURNS (Optional[Comparison]): None where there is nothing to compare.
        """
        one, two = ({r.seed: r.key for r in runs if r.key in self.f1} for runs in (first, second))
        common = [seed for seed in one if seed in two]
        if common:
            one, two = ({seed: runs[seed] for seed in common} for runs in (one, two))
        keys = [*one.values(), *two.values()]
        langs = [lang for lang in langs if all(lang in self.f1[key] for key in keys)]
        if not one or not two or not langs:
            return None

        def mean(key: str) -> float:
            return float(np.mean([self.f1[key][lang] for lang in langs]))

        def sampled(runs: dict[int, str]) -> Floats:
            return np.mean([self.samples[k][lang] for k in runs.values() for lang in langs], 0)

        differences = sampled(one) - sampled(two)
        low, high = np.percentile(differences, [2.5, 97.5])
        first_mean, second_mean = (
            float(np.mean([mean(key) for key in runs.values()])) for runs in (one, two)
        )
        return Comparison(
            difference=first_mean - second_mean,
            low=float(low),
            high=float(high),
            p=two_sided_p(differences),
            seeds=tuple(mean(one[seed]) - mean(two[seed]) for seed in common),
            n_langs=len(langs),
        )


def two_sided_p(differences: Floats) -> float:
    """The probability of no difference: twice the smaller tail of the resamples around 0.

    Each tail counts one resample more than it has, so that none is empty. The smallest value is
    2 / (resamples + 1).
    """
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(differences) + 1))


def resample(
    store: EntityStore,
    runs: Sequence[Run],
    split: str,
    langs: Sequence[str],
    n_resamples: int,
    seed: int = 0,
) -> Resampled:
    """Score runs on test sets drawn with replacement, language by language, from the sentences.

    store (EntityStore): Gold and predictions; what is not there is left out.
    runs (Sequence[Run]): The runs.
    split (str): test or dev.
    langs (Sequence[str]): Languages.
    n_resamples (int): How often to draw.
    seed (int): Of the drawing.
    RETURNS (Resampled): F1 of each run and language.
    """
    resampled = Resampled({}, {})
    for place, lang in enumerate(langs):
        found = [(run.key, store.counts(run, split, lang)) for run in runs]
        counts = {key: count for key, count in found if count is not None}
        if not counts:
            continue
        rng = np.random.default_rng([seed, place])
        samples = _sample_f1(list(counts.values()), n_resamples, rng)
        for column, (key, count) in enumerate(counts.items()):
            resampled.f1.setdefault(key, {})[lang] = micro_f1(count)
            resampled.samples.setdefault(key, {})[lang] = samples[:, column]
    return resampled


def _sample_f1(counts: Sequence[Counts], n_resamples: int, rng: np.random.Generator) -> Floats:
    """F1 in percent, `[resamples, runs]`, on sentences that are the same for all runs."""
    right = np.stack([count.right for count in counts], 1).astype(np.float64)
    # Micro F1 is 2 right / (predicted + gold).
    total = np.stack([count.predicted + count.gold for count in counts], 1).astype(np.float64)
    n_sentences = len(right)
    if n_sentences == 0:
        return np.zeros((n_resamples, len(counts)))
    parts = []
    step = max(1, _MAX_CELLS // n_sentences)
    for begin in range(0, n_resamples, step):
        n_rows = min(step, n_resamples - begin)
        drawn = rng.integers(n_sentences, size=(n_rows, n_sentences))
        drawn += np.arange(n_rows)[:, None] * n_sentences
        weights = np.bincount(drawn.ravel(), minlength=n_rows * n_sentences)
        weights = weights.reshape(n_rows, n_sentences).astype(np.float64)
        denominator = weights @ total
        parts.append(200 * (weights @ right) / np.where(denominator, denominator, 1))
    return np.concatenate(parts)
