"""Paired bootstrap over sentences: how sure a difference in F1 is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .predictions import Matches, Predictions

Floats = NDArray[np.float64]

_MAX_CELLS = 2**22  # sentences x resamples at once, 32 MB


@dataclass(frozen=True)
class Comparison:
    """A difference in mean F1, in points.

    difference (float): First minus second, mean over languages, and over the seeds of each.
    low, high (float): The 95% interval over resampled sentences.
    p (float): Two-sided: of no difference.
    seeds (Series): The difference of each seed that both have.
    """

    difference: float
    low: float
    high: float
    p: float
    seeds: pd.Series


class Bootstrap:
    """F1 of runs on test (or development) sets drawn with replacement, language by language.

    The sentences of a resample are the same for all runs.

    predictions (Predictions): Gold and predictions; what is not there is left out.
    split (str): test or dev.
    n_resamples (int): How often to draw.
    seed (int): Of the drawing.
    """

    def __init__(
        self, predictions: Predictions, split: str, n_resamples: int, seed: int = 0
    ) -> None:
        self.results = predictions.results
        self.split = split
        self.samples: dict[tuple[str, str], Floats] = {}
        for place, lang in enumerate(self.results.scored(split)):
            keys = self.results.runs.index
            found = {key: predictions.counts(key, split, lang) for key in keys}
            counts = {key: count for key, count in found.items() if count is not None}
            if counts:
                rng = np.random.default_rng([seed, place])
                samples = _sample_f1(list(counts.values()), n_resamples, rng)
                self.samples |= {
                    (key, lang): own for key, own in zip(counts, samples.T, strict=True)
                }

    def compare(
        self, first: pd.DataFrame, second: pd.DataFrame, langs: Sequence[str]
    ) -> Comparison | None:
        """Compare the runs of two methods on the mean over languages.

        Where the two have seeds in common, the other seeds are left out: stage 2 begins from the
        stage-1 model of the same seed.

        first, second (DataFrame): Runs of a method, one a seed.
        langs (Sequence[str]): Languages; those without predictions of all runs are left out.
        RETURNS (Optional[Comparison]): None where there is nothing to compare.
        """
        sampled = {key for key, _ in self.samples}
        one, two = (runs[runs.index.isin(sampled)] for runs in (first, second))
        if common := set(one.seed) & set(two.seed):
            one, two = (runs[runs.seed.isin(common)] for runs in (one, two))
        keys = [*one.index, *two.index]
        langs = [lang for lang in langs if all((key, lang) in self.samples for key in keys)]
        if one.empty or two.empty or not langs:
            return None
        differences = self._sampled(one, langs) - self._sampled(two, langs)
        low, high = np.percentile(differences, [2.5, 97.5])
        f1 = [
            self.results.f1(runs.index, self.split)[langs].mean(axis=1).set_axis(runs.seed)
            for runs in (one, two)
        ]
        return Comparison(
            difference=float(f1[0].mean() - f1[1].mean()),
            low=float(low),
            high=float(high),
            p=two_sided_p(differences),
            seeds=(f1[0] - f1[1]).dropna(),
        )

    def _sampled(self, runs: pd.DataFrame, langs: Sequence[str]) -> Floats:
        mean: Floats = np.mean([self.samples[key, g] for key in runs.index for g in langs], axis=0)
        return mean


def two_sided_p(differences: Floats) -> float:
    """The probability of no difference: twice the smaller tail of the resamples around 0.

    Each tail counts one resample more than it has, so that none is empty. The smallest value is
    2 / (resamples + 1).
    """
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(differences) + 1))


def _sample_f1(counts: Sequence[Matches], n_resamples: int, rng: np.random.Generator) -> Floats:
    """F1 in percent, `[resamples, runs]`, on sentences that are the same for all runs."""
    right = np.stack([count.right for count in counts], 1).astype(np.float64)
    # Micro F1 is 2 right / (predicted + gold).
    total = np.stack([count.predicted + count.gold for count in counts], 1).astype(np.float64)
    n_sentences = len(right)
    if n_sentences == 0:
        return np.zeros((n_resamples, len(counts)))
    drawn = (
        rng.multinomial(n_sentences, np.full(n_sentences, 1 / n_sentences), size=len(part))
        for part in np.array_split(range(n_resamples), 1 + n_resamples * n_sentences // _MAX_CELLS)
    )
    return np.concatenate([200 * (w @ right) / np.maximum(w @ total, 1) for w in drawn])
