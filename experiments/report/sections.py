"""What the page shows, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from . import figures
from .bootstrap import Bootstrap
from .embedding import read_embedding
from .examples import Example, find_examples
from .figures import Figure
from .learning_curves import learning_curves
from .predictions import Predictions
from .published import label
from .results import MEAN, SPLITS, TARGETS, Results
from .score_tables import ScoreTables, slug
from .tables import Table, number

PAIR = ("MLT", "DualNER")
"""The methods that the page sets side by side: before and after dual teaching."""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    id (str): Where links lead.
    heading (str): Its heading.
    text (str): Its first paragraph.
    parts (List[Table | Figure]): What it shows.
    examples (List[Example]): What it shows below that.
    missing (List[str]): Lines on what cannot be shown.
    """

    id: str
    heading: str
    text: str
    parts: Sequence[Table | Figure] = ()
    examples: Sequence[Example] = ()
    missing: Sequence[str] = field(default_factory=tuple)


class Sections:
    """Computes all sections of a study's report.

    results (Results): The study.
    n_resamples (int): Of the paired bootstrap.
    """

    def __init__(self, results: Results, n_resamples: int) -> None:
        self.results = results
        self.predictions = Predictions(results)
        bootstraps = {s: Bootstrap(self.predictions, s, n_resamples) for s in SPLITS}
        self.tables = ScoreTables(results, bootstraps, n_resamples)

    def all(self) -> list[Section]:
        """The sections in the page's order."""
        tables = self.tables
        return [
            Section("summary", "Summary", " ".join(self._summary()), missing=self._missing()),
            Section(
                "table-1",
                "Table 1: F1 of each language",
                "Entity F1 on the test sets, in percent, mean over seeds. The best of each column "
                "is bold. The CSV has the deviations over seeds.",
                list(self._of_languages()),
            ),
            Section(
                "table-2",
                "Table 2: ablation study",
                "On the development sets, where the paper reports its ablation, and on the test "
                "sets. The best step of each run was picked on the development sets.",
                [tables.table2(), tables.comparisons()],
            ),
            self._figure2(),
            self._figure3(),
            self._curves(),
            self._mistakes(),
            Section(
                "runs",
                "How it was made",
                "Scores are entity F1 by seqeval on gold tokens; CLA is read from the tag head, "
                "all others from the start and end heads.",
                [tables.runs()],
            ),
        ]

    @cached_property
    def _pairs(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Runs of MLT and DualNER, as far as there are any, by backbone."""
        found = {
            b: {method: self.results.find(b, method) for method in PAIR}
            for b in self.results.backbones
        }
        return {b: {m: runs for m, runs in of.items() if len(runs)} for b, of in found.items()}

    def _summary(self) -> Iterator[str]:
        for backbone, pair in self._pairs.items():
            if len(pair) < len(PAIR):
                yield f"{backbone}: no headline, which needs finished runs of MLT and DualNER."
                continue
            runs = pair["DualNER"], pair["MLT"]
            targets = self.results.scored("test", self.results.targets)
            f1 = [self.results.f1(own.index, "test").mean() for own in runs]
            above = [lang for lang in targets if f1[0][lang] > f1[1][lang]]
            yield (
                f"{backbone}: DualNER {f1[0][TARGETS]:.1f}, MLT {f1[1][TARGETS]:.1f} (F1, mean of "
                f"{len(targets)} target languages, test sets); DualNER is above in {len(above)}"
                + (f", not in {', '.join(sorted(set(targets) - set(above)))}" if above else "")
            )
            found = self.tables.bootstraps["test"].compare(*runs, targets)
            if found:
                numbers = (found.difference, found.low, found.high, found.p)
                pattern = "(difference {:+.1f}, 95% interval {:+.1f} to {:+.1f}, p {:.4f})."
                yield pattern.format(*numbers)

    def _missing(self) -> list[str]:
        results = self.results
        missing = []
        for backbone in results.backbones:
            seeds = set(results.runs.query("backbone == @backbone and share == 100").seed)
            for method in results.methods(backbone):
                have = set(results.find(backbone, method).seed)
                if have and (lacks := sorted(map(str, seeds - have))):
                    who = f"{label(method)} ({backbone})"
                    missing.append(f"{who}, seed {', '.join(lacks)}: not run.")
        unread = [
            key for key, run in results.runs.iterrows()
            if not (run.folder / "predictions.npz").is_file()
        ]  # fmt: skip
        if unread:
            missing.append(f"Predictions of {', '.join(unread)}: no intervals for these runs.")
        no_gold = [f"{s}/{g}" for s in SPLITS for g in results.scored(s)
                   if self.predictions.gold(s, g) is None]  # fmt: skip
        if no_gold:
            missing.append(f"Sentences of {', '.join(no_gold)}: no intervals or mistakes there.")
        return missing

    def _of_languages(self) -> Iterator[Table | Figure]:
        for backbone in self.results.backbones:
            yield self.tables.table1(backbone)
            found = {g: self.tables.compare(backbone, g) for g in self.results.scored("test")}
            rows = {g: (c.difference, c.low, c.high) for g, c in found.items() if c}
            if rows:
                columns = ["difference", "low", "high"]
                data = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
                title = f"Gain of DualNER over MLT in each language, {backbone}"
                yield figures.gains(f"gains-{slug(backbone)}", title, data)

    def _figure2(self) -> Section:
        parts: list[Table | Figure] = []
        missing = []
        for backbone, pair in self._pairs.items():
            found = {}
            for method, runs in pair.items():
                paths = [folder / "entities.npz" for folder in runs.folder]
                path = next((path for path in paths if path.is_file()), None)
                langs = self.results.study.get("picture_langs", [])
                if path and (embedding := read_embedding(path, langs)):
                    found[method] = embedding
            if not found:
                missing.append(f"{backbone}: there are no entity vectors, or too few.")
                continue
            points = pd.concat({m: e.points for m, e in found.items()}, names=["method", "n"])
            title = f"Figure 2: entity vectors in different languages, {backbone}"
            data = points.reset_index(level=0).reset_index(drop=True)
            parts.append(figures.entity_vectors(f"figure2-{slug(backbone)}", title, data))
            values = pd.DataFrame({method: e.separation for method, e in found.items()})
            shown = values.map(lambda value: number("{:.2f}", value))
            title = f"How well types keep apart before projection, {backbone}"
            parts.append(Table(f"separation-{slug(backbone)}", title, values, shown))
        text = (
            "Each point is the vector r of equation 9: start and end word of an entity that the "
            "span heads found in the test text. Distances within a panel can be compared, "
            "positions of two panels cannot."
        )
        heading = "Figure 2: entity vectors in different languages"
        return Section("figure-2", heading, text, parts, missing=missing)

    def _figure3(self) -> Section:
        parts, missing = [], []
        for backbone in self.results.backbones:
            runs = self.results.runs.query("backbone == @backbone and method in @PAIR")
            if runs.share.nunique() < 2:
                missing.append(f"{backbone}: no runs with a smaller share of the source.")
                continue
            f1 = self.results.f1(runs.index, "dev")[[MEAN, TARGETS]].melt(
                var_name="measure", value_name="f1", ignore_index=False
            )
            data = f1.join(runs[["method", "share", "seed"]]).sort_values(["share", "seed"])
            data = data.sort_values("method", ascending=False, kind="stable").dropna()
            title = f"Figure 3: effect of the source corpus's size, development sets, {backbone}"
            parts.append(figures.source_share(f"figure3-{slug(backbone)}", title, data))
        text = (
            "A part of the source sentences keeps its annotations; the others join the unlabelled "
            "text of stage 2. Lines are means, dots are seeds."
        )
        heading = "Figure 3: effect of the source corpus's size"
        return Section("figure-3", heading, text, parts, missing=missing)

    def _curves(self) -> Section:
        parts, missing = [], []
        for backbone in self.results.backbones:
            curves = learning_curves(self.results, backbone)
            if curves.empty:
                missing.append(f"{backbone}: its runs have no history.")
                continue
            title = f"Development F1 of all methods, {backbone}, first seed"
            parts.append(figures.methods(f"methods-{slug(backbone)}", title, curves))
            own = curves[curves.method == "DualNER"]
            if len(own):
                title = f"Stage 2 of DualNER, {backbone}, first seed"
                parts.append(figures.training(f"training-{slug(backbone)}", title, own))
        text = (
            "F1 on the development sets; stage 2 begins from the best model of stage 1. Agreement "
            "is the F1 of the start and end heads' entities against the tag head's."
        )
        return Section("training", "Training curves", text, parts, missing=missing)

    def _mistakes(self) -> Section:
        parts: list[Table | Figure] = []
        examples: list[Example] = []
        missing = []
        for backbone, pair in self._pairs.items():
            langs = self.results.scored("test")
            found = {}
            for lang in langs:
                for method, runs in pair.items():
                    counts = [self.predictions.mistakes(key, "test", lang) for key in runs.index]
                    if known := [c for c in counts if c is not None]:
                        found[lang, method] = pd.concat(known, axis=1).mean(axis=1)
            if not found:
                missing.append(f"{backbone}: it needs predictions of MLT or DualNER, and the text.")
                continue
            values = pd.DataFrame(found).T.rename_axis(["Language", "Method"])
            title = f"Mistakes by kind, {backbone}, test sets"
            parts.append(figures.mistakes(f"mistake-rates-{slug(backbone)}", title, values))
            shown = values.map(lambda value: number("{:.0f}", value))
            title = f"Entities by kind of mistake, {backbone}, test sets, mean over seeds"
            parts.append(Table(f"mistakes-{slug(backbone)}", title, values, shown))
            if len(pair) == len(PAIR):
                firsts = {method: str(runs.index[0]) for method, runs in pair.items()}
                for lang in self.results.scored("test", self.results.targets):
                    examples += find_examples(self.predictions, firsts, lang)
        text = (
            "Boundary: words in common with a gold entity of the same type; type: the same words, "
            "another type; spurious and missed: no word in common. Each entity counts once. Below, "
            "sentences that DualNER mended or broke; a dashed entity is not in the gold standard."
        )
        heading = "Mistakes and example sentences"
        return Section("mistakes", heading, text, parts, examples, missing)
