"""A pipeline that is sometimes right."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.tiny import train_nlp
from spacy.language import Language


@pytest.fixture(scope="module")
def weak_nlp(encoder_path: Path) -> Language:
    """Knows some of the sentences, so that no score is 0 or 100."""
    return train_nlp(encoder_path, steps=14)
