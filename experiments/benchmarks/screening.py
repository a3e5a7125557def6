"""What settings of stage 2 gain over the paper's recipe, from the results of a study.

    python -m experiments study experiments/configs/teaching/screening.cfg --output screening
    python -m experiments.benchmarks.screening screening

A row for each method: F1, mean over seeds, of each language and of the target languages together;
what it gains there over the base in the seeds that both have, with the probability of no difference
(paired bootstrap over sentences); and the seconds of its training, which mean little where runs
shared the machine.
"""

from __future__ import annotations

from pathlib import Path

import typer

from experiments.report.entities import EntityStore
from experiments.report.measures import Measure, Measured
from experiments.report.results import Run, deviation_of, mean_of, read_results


def main(
    results_path: Path = typer.Argument(..., metavar="RESULTS", help="Folder of a study"),
    base: str = typer.Option("DualNER", "--base", help="Method to compare with"),
    split: str = typer.Option("dev", "--split", help="dev or test"),
    backbone: str = typer.Option("", "--backbone", help="Encoder in the study; the first if empty"),
    resamples: int = typer.Option(2000, "--resamples", help="Sets of sentences drawn"),
    by_gain: bool = typer.Option(True, "--by-gain/--in-order", help="Highest gain first"),
) -> None:
    """Print a Markdown table of a study's methods."""
    results = read_results(results_path)
    name = backbone or results.backbones[0]
    measured = Measured.of(results, EntityStore(results), resamples)
    measure = Measure(split, targets_only=True)
    langs, targets = results.scored(split, results.langs), measured.langs(measure)
    runs_of = {method: results.find(name, method) for method in results.methods(name)}
    base_runs = runs_of[base]
    rows = []
    for method, runs in runs_of.items():
        if not runs:
            continue
        found = measured.compare(runs, base_runs, measure)
        gain = found.difference if found else 0.0
        cells = [method, str(len(runs)), *(_mean(runs, split, [lang]) for lang in langs)]
        cells += [_mean(runs, split, targets), "", "", _seconds(runs)]
        if found and method != base:
            deviation = f" ± {found.deviation:.1f}" if found.deviation is not None else ""
            cells[-3:-1] = f"{gain:+.2f}{deviation}", f"{found.p:.3f}"
        rows.append((gain, cells))
    if by_gain:
        rows.sort(key=lambda row: -row[0])
    head = ["method", "seeds", *langs, "mean", "gain", "p", "seconds"]
    for cells in (head, ["---"] * len(head), *(cells for _, cells in rows)):
        print(f"| {' | '.join(cells)} |")


def _mean(runs: list[Run], split: str, langs: list[str]) -> str:
    values = [run.mean(split, langs) for run in runs]
    value, deviation = mean_of(values), deviation_of(values)
    if value is None:
        return ""
    of_many = len(langs) > 1 and deviation is not None
    return f"{value:.2f} ± {deviation:.1f}" if of_many else f"{value:.1f}"


def _seconds(runs: list[Run]) -> str:
    value = mean_of([run.seconds for run in runs])
    return f"{value:.0f}" if value else ""


if __name__ == "__main__":
    typer.run(main)
