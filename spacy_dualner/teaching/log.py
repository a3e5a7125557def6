"""The log of stage 2, written by any of spaCy's loggers."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spacy.language import Language

from .schedule import Schedule
from .settings import ConfigSchemaTeaching


@dataclass
class TeachingLog:
    """A row for each evaluation; to be entered as a context."""

    nlp: Language
    settings: ConfigSchemaTeaching
    columns: Mapping[str, str]  # scores to show, and the names of their columns
    schedule: Schedule
    silent: bool = False

    def __enter__(self) -> TeachingLog:
        self._write, self._finish = (lambda row: None), (lambda: None)
        if not self.silent:
            self._write, self._finish = self._hooks()
        return self

    def __exit__(self, *error: object) -> None:
        self._finish()

    def step(self) -> None:
        """A step without evaluation."""
        self._write(None)

    def evaluation(
        self, epoch: int, step: int, score: float, scores: Mapping[str, float], loss: float
    ) -> None:
        """A step with one. scores (Mapping[str, float]): All scores, from 0 to 1, by name."""
        named = {name: scores[key] for key, name in self.columns.items()}
        self._write(
            {
                "epoch": epoch,
                "step": step,
                "score": score,
                "other_scores": {**scores, **named},
                "losses": {self.settings.component: loss},
                "checkpoints": [(score, step)],
                "seconds": 0,
                "words": 0,
            }
        )

    def _hooks(self) -> Any:
        """Set up spaCy's logger for the columns and steps of this run."""
        training = self.nlp.config["training"]
        before = copy.deepcopy(training)
        training["max_steps"] = self.schedule.total
        training["eval_frequency"] = self.schedule.evaluation
        # spaCy adds the component's own scores to the columns, unless they are null.
        training["score_weights"] = dict.fromkeys(
            [*before["score_weights"], "ents_f", "ents_p", "ents_r", "ents_per_type"]
        ) | dict.fromkeys(self.columns.values(), 0.0)
        others = [n for n in self.nlp.pipe_names if n != self.settings.component]
        try:
            with self.nlp.select_pipes(disable=others):
                return self.settings.logger(self.nlp, sys.stdout, sys.stderr)
        finally:
            training.update(before)
