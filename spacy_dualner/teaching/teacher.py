"""The teacher: the best student so far."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Teacher:
    """The best candidate so far, which gives the pseudo labels and is what a run returns.

    In the paper candidates are the student as it is; with a decay they are a running mean of its
    steps.

    student (nn.Module): Begins as the stage-1 model.
    decay (float): What the running mean keeps at a step; 0 for none.
    """

    def __init__(self, student: nn.Module, decay: float = 0.0) -> None:
        # Weights that training leaves alone are shared by all.
        shared = [p for p in student.parameters() if not p.requires_grad]

        def copied() -> nn.Module:
            own = copy.deepcopy(student, {id(p): p for p in shared})
            return own.eval().requires_grad_(False)

        self.network = copied()
        self.score, self.step = 0.0, 0
        self.decay = decay
        self._mean: nn.Module | None = copied() if decay else None

    def candidate(self, student: nn.Module) -> nn.Module:
        """The network to be scored."""
        return student if self._mean is None else self._mean

    def after_step(self, student: nn.Module, step: int) -> None:
        """Let the running mean follow: at first it is that of all. step (int): Before it."""
        if self._mean is not None:
            decay = min(self.decay, (1 + step) / (2 + step))
            own: list[Tensor] = list(self._mean.parameters())
            new: list[Tensor] = list(student.parameters())
            with torch.no_grad():
                torch._foreach_lerp_(own, new, 1 - decay)

    def after_evaluation(self, student: nn.Module, step: int, score: float) -> None:
        """Let a candidate that is better than all before teach from now on."""
        if score > self.score:
            self.network.load_state_dict(self.candidate(student).state_dict())
            self.score, self.step = score, step

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        mean = {} if self._mean is None else self._mean.state_dict()
        return {
            "network": self.network.state_dict(),
            "mean": mean,
            "score": self.score,
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["network"])
        if self._mean is not None:
            self._mean.load_state_dict(state["mean"])
        self.score, self.step = state["score"], state["step"]
