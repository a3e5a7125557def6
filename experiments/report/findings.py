"""The findings of the paper's sections 3.2 to 3.5, each checked against a study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import paper
from .measures import DEV_ALL, TEST_TARGETS, Measure, Measured
from .methods import short_label
from .score_tables import over_seeds
from .significance import Comparison
from .tables import DASH, Cell, Row, Table, decimal, number, p_value
from .vectors import Clustering

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"

MOST = 2 / 3
"""Of the target languages: from here on a method is consistently ahead."""

RULES = (
    f"A difference between two methods {HOLDS} where its 95% interval lies on the paper's side of "
    f"0, is {UNDECIDED} where the interval includes 0, and {FAILS} where it lies on the other "
    "side. A method is consistently ahead where it is above in at least two thirds of the target "
    f"languages. A finding of several parts {HOLDS} where all parts that were run do, and {FAILS} "
    "where any does not."
)

ORDER = ("DualNER", "no-regulariser", "selfKL", "no-target", "MLT")
"""The paper's Table 2 from the best down."""

SHARE = 20
"""Percent of the source that DualNER is said to need to be above MLT with all of it."""


@dataclass(frozen=True)
class Check:
    """One thing that a finding says of the figures.

    what (str): What is compared.
    where (str): On what.
    paper (str): The paper's figures.
    run (str): This study's.
    verdict (str): One of holds, does not hold, undecided, not run.
    comparison (Optional[Comparison]): Behind the verdict, where it rests on one.
    """

    what: str
    where: str
    paper: str
    run: str
    verdict: str
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Finding:
    """A finding: in short, in the paper's words (empty for what only a table says), its checks."""

    section: str
    title: str
    quote: str
    checks: list[Check]

    @property
    def verdict(self) -> str:
        return combine(check.verdict for check in self.checks)


def combine(verdicts: Iterable[str]) -> str:
    """The verdict of several: not run where none was, else judged by those that were."""
    known = [verdict for verdict in verdicts if verdict != NOT_RUN]
    if not known:
        return NOT_RUN
    if FAILS in known:
        return FAILS
    return HOLDS if set(known) == {HOLDS} else UNDECIDED


def of_difference(found: Comparison | None) -> str:
    """The verdict on a claim that a difference is above 0."""
    if found is None:
        return NOT_RUN
    if found.low > 0:
        return HOLDS
    return FAILS if found.high < 0 else UNDECIDED


def findings(
    measured: Measured, backbone: str, clusterings: dict[str, Clustering]
) -> list[Finding]:
    """Check each finding on one backbone.

    measured (Measured): The study.
    backbone (str): The backbone.
    clusterings (Dict[str, Clustering]): Entity vectors by method (MLT, DualNER), where kept.
    RETURNS (List[Finding]): In the paper's order.
    """
    checks = _Checks(measured, backbone)

    def finding(claim: str, title: str, found: list[Check]) -> Finding:
        quoted = paper.claim(claim)
        return Finding(quoted["section"], title, quoted["text"], found)

    both = (DEV_ALL, TEST_TARGETS)
    baselines = ("CLA", "SPAN", "MLT", "FILTER")
    return [
        finding("single heads", "CLA and SPAN: no clear winner", [checks.no_winner("CLA", "SPAN")]),
        finding(
            "baselines",
            "DualNER is above the baselines in almost all languages",
            [
                *(checks.above("DualNER", other, TEST_TARGETS) for other in baselines),
                checks.most_languages("DualNER", baselines),
            ],
        ),
        finding(
            "multitask",
            "MLT is not consistently above CLA and SPAN",
            [checks.not_consistent("MLT", ("CLA", "SPAN"))],
        ),
        finding(
            "natural text",
            "Text of the target languages (TRG_Gold) is better than translations (TRG_Trans)",
            [checks.above("DualNER", "TRG_Trans", TEST_TARGETS)],
        ),
        finding(
            "selfKL",
            "Dual teaching is better than self-teaching",
            [checks.above("DualNER", "selfKL", measure) for measure in both],
        ),
        finding(
            "components",
            "Without regulariser, and without target text, DualNER is worse",
            [
                checks.above("DualNER", other, measure)
                for other in ("no-regulariser", "no-target")
                for measure in both
            ],
        ),
        Finding(
            "3.3",
            "The order of Table 2: " + " > ".join(map(short_label, ORDER)),
            "",
            [checks.above(*pair, measure) for measure in both for pair in pairwise(ORDER)],
        ),
        finding(
            "vectors",
            "Entities of one type lie together across languages, those of other types apart",
            _of_vectors(clusterings),
        ),
        finding(
            "source share",
            f"DualNER with {SHARE}% of the source is above MLT with all of it",
            [checks.small_share(measure) for measure in both],
        ),
    ]


