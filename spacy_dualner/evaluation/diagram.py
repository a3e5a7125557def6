"""The reliability diagram: how often entities of a confidence are right."""

from __future__ import annotations

from io import StringIO

from .reliability import N_BINS, Measures


def reliability_svg(before: Measures, after: Measures, about: str) -> str:
    """Draw confidences before and after calibration, as an SVG file.

    before (Measures): Of the entities as they were.
    after (Measures): Of the same entities, calibrated.
    about (str): Which entities those are.
    RETURNS (str): The file's text.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(6.0, 5.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot([0, 1], [0, 1], color="lightgrey")
    for measures, name, colour, shift in (
        (before, "before", "tab:grey", -0.2),
        (after, "after", "tab:blue", 0.2),
    ):
        bins = measures["bins"]
        x = [b["confidence"] for b in bins]
        label = f"{name}: error {100 * measures['ece']:.1f} points"
        top.plot(x, [b["right"] for b in bins], "o-", color=colour, label=label)
        counts = [b["n"] / max(measures["n"], 1) for b in bins]
        centres = [(int(c * N_BINS - 1e-9) + 0.5 + shift) / N_BINS for c in x]
        bottom.bar(centres, counts, width=0.38 / N_BINS, color=colour)
    top.set(ylabel="right", xlim=(0, 1), ylim=(0, 1), title=about)
    top.legend(loc="upper left")
    top.grid(alpha=0.3)
    bottom.set(xlabel="confidence", ylabel="share of entities")
    for axis in (top.yaxis, bottom.yaxis, bottom.xaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    text = StringIO()
    # The same measures give the same file, and its text stays text.
    with rc_context({"svg.hashsalt": "reliability", "svg.fonttype": "none"}):
        metadata = {
            "Date": None,
            "Title": f"Reliability of confidences: {about}",
            "Description": f"Of {after['n']:,} entities {100 * after['right']:.0f}% are right. "
            f"Expected calibration error {100 * before['ece']:.1f} points before, "
            f"{100 * after['ece']:.1f} after.",
        }
        figure.savefig(text, format="svg", metadata=metadata)
    return text.getvalue()
