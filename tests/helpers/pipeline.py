"""Pipelines to look at and to train: weights, configs of several components, fresh processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spacy
import torch
from helpers.corpus import other_encoder, run_cli, transformer_model
from helpers.tiny import SENTENCES
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Config

VOCAB = spacy.blank("xx").vocab
GOLD_DOCS = [Doc(VOCAB, words=words, ents=tags) for words, tags in SENTENCES]
GOLD = [[(e.start, e.end, e.label_) for e in doc.ents] for doc in GOLD_DOCS]
# A part of speech each, from the shape of the word alone.
TAGS = {True: "PROPN", False: "OTHER"}


def write_docs(path: Path, tags_are_types: bool = False) -> Path:
    """Write the test sentences with entities and tags, as spaCy's own corpus reader takes them.

    tags_are_types (bool): Whether a word's tag is the type of its entity.
    """
    vocab = spacy.blank("xx").vocab
    docs = []
    for words, ents in SENTENCES:
        if tags_are_types:
            tags = [ent[2:] or "NONE" for ent in ents]
        else:
            tags = [TAGS[word.istitle()] for word in words]
        docs.append(Doc(vocab, words=words, ents=ents, tags=tags))
    DocBin(docs=docs).to_disk(path)
    return path


def transformer_part(encoder: Path) -> dict[str, Any]:
    """Config of the shared `transformer`."""
    return {"factory": "transformer", "model": transformer_model(encoder)}


def listening_part(factory: str, architecture: str) -> dict[str, Any]:
    """Config of a component that listens to the shared `transformer`."""
    listener = other_encoder("listener", Path())
    return {"factory": factory, "model": {"@architectures": architecture, "tok2vec": listener}}


def train_parts(folder: Path, corpus: Path, parts: dict[str, Any], **training: Any) -> str:
    """Run `spacy train` over some components and return what it printed.

    folder (Path): Gets `train.cfg` and `model-last`.
    corpus (Path): A file of annotated Docs.
    parts (Dict[str, Any]): Config of each component, in the pipeline's order.
    training (Any): Settings of `[training]` other than those below.
    """
    config = Config(spacy.blank("xx").config)
    config["nlp"]["pipeline"] = list(parts)
    config["components"] = parts
    reader = {"@readers": "spacy.Corpus.v1", "path": str(corpus)}
    config["corpora"] = {"train": reader, "dev": reader}
    config["training"] |= {
        "max_steps": 60,
        "eval_frequency": 60,
        "optimizer": {"@optimizers": "spacy-dualner.AdamW.v1", "learn_rate": 3e-3},
        "batcher": {"@batchers": "spacy-dualner.batch_by_length.v1", "size": 5},
        **training,
    }
    folder.mkdir(exist_ok=True)
    config.to_disk(folder / "train.cfg")
    status, output = run_cli("train", folder / "train.cfg", "--output", folder)
    assert status == 0
    return output


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError, and end the processes begun here, where something waits for ever."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        # Worker processes that hang would keep the tests from ending.
        for process in multiprocessing.active_children():
            process.kill()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def python(code: str, *arguments: str | Path, timeout: float = 300, **env: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(nlp: Language, name: str = "dualner") -> dict[str, torch.Tensor]:
    """All torch weights of a component."""
    return {
        f"{i}.{key}": value.clone()
        for i, network in _networks(nlp, name)
        for key, value in network.state_dict().items()
    }


def gradients(nlp: Language) -> dict[str, torch.Tensor]:
    """Accumulated gradients of all torch weights."""
    return {
        f"{i}.{key}": p.grad.clone()
        for i, network in _networks(nlp, "dualner")
        for key, p in network.named_parameters()
        if p.grad is not None and p.grad.any()
    }


def _networks(nlp: Language, name: str) -> Iterator[tuple[int, torch.nn.Module]]:
    nodes = nlp.get_pipe(name).model.walk()
    return enumerate(shim._model for node in nodes for shim in node.shims)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def odd_docs(nlp: Language) -> list[Doc]:
    """Docs with nothing, or nothing visible, in them."""
    return [
        Doc(nlp.vocab),
        Doc(nlp.vocab, words=[" "]),
        Doc(nlp.vocab, words=["Anna", "\n\n", "Berlin"]),
        nlp.make_doc(""),
        nlp.make_doc("  \t "),
        Doc(nlp.vocab, words=["Anna"]),
        Doc(nlp.vocab, words=["שלום", "برلين", "مرحبا"]),
        Doc(nlp.vocab, words=["e\u0301\u0302\u0323", "न्‍क", "\u200b", "\u200d"]),
        Doc(nlp.vocab, words=["👩‍👩‍👧", "🏳️‍🌈", "Anna"]),
    ]
