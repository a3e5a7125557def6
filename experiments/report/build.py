"""All that a report holds, from the results of a study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from . import charts
from .charts import Chart
from .curves import first_curves, share_curves
from .entities import EntityStore
from .examples import Example, find_examples
from .findings import Finding, findings, to_table
from .measures import DEV_ALL, DEV_TARGETS, TEST_TARGETS, Mean, Measured
from .methods import PAPER_ROWS, in_order, label, short_label
from .mistakes import KINDS, NAMES, Mistakes, find_mistakes
from .paper import paper
from .results import Results, Run
from .score_tables import ABLATION, comparisons, not_run, slug, table1, table2
from .significance import Comparison
from .tables import Row, Table, number
from .vectors import Clustering, read_clustering

PAIR = ("MLT", "DualNER")
"""The methods that the page sets side by side: before and after dual teaching."""


@dataclass(frozen=True)
class Headline:
    """DualNER against MLT on the mean of the targets' test sets.

    means (Dict[str, Mean]): By method.
    comparison (Optional[Comparison]): None without predictions.
    above, not_above (List[str]): Target languages in which DualNER is above MLT, and the others.
    """

    means: dict[str, Mean]
    comparison: Comparison | None
    above: list[str]
    not_above: list[str]


@dataclass(frozen=True)
class OfBackbone:
    """What the page says of one backbone; None or empty where there is nothing to show."""

    name: str
    encoder: str
    seeds: list[int]
    headline: Headline | None
    table1: Table
    gains: Chart | None
    findings: list[Finding]
    figure3: Chart | None
    figure2: Chart | None
    clusterings: dict[str, Clustering]
    training: Chart | None
    methods: Chart | None
    mistakes: Table | None
    mistakes_chart: Chart | None
    examples: dict[str, list[Example]]

    @property
    def id(self) -> str:
        return slug(self.name)


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    missing (List[str]): What the paper has, or the study's other cells, and this study lacks.
    n_resamples (int): Of the bootstrap.
    """

    results: Results
    backbones: list[OfBackbone]
    table2: Table
    significance: Table
    findings: Table
    runs: Table
    missing: list[str]
    n_resamples: int

    def tables(self) -> Iterator[Table]:
        """All tables, each of which has files."""
        yield from (self.table2, self.significance, self.findings, self.runs)
        for backbone in self.backbones:
            yield from _of_type(backbone, Table)

    def charts(self) -> Iterator[Chart]:
        """All figures, likewise."""
        for backbone in self.backbones:
            yield from _of_type(backbone, Chart)


def build_report(results: Results, n_resamples: int) -> Report:
    """Compute the report of a study.

    results (Results): The study.
    n_resamples (int): Of the paired bootstrap.
    RETURNS (Report): Its tables, figures, findings and examples.
    RAISES (DualNerError): If a file is malformed.
    """
    store = EntityStore(results)
    measured = Measured.of(results, store, n_resamples)
    backbones = [_of_backbone(measured, store, backbone) for backbone in results.backbones]
    found = [(backbone.name, finding) for backbone in backbones for finding in backbone.findings]
    return Report(
        results=results,
        backbones=backbones,
        table2=table2(measured, n_resamples),
        significance=comparisons(measured, n_resamples),
        findings=to_table(found),
        runs=_runs(measured),
        missing=_missing(measured, store, backbones),
        n_resamples=n_resamples,
    )


