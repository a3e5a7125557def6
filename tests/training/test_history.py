"""The logger that both stages share: every evaluation as a JSON line."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language

from spacy_dualner.errors import DataError
from spacy_dualner.training import history
from spacy_dualner.training.history import make_history_logger, read_history


def test_a_loss_that_is_no_number_and_a_tiny_one(tmp_path: Path, nlp: Language) -> None:
    log, _ = make_history_logger(tmp_path / "history")(nlp, io.StringIO(), io.StringIO())
    for step, loss in enumerate((float("nan"), 1e-12)):
        log(evaluation(step, 0.5) | {"losses": {"dualner": loss}})
    losses = [line["loss"] for line in read_history(tmp_path / "history")]
    assert math.isnan(losses[0]) and losses[1] == 1e-12


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '{"step": 1}', '{"step": [], "score": 0}', "\xff"]
)
def test_a_damaged_history_is_named(tmp_path: Path, line: str) -> None:
    good = '{"step": 0, "score": 0.5}\n'
    (tmp_path / "history").write_bytes((good + line + "\n").encode("latin-1"))
    with pytest.raises(DataError, match=r"history: not a history of training .* it anew"):
        read_history(tmp_path / "history")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows its first number."""
    shown = [0.0]
    monkeypatch.setattr(history.time, "perf_counter", lambda: shown[0])
    return shown


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("xx")
    nlp.config["training"] |= {"max_steps": 10, "eval_frequency": 2}
    return nlp


def evaluation(step: int, score: float) -> dict[str, Any]:
    return {
        "epoch": 0,
        "step": step,
        "score": score,
        "other_scores": {"ents_f_de": score, "ents_f_mean": score, "agree_de": 0.5},
        "losses": {"dualner": 3.0},
        "checkpoints": [],
        "seconds": 0,
        "words": 0,
    }


def test_each_evaluation_is_a_line(tmp_path: Path, nlp: Language, clock: list[float]) -> None:
    log, finish = make_history_logger(tmp_path / "history")(nlp, io.StringIO(), io.StringIO())
    log(evaluation(0, 0.25))
    log(None)
    clock[0] = 7.5
    log(evaluation(2, 0.75))
    finish()
    first, second = read_history(tmp_path / "history")
    assert first["f1"] == {"de": 25.0} and first["agreement"] == {"de": 50.0}
    assert (second["step"], second["score"], second["loss"]) == (2, 0.75, 3.0)
    assert (first["seconds"], second["seconds"]) == (0.0, 7.5)


def test_seconds_of_an_interrupted_run_add_up(
    tmp_path: Path, nlp: Language, clock: list[float]
) -> None:
    """But for those between the last line and the interruption."""
    path = tmp_path / "history"
    log, _ = make_history_logger(path)(nlp, io.StringIO(), io.StringIO())
    for at, step in ((0.0, 0), (10.0, 2), (25.0, 4)):
        clock[0] = at
        log(evaluation(step, 0.5))
    # Step 4 was not in the checkpoint.
    clock[0] = 1000.0
    log, _ = make_history_logger(path)(nlp, io.StringIO(), io.StringIO())
    clock[0] = 1012.0
    log(evaluation(4, 0.5))
    clock[0] = 1020.0
    log(evaluation(6, 0.5))
    assert [line["step"] for line in read_history(path)] == [0, 2, 4, 6]
    assert [line["seconds"] for line in read_history(path)] == [0, 10, 22, 30]
