"""A pipeline to annotate with."""

from __future__ import annotations

import pytest
from spacy.language import Language


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, trained_nlp: Language) -> str:
    folder = tmp_path_factory.mktemp("annotate") / "model"
    trained_nlp.to_disk(folder)
    return str(folder)
