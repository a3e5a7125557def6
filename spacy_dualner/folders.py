"""Folders of pipelines: written whole or not at all, and never over anything else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DualNerError


def is_pipeline(folder: Path) -> bool:
    """Whether a folder holds a pipeline."""
    return (folder / "config.cfg").is_file() and (folder / "meta.json").is_file()


def check_output(output: Path, model: Path) -> None:
    """Refuse to write a copy of a pipeline where it, or something else, would be lost.

    output (Path): Folder to write; a pipeline that is there is replaced.
    model (Path): Folder of the pipeline that is copied.
    Raises DualNerError where one lies in the other, or the output is there and is no pipeline.
    """
    ours, theirs = output.resolve(), model.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise DualNerError(
            f"{output} and the pipeline {model} lie in one another. Name another folder."
        )
    if not output.exists() or is_pipeline(output):
        return
    if not output.is_dir() or any(output.iterdir()):
        raise DualNerError(
            f"{output} is there and is no pipeline, so it is not replaced. Name another folder."
        )


@contextmanager
def written_aside(output: Path) -> Iterator[Path]:
    """A folder that takes the place of the output if the block ends well, and else goes."""
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as name:
        new, old = Path(name) / "new", Path(name) / "old"
        yield new
        if output.exists():
            os.replace(output, old)
        try:
            os.replace(new, output)
        except OSError:
            if old.exists():
                os.replace(old, output)
            raise
