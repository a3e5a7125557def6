"""Scores of pipelines, on words and raw text, and confidences fitted to what is right."""

from typing import Any

__all__ = ["evaluate", "evaluate_docs"]


def __getattr__(name: str) -> Any:
    # Every `python -m spacy` imports this package, for the options of `calibrate`.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import scores

    return getattr(scores, name)
