"""The command `study`."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import typer
from wasabi import msg

from . import dualner_cli
from ._endings import going_on
from ._util import check_gpu, parse_overrides


@dualner_cli.command("study", context_settings={"ignore_unknown_options": True})
def study_cli(
    ctx: typer.Context,
    studies: list[str] = typer.Argument(..., metavar="STUDY...", help="Study files"),
    output: Path = typer.Option(..., "--output", "-o", help="Results folder, new or begun"),
    encoder: str = typer.Option("", "--encoder", help="Hub name or folder, for all backbones"),
    jobs: int = typer.Option(1, "--jobs", "-j", min=1, help="Runs at once"),
    keep_models: bool = typer.Option(False, "--keep-models", help="Keep every run's pipeline"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Run a matrix of methods, seeds and encoders, as the paper's tables and figures are made of.

    Runs that studies have in common are done once; what is in the results folder already is left
    out, so that the same command goes on with an interrupted study. Settings can be overridden:
    --section.key VALUE.

    \b
    Examples:
      python -m spacy dualner study configs/studies/demo/table1.cfg --output study
      python -m spacy dualner study configs/studies/small/*.cfg -o study --encoder DIR --jobs 2
      python -m spacy dualner study configs/studies/full/table2.cfg -o study --gpu-id 0
      python -m spacy dualner study table2.cfg -o study --data.corpus corpus --study.seeds '[0]'
    """
    from spacy.cli._util import show_validation_error

    # Overrides follow the study files: typer cannot tell their values from more files.
    paths = list(takewhile(lambda part: not part.startswith("--"), studies))
    overrides = parse_overrides(ctx, studies[len(paths) :])
    check_gpu(gpu_id)
    from ..study.config import load_study
    from ..study.loop import RESULTS, run_studies

    loaded = []
    for path in map(Path, paths):
        with show_validation_error(path, hint_fill=False):
            loaded.append(load_study(path, overrides, encoder=encoder))
    with going_on("Go on with the same command."):
        failed = run_studies(loaded, output, jobs=jobs, gpu_id=gpu_id, keep_models=keep_models)
    if failed:
        msg.fail(f"{len(failed)} runs failed: {', '.join(failed)}", exits=1)
    msg.good(f"Results written to {output / RESULTS}")
