"""Fixtures that several folders share: a tiny encoder and pipelines over it."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The garbage of a thousand pipelines is looked through less often: that takes a tenth of the time.
gc.set_threshold(50_000)
# Nothing in the tests may reach for a hub; read when transformers is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
# More threads than cores wait for each other when tests and what they begin run side by side.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from helpers.many import many
from hypothesis import settings

from experiments.reliability.processes import begin_server, use_server

# The rest is imported where it is used: with xdist one more process reads this file, and tests
# nothing.
if TYPE_CHECKING:
    from spacy.language import Language


# A busy machine is not a failure.
settings.register_profile("any-machine", deadline=None, max_examples=many(100))
settings.load_profile("any-machine")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With xdist, one process that commands are forked from is enough."""
    node.workerinput["server"] = begin_server()


def pytest_configure(config: pytest.Config) -> None:
    if server := getattr(config, "workerinput", {}).get("server"):
        use_server(server)


def pytest_collection_finish() -> None:
    """What is imported stays: no collection of garbage has to look through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """What tests write need not outlive the machine: thousands of waits take half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def entry_points_by_group() -> Iterator[None]:
    """Each lookup of spaCy's goes through those of all packages otherwise: 4% of the time."""
    import catalogue

    found = catalogue.AVAILABLE_ENTRY_POINTS
    with pytest.MonkeyPatch.context() as patch:
        groups = {group: found.select(group=group) for group in found.groups}
        patch.setattr(catalogue, "AVAILABLE_ENTRY_POINTS", groups)
        yield


@pytest.fixture(scope="session")
def encoder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny encoder: 2 layers x 32, at most 64 sub-words with special ones."""
    from helpers.tiny import make_encoder

    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def still_path(encoder_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder without dropout."""
    path = tmp_path_factory.mktemp("still") / "encoder"
    shutil.copytree(encoder_path, path)
    config = json.loads((path / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.fixture(scope="session")
def trained_nlp(encoder_path: Path) -> Language:
    """Shared by tests that do not change it."""
    from helpers.tiny import train_nlp

    return train_nlp(encoder_path)


@pytest.fixture(scope="session")
def learned(trained_nlp: Language) -> bytes:
    """Bytes of a pipeline that knows the test sentences by heart."""
    return trained_nlp.to_bytes()


@pytest.fixture
def own(encoder_path: Path, learned: bytes) -> Language:
    """The same pipeline, for one test alone."""
    from helpers.tiny import make_nlp

    return make_nlp(encoder_path).from_bytes(learned)


@pytest.fixture
def nlp(encoder_path: Path) -> Language:
    """An initialised pipeline with random heads."""
    import torch
    from helpers.tiny import make_examples, make_nlp

    torch.manual_seed(0)
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.fixture(scope="module")
def bpe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RoBERTa with a byte-level BPE tokenizer."""
    from helpers.encoders import make_roberta

    return make_roberta(tmp_path_factory.mktemp("roberta"))


@pytest.fixture(scope="module")
def bert_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with a WordPiece tokenizer, which maps some words to nothing."""
    from helpers.families import write_family

    return write_family("bert", tmp_path_factory.mktemp("bert"))
