"""The component over other encoders than its own, sourced, and twice in a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import torch
from helpers.corpus import entities, make_other_nlp
from helpers.pipeline import GOLD, odd_docs, same, weights
from helpers.tiny import make_examples
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from thinc.api import Config, Model
from thinc.types import Floats2d

from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.network import Recogniser
from spacy_dualner.training.optimizer import AdamW


def config_of(component: dict) -> Config:
    """A training config of a pipeline with one component."""
    config = Config(spacy.blank("xx").config)
    config["nlp"]["pipeline"] = ["dualner"]
    config["components"] = {"dualner": component}
    reader = {"@readers": "test.sentences"}
    config["corpora"] = {"train": reader, "dev": reader}
    return config


@spacy.registry.readers("test.sentences")
def sentences_reader() -> Callable[[Language], list[Example]]:
    return make_examples


@pytest.mark.parametrize("frozen", [[], ["dualner"]])
def test_source_resumes_without_initialising_anew(own: Language, tmp_path: Path, frozen) -> None:
    own.to_disk(tmp_path / "model")
    config = config_of({"source": str(tmp_path / "model")})
    config["training"]["frozen_components"] = frozen
    resumed = init_nlp(config)
    assert same(weights(own), weights(resumed))
    assert entities(resumed) == GOLD


def test_sourced_component(own: Language) -> None:
    other = spacy.blank("xx")
    other.add_pipe("dualner", source=own)
    assert entities(other) == GOLD


def test_labels_of_the_config(encoder_path: Path, tmp_path: Path) -> None:
    labels = tmp_path / "dualner.json"
    labels.write_text('["CITY", "LOC", "ORG", "PER"]')
    tok2vec = {
        "@architectures": "spacy-dualner.Transformer.v1",
        "name": str(encoder_path),
        "pooling": "first",
    }
    model = {"@architectures": "spacy-dualner.DualNer.v1", "tok2vec": tok2vec}
    config = config_of({"factory": "dualner", "model": model})
    reader = {"@readers": "spacy.read_labels.v1", "path": str(labels)}
    config["initialize"]["components"] = {"dualner": {"labels": reader}}
    nlp = init_nlp(config)
    assert nlp.get_pipe("dualner").labels == ("CITY", "LOC", "ORG", "PER")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "listener", "inline"])
@pytest.mark.parametrize("ours", [True, False])
def test_other_encoders_learn(encoder_path: Path, kind: str, ours: bool) -> None:
    from thinc.api import Adam

    torch.manual_seed(0)
    nlp = make_other_nlp(kind, encoder_path)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    sgd = AdamW(3e-3) if ours else Adam(3e-3)
    losses = [nlp.update(examples, sgd=sgd, losses={})["dualner"] for _ in range(25)]
    assert losses[-1] < 0.6 * losses[0]
    odd = odd_docs(nlp)[:3] + odd_docs(nlp)[5:]
    assert all(token.ent_iob for doc in nlp.pipe(odd) for token in doc)


@spacy.registry.architectures("test.ones.v1")
def ones() -> Model[list[Doc], list[Floats2d]]:
    """An encoder that does not tell its width."""

    def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Callable]:
        return [model.ops.alloc2f(len(doc), 5) + 1 for doc in docs], lambda d_vectors: docs

    return Model("ones", forward)


def test_the_width_of_an_encoder_is_seen_from_a_sample() -> None:
    nlp = spacy.blank("xx")
    model = {
        "@architectures": "spacy-dualner.DualNer.v1",
        "tok2vec": {"@architectures": "test.ones.v1"},
    }
    nlp.add_pipe("dualner", config={"model": model})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert nlp.update(examples, sgd=AdamW(1e-3), losses={})["dualner"] > 0
    assert all(token.ent_iob for token in nlp("Anna lives in Berlin"))


@pytest.mark.slow
def test_replace_listeners_keeps_predictions(encoder_path: Path) -> None:
    nlp = make_other_nlp("listener", encoder_path)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    for _ in range(25):
        nlp.update(examples, sgd=AdamW(3e-3))
    before = entities(nlp)
    assert any(before)
    nlp.replace_listeners("transformer", "dualner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert entities(nlp) == before


@pytest.mark.parametrize("kind", ["cnn", "listener", "inline"])
def test_other_encoders_cannot_be_taught(encoder_path: Path, kind: str) -> None:
    nlp = make_other_nlp(kind, encoder_path)
    with pytest.raises(DualNerError, match=r"spacy-dualner\.Transformer\.v1"):
        Recogniser(nlp, "dualner")


def test_a_second_component_of_the_same_kind(own: Language, encoder_path: Path) -> None:
    own.get_pipe("dualner").cfg["overwrite"] = True
    own.add_pipe(
        "dualner",
        name="second",
        config={"overwrite": False, "model": {"tok2vec": {"name": str(encoder_path)}}},
    )
    second = own.get_pipe("second")
    second.add_label("PET")
    second.initialize(lambda: make_examples(own), labels=["PET"])
    assert second.labels == ("PET",)
    found = entities(own)
    assert all(set(gold) <= set(ents) for gold, ents in zip(GOLD, found, strict=True))
