"""The paper's Tables 1 and 2 of a study, the table of all comparisons, and those of all runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from . import published
from .bootstrap import Bootstrap, Comparison
from .published import label
from .results import MEAN, TARGETS, Results
from .tables import Table, best, number

ALPHA = 0.05
SETS = {"dev": "development sets", "test": "test sets"}
ABLATIONS = (("dev", MEAN), ("dev", TARGETS), ("test", MEAN), ("test", TARGETS))
_NAMES = ["Group", "Method"]


class ScoreTables:
    """Makes the tables of a study.

    results (Results): The study.
    bootstraps (Dict[str, Bootstrap]): By split.
    n_resamples (int): Of those.
    """

    def __init__(
        self, results: Results, bootstraps: dict[str, Bootstrap], n_resamples: int
    ) -> None:
        self.results = results
        self.bootstraps = bootstraps
        self.about_p = (
            f"p: two-sided, of a paired bootstrap over sentences ({n_resamples:,} resamples, drawn "
            "language by language, the same sentences for all methods). It covers the sampling of "
            "sentences, not of seeds, and is not corrected for the number of comparisons."
        )

    def table1(self, backbone: str) -> Table:
        """Test F1 of each method and language, with the paper's rows below for its own backbones.

        Marked are the best of each column, and what differs from MLT.
        """
        methods = published.in_order([*published.TABLE_1, *self.results.methods(backbone)])
        runs = self._runs(backbone, methods)
        f1 = self.results.f1(runs.index, "test").groupby(runs.method)
        own, deviation = (frame.reindex(methods) for frame in (f1.mean(), f1.std()))
        parts = {"This study": own}
        notes = [
            *self._absent(backbone, methods),
            f"Marked with †: a difference from MLT, p < {ALPHA}.",
        ]
        printed = published.table1(backbone)
        if len(printed):
            langs = [lang for lang in own.columns if lang in printed]
            targets = [lang for lang in langs if lang in self.results.targets]
            theirs = printed.assign(**{MEAN: printed[langs].mean(axis=1)})
            theirs[TARGETS] = printed[targets].mean(axis=1)
            parts[f"The paper, {backbone}"] = theirs.reindex(columns=own.columns)
            notes.append("The paper's means are taken here, over the same languages.")
        values = pd.concat(parts, names=_NAMES)
        shown = values.map(lambda value: number("{:.1f}", value))
        marks = [
            [_star(self.compare(backbone, method, "MLT", "test", column)) for column in own]
            for method in methods
        ]
        shown.iloc[: len(own)] += np.array(marks, dtype=object)
        spread = pd.concat({"This study": deviation}, names=_NAMES).reindex(values.index)
        return Table(
            name=f"table1-{slug(backbone)}",
            title=f"Table 1: test F1 of each language, {backbone}",
            numbers=_labelled(values.join(spread.add_suffix(" deviation"))),
            shown=_labelled(shown),
            bold=_labelled(best(values)),
            notes=notes,
        )

    def table2(self) -> Table:
        """Ablation: means with deviations of all backbones, beside the paper's."""
        values: dict[tuple[str, str], dict[str, Any]] = {}
        shown: dict[tuple[str, str], dict[str, Any]] = {}
        notes = []
        for backbone in self.results.backbones:
            methods = list(dict.fromkeys([*published.TABLE_2, *self.results.methods(backbone)]))
            notes += self._absent(backbone, methods)
            for method in methods:
                row: dict[str, Any] = {}
                texts: dict[str, Any] = {}
                for split, mean in ABLATIONS:
                    runs = self.results.find(backbone, method)
                    f1 = self.results.f1(runs.index, split)[mean]
                    found = self.compare(backbone, method, "DualNER", split, mean)
                    column = f"{split}, {mean}"
                    row |= {column: f1.mean(), f"{column} deviation": f1.std()}
                    texts[column] = number("{:.2f} ± {:.2f}", f1.mean(), f1.std()) + _star(found)
                theirs = published.table2().reindex([method]).iloc[0]
                row |= {"paper": theirs["mean"], "paper deviation": theirs["deviation"]}
                texts["paper"] = number("{:.2f} ± {:.2f}", *theirs)
                values[backbone, method], shown[backbone, method] = row, texts
        numbers, text = (_rows(rows, ["Backbone", "Model"]) for rows in (values, shown))
        return Table(
            name="table2",
            title="Table 2: ablation study, mean F1 ± standard deviation over seeds",
            numbers=_labelled(numbers),
            shown=_labelled(text),
            bold=_labelled(best(numbers[list(text)], digits=2)),
            notes=[
                *notes,
                f"Marked with †: a difference from {label('DualNER')}, p < {ALPHA}.",
                f"The paper's column: {published.MAIN_BACKBONE}, mean of the development sets of "
                "40 languages, 3 seeds.",
            ],
        )

    def comparisons(self) -> Iterator[Table]:
        """DualNER against each method, MLT against its two halves: difference, interval and p."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for backbone in self.results.backbones:
            for split, mean in ABLATIONS:
                for pair in _pairs(self.results.methods(backbone)):
                    if found := self.compare(backbone, *pair, split, mean):
                        group = f"{backbone}: {SETS[split]}, {mean}"
                        rows[group, " - ".join(pair)] = {
                            "difference": found.difference,
                            "95% from": found.low,
                            "95% to": found.high,
                            "p": found.p,
                            "± over seeds": found.seeds.std(),
                            "seeds": len(found.seeds),
                            "seeds above 0": int((found.seeds > 0).sum()),
                        }
        if not rows:
            return
        values = _rows(rows, ["Where", "Methods"])
        shown = values.apply(lambda column: column.map(lambda v: number(_format(column.name), v)))
        title = "Differences between methods, and how sure they are"
        yield Table("significance", title, values, shown, notes=[self.about_p])

    def compare(
        self, backbone: str, first: str, second: str, split: str, column: str
    ) -> Comparison | None:
        """Two methods on a language or a mean, as columns name them."""
        langs = {
            MEAN: self.results.scored(split),
            TARGETS: self.results.scored(split, self.results.targets),
        }.get(column, [column])
        one, two = (self.results.find(backbone, method) for method in (first, second))
        return None if first == second else self.bootstraps[split].compare(one, two, langs)

    def _runs(self, backbone: str, methods: Sequence[str]) -> pd.DataFrame:
        return pd.concat([self.results.find(backbone, method) for method in methods])

    def _absent(self, backbone: str, methods: Sequence[str]) -> list[str]:
        """Notes on the methods without runs, those with the same reason together."""
        reasons: dict[str, list[str]] = {}
        for method in methods:
            if self.results.find(backbone, method).empty:
                reasons.setdefault(self.results.reason(backbone, method), []).append(label(method))
        return [f"{', '.join(names)} ({backbone}): {reason}." for reason, names in reasons.items()]


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name)


def _labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by the paper's names of methods."""
    return frame.rename(index=label, level=1)


def _rows(rows: dict[tuple[str, str], dict[str, Any]], names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(rows, names=names))


def _star(found: Comparison | None) -> str:
    return "†" if found is not None and found.p < ALPHA else ""


def _format(column: str) -> str:
    if column.startswith(("difference", "95%")):
        return "{:+.2f}"
    return "{:.0f}" if column.startswith("seeds") else "{:.4f}" if column[0] == "p" else "{:.2f}"


def _pairs(methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    wanted = [("DualNER", other) for other in methods if other != "DualNER"]
    wanted += [("MLT", "CLA"), ("MLT", "SPAN"), ("SPAN", "CLA"), ("no-target", "MLT")]
    yield from (pair for pair in wanted if set(pair) <= set(methods))
