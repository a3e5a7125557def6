"""Folders with one of everything that the commands read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.corpus import stage1_config, stage2_config, write_corpus
from helpers.families import write_classifier
from helpers.tiny import train_nlp
from spacy.cli.train import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with a trained `model`, a `corpus`, a classifier `hf`, `stage2.cfg`, `text.txt`."""
    folder = tmp_path_factory.mktemp("endings")
    train_nlp(encoder_path, steps=20).to_disk(folder / "model")
    write_corpus(folder / "corpus")
    write_classifier(encoder_path, folder / "hf")
    stage2_config(folder / "model", folder / "corpus").to_disk(folder / "stage2.cfg")
    (folder / "text.txt").write_text("Anna in Berlin\n")
    return folder


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with a `corpus`, `stage1.cfg`, and in `out` what `spacy train` makes of them."""
    folder = tmp_path_factory.mktemp("commands")
    write_corpus(folder / "corpus", copies=4)
    config = stage1_config(
        encoder_path,
        folder / "corpus",
        training__max_epochs=30,
        training__eval_frequency=20,
        corpora__dev__langs="en",
    )
    config.to_disk(folder / "stage1.cfg")
    train(folder / "stage1.cfg", folder / "out", use_gpu=-1)
    return folder


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with `model`, `corpus`, `text.txt`, and data for `convert`."""
    for name in ("model", "corpus", "hf"):
        shutil.copytree(folder / name, tmp_path / name)
    stage2_config(Path("model"), Path("corpus"), teaching__max_epochs=1).to_disk(
        tmp_path / "stage2.cfg"
    )
    (tmp_path / "text.txt").write_text("Anna in Berlin\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train-en.conll").write_text("Anna B-PER\nsings O\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