def _of_backbone(measured: Measured, store: EntityStore, backbone: str) -> OfBackbone:
    results = measured.results
    name = slug(backbone)
    all_runs = [run for run in results.runs if run.backbone == backbone]
    runs = {method: results.find(backbone, method) for method in PAIR}
    clusterings = _clusterings(results, runs)
    shares = [
        curves
        for measure in (DEV_ALL, DEV_TARGETS)
        if (curves := share_curves(measured, backbone, measure, PAIR))
    ]
    figure3 = figure2 = gains = None
    if any(len(curve.shares) > 1 for curves in shares for curve in curves):
        title = f"Figure 3: effect of the source corpus's size, {backbone}"
        figure3 = charts.figure3(f"figure3-{name}", title, shares)
    if clusterings:
        title = f"Figure 2: entity vectors in different languages, {backbone}"
        figure2 = charts.figure2(f"figure2-{name}", title, clusterings)
    if by_lang := _gains(measured, runs):
        title = f"Gain of DualNER over MLT in each language, {backbone}"
        gains = charts.gains(f"gains-{name}", title, by_lang, "DualNER", "MLT")
    histories = first_curves(results, backbone)
    training = methods = None
    if "DualNER" in histories:
        title = f"Training of DualNER, {backbone}, seed {runs['DualNER'][0].seed}"
        training = charts.training(f"training-{name}", title, *histories["DualNER"])
    if histories:
        title = f"Development F1 of all methods, {backbone}, first seed"
        methods = charts.method_curves(f"methods-{name}", title, histories)
    counted = _mistakes(store, runs)
    mistakes_chart = None
    if counted:
        title = f"Mistakes by kind, {backbone}, test sets"
        mistakes_chart = charts.mistakes(f"mistake-rates-{name}", title, counted)
    return OfBackbone(
        name=backbone,
        encoder=", ".join(dict.fromkeys(run.encoder for run in all_runs)),
        seeds=sorted({run.seed for run in all_runs}),
        headline=_headline(measured, runs),
        table1=table1(measured, backbone),
        gains=gains,
        findings=findings(measured, backbone, clusterings),
        figure3=figure3,
        figure2=figure2,
        clusterings=clusterings,
        training=training,
        methods=methods,
        mistakes=_mistakes_table(f"mistakes-{name}", backbone, counted) if counted else None,
        mistakes_chart=mistakes_chart,
        examples=_examples(store, runs),
    )


def _headline(measured: Measured, runs: dict[str, list[Run]]) -> Headline | None:
    mlt, dualner = (runs[method] for method in PAIR)
    means = {method: measured.mean(found, TEST_TARGETS) for method, found in runs.items()}
    ahead = measured.ahead(dualner, [mlt])
    if ahead is None or any(mean.value is None for mean in means.values()):
        return None
    return Headline(means, measured.compare(dualner, mlt, TEST_TARGETS), *ahead)


def _gains(measured: Measured, runs: dict[str, list[Run]]) -> dict[str, Comparison]:
    mlt, dualner = (runs[method] for method in PAIR)
    langs = measured.results.scored("test")
    found = {lang: measured.resampled["test"].compare(dualner, mlt, [lang]) for lang in langs}
    return {lang: comparison for lang, comparison in found.items() if comparison is not None}


def _clusterings(results: Results, runs: dict[str, list[Run]]) -> dict[str, Clustering]:
    """Of the first run of each method that kept its entity vectors."""
    found = {}
    for method, of_method in runs.items():
        paths = [run.folder / "entities.npz" for run in of_method]
        path = next((path for path in paths if path.is_file()), None)
        clustering = read_clustering(path, results.study.picture_langs) if path else None
        if clustering is not None:
            found[method] = clustering
    return found


def _mistakes(store: EntityStore, runs: dict[str, list[Run]]) -> dict[str, dict[str, Mistakes]]:
    """By language and method, mean over seeds."""
    counted: dict[str, dict[str, Mistakes]] = {}
    for lang in store.results.scored("test"):
        gold = store.gold("test", lang)
        for method, of_method in runs.items():
            predicted = [store.predicted(run, "test", lang) for run in of_method]
            each = [find_mistakes(gold, p) for p in predicted if gold is not None and p is not None]
            if each:
                means = (sum(getattr(m, kind) for m in each) / len(each) for kind in KINDS)
                counted.setdefault(lang, {})[method] = Mistakes(*means)
    return counted