class _Checks:
    """Makes the checks of one backbone."""

    def __init__(self, measured: Measured, backbone: str) -> None:
        self.measured = measured
        self.backbone = backbone
        known = paper.table1(backbone)
        self.paper_backbone = backbone if known else paper.MAIN_BACKBONE

    def above(self, first: str, second: str, measure: Measure) -> Check:
        """That a method is above another on a mean."""
        return self._above(first, second, measure, self._paper(first, second, measure))

    def small_share(self, measure: Measure) -> Check:
        """That DualNER with little source text is above MLT with all."""
        paper_says = "above (Figure 3)" if measure == DEV_ALL else DASH
        return self._above("DualNER", "MLT", measure, paper_says, share=SHARE)

    def no_winner(self, first: str, second: str) -> Check:
        """That neither of two methods is consistently ahead."""
        found = self._compare(first, second, TEST_TARGETS)
        wins = [self._ahead(a, [b]) for a, b in ((first, second), (second, first))]
        run = DASH
        verdict = NOT_RUN
        if found is not None and wins[0] and wins[1]:
            n_langs = sum(map(len, wins[0]))
            counts = [len(above) for above, _ in filter(None, wins)]
            run = f"{_figures(self._means(first, second, TEST_TARGETS))}; above in "
            run += f"{counts[0]} and {_of(counts[1], n_langs)}"
            verdict = HOLDS if max(counts) < MOST * n_langs else _one_sided(found)
        theirs = [self._paper_ahead(a, [b]) for a, b in ((first, second), (second, first))]
        says = f"{_figures(self._paper_means(first, second))}; above in "
        says += f"{theirs[0][0]} and {_of(*theirs[1])}"
        return Check(f"{first} − {second}", TEST_TARGETS.name, says, run, verdict, found)

    def not_consistent(self, first: str, others: Sequence[str]) -> Check:
        """That a method is not consistently above all others."""
        runs = {other: self._find(other) for other in others}
        better = max(
            (other for other in others if runs[other]),
            key=lambda other: self.measured.mean(runs[other], TEST_TARGETS).value or 0,
            default=others[0],
        )
        found = self._compare(first, better, TEST_TARGETS)
        ahead = self._ahead(first, others)
        run, verdict = DASH, NOT_RUN
        if found is not None and ahead:
            above, rest = ahead
            n_langs = len(above) + len(rest)
            run = f"{_figures(self._means(first, better, TEST_TARGETS))}; above both in "
            run += _of(len(above), n_langs)
            verdict = HOLDS if len(above) < MOST * n_langs else _one_sided(found)
        count, n_langs = self._paper_ahead(first, others)
        says = f"above both in {_of(count, n_langs)}"
        what = f"{first} − {better}, the better of the two"
        return Check(what, TEST_TARGETS.name, says, run, verdict, found)

    def most_languages(self, first: str, others: Sequence[str]) -> Check:
        """That a method is above all others, as far as they were run, in most target languages."""
        others = [other for other in others if self._find(other)]
        ahead = self._ahead(first, others)
        run, verdict = DASH, NOT_RUN
        if ahead and any(ahead):
            above, rest = ahead
            n_langs = len(above) + len(rest)
            run = _of(len(above), n_langs) + (f"; not in {', '.join(rest)}" if rest else "")
            if len(above) >= MOST * n_langs:
                verdict = HOLDS
            else:
                verdict = FAILS if 2 * len(above) < n_langs else UNDECIDED
        count, n_langs = self._paper_ahead(first, others or ["CLA", "SPAN", "MLT"])
        named = ", ".join(others) or "the baselines"
        where = "number of target languages, test sets"
        return Check(f"{first} above each of {named}", where, _of(count, n_langs), run, verdict)

    def _above(
        self, first: str, second: str, measure: Measure, paper_says: str, share: int = 100
    ) -> Check:
        found = self._compare(first, second, measure, share)
        run = _figures(self._means(first, second, measure, share)) if found else DASH
        of_share = "" if share == 100 else f" with {share}%"
        what = f"{short_label(first)}{of_share} − {short_label(second)}"
        return Check(what, measure.name, paper_says, run, of_difference(found), found)

    def _find(self, method: str, share: int = 100) -> list:
        return self.measured.results.find(self.backbone, method, share)

    def _compare(
        self, first: str, second: str, measure: Measure, share: int = 100
    ) -> Comparison | None:
        return self.measured.compare(self._find(first, share), self._find(second), measure)

    def _means(
        self, first: str, second: str, measure: Measure, share: int = 100
    ) -> list[float | None]:
        runs = (self._find(first, share), self._find(second))
        # Of the seeds that the difference is over.
        one, two = ({run.seed for run in found} for found in runs)
        own = ([run for run in found if run.seed in one & two] for found in runs)
        return [self.measured.mean(found, measure).value for found in own]

    def _ahead(self, first: str, others: Sequence[str]) -> tuple[list[str], list[str]] | None:
        return self.measured.ahead(self._find(first), [self._find(other) for other in others])

    def _paper(self, first: str, second: str, measure: Measure) -> str:
        if measure == DEV_ALL:
            printed = paper.table2()
            if first in printed and second in printed:
                return _figures([printed[first][0], printed[second][0]], digits=2)
            return DASH
        means = self._paper_means(first, second)
        return DASH if None in means else _figures(means)

    def _paper_means(self, first: str, second: str) -> list[float | None]:
        """Of the paper's test figures, over this study's target languages."""
        targets = self.measured.results.targets
        return [paper.table1_mean(self.paper_backbone, m, targets) for m in (first, second)]

    def _paper_ahead(self, first: str, others: Sequence[str]) -> tuple[int, int]:
        """In how many of this study's target languages the paper's figures are above, of all."""
        table = paper.table1(self.paper_backbone)
        rows = [table[other] for other in others if other in table]
        own = table[first] if rows else {}
        langs = [lang for lang in self.measured.results.targets if lang in own]
        return sum(own[lang] > max(row[lang] for row in rows) for lang in langs), len(langs)


