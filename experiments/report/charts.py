"""The figures of the page, drawn with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .curves import Curve, ShareCurve
from .methods import short_label
from .mistakes import KINDS, NAMES, Mistakes
from .significance import Comparison
from .svg import INK, drawing, series, to_svg
from .tables import csv_text
from .vectors import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.0  # inches, 960 CSS pixels

COLOURS = {
    "DualNER": "blue",
    "MLT": "orange",
    "no-regulariser": "green",
    "selfKL": "purple",
    "no-target": "ochre",
    "TRG_Trans": "red",
    "CLA": "green",
    "SPAN": "purple",
    "FILTER": "red",
}
"""By method. Methods that share a colour are in different panels."""

_DASHES = {"no-regulariser": "--", "selfKL": "-.", "no-target": ":", "CLA": "--", "SPAN": "-."}
_LANG_COLOURS = ("blue", "orange", "green", "purple", "ochre", "red", "grey")
_SHAPES = {"LOC": "^", "ORG": "o", "PER": "p"}  # as in the paper
_OTHER_SHAPES = "sDvP*X"
_KIND_COLOURS = {
    "boundary": "blue",
    "type": "orange",
    "both": "green",
    "missed": "purple",
    "spurious": "ochre",
}


@dataclass(frozen=True)
class Chart:
    """A figure for the page.

    name (str): Of its files, without ending.
    title (str): What it shows.
    svg (str): The `<svg>` element.
    csv (str): The data drawn.
    """

    name: str
    title: str
    svg: str
    csv: str


def gains(name: str, title: str, found: dict[str, Comparison], first: str, second: str) -> Chart:
    """The difference between two methods in each language, largest first, with its interval.

    found (Dict[str, Comparison]): By language.
    first, second (str): Names of the methods.
    """
    ordered = sorted(found.items(), key=lambda item: -item[1].difference)
    with drawing(name):
        figure, (axes,) = _figure(1, height=3.2)
        for x, (_, c) in enumerate(ordered):
            sure = c.low > 0 or c.high < 0
            colour = series("grey" if not sure else "blue" if c.difference > 0 else "orange")
            axes.plot([x, x], [c.low, c.high], color=colour, linewidth=2.2, alpha=0.65)
            face = colour if sure else "none"
            axes.plot([x], [c.difference], "o", color=colour, markerfacecolor=face, markersize=7)
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xticks(range(len(ordered)), [lang for lang, _ in ordered])
        axes.set_xlim(-0.6, len(ordered) - 0.4)
        axes.set_ylabel(f"{short_label(first)} − {short_label(second)}, points of F1")
        axes.set_xlabel("language; hollow where the 95% interval includes 0")
        axes.grid(axis="y")
        above = sum(c.difference > 0 for c in found.values())
        text = f"Test F1 of {first} minus {second}: above 0 in {above} of {len(found)} languages."
        svg = to_svg(figure, name, title, text)
    lines = [["language", "difference", "low", "high", "p"]]
    csv = csv_text([*lines, *([g, c.difference, c.low, c.high, c.p] for g, c in ordered)])
    return Chart(name, title, svg, csv)


def figure3(name: str, title: str, curves: Sequence[Sequence[ShareCurve]]) -> Chart:
    """F1 by share of annotated source text; a panel a measure, a curve a method."""
    with drawing(name):
        figure, panels = _figure(len(curves), height=3.9, share_y=True)
        for axes, of_measure in zip(panels, curves, strict=True):
            for curve in of_measure:
                colour = series(COLOURS.get(curve.method, "grey"))
                shares, means = curve.shares, curve.means
                axes.plot(shares, means, "o-", color=colour, label=short_label(curve.method))
                for share, values in zip(shares, curve.values, strict=True):
                    if len(values) > 1:
                        axes.plot([share] * len(values), values, ".", color=colour, alpha=0.6)
                if curve.method == "MLT" and 100 in shares:
                    style: dict[str, Any] = {"color": colour, "linewidth": 1.2, "linestyle": "--"}
                    axes.axhline(means[-1], label=f"MLT at 100%: {means[-1]:.1f}", **style)
            axes.set_title(of_measure[0].measure.name.capitalize() if of_measure else "")
            axes.set_xticks(sorted({share for curve in of_measure for share in curve.shares}))
            axes.set_xlabel("annotated source sentences, percent")
            axes.grid()
            axes.legend(loc="best")
        panels[0].set_ylabel("F1, percent")
        svg = to_svg(figure, name, title, "F1 against the share of annotated source sentences.")
    lines: list[list[object]] = [["measure", "method", "share", "run", "f1"]]
    lines += [
        [curve.measure.name, curve.method, share, number, value]
        for of_measure in curves
        for curve in of_measure
        for share, values in zip(curve.shares, curve.values, strict=True)
        for number, value in enumerate(values)
    ]
    return Chart(name, title, svg, csv_text(lines))


def figure2(name: str, title: str, clusterings: dict[str, Clustering]) -> Chart:
    """Entity vectors in two dimensions; a panel a method, a shape a type, a colour a language."""
    types = sorted({type_ for c in clusterings.values() for type_ in c.types.tolist()})
    langs = list(dict.fromkeys(lang for c in clusterings.values() for lang in c.langs.tolist()))
    others = iter(_OTHER_SHAPES * len(types))
    shapes = {type_: _SHAPES.get(type_) or next(others) for type_ in types}
    colours = dict(zip(langs, _LANG_COLOURS * len(langs), strict=False))
    with drawing(name):
        figure, panels = _figure(len(clusterings), height=5.2)
        for axes, (method, c) in zip(panels, clusterings.items(), strict=True):
            for lang in langs:
                for type_ in types:
                    chosen = c.points[(c.langs == lang) & (c.types == type_)]
                    colour, marker = series(colours[lang]), shapes[type_]
                    x, y = chosen.T
                    axes.scatter(x, y, s=26, marker=marker, color=colour, alpha=0.7, linewidths=0)
            axes.set_title(short_label(method))
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_xlabel("first dimension")
            axes.set_ylabel("second dimension")
        key = {"linestyle": "none", "markersize": 7}
        handles = [_key(marker="o", color=series(colours[lang]), **key) for lang in langs]
        handles += [_key(marker=shapes[type_], color=INK, **key) for type_ in types]
        names = [*langs, *types]
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 10))
        text = f"Entities in {', '.join(langs)}; a shape for each of {', '.join(types)}."
        svg = to_svg(figure, name, title, text)
    lines: list[list[object]] = [["method", "language", "type", "text", "x", "y"]]
    for method, c in clusterings.items():
        columns = (c.langs.tolist(), c.types.tolist(), c.texts.tolist(), c.points.tolist())
        lines += [[method, g, t, text, *xy] for g, t, text, xy in zip(*columns, strict=True)]
    return Chart(name, title, svg, csv_text(lines))


def training(name: str, title: str, stage1: Curve | None, own: Curve) -> Chart:
    """Development F1 over both stages, and agreement of the heads in stage 2; a panel a language.

    Stage 2 is drawn to the right of stage 1.
    """
    begin = stage1.steps[-1] if stage1 else 0
    steps = [begin + step for step in own.steps]
    langs = list(own.f1)
    n_panels = len(langs) + 2
    # The width that leaves fewest places empty.
    n_columns = 3 if n_panels < 7 else min((4, 5, 6), key=lambda n: -n_panels % n)
    with drawing(name):
        n_rows = math.ceil(n_panels / n_columns)
        figure, panels = _figure(n_columns, height=1.0 + 1.65 * n_rows, rows=n_rows)
        purple = {"color": series("purple"), "linestyle": "--"}
        for values in own.agreement.values():
            _line(panels[1], steps, values, **purple | {"linewidth": 0.8, "alpha": 0.4})
        _line(panels[1], steps, own.mean_agreement, **purple)
        for axes, lang in zip([panels[0], *panels[2:]], [None, *langs], strict=False):
            before, after = (_f1_of(curve, lang) for curve in (stage1, own))
            _line(axes, stage1.steps if stage1 else [], before, color=series("orange"))
            _line(axes, steps, after, color=series("blue"))
        at = dict(zip(own.steps, own.mean_f1, strict=True))
        _line(
            panels[0],
            [begin + step for step in own.bests],
            [at[step] for step in own.bests],
            **{"color": series("blue"), "marker": "^", "linestyle": "none", "clip_on": False},
        )
        first_step = stage1.steps[0] if stage1 else 0
        titles = ["mean F1", "agreement of the heads", *(f"F1, {lang}" for lang in langs)]
        for axes, text in zip(panels, titles, strict=False):
            axes.set_title(text)
            axes.grid(axis="y")
            axes.set_xlim(first_step, steps[-1])
            axes.axvline(begin, color=INK, linewidth=0.8, alpha=0.4)
        for axes in panels[n_panels:]:
            axes.set_visible(False)
        figure.supxlabel("training steps, stage 1 then stage 2", fontsize=10)
        figure.supylabel("percent; each panel has its own scale", fontsize=10)
        handles = [_key(color=series("orange")), _key(color=series("blue"))]
        handles.append(_key(color=series("blue"), marker="^", linestyle="none"))
        handles.append(_key(**purple))
        names = [
            "F1 in stage 1",
            "F1 in stage 2",
            "teacher replaced",
            "agreement (thin: languages)",
        ]
        figure.legend(handles, names, loc="outside upper left", ncols=4)
        text = f"Development F1 of {', '.join(langs)} over both stages."
        svg = to_svg(figure, name, title, text)
    lines: list[list[object]] = [["stage", "step", "language", "f1", "agreement", "best_so_far"]]
    for curve in (stage1, own):
        lines += _curve_lines(curve) if curve else []
    return Chart(name, title, svg, csv_text(lines))


def method_curves(name: str, title: str, curves: dict[str, tuple[Curve | None, Curve]]) -> Chart:
    """Mean development F1 of each method's first seed, in a panel for each stage."""
    of_stage = [
        {method: own for method, (_, own) in curves.items() if own.stage == stage}
        for stage in (1, 2)
    ]
    with drawing(name):
        shown = [(stage, found) for stage, found in enumerate(of_stage, 1) if found]
        figure, panels = _figure(len(shown), height=3.6)
        for axes, (stage, found) in zip(panels, shown, strict=True):
            for method, curve in found.items():
                style = {"color": series(COLOURS.get(method, "grey"))}
                style["linestyle"] = _DASHES.get(method, "-")
                _line(axes, curve.steps, curve.mean_f1, label=short_label(method), **style)
            axes.set_title(f"Stage {stage}")
            axes.set_xlabel("training steps")
            axes.set_ylabel("mean development F1, percent")
            axes.grid(axis="y")
            axes.legend(loc="lower right")
        svg = to_svg(figure, name, title, "Mean development F1 over training steps.")
    lines: list[list[object]] = [["method", "step", "mean_f1"]]
    for method, (_, curve) in curves.items():
        rows = zip(curve.steps, curve.mean_f1, strict=True)
        lines += [[method, step, "" if value is None else value] for step, value in rows]
    return Chart(name, title, svg, csv_text(lines))


