"""How the processes of one run share its work: Accelerate, as this package uses it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list

from ..encoder.encode import bf16_pays
from ..errors import DualNerError


def make_accelerator(device: torch.device, *, mixed_precision: bool) -> Accelerator:
    """Join the run's other processes, if there are any.

    device (torch.device): Where this process computes.
    mixed_precision (bool): Whether bfloat16 is wanted, where it pays.
    Raises DualNerError where several processes would leave this machine's GPUs idle.
    """
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


def on_main(accelerator: Accelerator, compute: Callable[[], Any]) -> Any:
    """What the main process computes, for all processes.

    compute (Callable): Takes no time to speak of: others wait, and do not wait for ever.
    """
    answer: list[Any] = [None]
    if accelerator.is_main_process:
        with accelerator.autocast():
            answer = [compute()]
    return broadcast_object_list(answer)[0]
