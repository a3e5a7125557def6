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
        stars = pd.DataFrame(False, own.index, own.columns)
        for method in methods:
            for column in own.columns:
                found = self._compare(backbone, method, "MLT", "test", column)
                stars.loc[method, column] = found is not None and found.p < ALPHA
        parts = {"This study": own}
        notes = [
            *self._absent(backbone, methods),
            f"Marked with *: a difference from MLT, p < {ALPHA}.",
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
        shown.iloc[: len(own)] += stars.replace({True: "*", False: ""}).to_numpy()
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
        """Ablation: means with deviations, and the difference from DualNER, of all backbones."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        theirs = published.table2()
        notes = []
        for backbone in self.results.backbones:
            methods = list(dict.fromkeys([*published.TABLE_2, *self.results.methods(backbone)]))
            notes += self._absent(backbone, methods)
            for method in methods:
                row: dict[str, Any] = {}
                rows[backbone, method] = row
                for split, mean in (("dev", MEAN), ("dev", TARGETS), ("test", TARGETS)):
                    name = f"{split}, {mean}"
                    runs = self.results.find(backbone, method)
                    f1 = self.results.f1(runs.index, split)[mean]
                    row |= {name: f1.mean(), f"{name} deviation": f1.std()}
                    if (split, mean) == ("dev", TARGETS):
                        continue
                    found = self._compare(backbone, method, "DualNER", split, mean)
                    if method != "DualNER":
                        row[f"difference ({name})"] = found.difference if found else np.nan
                        row[f"p ({name})"] = found.p if found else np.nan
                    if split == "dev" and method in theirs.index:
                        row |= theirs.loc[method].add_prefix("paper ").to_dict()
        names = pd.MultiIndex.from_tuples(rows, names=["Backbone", "Model"])
        values = pd.DataFrame(list(rows.values()), index=names)
        means = [column for column in values if f"{column} deviation" in values]
        shown = {column: _column(values, column) for column in values if "deviation" not in column}
        shown["paper, dev"] = _column(values, "paper mean", "paper deviation")
        del shown["paper mean"]
        marked = pd.DataFrame(False, values.index, list(shown))
        marked[means] = best(values[means], digits=2)
        return Table(
            name="table2",
            title="Table 2: ablation study, mean F1 ± standard deviation over seeds",
            numbers=_labelled(values),
            shown=_labelled(pd.DataFrame(shown)),
            bold=_labelled(marked),
            notes=[
                *notes,
                f"Differences are from {label('DualNER')}. {self.about_p}",
                f"The paper's column: {published.MAIN_BACKBONE}, mean of the development sets of "
                "40 languages, 3 seeds.",
            ],
        )

    def comparisons(self) -> Table:
        """DualNER against each method, MLT against its two halves: difference, interval and p."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for backbone in self.results.backbones:
            for split, mean in (("test", TARGETS), ("dev", MEAN)):
                for pair in _pairs(self.results.methods(backbone)):
                    if found := self._compare(backbone, *pair, split, mean):
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
        names = pd.MultiIndex.from_tuples(rows, names=["Where", "Methods"]) if rows else None
        values = pd.DataFrame(list(rows.values()), index=names)
        shown = values.apply(lambda column: column.map(lambda v: number(_format(column.name), v)))
        title = "Differences between methods, and how sure they are"
        return Table("significance", title, values, shown, notes=[self.about_p])

    def runs(self) -> Table:
        """All finished runs."""
        runs = self.results.runs
        facts = runs[["share", "seed", "best_step", "steps", "seconds"]]
        means = [self.results.f1(runs.index, s)[TARGETS].rename(f"{s}, targets") for s in SETS]
        values = pd.concat([facts, *means], axis=1)
        values.index = pd.MultiIndex.from_frame(runs[["backbone", "method"]])
        values = values.sort_index(level=0, sort_remaining=False)
        shown = values.apply(
            lambda c: c.map(lambda v: number("{:.2f}" if "targets" in c.name else "{:.0f}", v))
        )
        return Table("runs", "All finished runs", _labelled(values), _labelled(shown))

    def compare(self, backbone: str, lang: str) -> Comparison | None:
        """DualNER against MLT on the test set of a language."""
        return self._compare(backbone, "DualNER", "MLT", "test", lang)

    def _compare(
        self, backbone: str, first: str, second: str, split: str, column: str
    ) -> Comparison | None:
        """Two methods on a language or a mean."""
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


def _column(values: pd.DataFrame, mean: str, deviation: str = "") -> pd.Series:
    """A column of numbers as text, with its deviation where it has one."""
    deviation = deviation or f"{mean} deviation"
    if deviation not in values:
        return values[mean].map(lambda value: number(_format(mean), value))
    pairs = zip(values[mean], values[deviation], strict=True)
    return pd.Series([number("{:.2f} ± {:.2f}", *pair) for pair in pairs], values.index)


def _format(column: str) -> str:
    if column.startswith(("difference", "95%")):
        return "{:+.2f}"
    return "{:.0f}" if column.startswith("seeds") else "{:.4f}" if column[0] == "p" else "{:.2f}"


def _pairs(methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    wanted = [("DualNER", other) for other in methods if other != "DualNER"]
    wanted += [("MLT", "CLA"), ("MLT", "SPAN"), ("SPAN", "CLA"), ("no-target", "MLT")]
    yield from (pair for pair in wanted if set(pair) <= set(methods))
