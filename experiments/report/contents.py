"""What the page shows: the tables and figures of each section, and lines on what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import pandas as pd

from . import figures
from .bootstrap import Bootstrap
from .embedding import read_embedding
from .figures import Figure
from .learning_curves import learning_curves, picked
from .predictions import Predictions
from .results import MEAN, SPLITS, TARGETS, Results
from .score_tables import ScoreTables, slug
from .tables import Table, number_table

Part: TypeAlias = Table | Figure | str
"""A string is a line of text."""

PAIR = ("MLT", "DualNER")
"""The methods that the page sets side by side: before and after dual teaching."""


def contents(results: Results, n_resamples: int) -> dict[str, list[Part]]:
    """The parts of each section of the page, by the section's id.

    results (Results): The study.
    n_resamples (int): Of the paired bootstrap.
    """
    predictions = Predictions(results)
    bootstraps = {split: Bootstrap(predictions, split, n_resamples) for split in SPLITS}
    tables = ScoreTables(results, bootstraps, n_resamples)
    backbones = results.backbones
    return {
        "summary": [*(_headline(tables, b) for b in backbones), *_missing(predictions)],
        "table-1": [tables.table1(backbone) for backbone in backbones],
        "table-2": [tables.table2(), *tables.comparisons()],
        "figure-2": [part for b in backbones for part in _figure2(results, b)],
        "figure-3": [_figure3(results, backbone) for backbone in backbones],
        "training": [part for b in backbones for part in _curves(results, b)],
        "mistakes": [_mistakes(predictions, backbone) for backbone in backbones],
    }


def _headline(tables: ScoreTables, backbone: str) -> str:
    results = tables.results
    runs = [results.find(backbone, method) for method in PAIR]
    found = tables.compare(backbone, "DualNER", "MLT", "test", TARGETS)
    if any(own.empty for own in runs) or found is None:
        return f"{backbone}: no headline, which needs finished runs of MLT and DualNER."
    mlt, dualner = (results.f1(own.index, "test").mean() for own in runs)
    targets = results.scored("test", results.targets)
    above = [lang for lang in targets if dualner[lang] > mlt[lang]]
    return (
        f"{backbone}: DualNER {dualner[TARGETS]:.1f}, MLT {mlt[TARGETS]:.1f} (F1, mean of the "
        f"target languages' test sets). Difference {found.difference:+.1f}, 95% interval "
        f"{found.low:+.1f} to {found.high:+.1f}, p {found.p:.4f}. DualNER is above in {len(above)} "
        f"of {len(targets)} languages."
    )


def _missing(predictions: Predictions) -> Iterator[str]:
    results = predictions.results
    folders = results.runs.folder
    unread = [key for key in folders.index if not (folders[key] / "predictions.npz").is_file()]
    if unread:
        yield f"Predictions of {', '.join(unread)} are missing: no intervals for these runs."
    places = [(split, lang) for split in SPLITS for lang in results.scored(split)]
    no_gold = ["/".join(place) for place in places if predictions.gold(*place) is None]
    if no_gold:
        yield f"Sentences of {', '.join(no_gold)} are missing: no intervals or mistakes there."


def _figure2(results: Results, backbone: str) -> Iterator[Part]:
    found = {}
    for method in PAIR:
        paths = [folder / "entities.npz" for folder in results.find(backbone, method).folder]
        path = next((path for path in paths if path.is_file()), None)
        langs = results.study.get("picture_langs", [])
        if path and (embedding := read_embedding(path, langs)):
            found[method] = embedding
    if not found:
        yield f"{backbone}: there are no entity vectors, or too few."
        return
    points = pd.concat({method: e.points for method, e in found.items()}, names=["method"])
    title = f"Figure 2: entity vectors in different languages, {backbone}"
    data = points.reset_index(level=0).reset_index(drop=True)
    yield figures.entity_vectors(f"figure2-{slug(backbone)}", title, data)
    values = pd.DataFrame({method: e.separation for method, e in found.items()})
    title = f"How well types keep apart before projection, {backbone}"
    yield number_table(f"separation-{slug(backbone)}", title, values, "{:.2f}")


def _figure3(results: Results, backbone: str) -> Part:
    runs = results.runs.query("backbone == @backbone and method in @PAIR")
    if runs.share.nunique() < 2:
        return f"{backbone}: no runs with a smaller share of the source."
    f1 = results.f1(runs.index, "dev")[[MEAN, TARGETS]]
    data = f1.melt(var_name="measure", value_name="f1", ignore_index=False)
    data = data.join(runs[["method", "share", "seed"]]).dropna()
    data = data.sort_values(["method", "share", "seed"], ascending=[False, True, True])
    title = f"Figure 3: effect of the source corpus's size, development sets, {backbone}"
    return figures.source_share(f"figure3-{slug(backbone)}", title, data)


def _curves(results: Results, backbone: str) -> Iterator[Part]:
    curves = learning_curves(results, backbone)
    if curves.empty:
        yield f"{backbone}: its runs have no history."
        return
    first = curves[curves.seed == curves.groupby("method").seed.transform("first")]
    title = f"Development F1 of all methods, {backbone}, first seed"
    yield figures.methods(f"methods-{slug(backbone)}", title, first)
    own = first[first.method == "DualNER"]
    if len(own):
        title = f"Stage 2 of DualNER, {backbone}, first seed"
        yield figures.training(f"training-{slug(backbone)}", title, own)
    if len(values := picked(curves, results.targets)):
        values = values.rename_axis(["Method", "Seed"])
        title = f"F1 of stage 2 by what picks its step, development sets of the targets, {backbone}"
        yield number_table(f"picked-{slug(backbone)}", title, values, "{:.2f}")


def _mistakes(predictions: Predictions, backbone: str) -> Part:
    results = predictions.results
    found = {}
    for lang in results.scored("test"):
        for method in PAIR:
            keys = results.find(backbone, method).index
            counts = [predictions.mistakes(key, "test", lang) for key in keys]
            if known := [own for own in counts if own is not None]:
                found[lang, method] = pd.concat(known, axis=1).mean(axis=1)
    if not found:
        return f"{backbone}: it needs predictions of MLT or DualNER, and the text."
    values = pd.DataFrame(found).T.rename_axis(["Language", "Method"])
    title = f"Entities by kind of mistake, {backbone}, test sets, mean over seeds"
    return number_table(f"mistakes-{slug(backbone)}", title, values, "{:.0f}")
