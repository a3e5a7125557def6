"""The tables of a study of stage 2's settings, of invented results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from helpers.results import ResultsFolder
from typer.testing import CliRunner

from experiments.benchmarks import screening


def table(folder: Path, *arguments: str) -> list[dict[str, str]]:
    """The rows of the table of gains, by column."""
    return rows_of(screening.main, str(folder), "--resamples", "200", *arguments)


def rows_of(command: Callable[..., None], *arguments: str) -> list[dict[str, str]]:
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.output
    head, line, *rows = (
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in done.stdout.strip().splitlines()
    )
    assert all(set(cell) <= set(":-") for cell in line)
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    folder = ResultsFolder(tmp_path_factory.mktemp("results"), ["en", "de", "sw"])
    for seed in (0, 1, 2):
        folder.add_run("DualNER", seed=seed, quality=0.7)
    gold = {key: [entities for _, entities in own] for key, own in folder.gold.items()}
    none = {key: [[] for _ in own] for key, own in folder.gold.items()}
    for seed in (0, 1):
        folder.add_run("right", seed=seed, predictions=gold)
        folder.add_run("nothing", seed=seed, predictions=none)
    folder.write()
    return folder


@pytest.mark.parametrize("split", ["dev", "test"])
def test_gains_over_the_base(folder: ResultsFolder, split: str) -> None:
    rows = table(folder.folder, "--split", split)
    assert [row["method"] for row in rows] == ["right", "DualNER", "nothing"]
    right, base, nothing = rows
    assert (right["seeds"], base["seeds"], nothing["seeds"]) == ("2", "3", "2")
    assert (right["de"], right["sw"], right["mean"]) == ("100.0", "100.0", "100.00 ± 0.0")
    english = [line["scores"][split]["languages"]["en"]["f"] for line in folder.lines]
    assert base["en"] == f"{sum(english[:3]) / 3:.1f}"
    assert nothing["mean"] == "0.00 ± 0.0"
    lines = [line for line in folder.lines if line["method"] == "DualNER"]
    means = [line["scores"][split]["mean_targets"]["f"] for line in lines]
    assert float(base["mean"].split()[0]) == pytest.approx(sum(means) / 3, abs=0.01)
    # Of the seeds that both have.
    gain = 100 - (means[0] + means[1]) / 2
    assert float(right["gain"].split()[0]) == pytest.approx(gain, abs=0.01)
    assert float(nothing["gain"].split()[0]) == pytest.approx(gain - 100, abs=0.01)
    assert float(right["p"]) < 0.02
    assert base["gain"] == base["p"] == "–"
    assert right["seconds"] == "190"


def test_another_base_and_order(folder: ResultsFolder) -> None:
    rows = table(folder.folder, "--base", "right", "--in-order")
    assert [row["method"] for row in rows] == ["DualNER", "right", "nothing"]
    assert float(rows[0]["gain"].split()[0]) < 0 and rows[1]["gain"] == "–"