def mistakes(name: str, title: str, found: dict[str, dict[str, Mistakes]]) -> Chart:
    """Mistakes for 100 gold entities, stacked by kind; a bar a language and method.

    found (Dict[str, Dict[str, Mistakes]]): By language and method.
    """
    methods = list(dict.fromkeys(method for of_lang in found.values() for method in of_lang))
    step = len(methods) + 0.7
    with drawing(name):
        figure, (axes,) = _figure(1, height=1.1 + 0.24 * step * len(found))
        ticks, names = [], []
        for place, of_lang in enumerate(found.values()):
            for row, (method, counted) in enumerate(of_lang.items()):
                y, left = place * step + row, 0.0
                ticks.append(y)
                names.append(short_label(method))
                for kind, colour in _KIND_COLOURS.items():
                    width = 100 * getattr(counted, kind) / max(counted.gold, 1)
                    style: dict[str, Any] = {"color": series(colour), "height": 0.82}
                    style |= {"edgecolor": series("page"), "linewidth": 1}
                    axes.barh(y, width, left=left, label=NAMES[kind] if y == 0 else None, **style)
                    left += width
        for place, lang in enumerate(found):
            middle = place * step + (len(methods) - 1) / 2
            axes.text(
                -0.085, middle, lang, weight="bold", va="center", ha="right",
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        axes.set_yticks(ticks, names)
        axes.set_ylabel("language and method", labelpad=34)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(found) * step - 0.9, -0.8)
        axes.set_xlabel("mistakes for 100 gold entities")
        axes.grid(axis="x")
        figure.legend(loc="outside upper left", ncols=5)
        svg = to_svg(figure, name, title, "Stacked bars by kind of mistake, language and method.")
    lines: list[list[object]] = [["language", "method", *KINDS, "gold", "predicted"]]
    for lang, of_lang in found.items():
        for method, m in of_lang.items():
            counts = [float(getattr(m, kind)) for kind in KINDS]
            lines.append([lang, method, *counts, float(m.gold), float(m.predicted)])
    return Chart(name, title, svg, csv_text(lines))


def _figure(
    columns: int, *, height: float, rows: int = 1, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of the page's width, and its panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    return figure, list(panels.ravel())


def _key(**style: Any) -> Any:
    """A line for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **style)


def _line(axes: Axes, steps: Sequence[int], values: Sequence[float | None], **style: Any) -> None:
    """A line through the values that there are."""
    known = [(x, y) for x, y in zip(steps, values, strict=False) if y is not None]
    if known:
        axes.plot(*zip(*known, strict=True), **style)


def _f1_of(curve: Curve | None, lang: str | None) -> list[float | None]:
    """F1 of a language, or the mean for None."""
    if curve is None:
        return []
    return curve.mean_f1 if lang is None else curve.f1.get(lang, [])


def _curve_lines(curve: Curve) -> list[list[object]]:
    lines: list[list[object]] = []
    for i, step in enumerate(curve.steps):
        for lang, f1 in curve.f1.items():
            agreement = curve.agreement.get(lang, [None] * len(curve.steps))[i]
            cells = ["" if value is None else float(value) for value in (f1[i], agreement)]
            lines.append([curve.stage, step, lang, *cells, int(step in curve.bests)])
    return lines
