"""Write a report: one HTML page, and the files of its tables and figures."""

from __future__ import annotations

import base64
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from spacy_dualner.about import __version__
from spacy_dualner.data.files import write_text
from spacy_dualner.data.folders import check_entries, check_file
from spacy_dualner.errors import need

from .build import Report, build_report
from .charts import Chart
from .findings import FAILS, HOLDS, NOT_RUN, RULES, UNDECIDED
from .methods import ABOUT, label
from .paper import paper
from .results import read_results
from .score_tables import over_seeds
from .svg import PALETTE, standalone
from .tables import FORMATS, MINUS, Table, decimal, p_value

N_RESAMPLES = 5000
PAGE = "index.html"
COMMAND = "python -m experiments report"
"""Stands on the page, and tells it from any other."""

_MIME = {
    "csv": "text/csv",
    "md": "text/markdown",
    "tex": "application/x-tex",
    "svg": "image/svg+xml",
}
_VERDICTS = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "undecided", NOT_RUN: "not-run"}


def write_report(results: Path, output: Path, n_resamples: int = N_RESAMPLES) -> list[str]:
    """Read the results of a study and write its report.

    results (Path): The results folder.
    output (Path): The folder to write to. Files of the same names are replaced, others stay.
    n_resamples (int): Of the paired bootstrap.
    RETURNS (List[str]): The names of the files, the page first.
    RAISES (DualNerError): If there are no results, a package for charts is missing, or files of
        the same names are of no report.
    """
    check_file(output / PAGE, "report", lambda text: COMMAND in text)
    need("The report needs", "report", "matplotlib", "sklearn")
    report = build_report(read_results(results), n_resamples)
    command = f"{COMMAND} {results} {output}"
    if n_resamples != N_RESAMPLES:
        command += f" --resamples {n_resamples}"
    files = {PAGE: render(report, command)}
    shown: list[Table | Chart] = [*report.tables(), *report.charts()]
    for part in shown:
        files |= {f"{part.name}.{ending}": text for ending, text in _files(part).items()}
    if not (output / PAGE).exists():
        check_entries(output, other=list(files))
    for name, text in files.items():
        write_text(output / name, text)
    return list(files)


def render(report: Report, command: str) -> str:
    """The page.

    report (Report): What to show.
    command (str): How the report is made again.
    RETURNS (str): HTML that needs no other file and no network.
    """
    environment = Environment(
        loader=PackageLoader("experiments.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        decimal=decimal, label=label, p_value=lambda p: p_value(p).text, over_seeds=over_seeds
    )
    return environment.get_template("page.html.j2").render(
        report=report,
        results=report.results,
        study=report.results.study,
        paper=paper(),
        about=ABOUT,
        rules=RULES,
        verdicts=_VERDICTS,
        palette=PALETTE,
        minus=MINUS,
        command=command,
        downloads=_downloads,
        versions=_versions(),
    )


def _files(shown: Table | Chart) -> dict[str, str]:
    """The content of each file of a table or figure, by ending."""
    if isinstance(shown, Table):
        return {ending: make(shown) for ending, make in FORMATS.items()}
    return {"csv": shown.csv, "svg": standalone(shown.svg)}


def _downloads(shown: Table | Chart) -> list[dict[str, str]]:
    """The files of a table or figure as links that hold them."""
    return [
        {"name": f"{shown.name}.{ending}", "ending": ending, "href": _data_uri(text, _MIME[ending])}
        for ending, text in _files(shown).items()
        if ending != "svg"  # the page shows it: a second copy would only make it large
    ]


def _data_uri(text: str, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(text.encode()).decode()}"


def _versions() -> dict[str, Any]:
    names = ("spacy", "numpy", "matplotlib", "scikit-learn")
    found = {name: version(name) for name in names}
    return {"spacy-dualner": __version__, **found, "Python": platform.python_version()}
