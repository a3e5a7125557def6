"""`spacy-dualner.HistoryLogger.v1`: spaCy's console log, and every evaluation as a JSON line."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from spacy.language import Language
from spacy.training.loggers import console_logger
from spacy.util import registry

from ..data.outputs import write_text
from ..errors import readable

F1, AGREEMENT = "ents_f_", "agree_"
_MEAN = "ents_f_mean"


@registry.loggers("spacy-dualner.HistoryLogger.v1")
def make_history_logger(path: Path) -> Callable:
    """Log to the console, and each evaluation to a file, in both stages.

    A line holds `step`, `epoch`, `loss`, `score` (0 to 1, what selects), `f1` of each development
    language, and in stage 2 `agreement`, the F1 of the start/end heads' entities against the tag
    head's, both in percent; and the `seconds` of training so far, those before an interruption
    included. Lines of a step that is reached again, after --resume, are replaced.

    path (Path): The file.
    """
    path = Path(path)
    console = console_logger()

    def setup(nlp: Language, stdout: IO, stderr: IO) -> tuple[Callable, Callable]:
        log_to_console, finish = console(nlp, stdout, stderr)
        began = time.perf_counter()
        before: float | None = None

        def log_step(info: dict[str, Any] | None) -> None:
            log_to_console(info)
            if info is None:
                return
            nonlocal before
            earlier = [old for old in read_history(path) if old["step"] < info["step"]]
            if before is None:
                before = earlier[-1].get("seconds", 0.0) if earlier else 0.0
            scores = info["other_scores"]
            line = {
                "step": info["step"],
                "epoch": info["epoch"],
                "loss": sum(float(loss) for loss in info["losses"].values()),
                "score": float(info["score"]),
                "f1": _percent(scores, F1),
                "agreement": _percent(scores, AGREEMENT),
                "seconds": before + time.perf_counter() - began,
            }
            lines = (json.dumps(entry) for entry in [*earlier, line])
            write_text(path, "".join(f"{text}\n" for text in lines))

        return log_step, finish

    return setup


def read_history(path: Path) -> list[dict[str, Any]]:
    """The evaluations in a history, if there is one. Raises DataError where a line holds none."""
    if not path.is_file():
        return []
    with readable(path, "not a history of training", "Remove it, or get it anew."):
        lines = [json.loads(line) for line in path.read_text("utf8").split("\n") if line.strip()]
        for line in lines:
            if not all(isinstance(line[key], (int, float)) for key in ("step", "score")):
                raise ValueError(f"step {line['step']}, score {line['score']}")
        return lines


def _percent(scores: dict[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): 100 * score
        for name, score in scores.items()
        if name.startswith(prefix) and name != _MEAN and score is not None
    }
