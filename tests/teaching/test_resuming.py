"""Checkpoints and devices: what a run of stage 2 holds, and with what other machines go on."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.corpus import run_cli, stage2_config, write_corpus
from helpers.teaching import start
from helpers.tiny import train_nlp

import spacy_dualner.teaching.development as development
import spacy_dualner.teaching.teach as loop
from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.checkpoint import load_checkpoint, save_checkpoint
from spacy_dualner.teaching.teach import Teaching


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with a weak stage-1 `model` and a `corpus` in three languages."""
    folder = tmp_path_factory.mktemp("resuming")
    train_nlp(encoder_path, steps=12).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"])
    return folder


@pytest.fixture
def interrupted(folder: Path, tmp_path: Path) -> Path:
    """The output folder of a run that has written a checkpoint."""
    teaching = start(folder, tmp_path)
    teaching.step.take(teaching.data.trained_on[:5], 1.0)
    teaching.n_steps = 2
    teaching._save_checkpoint()
    return tmp_path


def test_a_checkpoint_with_a_flipped_bit_is_refused_or_the_same(tmp_path: Path) -> None:
    state = {"step": 3, "student": {"weight": torch.arange(99.0)}, "best": {"a": [0.5]}}
    save_checkpoint(tmp_path, state)
    path, cpu = tmp_path / "checkpoint.pt", torch.device("cpu")
    whole, refused = path.read_bytes(), 0
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert repr(load_checkpoint(tmp_path, cpu)) == repr(state)
        except DualNerError as error:
            refused += 1
            assert f"{path}: " in str(error) and "\n" not in str(error)
    assert refused > len(whole) / 14


def test_a_run_does_not_hold_the_checkpoint_that_it_goes_on_from(
    folder: Path, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[weakref.ref] = []
    load, train = loop.load_checkpoint, Teaching._train

    def watched(*arguments: Any) -> Any:
        checkpoint = load(*arguments)
        read.extend(weakref.ref(weight) for weight in checkpoint["student"].values())
        return checkpoint

    def looking(self: Teaching, log: Any) -> None:
        gc.collect()
        assert read and not any(weight() is not None for weight in read)
        train(self, log)

    monkeypatch.setattr(loop, "load_checkpoint", watched)
    monkeypatch.setattr(Teaching, "_train", looking)
    start(folder, interrupted).run(resume=True)


def test_a_run_that_begins_anew_says_what_it_replaces(
    folder: Path, interrupted: Path, capsys: pytest.CaptureFixture
) -> None:
    start(folder, interrupted).run(resume=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "checkpoint.pt: of an interrupted run" in said and "add --resume" in said
    start(folder, interrupted).run(resume=False)
    assert "interrupted run" not in capsys.readouterr().out


def test_a_checkpoint_of_more_gpus_goes_on_with_fewer(folder: Path, interrupted: Path) -> None:
    """Eight processes with a GPU each, then one without."""
    path = interrupted / "checkpoint.pt"
    checkpoint = torch.load(path, weights_only=True)
    state = {**checkpoint["random"][0], "cuda": torch.zeros(16, dtype=torch.uint8)}
    torch.save({**checkpoint, "random": [state] * 8}, path)
    teaching = start(folder, interrupted)
    teaching.run(resume=True)
    assert teaching.n_steps == teaching.schedule.total


def test_a_checkpoint_of_another_version_is_a_clear_error(folder: Path, interrupted: Path) -> None:
    path = interrupted / "checkpoint.pt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["format"]
    torch.save(checkpoint, path)
    with pytest.raises(DualNerError, match=r"another version.*without --resume"):
        start(folder, interrupted).run(resume=True)


def test_a_checkpoint_of_another_stage_1_is_refused(
    folder: Path, tmp_path: Path, encoder_path: Path
) -> None:
    """Trained anew in the same place, after which `--resume` would go on from the former one."""
    work = tmp_path / "work"
    shutil.copytree(folder, work)
    teaching = start(work, tmp_path / "out")
    teaching._save_checkpoint()
    train_nlp(encoder_path, steps=13).to_disk(work / "model")
    with pytest.raises(DualNerError, match="another config or corpus, or of another stage-1"):
        start(work, tmp_path / "out").run(resume=True)


def test_the_state_of_chance_is_of_the_own_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {torch.device("cuda", i): torch.tensor([i], dtype=torch.uint8) for i in range(8)}
    monkeypatch.setattr(torch.cuda, "get_rng_state", states.__getitem__)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: list(states.values()))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    kept: dict[torch.device, torch.Tensor] = {}
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda s, d: kept.update({d: s}))
    state = loop.random_state(torch.device("cuda", 3))
    assert state["cuda"].tolist() == [3]
    loop.restore_random_state(state, torch.device("cuda", 0))
    assert {device.index: s.tolist() for device, s in kept.items()} == {0: [3]}


def test_gradients_are_not_kept_twice(folder: Path, tmp_path: Path) -> None:
    handler = start(folder, tmp_path).accelerator.ddp_handler
    assert handler is not None and handler.gradient_as_bucket_view


@pytest.mark.parametrize("select", ["mean", "agreement"])
def test_processes_score_different_languages_and_get_one_answer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, select: str
) -> None:
    """Three processes one after the other: no sentence is predicted twice."""
    teaching = start(
        folder,
        tmp_path,
        teaching__select=select,
        corpora__dev__langs="en,de,sw",
        corpora__target__langs="de,sw",
    )
    score, scores = teaching.development.score(teaching.network)
    predict, gather = development.predict_tags, development.gather_object
    predicted: list[int] = []
    parts: list[dict[str, float]] = []

    def counting(network: Any, corpus: Any, sentences: Any, shape: Any) -> Any:
        predicted.append(len(sentences))
        return predict(network, corpus, sentences, shape)

    def collecting(objects: list[dict[str, float]]) -> list[dict[str, float]]:
        parts.extend(objects)
        return [scores]

    monkeypatch.setattr(development, "predict_tags", counting)
    monkeypatch.setattr(development, "gather_object", collecting)
    by_process = []
    for process in range(3):
        before = len(predicted)
        teaching.development.score(teaching.network, process, 3)
        by_process.append(len(predicted) - before)
    dev, held_back = teaching.development.dev, teaching.development.held_back
    assert sum(predicted) == len(dev) + len(held_back)
    assert min(by_process) > 0
    assert {name: f for part in parts for name, f in part.items()} == scores
    assert sum(map(len, parts)) == len(scores)
    monkeypatch.setattr(development, "gather_object", lambda objects: parts)
    assert teaching.development.score(teaching.network, 0, 3) == (score, scores)
    assert gather([1]) == [1]


def test_processes_that_would_leave_their_gpus_idle_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`accelerate launch --multi_gpu` names each process's GPU; --gpu-id has to ask for it."""
    config = tmp_path / "stage2.cfg"
    stage2_config(folder / "model", folder / "corpus").to_disk(config)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    status, output = run_cli("dualner", "teach", config, "--output", tmp_path / "out")
    assert status == 1
    assert "2 idle GPUs. Add --gpu-id 0" in output
