"""Folders of pipelines and encoders: written whole or not at all, and never over anything else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from .errors import DualNerError

# What tells a folder of each kind from any other.
_MARKS = {"pipeline": ("config.cfg", "meta.json"), "encoder": ("config.json",)}


def is_pipeline(folder: Path) -> bool:
    """Whether a folder holds a pipeline."""
    return _is(folder, "pipeline")


def check_output(
    output: Path, model: Path, kind: Literal["pipeline", "encoder"] = "pipeline"
) -> None:
    """Refuse to write a changed copy where the original, or something else, would be lost.

    output (Path): Folder to write; what is there is replaced if it is of this kind.
    model (Path): Folder of what is copied.
    kind (str): What both are: `pipeline` or `encoder`.
    Raises DualNerError where one lies in the other, or the output is there and of another kind.
    """
    ours, theirs = output.resolve(), model.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise DualNerError(
            f"{output} and the {kind} {model} lie in one another. Name another folder."
        )
    if not output.exists() or _is(output, kind):
        return
    if not output.is_dir() or any(output.iterdir()):
        raise DualNerError(
            f"{output} is there and is no {kind}, so it is not replaced. Name another folder."
        )


def _is(folder: Path, kind: str) -> bool:
    return all((folder / name).is_file() for name in _MARKS[kind])


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
