"""Settings of stage 2: each acts, each can be interrupted, and the pipeline names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from helpers.corpus import sentences_of, write_corpus
from helpers.pipeline import same
from helpers.teaching import Interrupted, interrupt_at, last_student, start
from helpers.tiny import train_nlp

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.packaging.origin import read_origin

# Four steps an epoch. In each variant some evaluation is better than those before, and some is not.
SHORT = {"teaching__batch_size": 10, "teaching__dropout": 0.0, "teaching__max_epochs": 4}
VARIANTS: dict[str, dict[str, Any]] = {
    "templates": {"teaching__teacher__templates": 0.5},
    "selfkl": {"teaching__method": "selfkl"},
    "alpha": {"teaching__alpha": 0.0},
    "mse_norm": {"teaching__mse_norm": "set"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A stage-1 `model` that knows some names, and a `corpus` in en and de, where redirects are."""
    folder = tmp_path_factory.mktemp("variants")
    train_nlp(encoder_path, steps=14).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de"])
    path = corpus_path(folder / "corpus", "unlabelled", "de")
    with DocBinWriter(path, "de", labelled=False) as writer:
        for words, _ in sentences_of("de") * 2:
            writer.add(words)
        for name in (["Anna", "Smith"], ["Acme", "Corp"], ["Berlin"], ["Rome"]) * 5:
            writer.add(["WEITERLEITUNG", *name])
    return folder


@pytest.fixture(scope="module")
def students(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, torch.Tensor]]:
    """The last student of the plain run, "", and of each variant."""
    return {
        name: last_student(start(folder, tmp_path_factory.mktemp("whole"), **SHORT, **settings))
        for name, settings in {"": {}, **VARIANTS}.items()
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_each_setting_acts(students: dict[str, dict[str, torch.Tensor]], name: str) -> None:
    """Its student is like that of no other variant."""
    assert all(torch.isfinite(weight).all() for weight in students[name].values())
    assert [other for other in students if same(students[other], students[name])] == [name]


@pytest.mark.parametrize("name", VARIANTS)
def test_each_setting_resumes(
    folder: Path, tmp_path: Path, students, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SHORT | VARIANTS[name]
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, 13)
        start(folder, tmp_path, **settings).run(resume=False)
    assert same(last_student(start(folder, tmp_path, **settings), resume=True), students[name])


def test_a_model_says_how_it_was_taught(folder: Path, tmp_path: Path) -> None:
    """In meta.json and in what the model card tells; the paper's recipe names nothing more."""
    for settings in ({}, VARIANTS["templates"]):
        nlp = spacy.load(start(folder, tmp_path / "out", **SHORT, **settings).run(False))
        expected = {
            name.removeprefix("teaching__").replace("__", "."): v for name, v in settings.items()
        }
        assert nlp.meta["dualner"]["variants"] == expected
        told = read_origin(nlp.config, nlp.meta).methods[1]
        assert all(f"{name} = {value}" in told for name, value in expected.items())
        assert ("teacher." in told) == bool(settings)
    # So does one taught by settings that are gone.
    nlp.meta["dualner"]["variants"] = {"noise.mask": 0.15, "pseudo_labels.heads": "joint"}
    told = read_origin(nlp.config, nlp.meta).methods[1]
    assert told.endswith(", noise.mask = 0.15, pseudo_labels.heads = joint")
