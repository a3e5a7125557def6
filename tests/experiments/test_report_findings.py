"""The paper's findings: their verdicts follow from the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_results import QUALITY, ResultsFolder

from experiments.report import paper
from experiments.report.entities import EntityStore
from experiments.report.findings import (
    FAILS,
    HOLDS,
    MOST,
    NOT_RUN,
    UNDECIDED,
    Finding,
    combine,
    findings,
    of_difference,
    to_table,
)
from experiments.report.measures import Measured
from experiments.report.results import read_results
from experiments.report.significance import Comparison
from experiments.report.vectors import Clustering, Interval, read_clustering

CLOSE, FAR = 0.0, 4.0

NAMES = ["heads", "baselines", "multitask", "text", "teaching", "parts", "order"]
NAMES += ["vectors", "share"]
"""The findings in their order."""


def check(
    folder: Path,
    qualities: dict[str, float],
    shares: dict[int, float] | None = None,
    clusterings: dict[str, Clustering] | None = None,
) -> dict[str, Finding]:
    """The findings of a study in which methods have these qualities, by name."""
    results = ResultsFolder(folder)
    for method, quality in qualities.items():
        results.add_run(method, quality=quality)
    for share, quality in (shares or {}).items():
        results.add_run("DualNER", share=share, quality=quality)
    read = read_results(results.write())
    measured = Measured.of(read, EntityStore(read), 300)
    found = findings(measured, "mini", clusterings or {})
    return dict(zip(NAMES, found, strict=True))


def test_a_study_as_in_the_paper(tmp_path: Path) -> None:
    qualities = QUALITY | {"CLA": 0.7, "SPAN": 0.7, "MLT": 0.3, "TRG_Trans": 0.7, "FILTER": 0.65}
    qualities |= {"no-target": 0.42, "selfKL": 0.54, "no-regulariser": 0.68, "DualNER": 0.95}
    found = check(tmp_path, qualities, shares={20: 0.8})
    assert found.pop("vectors").verdict == NOT_RUN
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(found, HOLDS)
    assert len(found["order"].checks) == 8
    assert found["order"].checks[0].paper == "68.64 against 68.05"


def test_the_opposite_of_the_paper(tmp_path: Path) -> None:
    qualities = {"CLA": 0.4, "SPAN": 0.6, "MLT": 0.9, "selfKL": 0.8, "no-target": 0.85}
    qualities |= {"no-regulariser": 0.7, "DualNER": 0.5, "TRG_Trans": 0.9, "FILTER": 0.9}
    found = check(tmp_path, qualities, shares={20: 0.4})
    del found["vectors"]
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(found, FAILS)


def test_too_close_to_call(tmp_path: Path) -> None:
    found = check(tmp_path, dict.fromkeys(["selfKL", "DualNER"], 0.7))
    for one in found["teaching"].checks:
        assert one.comparison is not None
        assert one.verdict == UNDECIDED
    assert found["teaching"].verdict == UNDECIDED


def test_what_was_not_run_is_said(tmp_path: Path) -> None:
    found = check(tmp_path, {"MLT": 0.5})
    assert {finding.verdict for finding in found.values()} == {NOT_RUN}


def test_parts_that_were_run_decide(tmp_path: Path) -> None:
    """FILTER and SPAN are missing."""
    results = ResultsFolder(tmp_path)
    for method, quality in (("CLA", 0.5), ("MLT", 0.5), ("DualNER", 0.8)):
        results.add_run(method, quality=quality)
    read = read_results(results.write())
    found = findings(Measured.of(read, EntityStore(read), 300), "mini", {})[1]
    assert found.title.startswith("DualNER is above the baselines")
    assert [one.verdict for one in found.checks] == [HOLDS, NOT_RUN, HOLDS, NOT_RUN, HOLDS]
    assert found.verdict == HOLDS
    assert found.checks[-1].run == "4 of 4"


def test_figures_are_of_the_seeds_that_are_compared(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    for seed, quality in enumerate((0.3, 0.9)):
        results.add_run("MLT", seed=seed, quality=quality)
    results.add_run("DualNER", share=20, quality=0.6)
    read = read_results(results.write())
    measured = Measured.of(read, EntityStore(read), 300)
    one = findings(measured, "mini", {})[NAMES.index("share")].checks[0]
    assert one.comparison is not None
    first, second = map(float, one.run.split(" against "))
    assert first - second == pytest.approx(one.comparison.difference, abs=0.11)


def test_languages_in_which_it_is_not_above_are_named(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    gold = {place: [e for _, e in own] for place, own in results.gold.items()}
    nothing = {place: [[] for _ in own] for place, own in gold.items()}
    for method, good in (("MLT", ("zh",)), ("DualNER", ("en", "de", "ar", "sw"))):
        found = {place: (gold if place[1] in good else nothing)[place] for place in gold}
        results.add_run(method, predictions=found)
    read = read_results(results.write())
    last = findings(Measured.of(read, EntityStore(read), 300), "mini", {})[1].checks[-1]
    assert last.run == "3 of 4; not in zh"
    assert last.verdict == HOLDS


@pytest.mark.parametrize(("apart", "holds"), [(FAR, True), (CLOSE, False)], ids=["apart", "mixed"])
def test_vectors(tmp_path: Path, apart: float, holds: bool) -> None:
    folder = ResultsFolder(tmp_path)
    folder.write_vectors(tmp_path, apart)
    clustering = read_clustering(tmp_path / "entities.npz", ["en", "de", "ar"])
    assert clustering is not None
    found = check(tmp_path / "study", {"DualNER": 0.7}, clusterings={"DualNER": clustering})
    assert (found["vectors"].verdict == HOLDS) == holds
    assert clustering.points.shape == (180, 2)
    assert clustering.projection == "t-SNE of 16 principal components"
    assert set(clustering.langs) == {"en", "de", "ar"}
    assert clustering.chance == pytest.approx(1 / 3, abs=0.02)
    if apart == FAR:
        assert clustering.agreement.low > 0.9
        assert clustering.silhouette.low > 0.3


def test_nearest_neighbours_are_of_other_languages(tmp_path: Path) -> None:
    """Each language a cluster of its own, in which types are neighbours: not across languages."""
    vectors, langs, types = [], [], []
    for place, lang in enumerate(("en", "de")):
        for i in range(20):
            own = np.zeros(8)
            own[place] = 5
            # The types change places between the languages.
            own[2 + (i % 2 + place) % 2] = 1
            vectors.append(own)
            langs.append(lang)
            types.append(("LOC", "PER")[i % 2])
    np.savez(
        tmp_path / "entities.npz",
        vectors=np.array(vectors, dtype="float16"),
        langs=np.array(langs),
        types=np.array(types),
        texts=np.array(types),
    )
    found = read_clustering(tmp_path / "entities.npz", [])
    assert found is not None
    assert found.agreement == Interval(0.0, 0.0, 0.0)
    assert found.chance == 0.5
    assert found.projection == "PCA"
    assert read_clustering(tmp_path / "entities.npz", ["en"]) is None


def comparison(low: float, high: float) -> Comparison:
    return Comparison((low + high) / 2, low, high, 0.5, (), 1)


def test_verdicts() -> None:
    assert of_difference(None) == NOT_RUN
    assert of_difference(comparison(0.1, 1)) == HOLDS
    assert of_difference(comparison(-1, -0.1)) == FAILS
    assert of_difference(comparison(-1, 1)) == of_difference(comparison(0, 0)) == UNDECIDED
    assert combine([]) == combine([NOT_RUN]) == NOT_RUN
    assert combine([HOLDS, NOT_RUN]) == HOLDS
    assert combine([HOLDS, UNDECIDED]) == UNDECIDED
    assert combine([HOLDS, UNDECIDED, FAILS]) == FAILS


@pytest.mark.parametrize("backbone", ["XLM-R-base", "InfoXLM-large"])
def test_the_rules_agree_with_the_paper_on_its_own_figures(backbone: str) -> None:
    """What counts as `consistently` is such that the paper's table bears out the paper's words."""
    rows = paper.table1(backbone)
    targets = [lang for lang in rows["MLT"] if lang != "en"]

    def share(first: str, *others: str) -> float:
        above = [rows[first][g] > max(rows[o][g] for o in others if o in rows) for g in targets]
        return sum(above) / len(targets)

    assert share("CLA", "SPAN") < MOST
    assert share("SPAN", "CLA") < MOST
    assert share("MLT", "CLA", "SPAN") < MOST
    assert share("DualNER", "CLA", "SPAN", "MLT", "FILTER") >= MOST


def test_as_a_table(tmp_path: Path) -> None:
    found = check(tmp_path, {"MLT": 0.5, "DualNER": 0.8})
    table = to_table([("mini", finding) for finding in found.values()])
    assert len(table.rows) == sum(len(finding.checks) for finding in found.values())
    assert {row.cells[-1].text for row in table.rows} == {HOLDS, NOT_RUN}
