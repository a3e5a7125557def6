"""Settings of stage 2 beyond the paper's recipe: each acts, and each can be interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from conftest import train_nlp
from helpers_corpus import stage2_config, write_corpus

from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.loop import Teaching

SHORT = {"teaching__eval_frequency": 4, "teaching__max_epochs": 2}
VARIANTS: list[dict[str, Any]] = [
    {"teacher__update": "latest"},
    {"teacher__update": "average", "teacher__decay": 0.9},
    {"teacher__rounds": 2},
    {"pseudo_labels__heads": "joint"},
    {"pseudo_labels__soft": True},
    {"pseudo_labels__heads": "joint", "pseudo_labels__soft": True},
    {"pseudo_labels__confidence": "word"},
    {"pseudo_labels__confidence": "entity"},
    {"pseudo_labels__confidence": "entity", "pseudo_labels__threshold": 0.9},
    {"pseudo_labels__confidence": "agreement"},
    {"pseudo_labels__quota": 0.5},
    {"pseudo_labels__empty": 0.0},
    {"regulariser__kind": "means"},
    {"regulariser__kind": "contrastive"},
    {"regulariser__between_langs": True},
    {"regulariser__normalise": True},
    {"regulariser__memory": 100},
    {"noise__consistency": 1.0},
    {"noise__mask": 0.3},
    {"noise__split": 0.5},
    {"noise__switch": 1.0},
    {"sampling__temperature": 5.0},
    {"sampling__source_share": 0.2},
    {"sampling__pool": 1},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with a weak stage-1 `model` and a `corpus` in en, de and sw."""
    folder = tmp_path_factory.mktemp("variants")
    train_nlp(encoder_path, steps=12).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"])
    return folder


def start(folder: Path, output: Path, **settings: Any) -> Teaching:
    overrides = {f"teaching__{name}": value for name, value in settings.items()}
    config = stage2_config(folder / "model", folder / "corpus", **{**SHORT, **overrides})
    output.mkdir(exist_ok=True)
    return Teaching(resolve_config(config), output)


def last_student(teaching: Teaching, *, resume: bool = False) -> dict[str, torch.Tensor]:
    """The weights after the last step, whether it is the best one or not."""
    students: list[dict[str, torch.Tensor]] = []
    write = teaching._write_best

    def keep() -> Path:
        students.append({k: v.clone() for k, v in teaching.network.state_dict().items()})
        return write()

    teaching._write_best = keep  # type: ignore[method-assign]
    spacy.load(teaching.run(resume))
    return students[0]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def plain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return last_student(start(folder, tmp_path_factory.mktemp("plain"), dropout=0.0))


@pytest.mark.parametrize(
    "settings", VARIANTS, ids=lambda s: ",".join(f"{k}={v}" for k, v in s.items())
)
def test_each_setting_acts_and_resumes(
    folder: Path, tmp_path: Path, plain, settings: dict[str, Any], monkeypatch
) -> None:
    whole = last_student(start(folder, tmp_path / "whole", dropout=0.0, **settings))
    assert all(torch.isfinite(weight).all() for weight in whole.values())
    assert not same(whole, plain)

    train_step = Teaching.train_step

    def failing(self: Teaching, batch: Any) -> Any:
        if self.step == 6:
            raise KeyboardInterrupt
        return train_step(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Teaching, "train_step", failing)
        start(folder, tmp_path / "parts", dropout=0.0, **settings).run(False)
    resumed = start(folder, tmp_path / "parts", dropout=0.0, **settings)
    assert same(last_student(resumed, resume=True), whole)