def to_table(found: Sequence[tuple[str, Finding]]) -> Table:
    """All checks as one table, for its files.

    found (Sequence[Tuple[str, Finding]]): Findings with their backbones.
    """
    rows = []
    for backbone, finding in found:
        group = f"{backbone}, section {finding.section}: {finding.title}"
        for check in finding.checks:
            rows.append(Row(group, f"{check.what} ({check.where})", check_cells(check)))
    return Table(
        name="findings",
        title="The findings of the paper, checked",
        columns=[
            "paper",
            "this study",
            "difference",
            "95% from",
            "95% to",
            "p",
            "over seeds",
            "verdict",
        ],
        corner="What is compared",
        rows=rows,
        notes=[RULES],
    )


def check_cells(check: Check) -> list[Cell]:
    """Paper, this study, difference, interval, p, over seeds, verdict."""
    found = check.comparison
    if found is None:
        numbers = [Cell(DASH)] * 5
    else:
        numbers = [
            *(number(v, digits=2, signed=True) for v in (found.difference, found.low, found.high)),
            p_value(found.p),
            Cell(over_seeds(found), found.deviation),
        ]
    return [Cell(check.paper), Cell(check.run), *numbers, Cell(check.verdict)]


def _of_vectors(clusterings: dict[str, Clustering]) -> list[Check]:
    found = clusterings.get("DualNER")
    if found is None:
        return [Check("DualNER", "silhouette of the types", "Figure 2", DASH, NOT_RUN)]
    checks = []
    for what, interval, threshold in (
        ("silhouette of the types, all languages together", found.silhouette, 0.0),
        ("nearest neighbour in another language has the same type", found.agreement, found.chance),
    ):
        value, low, high = interval
        run = f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
        if threshold:
            run += f"; by chance {threshold:.2f}"
        verdict = HOLDS if low > threshold else FAILS if high < threshold else UNDECIDED
        checks.append(Check("DualNER", what, "Figure 2", run, verdict))
    return checks


def _one_sided(found: Comparison) -> str:
    """The verdict on a claim of no advantage, where one method is ahead in most languages."""
    return UNDECIDED if found.low <= 0 <= found.high else FAILS


def _figures(values: Sequence[float | None], digits: int = 1) -> str:
    return " against ".join(DASH if v is None else decimal(v, digits) for v in values)


def _of(count: int, all_: int) -> str:
    return f"{count} of {all_}" if all_ else DASH
