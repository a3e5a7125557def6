"""The figures of the report, drawn with matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import pandas as pd

from .tables import to_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

WIDTH = 10.0  # inches, 960 CSS pixels
_SHAPES = {"LOC": "^", "ORG": "o", "PER": "p"}  # as in the paper
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Figure:
    """A figure.

    name (str): Of its files, without ending.
    title (str): What it shows.
    svg (str): The file.
    data (DataFrame): What is drawn.
    """

    name: str
    title: str
    svg: str
    data: pd.DataFrame

    def files(self) -> dict[str, str]:
        """The text of each file, by ending."""
        return {"csv": to_csv(self.data, index=False), "svg": self.svg}


def source_share(name: str, title: str, data: pd.DataFrame) -> Figure:
    """Figure 3: F1 by share of annotated source text; a panel a measure, a curve a method.

    data (DataFrame): `measure`, `method`, `share`, `seed` and `f1`.
    """

    def draw(figure: Drawing) -> None:
        measures = data.groupby("measure", sort=False)
        panels = figure.subplots(1, measures.ngroups, sharey=True, squeeze=False)[0]
        for axes, (measure, own) in zip(panels, measures, strict=True):
            for method, runs in own.groupby("method", sort=False):
                means = runs.groupby("share").f1.mean()
                (line,) = axes.plot(means.index, means, "o-", label=method)
                axes.plot(runs.share, runs.f1, ".", color=line.get_color(), alpha=0.6)
                if method == "MLT" and 100 in means:
                    axes.axhline(means[100], linestyle="--", color=line.get_color())
            axes.set(title=measure, xlabel="annotated source sentences, percent")
            axes.set_xticks(sorted(own.share.unique()))
            axes.legend()
        panels[0].set_ylabel("F1, percent")

    return _figure(name, title, data, draw, 3.9)


def entity_vectors(name: str, title: str, data: pd.DataFrame) -> Figure:
    """Figure 2: a panel a method, a shape a type, a colour a language.

    data (DataFrame): `method`, `language`, `type`, `text`, `x` and `y`.
    """
    others = dict(zip(sorted(set(data.type) - set(_SHAPES)), "sDvP*X" * len(data), strict=False))

    def draw(figure: Drawing) -> None:
        methods = data.groupby("method", sort=False)
        panels = figure.subplots(1, methods.ngroups, squeeze=False)[0]
        colours = {lang: f"C{i}" for i, lang in enumerate(data.language.unique())}
        shown: dict[str, Any] = {}
        for axes, (method, own) in zip(panels, methods, strict=True):
            for (lang, type_), points in own.groupby(["language", "type"]):
                marker = (_SHAPES | others)[type_]
                style = {"s": 26, "alpha": 0.7, "linewidths": 0, "color": colours[lang]}
                shown[f"{lang} {type_}"] = axes.scatter(points.x, points.y, marker=marker, **style)
            axes.set(title=method, xticks=[], yticks=[])
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=6)

    return _figure(name, title, data, draw, 5.4)


def methods(name: str, title: str, data: pd.DataFrame) -> Figure:
    """Mean development F1 of each method, in a panel for each stage.

    data (DataFrame): As `learning_curves` returns.
    """
    means = data.groupby(["stage", "method", "step"], sort=False).f1.mean().reset_index()

    def draw(figure: Drawing) -> None:
        stages = means.groupby("stage")
        panels = figure.subplots(1, stages.ngroups, squeeze=False)[0]
        for axes, (stage, own) in zip(panels, stages, strict=True):
            for method, curve in own.groupby("method", sort=False):
                axes.plot(curve.step, curve.f1, label=method)
            axes.legend()
            axes.set(title=f"Stage {stage}", xlabel="training steps", ylabel="F1, percent")

    return _figure(name, title, means, draw, 3.6)


def training(name: str, title: str, data: pd.DataFrame) -> Figure:
    """F1 of each language, and agreement of the heads, over the steps of a method.

    data (DataFrame): Of one method, as `learning_curves` returns.
    """

    def draw(figure: Drawing) -> None:
        for axes, (column, what) in zip(
            figure.subplots(1, 2), (("f1", "F1"), ("agreement", "agreement of the heads")),
            strict=True,
        ):  # fmt: skip
            curves = data.pivot(index="step", columns="language", values=column)
            curves.plot(ax=axes, alpha=0.6, legend=column == "f1", colormap="turbo")
            curves.mean(axis=1).plot(ax=axes, color="black", linewidth=2.5)
            axes.set(title=f"{what}; black: mean", xlabel="training steps", ylabel="percent")
            if column == "f1":
                axes.legend(ncols=6, fontsize=7)

    return _figure(name, title, data, draw, 4.4)


def _figure(name: str, title: str, data: pd.DataFrame, draw: Any, height: float) -> Figure:
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Drawing

    file = StringIO()
    # The same data give the same file.
    with rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Drawing(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Title": title})
    return Figure(name, title, file.getvalue(), data)
