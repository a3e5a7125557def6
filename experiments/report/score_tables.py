"""The paper's Tables 1 and 2 of a study, and the table of all comparisons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from . import paper
from .measures import (
    DEV_ALL,
    DEV_TARGETS,
    TEST_ALL,
    TEST_TARGETS,
    Measured,
)
from .methods import LABELS, PAPER_ROWS, in_order, label, short_label
from .significance import Comparison
from .tables import DASH, Cell, Row, Table, decimal, number, p_value

LANGS_A_BLOCK = 20
"""Languages side by side, as in the paper."""

MEANS = ("mean", "mean of targets")
ABLATION = ("MLT", "DualNER", "no-regulariser", "selfKL", "no-target")
"""The rows of the paper's Table 2."""


def table1(measured: Measured, backbone: str) -> Table:
    """Test F1 of each method and language, with the paper's rows below for its own backbones.

    measured (Measured): The study.
    backbone (str): One of its backbones.
    RETURNS (Table): A row a method. The best of each column is marked, and the better of CLA and
        SPAN.
    """
    results = measured.results
    langs = results.scored("test")
    targets = results.scored("test", results.targets)
    columns = [[lang] for lang in langs] + [langs, targets]
    methods = in_order([*PAPER_ROWS, *results.methods(backbone)])
    printed = paper.table1(backbone)
    rows: list[Row] = []
    seeds = 0
    for method in methods:
        runs = results.find(backbone, method)
        seeds = max(seeds, len(runs))
        means = [measured.mean_over(runs, "test", column) for column in columns]
        cells = [number(m.value, m.deviation, seeds=m.seeds) for m in means]
        rows.append(Row("This study" if printed else "", label(method), cells))
    notes = not_run(measured, backbone, methods)
    rows = mark(rows)
    if printed:
        theirs = [
            Row(
                f"The paper, {backbone}",
                label(method),
                [
                    *(_printed(row.get(lang)) for lang in langs),
                    *(number(paper.table1_mean(backbone, method, c)) for c in columns[-2:]),
                ],
            )
            for method, row in printed.items()
        ]
        rows += mark(theirs)
        notes.append(
            "The paper's figures are as printed (hi and jv stand there as hl and lv); "
            "its means are taken here, over the same languages."
        )
    if seeds > 1:
        notes.append(f"This study: mean over up to {seeds} seeds.")
    return Table(
        name=f"table1-{slug(backbone)}",
        title=f"Table 1: test F1 of each language, {backbone}",
        columns=[*langs, *MEANS],
        rows=rows,
        notes=notes,
        blocks=blocks(len(langs), len(MEANS)),
    )


def table2(measured: Measured, n_resamples: int) -> Table:
    """Ablation: means with deviations, and the difference from DualNER, of all backbones.

    measured (Measured): The study.
    n_resamples (int): Of the bootstrap, for the note.
    RETURNS (Table): The paper's rows, then the other methods, of each backbone.
    """
    results = measured.results
    theirs = paper.table2()
    rows: list[Row] = []
    notes: list[str] = []
    for backbone in results.backbones:
        dualner = results.find(backbone, "DualNER")
        own = []
        methods = list(dict.fromkeys([*ABLATION, *results.methods(backbone)]))
        notes += not_run(measured, backbone, methods)
        for method in methods:
            runs = results.find(backbone, method)
            cells: list[Cell] = []
            for measure in (DEV_ALL, DEV_TARGETS, TEST_ALL, TEST_TARGETS):
                mean = measured.mean(runs, measure)
                cell = number(mean.value, mean.deviation, digits=2, seeds=mean.seeds, spread=True)
                cells.append(cell)
                if measure in (DEV_ALL, TEST_TARGETS):
                    found = None
                    if method != "DualNER":
                        found = measured.compare(runs, dualner, measure)
                    cells += [difference(found), p_value(found.p if found else None)]
                if measure == DEV_ALL:
                    cells += _printed_ablation(theirs, method)
            own.append(Row(f"{backbone}", label(method), cells))
        rows += mark(own, [0, 5, 6, 7])
    notes += [
        f"Differences are from DualNER +TRG_Gold; p by a paired bootstrap over sentences "
        f"({n_resamples:,} resamples), two-sided. ± is the sample standard deviation over seeds.",
        f"The paper's column: {paper.MAIN_BACKBONE}, development sets of 40 languages, 3 seeds.",
    ]
    return Table(
        name="table2",
        title="Table 2: ablation study, mean F1 ± standard deviation over seeds",
        columns=[
            "dev, all languages",
            "difference (dev, all)",
            "p (dev, all)",
            "paper (dev, all)",
            "difference (paper)",
            "dev, targets",
            "test, all languages",
            "test, targets",
            "difference (test, targets)",
            "p (test, targets)",
        ],
        corner="Model",
        rows=rows,
        notes=notes,
        blocks=[range(6), range(6, 10)],
    )


