"""How the processes of one run share its work: Accelerate, as this package uses it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list, gather_object
from torch.distributed import DistError

from ..encoder.encode import bf16_pays
from ..errors import DualNerError


def make_accelerator(device: torch.device, *, mixed_precision: bool) -> Accelerator:
    """Join the run's other processes. Raises DualNerError where they would leave GPUs idle."""
    if device.type == "cpu" and "LOCAL_RANK" in os.environ and torch.cuda.is_available():
        raise DualNerError(
            "Several processes were started, and would train on the CPU beside "
            f"{torch.cuda.device_count()} idle GPUs. Add --gpu-id 0, and each takes its own GPU; "
            "to train on the CPU, hide the GPUs: CUDA_VISIBLE_DEVICES=''."
        )
    # A process may teach more than once, in one precision and then another.
    AcceleratorState._reset_state()
    # Buffers are constants, and processes need not run the network equally often. Of gradients
    # there is one copy.
    kwargs = DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="bf16" if mixed_precision and bf16_pays(device) else "no",
        kwargs_handlers=[kwargs],
    )


@contextmanager
def together() -> Iterator[None]:
    """Where another process of the run ends before its time, say so in place of what torch says."""
    try:
        yield
    except RuntimeError as error:
        # Gloo, which the CPU uses, has no class of its own.
        if isinstance(error, DistError) or "gloo" in str(error):
            raise DualNerError(
                "Another process of this run ended before its time; its own output says why. Start "
                "all of them again with --resume."
            ) from error
        raise


def check_alike(own: str) -> None:
    """Raise DualNerError in all processes, on whatever machines, unless they work on the same."""
    if len(set(gather_object([own]))) > 1:
        raise DualNerError(
            "The processes of this run have different pipelines, text or checkpoints. Give every "
            "machine the same config and files; the output has to be a folder that all of them see."
        )


def on_main(accelerator: Accelerator, compute: Callable[[], Any]) -> Any:
    """What the main process computes, for all: in no time to speak of, as the others wait."""
    answer: list[Any] = [None]
    if accelerator.is_main_process:
        with accelerator.autocast():
            answer = [compute()]
    return broadcast_object_list(answer)[0]
