"""The curve of `experiments.benchmarks.selection`: a table, a paired test, and a picture.

    python -m experiments.benchmarks.selection_report few.jsonl --figure few.svg

Only pairs count: a language, seed and number of sentences of which each way has a training.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import typer
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import ttest_rel

COLOURS = {"random": "tab:gray", "select": "tab:blue", "most": "tab:orange"}
KEYS = ["n", "lang", "seed"]


def main(
    rows: Path = typer.Argument(..., help="JSON lines of trainings"),
    way: str = typer.Option("select", "--way", help="What is compared with chance"),
    decode: str = typer.Option("span", "--decode", help="span or joint"),
    figure: Path | None = typer.Option(None, "--figure", help="SVG file to write"),
) -> None:
    """Print Markdown tables, and draw the curve."""
    table = pd.read_json(rows, lines=True)
    for name in ("before", "f1"):
        table[name] = [scores[decode] for scores in table[name]]
    f1 = table.pivot(index=KEYS, columns="way", values="f1")[["random", way]].dropna()
    before = table.groupby(KEYS).before.first().loc[f1.index]
    means = f1.assign(before=before).groupby(["n", "lang"]).mean()
    means["seeds"] = f1.groupby(["n", "lang"]).size()
    print(means[["seeds", "before", "random", way]].round(1).to_markdown(), "\n")
    words = table.pivot(index=KEYS, columns="way", values="words").loc[f1.index]
    lines = []
    for n, own in [*f1.groupby("n"), ("all", f1)]:
        gain = own[way] - own["random"]
        longer = words.loc[own.index, way].sum() / words.loc[own.index, "random"].sum()
        p = ttest_rel(own[way], own["random"]).pvalue
        lines.append([n, len(own), gain.mean(), gain.std(), int((gain > 0).sum()), p, longer])
    columns = ["n", "pairs", "gain", "sd", "above", "p", "words"]
    print(pd.DataFrame(lines, columns=columns).round(3).to_markdown(index=False))
    if figure is not None:
        draw(f1, before, figure, way)


def draw(f1: pd.DataFrame, before: pd.Series, path: Path, way: str) -> None:
    """Draw F1 against the number of sentences: means as lines, each seed as a point."""
    langs = list(dict.fromkeys(f1.index.get_level_values("lang")))
    picture = Figure(figsize=(2.6 * len(langs), 3.0), layout="constrained", facecolor="white")
    for lang, panel in zip(langs, picture.subplots(1, len(langs), squeeze=False)[0], strict=True):
        own = f1.xs(lang, level="lang")
        start = before.xs(lang, level="lang").mean()
        for name in own.columns:
            mean = own[name].groupby("n").mean()
            x, y = [0, *mean.index], [start, *mean]
            panel.plot(x, y, color=COLOURS[name], label=name)
            n = own.index.get_level_values("n")
            panel.plot(n, own[name], ".", color=COLOURS[name], alpha=0.6)
        panel.set(title=lang, xlabel="annotated sentences", xticks=[0, *mean.index])
        panel.grid(alpha=0.3)
    picture.axes[0].set_ylabel("F1")
    picture.axes[0].legend(loc="lower right")
    title = f"F1 after training on few sentences, taken by chance and by {way}"
    # The same rows give the same file, and its text stays text.
    with rc_context({"svg.hashsalt": "few", "svg.fonttype": "none"}):
        picture.savefig(path, format="svg", metadata={"Date": None, "Title": title})


if __name__ == "__main__":
    typer.run(main)