def comparisons(measured: Measured, n_resamples: int) -> Table:
    """DualNER against each method, MLT against its two halves: difference, interval and p."""
    results = measured.results
    rows = []
    for backbone in results.backbones:
        for measure in (TEST_TARGETS, DEV_ALL):
            for first, second in _pairs(results.methods(backbone)):
                one, two = (results.find(backbone, method) for method in (first, second))
                found = measured.compare(one, two, measure)
                if found is not None:
                    name = f"{short_label(first)} − {short_label(second)}"
                    group = f"{backbone}: {measure.name}"
                    rows.append(Row(group, name, _comparison_cells(found)))
    return Table(
        name="significance",
        title="Differences between methods, and how sure they are",
        columns=["difference", "95% from", "95% to", "p", "over seeds", "seeds above 0"],
        corner="Methods",
        rows=rows,
        notes=[
            f"Paired bootstrap over sentences ({n_resamples:,} resamples, drawn language by "
            "language, the same sentences for all methods). It covers the sampling of sentences, "
            "not of seeds: how far the difference varies over seeds stands beside it. There is no "
            "correction for the number of comparisons.",
        ],
    )


def not_run(measured: Measured, backbone: str, methods: Sequence[str]) -> list[str]:
    """Notes on the methods without runs, those with the same reason together."""
    results = measured.results
    reasons: dict[str, list[str]] = {}
    for method in methods:
        if not results.find(backbone, method):
            reasons.setdefault(results.reason(backbone, method), []).append(label(method))
    return [f"{', '.join(names)} ({backbone}): {reason}." for reason, names in reasons.items()]


def difference(found: Comparison | None) -> Cell:
    """A cell with a difference in points."""
    if found is None:
        return Cell(DASH)
    return number(found.difference, digits=2, signed=True)


def over_seeds(found: Comparison) -> str:
    """A difference's deviation over seeds, as text."""
    if found.deviation is None:
        return "one seed" if found.seeds else "no seed in common"
    return f"± {decimal(found.deviation, 2)}"


def mark(rows: Sequence[Row], columns: Sequence[int] | None = None) -> list[Row]:
    """Mark the best of each column, and the better of CLA and SPAN; all that look the same.

    columns (Optional[Sequence[int]]): Those to mark, by default all.
    """
    if not rows:
        return []
    grid = [list(row.cells) for row in rows]
    two = [row.name in (LABELS["CLA"], LABELS["SPAN"]) for row in rows]
    for column in range(len(grid[0])) if columns is None else columns:
        shown = [_shown(cells[column]) for cells in grid]
        best = max((value for value in shown if value is not None), default=None)
        pair = [value for value, of_two in zip(shown, two, strict=True) if of_two]
        better = max(pair) if len(pair) == 2 and None not in pair else None  # type: ignore[type-var]
        for cells, value, of_two in zip(grid, shown, two, strict=True):
            if value is None:
                continue
            marks = (("best",) if value == best else ()) + (
                ("better",) if of_two and value == better else ()
            )
            cell = cells[column]
            cells[column] = Cell(cell.text, cell.value, cell.deviation, cell.seeds, marks)
    return [Row(row.group, row.name, cells) for row, cells in zip(rows, grid, strict=True)]


def blocks(n_langs: int, n_means: int) -> list[range]:
    """Columns in blocks of at most 20 languages of even width, the means in the last."""
    n_blocks = max(1, -(-n_langs // LANGS_A_BLOCK))
    cuts = [n_langs * i // n_blocks for i in range(n_blocks)] + [n_langs + n_means]
    return [range(begin, end) for begin, end in pairwise(cuts)]


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name)


def _shown(cell: Cell) -> float | None:
    """The number that a reader sees, so that equal ones are marked alike."""
    if cell.value is None:
        return None
    return float(cell.text.split(" ±")[0].replace("−", "-"))


def _printed(value: float | None) -> Cell:
    """A figure of the paper with the places that it prints: 80.0, but 0.04."""
    if value is None:
        return Cell(DASH)
    return Cell(f"{value:.1f}" if round(value, 1) == value else f"{value:g}", value)


def _printed_ablation(theirs: dict[str, tuple[float, float]], method: str) -> list[Cell]:
    if method not in theirs:
        return [Cell(DASH), Cell(DASH)]
    mean, deviation = theirs[method]
    apart = None if method == "DualNER" else mean - theirs["DualNER"][0]
    return [
        number(mean, deviation, digits=2, spread=True),
        number(apart, digits=2, signed=True),
    ]


def _pairs(methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    wanted = [("DualNER", other) for other in methods if other != "DualNER"]
    wanted += [("MLT", "CLA"), ("MLT", "SPAN"), ("SPAN", "CLA"), ("no-target", "MLT")]
    yield from (pair for pair in wanted if set(pair) <= set(methods))


def _comparison_cells(found: Comparison) -> list[Cell]:
    ahead = sum(difference > 0 for difference in found.seeds)
    return [
        Cell(decimal(found.difference, 2, signed=True), found.difference),
        number(found.low, digits=2, signed=True),
        number(found.high, digits=2, signed=True),
        p_value(found.p),
        Cell(over_seeds(found), found.deviation),
        Cell(f"{ahead} of {len(found.seeds)}" if found.seeds else DASH),
    ]
