"""Write a report: one HTML page, and the files of its tables and figures."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

from spacy_dualner.about import __version__
from spacy_dualner.data.outputs import check_entries, check_file, write_text
from spacy_dualner.errors import need
from spacy_dualner.evaluation.jinja import environment

PAGE = "index.html"
COMMAND = "python -m experiments report"
"""Stands on the page, and tells it from any other."""

_OLD_COMMAND = "python -m spacy dualner report"
_VERSIONS = ("spacy", "numpy", "pandas", "matplotlib", "scikit-learn")


def write_report(results: Path, output: Path, n_resamples: int) -> list[str]:
    """Read the results of a study and write its report.

    results (Path): The results folder.
    output (Path): The folder to write to. Files of the same names are replaced, others stay.
    n_resamples (int): Of the paired bootstrap.
    RETURNS (List[str]): The names of the files, the page first.
    RAISES (DualNerError): If there are no results, a package for tables or figures is missing, or
        files of the same names are of no report.
    """
    check_file(output / PAGE, "report", lambda text: COMMAND in text or _OLD_COMMAND in text)
    need("The report needs", "report", "matplotlib", "pandas", "tabulate")
    from .contents import contents
    from .published import paper
    from .results import read_results

    read = read_results(results)
    parts = contents(read, n_resamples)
    files = {
        f"{part.name}.{ending}": text
        for section in parts.values()
        for part in section
        if not isinstance(part, str)
        for ending, text in part.files().items()
    }
    versions = {"spacy-dualner": __version__, **{name: version(name) for name in _VERSIONS}}
    page = (
        environment("experiments.report")
        .get_template("page.html.j2")
        .render(
            contents=parts,
            results=read,
            paper=paper(),
            command=f"{COMMAND} {results} {output} --resamples {n_resamples}",
            versions=versions | {"Python": platform.python_version()},
        )
    )
    files = {PAGE: page} | files
    if not (output / PAGE).exists():
        check_entries(output, other=list(files))
    for name, text in files.items():
        write_text(output / name, text)
    return list(files)
