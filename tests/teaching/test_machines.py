"""`teach` with gold labels alone, as a stage 1 that several machines share."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import spacy
import srsly
import torch
from accelerate import Accelerator
from helpers.corpus import entities, run_cli, stage1_config, stage2_config, write_corpus
from helpers.pipeline import GOLD, weights
from spacy.util import load_config

from experiments.reliability.processes import Command, NewCommand
from spacy_dualner.errors import DualNerError
from spacy_dualner.packaging.origin import read_origin
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.processes import together
from spacy_dualner.teaching.teach import Teaching

STAGE1 = [
    "--teaching.method", "gold", "--teaching.alpha", 0, "--corpora.target", "null",
    "--teaching.max_epochs", 30, "--teaching.eval_frequency", 1, "--teaching.dropout", 0.0,
    "--teaching.optimizer.learn_rate", 0.003,
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, still_path: Path) -> Path:
    """An untrained pipeline `begin` without dropout, a `corpus` and `stage2.cfg`."""
    folder = tmp_path_factory.mktemp("machines")
    corpus = write_corpus(folder / "corpus")
    stage1_config(still_path, corpus).to_disk(folder / "stage1.cfg")
    assert run_cli("init", "nlp", folder / "stage1.cfg", folder / "begin")[0] == 0
    config = stage2_config(folder / "begin", corpus, teaching__select="source")
    config.to_disk(folder / "stage2.cfg", interpolate=False)
    return folder


def command(folder: Path, output: Path, *more: object) -> list[str]:
    words = ["dualner", "teach", folder / "stage2.cfg", "--output", output, *STAGE1, *more]
    return list(map(str, words))


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """What one process trains."""
    status, said = run_cli(*command(folder, folder / "alone"))
    assert status == 0, said
    return folder / "alone" / "model-best"


def test_gold_labels_alone_are_a_stage_1(folder: Path, alone: Path, tmp_path: Path) -> None:
    nlp = spacy.load(alone)
    assert entities(nlp) == GOLD
    said = run_cli("dualner", "teach", folder / "stage2.cfg", "-o", tmp_path / "two",
                   "--paths.model", alone, "--teaching.max_epochs", 1)[1]  # fmt: skip
    assert "target: 10 (de)" in said
    first, second = (
        read_origin(load_config(path / "config.cfg"), srsly.read_json(path / "meta.json"))
        for path in (alone, tmp_path / "two" / "model-best")
    )
    assert first.stage2 is None and second.stage2 is not None
    for origin in (first, second):
        # As it was trained, and not as the config of `spacy train` would have.
        assert (origin.stage1["max_epochs"], origin.stage1["batch_size"]) == (30, 5)
        assert origin.source == {"en": 10}


def test_target_text_would_do_nothing(folder: Path, tmp_path: Path) -> None:
    status, said = run_cli(
        "dualner", "teach", folder / "stage2.cfg", "-o", tmp_path, "--teaching.method", "gold"
    )
    assert status == 1 and "corpora.target would do nothing. Set it to null." in said


def test_no_teacher_is_asked(folder: Path, tmp_path: Path) -> None:
    config = stage2_config(
        folder / "begin", folder / "corpus", teaching__method="gold", corpora__target=None,
        teaching__select="source",
    )  # fmt: skip
    teaching = Teaching(resolve_config(config), tmp_path)
    teaching.teacher.network.forward = None  # type: ignore[assignment, method-assign]
    assert float(teaching.step.take(teaching.data.trained_on, 1.0)) > 0


def test_heads_that_know_nothing_yet_are_no_news(folder: Path, tmp_path: Path) -> None:
    """`init nlp` makes them so, and there is no teacher that would teach its mistakes."""
    status, said = run_cli(*command(folder, tmp_path, "--teaching.max_epochs", 1))
    assert status == 0 and "near zero" not in said


def test_processes_that_work_on_different_things_stop(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accelerator, "num_processes", 2)
    other: list[str] = []
    monkeypatch.setattr(
        "spacy_dualner.teaching.processes.gather_object", lambda own: own + (other or own)
    )
    config = resolve_config(stage2_config(folder / "begin", folder / "corpus"))
    Teaching(config, tmp_path)
    other.append("of another text")
    with pytest.raises(DualNerError, match="different pipelines, text or checkpoints"):
        Teaching(config, tmp_path)


def test_only_what_another_process_caused_is_put_down_to_it() -> None:
    with pytest.raises(DualNerError, match="with --resume"), together():
        raise torch.distributed.DistBackendError("NCCL")
    with pytest.raises(RuntimeError, match="out of memory"), together():
        raise RuntimeError("out of memory")


def machines(folder: Path, output: Path, launched: bool) -> list[Command]:
    """Begin the command as two machines would."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["spacy", *command(folder, output)]
    begun = []
    for rank in (0, 1):
        where, said = output.parent, output.with_name(f"said-{rank}")
        env = {"CUDA_VISIBLE_DEVICES": "", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        if launched:
            launch = ["accelerate.commands.launch", "--multi_gpu", "--num_machines", 2]
            launch += ["--machine_rank", rank, "--num_processes", 2, "--same_network"]
            launch += ["--main_process_ip", "127.0.0.1", "--main_process_port", port]
            launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m"]
            begun.append(NewCommand(where, said, *map(str, launch), *words, environment=env))
        else:
            env |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": "0"}
            begun.append(Command(where, said, *words, environment=env))
    return begun


@pytest.mark.slow
@pytest.mark.parametrize("launched", [False, True])
def test_two_machines_do_what_one_does(
    folder: Path, alone: Path, tmp_path: Path, launched: bool
) -> None:
    """One of them ends half-way; one process goes on from the checkpoint."""
    if launched and not os.environ.get("NIGHTLY"):
        pytest.skip("accelerate takes long to launch: NIGHTLY=1 asks for it")
    output = tmp_path / "out"
    with ExitStack() as stack:
        first, second = map(stack.enter_context, machines(folder, output, launched))
        first.until((output / "checkpoint.pt").exists)
        for process in second.children() or [psutil.Process(second.pid)]:
            process.kill()
        assert first.wait(120) and second.wait(120)
        said = "".join(first.read())
    assert "Another process of this run ended before its time" in said
    assert "teach.py" not in said  # no traceback of ours
    status, printed = run_cli(*command(folder, output, "--resume"))
    assert status == 0 and "Resumed at step" in printed, printed
    mixed, own = (weights(spacy.load(path)) for path in (output / "model-best", alone))
    assert entities(spacy.load(output / "model-best")) == GOLD
    torch.testing.assert_close(mixed, own, atol=1e-3, rtol=1e-2)
