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

import pandas as pd
import typer

from experiments.report.bootstrap import Bootstrap
from experiments.report.predictions import Predictions
from experiments.report.results import TARGETS, read_results
from experiments.report.tables import number


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
    backbone = backbone or results.backbones[0]
    bootstrap = Bootstrap(Predictions(results), split, resamples)
    langs, targets = results.scored(split), results.scored(split, results.targets)
    base_runs = results.find(backbone, base)
    rows = []
    for method in results.methods(backbone):
        runs = results.find(backbone, method)
        if runs.empty:
            continue
        f1 = results.f1(runs.index, split)
        found = bootstrap.compare(runs, base_runs, targets) if method != base else None
        gain = (found.difference, found.seeds.std()) if found else (None, None)
        rows.append({
            "method": method,
            "seeds": str(len(runs)),
            **{lang: number("{:.1f}", f1[lang].mean()) for lang in langs},
            "mean": number("{:.2f} ± {:.1f}", f1[TARGETS].mean(), f1[TARGETS].std()),
            "gain": number("{:+.2f} ± {:.1f}", *gain),
            "p": number("{:.3f}", found.p if found else None),
            "seconds": number("{:.0f}", runs.seconds.mean()),
            "order": -found.difference if found else 0.0,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    if by_gain:
        table = table.sort_values("order", kind="stable")
    print(table.drop(columns="order").to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    typer.run(main)
