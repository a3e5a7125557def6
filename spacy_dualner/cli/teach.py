"""The command `teach`."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from . import dualner_cli
from ._endings import going_on
from ._util import parse_overrides, read_config, use_device


@dualner_cli.command(
    "teach", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def teach_cli(
    ctx: typer.Context,  # holds the overrides
    config_path: Path = typer.Argument(..., metavar="CONFIG", help="Stage-2 config", exists=True),
    output: Path = typer.Option(..., "--output", "-o", help="Folder for model-best"),
    resume: bool = typer.Option(False, "--resume", help="Go on from an interrupted run"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Stage 2: teach a pipeline on unlabelled text of the target languages.

    Settings of the config can be overridden, as in `spacy train`: --section.key VALUE.

    \b
    Examples:
      python -m spacy dualner teach configs/xlmr-base/stage2.cfg --output out --gpu-id 0
      python -m spacy dualner teach configs/xlmr-base/stage2.cfg --output out --resume
      python -m spacy dualner teach stage2.cfg -o out --corpora.target.langs de,sw
      accelerate launch --multi_gpu -m spacy dualner teach stage2.cfg -o out --gpu-id 0
    """
    from spacy.cli._util import show_validation_error

    overrides = parse_overrides(ctx, ctx.args)
    # Of several processes each has its own GPU, which accelerate's launcher names.
    use_device(int(os.environ.get("LOCAL_RANK", gpu_id)) if gpu_id >= 0 else gpu_id)
    from ..teaching.config import resolve_config
    from ..teaching.teach import teach
    from ..training.presets import overridden

    with show_validation_error(config_path, show_config=False, hint_fill=False):
        config = overridden(read_config(config_path, interpolate=False), overrides)
        resolved = resolve_config(config)
    with going_on("Go on with the same command and --resume."):
        teach(resolved, output, resume=resume)
    from torch import distributed

    # Else its threads may still run when Python ends, which aborts the process.
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
