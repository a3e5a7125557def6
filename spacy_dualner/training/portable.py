"""Pipelines that hold no path of the machine they were made on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import registry


def without_paths(nlp: Language) -> Language:
    """Shorten every path outside the working folder in a pipeline's config to its last part.

    Weights, tokenizer and settings travel within the pipeline: it never reads these paths again.
    Hub names and paths relative to the working folder, such as `corpus/train`, stay.
    """
    shorten_paths(nlp.config)
    return nlp


@registry.callbacks("spacy-dualner.without_paths.v1")
def make_without_paths() -> Callable[[Language], Language]:
    """`without_paths` for `[training.before_to_disk]`."""
    return without_paths


def shorten_paths(value: Any) -> Any:
    """Shorten paths outside the working folder to their last part; dicts and lists in place."""
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = shorten_paths(item)
    elif isinstance(value, list):
        value[:] = [shorten_paths(item) for item in value]
    elif isinstance(value, str):
        outside = os.path.isabs(value) or value.startswith((f"..{os.sep}", f"~{os.sep}"))
        # Interpolated variables, as in ${paths.train}, are cleaned where they are defined.
        # A slash alone is a character, such as one that ends sentences.
        return Path(value).name or value if outside else value
    return value
