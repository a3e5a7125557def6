"""How the teacher follows the student."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .settings import TeacherSettings


class Teacher:
    """The network that gives pseudo labels, and the best candidate so far.

    In the paper they are one: the best student becomes the teacher.

    student (nn.Module): Begins as the stage-1 model.
    settings (TeacherSettings): How to follow it.
    """

    def __init__(self, student: nn.Module, settings: TeacherSettings) -> None:
        self.settings = settings
        self.network = copy.deepcopy(student).eval().requires_grad_(False)
        self.best = self.network if settings.update == "best" else copy.deepcopy(self.network)
        # What each round begins from.
        self._stage1 = copy.deepcopy(student.state_dict()) if settings.rounds > 1 else {}

    def candidate(self, student: nn.Module) -> nn.Module:
        """The network to be scored: a running mean of students is better than each of them."""
        return self.network if self.settings.update == "average" else student

    def after_step(self, student: nn.Module, step: int) -> None:
        """Let a running mean follow, faster in the beginning. step (int): From 0."""
        if self.settings.update == "average":
            decay = min(self.settings.decay, (1 + step) / (10 + step))
            own: list[Tensor] = list(self.network.parameters())
            new: list[Tensor] = list(student.parameters())
            with torch.no_grad():
                torch._foreach_lerp_(own, new, 1 - decay)

    def after_evaluation(self, student: nn.Module, *, is_better: bool) -> None:
        """Keep the candidate if it is better than all before, and replace the teacher."""
        if is_better:
            self.best.load_state_dict(self.candidate(student).state_dict())
        if self.settings.update == "latest":
            self.network.load_state_dict(student.state_dict())

    def begin_round(self, student: nn.Module) -> None:
        """A further round: the best so far teaches, the student is the stage-1 model again."""
        self.network.load_state_dict(self.best.state_dict())
        student.load_state_dict(self._stage1)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint keeps; one network twice takes no more room."""
        return {"teacher": self.network.state_dict(), "best": self.best.state_dict()}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["teacher"])
        self.best.load_state_dict(state["best"])
