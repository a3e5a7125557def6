"""The reliability diagram: how often entities of a confidence are right."""

from __future__ import annotations

from ..report.svg import INK, drawing, series, standalone, to_svg
from .reliability import N_BINS, Measures


def reliability_svg(before: Measures, after: Measures, about: str) -> str:
    """Draw confidences before and after calibration, as an SVG file.

    before (Measures): Of the entities as they were.
    after (Measures): Of the same entities, calibrated.
    about (str): Which entities those are.
    RETURNS (str): The file's text.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    with drawing("reliability"):
        figure = Figure(figsize=(6.0, 5.6), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        top.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=1)
        for measures, name, colour, style in (
            (before, "before", "grey", "--"),
            (after, "after", "blue", "-"),
        ):
            bins = measures["bins"]
            x = [b["confidence"] for b in bins]
            label = f"{name}: error {100 * measures['ece']:.1f} points"
            colour = series(colour)
            right = [b["right"] for b in bins]
            top.plot(x, right, style, marker="o", markersize=5, color=colour, label=label)
            counts = [b["n"] / max(measures["n"], 1) for b in bins]
            shift = -0.2 if name == "before" else 0.2
            centres = [(int(c * N_BINS - 1e-9) + 0.5 + shift) / N_BINS for c in x]
            bottom.bar(centres, counts, width=0.38 / N_BINS, color=colour)
        top.set(ylabel="right", xlim=(0, 1), ylim=(0, 1), title=about)
        top.legend(loc="upper left")
        top.grid()
        bottom.set(xlabel="confidence", ylabel="share of entities")
        for axis in (top.yaxis, bottom.yaxis, bottom.xaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        description = (
            f"Of {after['n']:,} entities {100 * after['right']:.0f}% are right. Expected "
            f"calibration error {100 * before['ece']:.1f} points before, "
            f"{100 * after['ece']:.1f} after."
        )
        svg = to_svg(figure, "reliability", f"Reliability of confidences: {about}", description)
    return standalone(svg)
