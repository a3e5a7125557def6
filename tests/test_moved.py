"""Names of version 0.1.0."""

import sys
from importlib import import_module

import pytest

OLD = {
    "annotation.loop": "annotate",
    "calibration.calibrate": "calibrate",
    "card": "write_card",
    "confidence": "confidences",
    "conversions": "extract_span",
    "lattice": "make_lattice",
    "losses": "labelled_loss",
    "raw_text": "raw_scores",
    "regulariser": "entity_regulariser",
    "shrinking": "shrink",
    "sources": "rank_sources",
    "teaching.loop": "teach",
}


@pytest.mark.parametrize("module", OLD)
def test_a_module_that_moved(module: str) -> None:
    # Whatever was imported before.
    sys.modules.pop(f"spacy_dualner.{module}", None)
    with pytest.warns(DeprecationWarning, match=f"spacy_dualner.{module} is spacy_dualner"):
        found = import_module(f"spacy_dualner.{module}")
    home = import_module(found.__name__)
    assert home is found and callable(getattr(found, OLD[module]))


def test_names_of_modules_that_are_folders_now() -> None:
    from spacy_dualner.decoding import read_spans
    from spacy_dualner.evaluation import evaluate, evaluate_docs
    from spacy_dualner.labels import LabelScheme

    assert all(map(callable, (read_spans, evaluate, evaluate_docs, LabelScheme)))


def test_a_module_that_never_was() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module("spacy_dualner.cards")
