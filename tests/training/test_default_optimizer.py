"""The optimizer of whoever names none: in Python, where no config of a preset is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from helpers.tiny import make_examples, make_nlp
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_dualner.training.optimizer import AdamW


def rate(nlp: Language) -> tuple[bool, float]:
    """Whether training takes AdamW by itself, and its rate."""
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    return isinstance(optimizer, AdamW), optimizer.learn_rate


def test_initialize_gives_a_rate_that_suits_encoders(encoder_path: Path, tmp_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    assert rate(nlp) == (True, 5e-5)
    assert isinstance(nlp.get_pipe("dualner").create_optimizer(), AdamW)
    nlp.to_disk(tmp_path)
    resumed = spacy.load(tmp_path).resume_training()
    assert isinstance(resumed, AdamW) and resumed.learn_rate == 5e-5
    # Other pipelines keep spaCy's.
    assert spacy.blank("xx").create_optimizer().learn_rate == 0.001


@pytest.mark.parametrize(
    "optimizer",
    [
        {"@optimizers": "Adam.v1", "learn_rate": 0.01},
        {"@optimizers": "spacy-dualner.AdamW.v1", "learn_rate": 0.01},
    ],
)
def test_another_optimizer_stays(optimizer: dict[str, Any], encoder_path: Path) -> None:
    nlp = spacy.blank("xx", config={"training": {"optimizer": optimizer}})
    nlp.add_pipe("dualner", config={"model": {"tok2vec": {"name": str(encoder_path)}}})
    assert rate(nlp) == (optimizer["@optimizers"] != "Adam.v1", 0.01)


def test_a_config_that_asks_for_spacys_own_gets_it(encoder_path: Path) -> None:
    config = Config(make_nlp(encoder_path).config)
    config["training"]["optimizer"] = spacy.blank("xx").config["training"]["optimizer"]
    assert rate(load_model_from_config(config)) == (False, 0.001)
