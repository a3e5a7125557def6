"""The paired bootstrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.results import ResultsFolder
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.bootstrap import Bootstrap, two_sided_p
from experiments.report.predictions import Predictions
from experiments.report.results import Results, read_results

TARGETS = ["de", "ar", "zh", "sw"]
N_RESAMPLES = 400


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = ResultsFolder(tmp_path_factory.mktemp("results"))
    for seed in range(2):
        folder.add_run("weak", seed=seed, quality=0.6)
        folder.add_run("strong", seed=seed, quality=0.8)
    gold = {place: [e for _, e in own] for place, own in folder.gold.items()}
    folder.add_run("right", predictions=gold)
    folder.add_run("right too", predictions=gold)
    folder.add_run("other seed", seed=7, quality=0.7)
    return read_results(folder.write())


@pytest.fixture(scope="module")
def resampled(results: Results) -> Bootstrap:
    return Bootstrap(Predictions(results), "test", N_RESAMPLES)


def compare(results: Results, resampled: Bootstrap, first: str, second: str, langs=TARGETS):
    return resampled.compare(results.find("mini", first), results.find("mini", second), langs)


def test_equal_predictions_have_no_difference(results, resampled) -> None:
    found = compare(results, resampled, "right", "right too")
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_clearly_better_method_has_a_small_p(results, resampled) -> None:
    found = compare(results, resampled, "strong", "weak")
    assert 0 < found.low < found.difference < found.high
    assert found.p == pytest.approx(2 / (N_RESAMPLES + 1))


def test_two_methods_of_the_same_quality_are_not_told_apart(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, ["en", "de"])
    for name in ("one", "two"):
        folder.add_run(name, quality=0.7)
    results = read_results(folder.write())
    resampled = Bootstrap(Predictions(results), "test", N_RESAMPLES)
    found = compare(results, resampled, "one", "two", ["de"])
    assert found.p > 0.05
    assert found.low < 0 < found.high


def test_symmetric(results, resampled) -> None:
    there, back = (
        compare(results, resampled, *pair) for pair in (("strong", "weak"), ("weak", "strong"))
    )
    assert there.difference == pytest.approx(-back.difference)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p
    assert there.seeds.tolist() == pytest.approx([-value for value in back.seeds])


def test_the_difference_is_that_of_the_scores(results, resampled) -> None:
    found = compare(results, resampled, "strong", "weak")
    means = [
        results.f1(results.find("mini", m).index, "test")["mean of targets"].tolist()
        for m in ("strong", "weak")
    ]
    assert found.difference == pytest.approx(np.mean(means[0]) - np.mean(means[1]))
    assert found.seeds.tolist() == pytest.approx([a - b for a, b in zip(*means, strict=True)])


def test_seeds_in_common_are_compared_alone(results, resampled) -> None:
    """`right` has seed 0 only, so the other seed of `strong` says nothing about it."""
    found = compare(results, resampled, "right", "strong")
    strong = results.f1(results.find("mini", "strong").index, "test")["mean of targets"]
    assert found.difference == pytest.approx(100 - strong.iloc[0])
    assert len(found.seeds) == 1
    found = compare(results, resampled, "other seed", "strong")
    assert found.seeds.empty
    assert found.difference < 0


def test_the_interval_is_that_of_drawn_sentences(results, resampled) -> None:
    """Against drawing each language's sentences one resample at a time."""
    key = results.find("mini", "weak").index[0]
    counts = Predictions(results).counts(key, "test", "de")
    assert counts is not None
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(2000):
        rows = rng.integers(len(counts.gold), size=len(counts.gold))
        total = counts.predicted[rows].sum() + counts.gold[rows].sum()
        drawn.append(200 * counts.right[rows].sum() / total)
    ours = resampled.samples[key, "de"]
    assert np.mean(ours) == pytest.approx(np.mean(drawn), abs=0.5)
    assert np.std(ours) == pytest.approx(np.std(drawn), rel=0.15)


def test_repeatable_and_in_parts(results, resampled, monkeypatch) -> None:
    """The numbers depend on neither the time nor how much fits into memory."""
    monkeypatch.setattr("experiments.report.bootstrap._MAX_CELLS", 1000)
    again = Bootstrap(Predictions(results), "test", N_RESAMPLES)
    assert again.samples.keys() == resampled.samples.keys()
    for place, values in again.samples.items():
        assert (values == resampled.samples[place]).all()


def test_what_is_missing_is_left_out(results, resampled) -> None:
    assert compare(results, resampled, "strong", "never run") is None
    assert compare(results, resampled, "strong", "weak", ["fr"]) is None
    some = compare(results, resampled, "strong", "weak", ["de", "fr"])
    assert some.difference == compare(results, resampled, "strong", "weak", ["de"]).difference


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=50))
def test_p_is_a_probability_and_knows_no_sides(differences: list[int]) -> None:
    values = np.array(differences, dtype=float)
    p = two_sided_p(values)
    assert 0 < p <= 1
    assert p == two_sided_p(-values)
    assert p >= two_sided_p(values + 20)
