"""The encoder as a layer, and its tokenizer for words."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.encoders import make_layer
from thinc.api import Model
from transformers import AutoTokenizer

from spacy_dualner.encoder.subwords import WordTokenizer


@pytest.fixture(scope="module")
def words(encoder_path: Path) -> WordTokenizer:
    return WordTokenizer(AutoTokenizer.from_pretrained(encoder_path), max_word=31)


@pytest.fixture(scope="module")
def layer(encoder_path: Path) -> Model:
    """Shared by tests that do not change it."""
    return make_layer(encoder_path)
