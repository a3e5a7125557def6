"""How the teacher follows the student."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .settings import TeacherSettings


class Teacher:
    """The network that gives pseudo labels, the best candidate so far, and what candidates are.

    In the paper teacher and best are one, and candidates are the student as it is.

    student (nn.Module): Begins as the stage-1 model.
    settings (TeacherSettings): How to follow it.
    """

    def __init__(self, student: nn.Module, settings: TeacherSettings) -> None:
        self.settings = settings
        # Weights that training leaves alone are shared by all.
        shared = [p for p in student.parameters() if not p.requires_grad]

        def copied() -> nn.Module:
            own = copy.deepcopy(student, {id(p): p for p in shared})
            return own.eval().requires_grad_(False)

        self.network = copied()
        self.best = self.network if settings.update == "best" else copied()
        # A running mean of students.
        self._mean: nn.Module | None = None
        if settings.update == "always":
            self._mean = self.network
        elif settings.decay:
            self._mean = copied()
        # What each round begins from.
        self._stage1 = copy.deepcopy(student.state_dict()) if settings.rounds > 1 else {}

    def candidate(self, student: nn.Module) -> nn.Module:
        """The network to be scored: the running mean of students, or the last one."""
        return student if self._mean is None else self._mean

    def after_step(self, student: nn.Module, step: int) -> None:
        """Let the running mean follow: at first it is that of all. step (int): Of the round."""
        if self._mean is not None:
            decay = min(self.settings.decay, (1 + step) / (2 + step))
            own: list[Tensor] = list(self._mean.parameters())
            new: list[Tensor] = list(student.parameters())
            with torch.no_grad():
                torch._foreach_lerp_(own, new, 1 - decay)

    def after_evaluation(self, student: nn.Module, *, is_better: bool) -> None:
        """Keep the candidate if it is better than all before, and replace the teacher."""
        candidate = self.candidate(student).state_dict()
        if is_better:
            self.best.load_state_dict(candidate)
        if self.settings.update == "latest":
            self.network.load_state_dict(candidate)

    def begin_round(self, student: nn.Module) -> None:
        """A further round: the best so far teaches, the student is the stage-1 model again."""
        student.load_state_dict(self._stage1)
        if self._mean is not None:
            self._mean.load_state_dict(self._stage1)
        self.network.load_state_dict(self.best.state_dict())

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint keeps; one network in two places takes no more room."""
        mean = {} if self._mean is None else self._mean.state_dict()
        return {"teacher": self.network.state_dict(), "best": self.best.state_dict(), "mean": mean}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["teacher"])
        self.best.load_state_dict(state["best"])
        if self._mean is not None:
            self._mean.load_state_dict(state["mean"])
