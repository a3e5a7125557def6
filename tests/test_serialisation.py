"""Pipelines as bytes and on disk: complete, free of their origin, and checked when loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from helpers.corpus import entities, files_holding, make_other_nlp, write_corpus
from helpers.tiny import SENTENCES, make_encoder, make_examples, make_nlp, train_nlp
from spacy.language import Language
from spacy.tokens import Doc

from spacy_dualner.errors import DualNerError
from spacy_dualner.training.portable import without_paths

KINDS = ["own", "cnn", "listener", "inline"]


def by_bytes(nlp: Language, blank: Callable[[], Language], folder: Path) -> Language:
    return blank().from_bytes(nlp.to_bytes())


def by_disk(nlp: Language, blank: Callable[[], Language], folder: Path) -> Language:
    nlp.to_disk(folder / "model")
    return spacy.load(folder / "model")


@pytest.fixture
def removable(tmp_path: Path) -> Path:
    """An encoder's folder that a test may remove."""
    return make_encoder(tmp_path / "some-encoder")


def make(kind: str, encoder: Path) -> Language:
    return make_nlp(encoder) if kind == "own" else make_other_nlp(kind, encoder)


def scores(nlp: Language) -> torch.Tensor:
    """Logits for the test sentences, listeners fed."""
    docs = [Doc(nlp.vocab, words=words) for words, _ in SENTENCES]
    for name, pipe in nlp.pipeline:
        if name == "dualner":
            return torch.as_tensor(pipe.predict(docs))
        docs = list(pipe.pipe(docs))
    raise AssertionError


@pytest.mark.parametrize("way", [by_bytes, by_disk])
@pytest.mark.parametrize("kind", KINDS)
def test_initialised(kind: str, way: Callable, removable: Path, tmp_path: Path) -> None:
    """Same predictions, with the encoder's folder gone."""
    nlp = make(kind, removable)
    examples = make_examples(nlp)
    sgd = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=sgd)
    expected = scores(nlp)
    blank = make(kind, removable)
    if kind in ("own", "cnn"):
        shutil.rmtree(removable)
    again = way(nlp, lambda: blank, tmp_path)
    assert again.get_pipe("dualner").labels == ("LOC", "ORG", "PER")
    assert again.get_pipe("dualner").cfg == nlp.get_pipe("dualner").cfg
    assert torch.equal(scores(again), expected)
    # What was loaded can be trained on.
    again.update(make_examples(again), sgd=again.resume_training())
    assert not torch.equal(scores(again), expected)


@pytest.mark.parametrize("way", [by_bytes, by_disk])
@pytest.mark.parametrize("kind", KINDS)
def test_not_initialised(kind: str, way: Callable, encoder_path: Path, tmp_path: Path) -> None:
    nlp = make(kind, encoder_path)
    nlp.get_pipe("dualner").add_label("PET")
    again = way(nlp, lambda: make(kind, encoder_path), tmp_path)
    assert again.get_pipe("dualner").labels == ("PET",)
    with pytest.raises(ValueError, match="E109"):
        again.get_pipe("dualner")(again.make_doc("Anna"))
    again.initialize(lambda: make_examples(again))
    assert again.get_pipe("dualner").labels == ("LOC", "ORG", "PER", "PET")
    assert scores(again).shape[1] == 4 * 4 + 3


