"""A step of stage 2 against the same loop's step without a teacher.

python -m benchmarks.teaching configs/mini/stage2.cfg --steps 20
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import typer
from spacy.cli._util import parse_config_overrides
from spacy.util import load_config

from benchmarks.common import interleaved, report
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.loop import Teaching
from spacy_dualner.training.batching import length_groups


def main(
    ctx: typer.Context,
    config: Path = typer.Argument(..., help="A stage-2 config"),
    steps: int = typer.Option(20, help="Steps per round, on the same sentences"),
    repeats: int = typer.Option(3, help="Timed rounds"),
    output: Path | None = typer.Option(None, help="JSON file to write"),
) -> None:
    """Time steps in one process, interleaved. Settings can be overridden as in `teach`."""
    overrides = parse_config_overrides(ctx.args)
    resolved = resolve_config(load_config(config, overrides=overrides, interpolate=False))
    with tempfile.TemporaryDirectory() as folder:
        teaching = Teaching(resolved, Path(folder))
        batches = length_groups(
            teaching.lengths, resolved.settings.batch_size, np.random.default_rng(0)
        )[:steps]
        teacher = teaching.teacher
        logits = 4 * teaching.recogniser.scheme.n_types + 3

        def no_teacher(blocks: object, n_words: int) -> tuple[None, torch.Tensor]:
            return None, torch.zeros((n_words, logits), device=teaching.device)

        def run(with_teacher: bool) -> Callable[[], None]:
            def job() -> None:
                teaching.teacher = teacher if with_teacher else no_teacher
                for batch in batches:
                    teaching.train_step(teaching.trained_on[batch])

            return job

        seconds = interleaved({"without a teacher": run(False), "with": run(True)}, repeats)
    report(
        seconds,
        "without a teacher",
        output,
        steps=len(batches),
        batch_size=resolved.settings.batch_size,
    )


if __name__ == "__main__":
    app = typer.Typer()
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(main)
    app()
