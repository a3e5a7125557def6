"""The commands `python -m experiments study` and `report`."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from spacy_dualner.cli._endings import clear_endings, going_on
from spacy_dualner.cli._util import check_gpu

STUDY = """\
Run a grid of methods, seeds and encoders, as the paper's tables and figures are made of.

Runs that studies have in common are done once; what is in the results folder already is left out,
so that the same command goes on with an interrupted study. Settings can be overridden:
--section.key VALUE.

Examples:
  python -m experiments study experiments/configs/demo/table1.cfg --output study
  python -m experiments study experiments/configs/small/*.cfg -o study --encoder DIR --jobs 2
  python -m experiments study experiments/configs/full/table2.cfg -o study --gpu-id 0
  python -m experiments study table2.cfg -o study --data.corpus corpus --study.seeds '[0]'
"""
REPORT = """\
Write the results of a study as one HTML page, with its tables and figures as files.

The page holds the paper's Tables 1 and 2 and its Figures 2 and 3, beside the paper's own scores.
Tables are also written as Markdown, CSV and LaTeX, figures as SVG with their data as CSV. A study
that is not finished is shown as far as it is.

Examples:
  python -m experiments report study reports/study
  python -m experiments report study reports/study --resamples 10000
"""


def arguments() -> ArgumentParser:
    """The parser of both commands."""
    parser = ArgumentParser("python -m experiments", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> ArgumentParser:
        added: ArgumentParser = commands.add_parser(
            name,
            help=text.partition("\n")[0],
            description=text,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.set_defaults(run=run)
        return added

    study = command("study", run_study, STUDY)
    study.add_argument("studies", metavar="STUDY", nargs="+", type=Path, help="Study files")
    study.add_argument(
        "--output", "-o", type=Path, required=True, help="Results folder, new or begun"
    )
    study.add_argument("--encoder", default="", help="Hub name or folder, for all backbones")
    study.add_argument("--jobs", "-j", type=positive, default=1, help="Runs at once")
    study.add_argument("--keep-models", action="store_true", help="Keep every run's pipeline")
    study.add_argument("--gpu-id", "-g", type=int, default=-1, help="GPU ID or -1 for CPU")
    report = command("report", run_report, REPORT)
    report.add_argument("results", type=Path, help="Folder that `study` wrote")
    report.add_argument("output", type=Path, help="Folder to write the report to")
    report.add_argument(
        "--resamples", type=positive, default=5000, help="Resamples of the paired bootstrap"
    )
    return parser


def positive(text: str) -> int:
    """A number above 0."""
    if (value := int(text)) < 1:
        raise ValueError
    return value


def run_study(options: Namespace, overrides: dict[str, Any]) -> None:
    """Run studies, and end with status 1 where a run failed."""
    from spacy.cli._util import show_validation_error

    check_gpu(options.gpu_id)
    from .study.scheduler import RESULTS, run_studies
    from .study.schema import load_study

    studies = []
    for path in options.studies:
        with show_validation_error(path, hint_fill=False):
            studies.append(load_study(path, overrides, encoder=options.encoder))
    with going_on("Go on with the same command."):
        failed = run_studies(
            studies,
            options.output,
            jobs=options.jobs,
            gpu_id=options.gpu_id,
            keep_models=options.keep_models,
        )
    if failed:
        msg.fail(f"{len(failed)} runs failed: {', '.join(failed)}", exits=1)
    msg.good(f"Results written to {options.output / RESULTS}")


def run_report(options: Namespace, overrides: dict[str, Any]) -> None:
    """Write the report of a study."""
    from .report.page import write_report

    files = write_report(options.results, options.output, options.resamples)
    msg.good(
        f"Report written to {options.output / files[0]}, with {len(files) - 1} files beside it"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Run a command.

    words (Optional[Sequence[str]]): Its name and arguments; the program's own for None.
    """
    from spacy.cli._util import parse_config_overrides

    parser = arguments()
    options, settings = parser.parse_known_args(words)
    for word in settings:
        is_setting = options.run is run_study and "." in word.partition("=")[0]
        if re.match("--?[a-zA-Z]", word) and not is_setting:
            parser.error(f"no such option: {word}")
    try:
        with clear_endings():
            options.run(options, parse_config_overrides(settings))
    except typer.Exit as end:
        sys.exit(end.exit_code)


if __name__ == "__main__":
    main()
