"""One checkpoint at a time, complete or not there at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..encoder.packing import load_tensors
from ..errors import DualNerError, readable

FILE_NAME = "checkpoint.pt"

FORMAT = 5
"""What stands in the file; before 5, nothing of the stage-1 pipeline that the run began from."""


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators: the CPU's, and that of this process's own GPU."""
    state = {"torch": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Set torch's generators back; one that the earlier run did not have stays as it is."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def save_checkpoint(folder: Path, state: dict[str, Any]) -> int:
    """Write a checkpoint aside, then put it in the last one's place; its size in bytes.

    Raises DualNerError where it cannot be written; the last complete one stays.
    """
    path, aside = folder / FILE_NAME, folder / f".{FILE_NAME}.part"
    try:
        with aside.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except (OSError, RuntimeError) as error:
        last = "The last complete one stays" if path.exists() else "There is none before it"
        raise DualNerError(
            f"{path}: the checkpoint could not be written ({error}). {last}. Make room, then go on "
            "with the same command and --resume."
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return path.stat().st_size


def load_checkpoint(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """Read the checkpoint of a folder; None where there is none.

    device (torch.device): Where its tensors will be used. To a GPU they go straight from the file:
        so neither it nor the memory of several processes holds a copy.
    Raises DualNerError where the file is not a checkpoint, or one of another version.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    with readable(path, "not a checkpoint of teach", "Remove it and start without --resume."):
        state = load_tensors(path, map_location="cpu", mmap=device.type != "cpu")
    if state.pop("format", None) != FORMAT:
        raise DualNerError(
            f"{path}: a checkpoint of another version of spacy-dualner. Go on with that one, or "
            "start without --resume."
        )
    return state