def test_loading_over_an_initialised_component(trained_nlp: Language, encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    assert entities(nlp) != entities(trained_nlp)
    nlp.from_bytes(trained_nlp.to_bytes())
    assert entities(nlp) == entities(trained_nlp)


@pytest.mark.parametrize("part", ["cfg", "model"])
def test_exclude(part: str, trained_nlp: Language, encoder_path: Path, tmp_path: Path) -> None:
    pipe = trained_nlp.get_pipe("dualner")
    pipe.to_disk(tmp_path / "pipe", exclude=[part])
    assert not (tmp_path / "pipe" / part).exists()
    fresh = make_nlp(encoder_path).get_pipe("dualner")
    fresh.from_bytes(pipe.to_bytes(exclude=[part]))
    assert fresh.labels == (() if part == "cfg" else ("LOC", "ORG", "PER"))
    assert bool(fresh.model.has_dim("nO")) == (part == "cfg")


def test_exclude_the_component(trained_nlp: Language, tmp_path: Path) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    assert spacy.load(tmp_path / "model", exclude=["dualner"]).pipe_names == []


def test_settings_of_the_encoder_travel(encoder_path: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    tok2vec = {"name": str(encoder_path), "pooling": "mean", "window": 16, "block_size": 64}
    nlp.add_pipe("dualner", config={"model": {"tok2vec": tok2vec}})
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "model")
    layer = spacy.load(tmp_path / "model").get_pipe("dualner").model.get_ref("tok2vec")
    assert (layer.shims[0].pooling, layer.shims[0].window, layer.shims[0].block_size) == (
        "mean",
        16,
        64,
    )


def test_settings_can_be_changed_when_loading(trained_nlp: Language, tmp_path: Path) -> None:
    """Overrides of what does not shape the weights act, though the folder holds other values."""
    trained_nlp.to_disk(tmp_path / "model")
    config = {"components.dualner.model.tok2vec.block_size": 32}
    nlp = spacy.load(tmp_path / "model", config=config)
    assert nlp.get_pipe("dualner").model.get_ref("tok2vec").shims[0].block_size == 32


def tamper(model: bytes, change: Callable[[dict], None]) -> bytes:
    """Change the stored message of the encoder's shim."""
    message = srsly.msgpack_loads(model)
    for shims in message["shims"]:
        for i, shim in enumerate(shims):
            inner = srsly.msgpack_loads(shim) if shim[:1] in (b"\x83", b"\x84") else {}
            if "tokenizer" in inner:
                change(inner)
                shims[i] = srsly.msgpack_dumps(inner)
    return srsly.msgpack_dumps(message)


def cut_state(message: dict) -> None:
    message["state"] = message["state"][: len(message["state"]) // 2]


def lose_weight(message: dict) -> None:
    from io import BytesIO

    state = torch.load(BytesIO(message["state"]), weights_only=True)
    state.pop(next(iter(state)))
    buffer = BytesIO()
    torch.save(state, buffer)
    message["state"] = buffer.getvalue()


def widen(message: dict) -> None:
    message["config"]["intermediate_size"] *= 2
    del message["checksum"]  # as earlier versions wrote none


@pytest.mark.parametrize("change", [cut_state, lose_weight, widen])
def test_damaged_encoder_weights_raise(
    change: Callable, trained_nlp: Language, encoder_path: Path
) -> None:
    damaged = tamper(trained_nlp.get_pipe("dualner").model.to_bytes(), change)
    assert damaged != trained_nlp.get_pipe("dualner").model.to_bytes()
    with pytest.raises(Exception) as caught:
        make_nlp(encoder_path).get_pipe("dualner").model.from_bytes(damaged)
    if change is not cut_state:
        assert isinstance(caught.value, DualNerError)
        assert "not match" in str(caught.value)


def test_a_cut_file_raises(trained_nlp: Language, tmp_path: Path) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    path = tmp_path / "model" / "dualner" / "model"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(Exception):  # noqa: B017
        spacy.load(tmp_path / "model")


# Paths of the machine


@pytest.fixture
def portable(removable: Path) -> Language:
    """A trained pipeline after `without_paths`."""
    return without_paths(train_nlp(removable, steps=2))


def test_the_config_holds_no_path(portable: Language, removable: Path) -> None:
    assert str(removable.parent) not in portable.config.to_str()
    assert portable.config["components"]["dualner"]["model"]["tok2vec"]["name"] == removable.name


def test_bytes_hold_no_path(portable: Language, removable: Path) -> None:
    held = str(removable.parent).encode() in portable.to_bytes()
    assert not held


def test_files_hold_no_path(portable: Language, removable: Path, tmp_path: Path) -> None:
    expected = scores(portable)
    portable.to_disk(tmp_path / "model")
    shutil.rmtree(removable)
    assert torch.equal(scores(spacy.load(tmp_path / "model")), expected)
    assert files_holding(tmp_path / "model", str(tmp_path)) == []


def test_hub_names_and_relative_paths_stay() -> None:
    nlp = spacy.blank("xx")
    nlp.config["paths"] = {
        "hub": "microsoft/infoxlm-large",
        "corpus": "corpus/train",
        "here": "/home/someone/corpus",
        "above": "../elsewhere/encoder",
        "home": "~/encoders/small",
        "list": ["/one/two", "three"],
    }
    assert without_paths(nlp).config["paths"] == {
        "hub": "microsoft/infoxlm-large",
        "corpus": "corpus/train",
        "here": "corpus",
        "above": "encoder",
        "home": "small",
        "list": ["two", "three"],
    }


def test_a_slash_is_no_path() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer", config={"punct_chars": [".", "/"]})
    config = without_paths(nlp).config["components"]["sentencizer"]
    assert config["punct_chars"] == [".", "/"]


def test_the_corpus_helper_writes_what_it_says(tmp_path: Path) -> None:
    """The tiny corpus that other tests train on has entities and no path in it."""
    corpus = write_corpus(tmp_path / "corpus")
    assert sorted(p.name for p in corpus.iterdir()) == ["dev", "test", "train", "unlabelled"]
    assert files_holding(corpus, str(tmp_path)) == []
