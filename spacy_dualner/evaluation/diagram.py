"""Diagrams of confidences: how often they are right, and what a threshold leads to."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .reliability import N_BINS, Bools, Floats, Measures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("tab:grey", "tab:blue")
_STEPS = np.linspace(0, 1, 101)


class Curve(NamedTuple):
    """Entities of a type: how sure each is and whether it is right, and how many are annotated."""

    sure: Floats
    right: Bools
    annotated: int


def reliability_svg(series: Mapping[str, Measures], about: str) -> str:
    """How often entities of a confidence are right, in one or two series by name, as SVG."""
    figure = _figure(6.0, 5.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot([0, 1], [0, 1], color="lightgrey")
    said = {name: f"error {100 * own['ece']:.1f} points" for name, own in series.items()}
    each = 0.8 / len(series)
    for i, (name, colour) in enumerate(zip(series, _COLOURS[-len(series) :], strict=True)):
        bins, n = series[name]["bins"], series[name]["n"]
        x = [b["confidence"] for b in bins]
        label = f"{name}: {said[name]}" if name else said[name]
        top.plot(x, [b["right"] for b in bins], "o-", color=colour, label=label)
        shift = (i - (len(series) - 1) / 2) * each
        centres = [(int(c * N_BINS - 1e-9) + 0.5 + shift) / N_BINS for c in x]
        heights = [b["n"] / max(n, 1) for b in bins]
        bottom.bar(centres, heights, width=(each - 0.02) / N_BINS, color=colour)
    top.set(ylabel="right", xlim=(0, 1), ylim=(0, 1), title=about)
    top.legend(loc="upper left")
    top.grid(alpha=0.3)
    bottom.set(xlabel="confidence", ylabel="share of entities")
    _in_percent(top.yaxis, bottom.yaxis, bottom.xaxis)
    last = [*series.values()][-1]
    description = f"Of {last['n']:,} entities {100 * last['right']:.0f}% are right. Expected "
    description += f"calibration {', '.join(f'{n} {own}'.strip() for n, own in said.items())}."
    return _svg(figure, f"Reliability of confidences: {about}", description)


def threshold_svg(curves: Mapping[str, Curve], about: str) -> str:
    """Precision and recall of up to ten types against the threshold, as SVG."""
    figure = _figure(10.0, 4.2)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for type_, own in curves.items():
        order = np.argsort(own.sure)
        dropped = np.searchsorted(own.sure[order], _STEPS)
        right_up_to = np.concatenate([[0], np.cumsum(own.right[order])])
        right, kept = right_up_to[-1] - right_up_to[dropped], len(order) - dropped
        precision = np.where(kept > 0, right / np.maximum(kept, 1), np.nan)
        for panel, values in zip(panels, (precision, right / max(own.annotated, 1)), strict=True):
            panel.plot(_STEPS, values, label=type_.replace("$", r"\$"))
    for panel, name in zip(panels, ("precision", "recall"), strict=True):
        panel.set(title=f"{name}, {about}", xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02))
        panel.grid(alpha=0.3)
        _in_percent(panel.yaxis, panel.xaxis)
    panels[0].legend(loc="lower left")
    return _svg(figure, f"Precision and recall by threshold: {about}", ", ".join(curves))


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _in_percent(*axes: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1, decimals=0))


def _svg(figure: Figure, title: str, description: str) -> str:
    from matplotlib import rc_context

    text = StringIO()
    # The same measures give the same file, and its text stays text.
    with rc_context({"svg.hashsalt": "diagram", "svg.fonttype": "none"}):
        metadata = {"Date": None, "Title": title, "Description": description}
        figure.savefig(text, format="svg", metadata=metadata)
    return text.getvalue()
