"""The teacher: the best student so far."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn


class Teacher:
    """The best student so far, which gives the pseudo labels: at first the stage-1 model."""

    def __init__(self, student: nn.Module) -> None:
        # Weights that training leaves alone are shared by both.
        shared = {id(p): p for p in student.parameters() if not p.requires_grad}
        self.network = copy.deepcopy(student, shared).eval().requires_grad_(False)
        self.score, self.step = 0.0, 0

    def after_evaluation(self, student: nn.Module, step: int, score: float) -> None:
        """Let a student that is better than all before teach from now on."""
        if score > self.score:
            self.network.load_state_dict(student.state_dict())
            self.score, self.step = score, step

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"network": self.network.state_dict(), "score": self.score, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.score, self.step = state["score"], state["step"]
