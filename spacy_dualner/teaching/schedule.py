"""How long a run of stage 2 is, and when it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from ..training.optimizer import warmup_linear
from ..training.steps import fitted_warmup
from .settings import ConfigSchemaTeaching


@dataclass(frozen=True)
class Schedule:
    """Steps of a run. Made by `of`."""

    epoch: int  # steps of an epoch
    total: int  # steps of the run
    warmup: int  # steps to the peak learning rate
    evaluation: int  # steps between evaluations; the last one is evaluated as well

    @classmethod
    def of(cls, settings: ConfigSchemaTeaching, n_sentences: int) -> Schedule:
        """What a config asks for. n_sentences (int): Sentences that are trained on."""
        epoch = -(-n_sentences // settings.batch_size)
        total = epoch * settings.max_epochs
        # However small the corpus, each epoch is evaluated.
        evaluation = min(settings.eval_frequency, epoch)
        return cls(epoch, total, fitted_warmup(settings.warmup_steps, total), evaluation)

    def rate(self, step: int) -> float:
        """The learning rate of a step, as a share of its peak."""
        return warmup_linear(step, self.warmup, self.total)

    def evaluates(self, n_steps: int) -> bool:
        """Whether students are scored after so many steps."""
        return n_steps % self.evaluation == 0 or n_steps == self.total
