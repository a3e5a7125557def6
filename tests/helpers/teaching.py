"""Runs of stage 2: begun, ended before a step, and looked into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from helpers.corpus import stage2_config

from spacy_dualner.encoder.arrays import SentenceArrays
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.data import TeachingData
from spacy_dualner.teaching.schedule import Schedule
from spacy_dualner.teaching.step import Step
from spacy_dualner.teaching.teach import Teaching


class Interrupted(Exception):
    """Stands for whatever ends a run."""


def data_of(corpus: SentenceArrays, n_source: int, partners: Any = None) -> TeachingData:
    """A corpus as stage 2 has it, of which nothing is held back."""
    none = np.zeros(0, dtype=np.int64)
    numbers = np.arange(len(corpus))
    return TeachingData(corpus, n_source, [], corpus.subset(none), {}, partners, none, numbers)


def start(folder: Path, output: Path, **overrides: Any) -> Teaching:
    """A run that has not begun, of the `model` and `corpus` in a folder."""
    config = stage2_config(folder / "model", folder / "corpus", **overrides)
    output.mkdir(exist_ok=True)
    return Teaching(resolve_config(config), output)


def before_step(patch: pytest.MonkeyPatch, step: int, do: Callable[[], Any]) -> None:
    """Have something done before a step, which begins with a look at its learning rate."""
    rate = Schedule.rate

    def watched(self: Schedule, number: int) -> float:
        if number == step:
            do()
        return rate(self, number)

    patch.setattr(Schedule, "rate", watched)


def interrupt_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """Let runs end before a step."""

    def interrupt() -> None:
        raise Interrupted

    before_step(patch, step, interrupt)


def note_batches(patch: pytest.MonkeyPatch) -> list[int]:
    """The sentences that steps are taken over, one after the other."""
    seen: list[int] = []
    take = Step.take

    def noting(self: Step, batch: Any, rate: float) -> torch.Tensor:
        seen.extend(batch.tolist())
        return take(self, batch, rate)

    patch.setattr(Step, "take", noting)
    return seen


def last_student(teaching: Teaching, *, resume: bool = False) -> dict[str, torch.Tensor]:
    """Run to the end: the weights after the last step, whether it is the best one or not."""
    students: list[dict[str, torch.Tensor]] = []
    write = teaching._write_best

    def keep() -> Path:
        students.append({k: v.clone() for k, v in teaching.network.state_dict().items()})
        return write()

    teaching._write_best = keep  # type: ignore[method-assign]
    spacy.load(teaching.run(resume))
    return students[0]
