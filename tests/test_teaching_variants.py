"""Settings of stage 2 beyond the paper's recipe: each acts, and each can be interrupted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import torch
from conftest import train_nlp
from helpers_corpus import stage2_config, write_corpus

from spacy_dualner.packaging.origin import read_origin
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import Teaching

# Four steps an epoch. Of the evaluations before the last one some are no better than those before.
SHORT = {"teaching__eval_frequency": 2, "teaching__max_epochs": 2}
VARIANTS: list[dict[str, Any]] = [
    {"teacher__update": "latest"},
    {"teacher__update": "never"},
    {"teacher__update": "always", "teacher__decay": 0.9},
    {"teacher__decay": 0.9},
    {"teacher__rounds": 2},
    {"pseudo_labels__heads": "joint"},
    {"pseudo_labels__soft": True},
    {"pseudo_labels__heads": "joint", "pseudo_labels__soft": True},
    {"pseudo_labels__confidence": "word"},
    {"pseudo_labels__confidence": "entity"},
    {"pseudo_labels__confidence": "entity", "pseudo_labels__threshold": 0.9},
    {"pseudo_labels__confidence": "agreement"},
    {"pseudo_labels__quota": 0.5},
    {"pseudo_labels__balance": 1.0, "pseudo_labels__soft": True},
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
        if self.step == 7:
            raise KeyboardInterrupt
        return train_step(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Teaching, "train_step", failing)
        start(folder, tmp_path / "parts", dropout=0.0, **settings).run(False)
    resumed = start(folder, tmp_path / "parts", dropout=0.0, **settings)
    assert same(last_student(resumed, resume=True), whole)


# Rounds


def test_each_round_ends_with_an_evaluation(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    settings = {"eval_frequency": 3, "max_epochs": 1, "logger__output_file": str(path)}
    teaching = start(folder, tmp_path / "out", teacher__rounds=3, **settings)
    assert teaching.total_steps == 3 * 4
    teaching.run(resume=False)
    rows = list(srsly.read_jsonl(path))
    assert [row["step"] for row in rows] == [0, 3, 4, 6, 8, 9, 12]
    assert [row["epoch"] for row in rows] == [0, 0, 1, 1, 2, 2, 3]


def test_each_round_begins_from_stage_1(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, the optimizer's memory and the learning rate; the best so far teaches."""
    students, rates, untrained, taught_by_best = [], [], [], []
    train_step = Teaching.train_step

    def recording(self: Teaching, batch: Any) -> Any:
        students.append({k: v.clone() for k, v in self.network.state_dict().items()})
        untrained.append(not self.optimizer.state)
        taught_by_best.append(
            same(self.teacher.network.state_dict(), self.teacher.best.state_dict())
        )
        loss = train_step(self, batch)
        rates.append(self.optimizer.param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(Teaching, "train_step", recording)
    settings = {"max_epochs": 1, "teacher__rounds": 2, "teacher__update": "latest"}
    start(folder, tmp_path / "out", dropout=0.0, **settings).run(resume=False)
    assert same(students[4], students[0]) and not same(students[3], students[0])
    assert untrained == [True, False, False, False] * 2
    assert rates[:4] == rates[4:] and len(set(rates)) > 1
    assert taught_by_best[4]


# Sampling


def test_a_language_that_is_source_and_target_is_drawn_as_two(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def recording(self: Teaching, batch: Any) -> torch.Tensor:
        drawn.extend(batch.tolist())
        return torch.zeros(())

    monkeypatch.setattr(Teaching, "train_step", recording)
    langs = {"corpora__source__langs": "en,de", "corpora__target__langs": "de,sw"}
    settings = {"teaching__sampling__source_share": 0.25, "teaching__max_epochs": 1}
    config = stage2_config(folder / "model", folder / "corpus", **langs, **settings)
    teaching = Teaching(resolve_config(config), tmp_path)
    teaching.run(resume=False)
    names = [teaching.corpus.lang_names[i] for i in teaching.corpus.langs[drawn]]
    sides = zip(names, (number < teaching.n_source for number in drawn), strict=True)
    assert Counter(sides) == {
        ("en", True): 5, ("de", True): 5, ("de", False): 15, ("sw", False): 15
    }  # fmt: skip


def test_a_pool_that_is_still_empty_is_resumed(folder: Path, tmp_path: Path) -> None:
    """A checkpoint may be written before the teacher finds the first entity."""
    teaching = start(folder, tmp_path, noise__switch=0.5)
    teaching._save_checkpoint()
    resumed = start(folder, tmp_path, noise__switch=0.5)
    assert resumed.views.pool is not None
    last_student(resumed, resume=True)
    assert len(resumed.views.pool) > 0


def test_a_model_says_how_it_was_taught(folder: Path, tmp_path: Path) -> None:
    """In meta.json and in what the model card tells; the paper's recipe names nothing more."""
    for settings in ({}, {"noise__mask": 0.15, "pseudo_labels__heads": "joint"}):
        nlp = spacy.load(start(folder, tmp_path / "out", **settings).run(False))
        expected = {name.replace("__", "."): value for name, value in settings.items()}
        assert nlp.meta["dualner"]["variants"] == expected
        told = read_origin(nlp.config, nlp.meta).methods[1]
        assert all(f"{name} = {value}" in told for name, value in expected.items())
        assert ("noise" in told) == bool(settings)
