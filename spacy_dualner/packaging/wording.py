"""The words of a model card: what settings are called, how numbers and languages are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

NOT_STATED = "not stated"

# Settings of both stages.
SETTINGS = {
    "max_epochs": "epochs",
    "batch_size": "sentences a step",
    "learn_rate": "peak learning rate",
    "heads_factor": "the heads' rate, times that",
    "warmup_steps": "warm-up steps",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "seed": "seed",
}
READ_FROM = {
    "span": "the start/end heads",
    "tag": "the tag head",
    "joint": "the best path over all heads",
}
SELECT = {
    "mean": "the mean F1 of the development languages",
    "source": "the F1 on development text of the source languages",
    "agreement": "the agreement of both kinds of heads on unlabelled text",
}


def markdown(text: str) -> str:
    """Text that is no HTML in Markdown, and no border of a table."""
    return escape(text, quote=False).replace("|", "\\|")


def outcome(record: dict[str, Any]) -> str:
    """Which student of stage 2 was kept, from the record of `teach`."""
    chosen = SELECT[record["select"]]
    if not record["best_step"]:
        return f"No student of stage 2 was better by {chosen}: this is the stage-1 model."
    return (
        f"The best student by {chosen} is kept: that of step {record['best_step']:,} of "
        f"{record['steps']:,}, at {100 * record['best_score']:.1f}."
    )


def shown(value: Any) -> str:
    """A setting."""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int) else NOT_STATED


def share(percent: float) -> float:
    """A percentage as meta.json and the hub have it."""
    return round(percent / 100, 6)


def listed(langs: Iterable[str]) -> str:
    """Languages in a sentence."""
    *most, last = [*langs] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def counted(langs: Mapping[str, int | None]) -> str:
    """Languages with their numbers of sentences, where known."""
    return ", ".join(
        lang if count is None else f"{lang} ({count:,})" for lang, count in langs.items()
    )
