"""F1 of a study's methods on sentences that hold certain words, and on all others.

    python -m benchmarks.words confirmation --words REDIRECCIÓN,WEITERLEITUNG

A row for each method and kind of sentence: F1 of the target languages, mean over seeds, and the
mean of those that have such sentences. Words are compared whole, whatever their case.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import read_docs
from spacy_dualner.report.entities import Counts, EntityStore, micro_f1
from spacy_dualner.report.results import Results, Run, read_results


def main(
    results_path: Path = typer.Argument(..., metavar="RESULTS", help="Folder of a study"),
    words: str = typer.Option(..., "--words", help="Words, separated by commas"),
    split: str = typer.Option("test", "--split", help="dev or test"),
    backbone: str = typer.Option("", "--backbone", help="Encoder in the study; the first if empty"),
) -> None:
    """Print a Markdown table of a study's methods, by kind of sentence."""
    results = read_results(results_path)
    store = EntityStore(results)
    name = backbone or results.backbones[0]
    langs = results.scored(split, results.targets)
    wanted = {word.strip().lower() for word in words.split(",")}
    holding = {lang: _holding(results, split, lang, wanted) for lang in langs}
    shares = [f"{100 * holding[lang].mean():.0f}%" for lang in langs]
    print(f"| method | sentences | {' | '.join(langs)} | mean |")
    print(f"|{' --- |' * (len(langs) + 3)}")
    print(f"| | share with | {' | '.join(shares)} | |")
    for method in results.methods(name):
        runs = results.find(name, method)
        for kind in ("with", "without") if runs else ():
            chosen = {lang: own == (kind == "with") for lang, own in holding.items()}
            values = [_mean(store, runs, split, lang, chosen[lang]) for lang in langs]
            there = [value for value in values if value is not None]
            mean = statistics.fmean(there) if there else None
            cells = ["" if value is None else f"{value:.1f}" for value in (*values, mean)]
            print(f"| {method} | {kind} | {' | '.join(cells)} |")


def _holding(results: Results, split: str, lang: str, words: set[str]) -> NDArray[np.bool_]:
    docs = read_docs(results.corpus(split, lang), Vocab())
    return np.array([any(token.text.lower() in words for token in doc) for doc in docs])


def _mean(
    store: EntityStore, runs: list[Run], split: str, lang: str, chosen: NDArray[np.bool_]
) -> float | None:
    """Of chosen sentences, over seeds; None where there are no such sentences or predictions."""
    counts = [store.counts(run, split, lang) for run in runs]
    values = [micro_f1(Counts(*(of[chosen] for of in own))) for own in counts if own]
    return statistics.fmean(values) if values and chosen.any() else None


if __name__ == "__main__":
    typer.run(main)
