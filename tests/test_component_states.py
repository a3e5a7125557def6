"""The component as bytes and on disk in every state of its life."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from helpers.corpus import entities
from helpers.tiny import SENTENCES, make_encoder, make_examples, make_nlp
from spacy.language import Language
from spacy.tokens import Doc

from spacy_dualner.component import DualNer
from spacy_dualner.decoding.confidence import Calibrator
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.training.optimizer import AdamW

TYPES = ("LOC", "ORG", "PER")
# Settings of the component other than the defaults.
CHANGED = {
    "decode": "tag",
    "threshold": 0.25,
    "spans_key": "names",
    "keep_candidates": True,
    "temperature": {"span": 1.5, "tag": 2.5, "joint": 0.5},
    "overwrite": False,
    "tag_loss": 0.5,
    "span_loss": 0.25,
}
# Those that there were at first.
EARLIEST = ("labels", "decode", "overwrite", "tag_loss", "span_loss")


def untouched(nlp: Language, trained: bytes) -> None:
    pass


def labels_added(nlp: Language, trained: bytes) -> None:
    nlp.get_pipe("dualner").add_label("PET")


def initialised(nlp: Language, trained: bytes) -> None:
    nlp.initialize(lambda: make_examples(nlp))


def trained(nlp: Language, trained: bytes) -> None:
    nlp.from_bytes(trained)


def loaded_and_trained_on(nlp: Language, trained: bytes) -> None:
    nlp.from_bytes(trained)
    nlp.update(make_examples(nlp), sgd=AdamW(1e-3))


def settings_changed(nlp: Language, trained: bytes) -> None:
    nlp.from_bytes(trained)
    nlp.get_pipe("dualner").cfg.update(CHANGED)


def calibrated(nlp: Language, trained: bytes) -> None:
    nlp.from_bytes(trained)
    generator = torch.Generator().manual_seed(0)
    n_features, n_hidden = 4 * (4 * 3 + 3) + 1, 2
    shapes = [(n_features,)] * 2 + [(n_hidden, n_features), (n_hidden,), (n_hidden,), (1,)]
    arrays = [torch.rand(shape, generator=generator) + 0.1 for shape in shapes]
    nlp.get_pipe("dualner").set_calibration("span", 1.0, Calibrator(*arrays))


STATES = [
    untouched,
    labels_added,
    initialised,
    trained,
    loaded_and_trained_on,
    settings_changed,
    calibrated,
]


def pipe_bytes(nlp: Language, blank: Callable[[], Language], folder: Path) -> DualNer:
    return blank().get_pipe("dualner").from_bytes(nlp.get_pipe("dualner").to_bytes())


def pipe_disk(nlp: Language, blank: Callable[[], Language], folder: Path) -> DualNer:
    nlp.get_pipe("dualner").to_disk(folder / "pipe")
    return blank().get_pipe("dualner").from_disk(folder / "pipe")


def nlp_bytes(nlp: Language, blank: Callable[[], Language], folder: Path) -> DualNer:
    return blank().from_bytes(nlp.to_bytes()).get_pipe("dualner")


def nlp_disk(nlp: Language, blank: Callable[[], Language], folder: Path) -> DualNer:
    nlp.to_disk(folder / "nlp")
    return spacy.load(folder / "nlp").get_pipe("dualner")


WAYS = [pipe_bytes, pipe_disk, nlp_bytes, nlp_disk]


@pytest.fixture
def removable(encoder_path: Path, tmp_path: Path) -> Path:
    """A copy of the encoder's folder that a test may remove."""
    return shutil.copytree(encoder_path, tmp_path / "encoder")


def logits(pipe: DualNer) -> torch.Tensor:
    docs = [Doc(pipe.vocab, words=words) for words, _ in SENTENCES]
    return torch.as_tensor(pipe.predict(docs))


