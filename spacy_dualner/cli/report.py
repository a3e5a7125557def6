"""The command `report`."""

from __future__ import annotations

from pathlib import Path

import typer
from wasabi import msg

from . import dualner_cli


@dualner_cli.command("report")
def report_cli(
    results: Path = typer.Argument(..., metavar="RESULTS", help="Folder that `study` wrote"),
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Folder to write the report to"),
    resamples: int = typer.Option(
        5000, "--resamples", min=100, help="Resamples of the paired bootstrap"
    ),
) -> None:
    """Write the results of a study as one HTML page, with its tables and figures as files.

    The page holds the paper's Tables 1 and 2, its Figures 2 and 3, and its findings one by one,
    each beside the paper's own figures. Tables are also written as Markdown, CSV and LaTeX,
    figures as SVG with their data as CSV. A study that is not finished is shown as far as it is.

    \b
    Examples:
      python -m spacy dualner report results report
      python -m spacy dualner report results report --resamples 10000
    """
    from ..report.page import write_report

    files = write_report(results, output, resamples)
    msg.good(f"Report written to {output / files[0]}, with {len(files) - 1} files beside it")