def _mistakes_table(name: str, backbone: str, counted: dict[str, dict[str, Mistakes]]) -> Table:
    rows = []
    for lang, of_lang in counted.items():
        for method, m in of_lang.items():
            values = [*(getattr(m, kind) for kind in KINDS), m.gold, m.predicted]
            rows.append(Row(lang, short_label(method), [number(v, digits=0) for v in values]))
    return Table(
        name=name,
        title=f"Entities by kind of mistake, {backbone}, test sets",
        columns=[*(NAMES[kind] for kind in KINDS), "all gold", "all predicted"],
        rows=rows,
        notes=[
            "Boundary: words in common with a gold entity of the same type; type: the same words, "
            "another type; boundary and type: words in common, another type; spurious: no word in "
            "common with gold; missed: no word in common with a prediction. Each entity counts "
            "once. Means over seeds."
        ],
    )


def _examples(store: EntityStore, runs: dict[str, list[Run]]) -> dict[str, list[Example]]:
    if not all(runs[method] for method in PAIR):
        return {}
    mlt, dualner = (runs[method][0] for method in PAIR)
    langs = store.results.scored("test", store.results.targets)
    found = {lang: find_examples(store, mlt, dualner, lang) for lang in langs}
    return {lang: examples for lang, examples in found.items() if examples}


def _runs(measured: Measured) -> Table:
    rows = []
    for run in measured.results.runs:
        means = [measured.mean([run], measure).value for measure in (DEV_TARGETS, TEST_TARGETS)]
        cells = [
            *(number(value, digits=0) for value in (run.share, run.seed)),
            *(number(value, digits=2) for value in means),
            *(number(value, digits=0) for value in (run.best_step, run.steps, run.seconds)),
        ]
        rows.append(Row(run.backbone, label(run.method), cells))
    return Table(
        name="runs",
        title="All finished runs",
        columns=[
            *("share", "seed", "dev, targets", "test, targets"),
            *("best step", "steps", "seconds of training"),
        ],
        rows=sorted(rows, key=lambda row: measured.results.backbones.index(row.group)),
    )


def _missing(measured: Measured, store: EntityStore, backbones: list[OfBackbone]) -> list[str]:
    """What a reader of the paper would look for, and not find."""
    results = measured.results
    missing = []
    absent = [name for name in paper()["table1"]["backbones"] if name not in results.backbones]
    if absent:
        missing.append(f"Nothing was run with the paper's {' and '.join(absent)}.")
    for backbone in backbones:
        missing += _missing_of(measured, backbone)
    unread = [run.key for run in results.runs if not (run.folder / "predictions.npz").is_file()]
    if unread:
        missing.append(f"Predictions of {', '.join(unread)}: no intervals for these runs.")
    no_gold = [
        f"{split}/{lang}"
        for split in ("dev", "test")
        for lang in results.scored(split)
        if store.gold(split, lang) is None
    ]
    if no_gold:
        missing.append(f"The sentences of {', '.join(no_gold)}: no intervals or mistakes there.")
    return missing


def _missing_of(measured: Measured, backbone: OfBackbone) -> list[str]:
    name, results = backbone.name, measured.results
    missing = not_run(measured, name, in_order([*PAPER_ROWS, *ABLATION, *results.methods(name)]))
    for method in results.methods(name):
        have = {run.seed for run in results.find(name, method)}
        seeds = [str(seed) for seed in backbone.seeds if seed not in have]
        if have and seeds:
            missing.append(f"{label(method)} ({name}), seed {', '.join(seeds)}: not run.")
    if backbone.figure3 is None:
        missing.append(f"Figure 3 ({name}): no runs with a smaller share of the source.")
    if backbone.figure2 is None:
        missing.append(f"Figure 2 ({name}): no entity vectors, or too few.")
    return missing


def _of_type(backbone: OfBackbone, kind: type) -> Iterator:
    values = (getattr(backbone, field.name) for field in fields(backbone))
    yield from (value for value in values if isinstance(value, kind))