def confidences(pipe: DualNer) -> list[list[float]]:
    docs = [Doc(pipe.vocab, words=words) for words, _ in SENTENCES]
    return [found.confidences for found in pipe.find(docs, pipe.predict(docs))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", STATES)
def test_round_trip(
    state: Callable, way: Callable, removable: Path, learned: bytes, tmp_path: Path
) -> None:
    """All of it comes back, though the encoder's folder is gone; so does what comes back."""
    torch.manual_seed(0)
    nlp = make_nlp(removable)
    state(nlp, learned)
    pipe = nlp.get_pipe("dualner")
    if pipe.model.has_dim("nO"):
        shutil.rmtree(removable)
    again = way(nlp, lambda: make_nlp(removable), tmp_path)
    assert again.cfg == pipe.cfg and again.labels == pipe.labels
    assert again.to_bytes(exclude=["vocab"]) == pipe.to_bytes(exclude=["vocab"])
    assert all(label in again.vocab.strings for label in pipe.labels)
    if pipe.model.has_dim("nO"):
        assert torch.equal(logits(again), logits(pipe))
        assert confidences(again) == confidences(pipe)
        again.add_label("NEW")
        assert logits(again).shape[1] == 4 * len(again.labels) + 3
    else:
        with pytest.raises(ValueError, match="E109"):
            logits(again)
        again.add_label("NEW")
        again.initialize(lambda: make_examples(nlp))
        assert logits(again).shape[1] == 4 * len(again.labels) + 3


def test_the_encoders_config_comes_back_to_the_last_digit(
    learned: bytes, encoder_path: Path
) -> None:
    """BERT's `layer_norm_eps` is 1e-12, which some writers of JSON take for 0."""
    nlp = make_nlp(encoder_path).from_bytes(learned)
    config = find_encoder(nlp, "dualner").transformer.config
    config.layer_norm_eps, config.initializer_range = 1e-12, 1 / 3
    again = make_nlp(encoder_path).from_bytes(nlp.to_bytes())
    loaded = find_encoder(again, "dualner").transformer.config
    assert loaded.layer_norm_eps == 1e-12 and loaded.initializer_range == 1 / 3


def test_loading_opens_no_connection_and_no_folder(
    learned: bytes, tmp_path: Path, encoder_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the hub is said to be within reach, and a folder bears the encoder's name."""
    nlp = make_nlp(encoder_path).from_bytes(learned)
    nlp.config["components"]["dualner"]["model"]["tok2vec"]["name"] = "elsewhere"
    nlp.to_disk(tmp_path / "model")
    make_encoder(tmp_path / "elsewhere", width=16)
    expected = logits(nlp.get_pipe("dualner"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("transformers.utils.hub._is_offline_mode", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert torch.equal(logits(spacy.load("model").get_pipe("dualner")), expected)


@pytest.mark.parametrize("part", ["cfg", "model", "vocab"])
def test_exclude_when_saving_and_when_loading(
    part: str, learned: bytes, encoder_path: Path, tmp_path: Path
) -> None:
    pipe = make_nlp(encoder_path).from_bytes(learned).get_pipe("dualner")
    pipe.to_disk(tmp_path / "all")
    pipe.to_disk(tmp_path / "less", exclude=[part])
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"cfg", "model", "vocab"}
    assert not (tmp_path / "less" / part).exists()

    def fresh() -> DualNer:
        return make_nlp(encoder_path).get_pipe("dualner")

    for again in (
        fresh().from_disk(tmp_path / "all", exclude=[part]),
        fresh().from_disk(tmp_path / "less", exclude=[part]),
        fresh().from_bytes(pipe.to_bytes(), exclude=[part]),
        fresh().from_bytes(pipe.to_bytes(exclude=[part])),
    ):
        assert again.labels == (() if part == "cfg" else TYPES)
        assert again.model.has_dim("nO") == (None if part == "model" else True)
        assert ("Berlin" in again.vocab.strings) == (part != "vocab")


def test_a_calibrated_pipeline_differs(learned: bytes, encoder_path: Path) -> None:
    """What the round trip of that state would not notice otherwise."""
    nlp = make_nlp(encoder_path).from_bytes(learned)
    before, found = confidences(nlp.get_pipe("dualner")), entities(nlp)
    calibrated(nlp, learned)
    assert confidences(nlp.get_pipe("dualner")) != before
    assert entities(nlp) == found


def test_a_pipeline_without_the_newest_settings_loads(learned: bytes, tmp_path: Path) -> None:
    """As saved before they were there: what is missing has its default."""
    nlp = spacy.blank("xx").from_config(spacy.blank("xx").config)
    nlp.add_pipe("dualner")
    nlp.from_bytes(learned)
    expected = entities(nlp)
    nlp.to_disk(tmp_path)
    cfg = srsly.read_json(tmp_path / "dualner" / "cfg")
    srsly.write_json(tmp_path / "dualner" / "cfg", {key: cfg[key] for key in EARLIEST})
    config = spacy.util.load_config(tmp_path / "config.cfg")
    for key in set(CHANGED) - set(EARLIEST):
        del config["components"]["dualner"][key]
    config.to_disk(tmp_path / "config.cfg")
    again = spacy.load(tmp_path)
    assert again.get_pipe("dualner").cfg == nlp.get_pipe("dualner").cfg
    assert any(expected) and entities(again) == expected


def test_two_pipelines_of_one_file_are_apart(learned: bytes, tmp_path: Path) -> None:
    """Neither weights nor settings are shared between what is loaded twice."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner")
    nlp.from_bytes(learned).to_disk(tmp_path)
    one, other = spacy.load(tmp_path), spacy.load(tmp_path)
    before = entities(other)
    one.get_pipe("dualner").cfg["decode"] = "tag"
    for _ in range(3):
        one.update(make_examples(one)[:1], sgd=AdamW(0.1))
    assert entities(one) != before
    assert entities(other) == before and other.get_pipe("dualner").cfg["decode"] == "span"


def test_initialising_anew_forgets_the_calibrator(learned: bytes, encoder_path: Path) -> None:
    """It fitted the old heads; with other types its features are others as well."""
    nlp = make_nlp(encoder_path)
    calibrated(nlp, learned)
    pipe = nlp.get_pipe("dualner")
    assert pipe.model.attrs["calibrators"]
    pipe.initialize(lambda: make_examples(nlp), labels=["PET"])
    assert not pipe.model.attrs["calibrators"]
    nlp("Anna lives in Berlin")
