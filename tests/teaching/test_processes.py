"""Stage 2 on several processes that share the work."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from accelerate import Accelerator
from helpers.corpus import stage2_config, write_corpus
from helpers.pipeline import weights
from helpers.tiny import train_nlp

from experiments.reliability.processes import Command
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import Teaching

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A stage-1 `model` without any dropout and a `corpus`: a step has one right result."""
    folder = tmp_path_factory.mktemp("processes")
    nlp = train_nlp(encoder_path, steps=12)
    config = encoder_shim(nlp.get_pipe("dualner").model.get_ref("tok2vec")).transformer.config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    nlp.to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de"])
    return folder


def teach(folder: Path, output: Path, n_processes: int, **overrides: object) -> str:
    """Run the command in so many processes and return what they printed.

    Each has in its environment what the launcher puts there; `test_machines` has the launcher.
    """
    settings = {
        # 20 sentences: the last batch of an epoch has 2, fewer than three processes.
        "teaching__batch_size": 9,
        "teaching__alpha": 0.0,
        "teaching__dropout": 0.0,
        "teaching__eval_frequency": 1,
        "teaching__logger__output_file": str(output.with_suffix(".jsonl")),
        **overrides,
    }
    config = output.with_suffix(".cfg")
    stage2_config(folder / "model", folder / "corpus", **settings).to_disk(config)
    words = ("spacy", "dualner", "teach", config, "--output", output)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(n_processes)}
    processes: list[Command] = []
    with ExitStack() as stack:
        for rank in range(n_processes):
            own = env | {"RANK": str(rank), "LOCAL_RANK": str(rank), "CUDA_VISIBLE_DEVICES": ""}
            said = output.with_name(f"said-{rank}")
            process = Command(output.parent, said, *words, environment=own)
            processes.append(stack.enter_context(process))
        for process in processes:
            assert process.wait(240) == 0, process.read()
        return "".join(process.read()[0] for process in processes)


def losses(output: Path) -> list[float]:
    rows = list(srsly.read_jsonl(output.with_suffix(".jsonl")))
    return [row["losses"]["dualner"] for row in rows]


def trained(output: Path) -> dict[str, torch.Tensor]:
    return weights(spacy.load(output / "model-best"))


@pytest.fixture(scope="module")
def one(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("one") / "out"
    teach(folder, output, 1)
    return output


@pytest.mark.parametrize("n_processes,pieces", [(2, 5), (3, 1)])
def test_processes_do_what_one_does(
    folder: Path, tmp_path: Path, one: Path, n_processes: int, pieces: int
) -> None:
    """The same losses and weights, with a last batch that is smaller than three processes.

    Of nine sentences in pieces of one, one process has a piece more than the other.
    """
    output = tmp_path / "out"
    printed = teach(folder, output, n_processes, teaching__accumulate_gradient=pieces)
    expected = losses(one)
    assert len(expected) == 1 + 2 * 3
    assert min(expected[1:]) > 0
    assert losses(output) == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(trained(output), trained(one), atol=2e-4, rtol=1e-2)
    # The first process alone speaks and writes.
    assert printed.count("Saved pipeline to") == 1
    assert printed.count("Source: ") == 1
    assert [path.name for path in output.iterdir()] == ["model-best"]


def test_processes_cut_the_same_words(folder: Path, tmp_path: Path) -> None:
    """A reader that draws gives each of them the same text."""
    settings = {"corpora__source__cut": 0.5, "teaching__max_epochs": 1}
    teach(folder, tmp_path / "out", 2, **settings)
    assert len(losses(tmp_path / "out")) == 1 + 3


@pytest.mark.parametrize("n_processes", [1, 2, 3])
@pytest.mark.parametrize("n_sentences", [2, 7])
@pytest.mark.parametrize("pieces", [1, 3])
def test_the_regulariser_is_a_mean(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_processes: int,
    n_sentences: int,
    pieces: int,
) -> None:
    """The shares of all pieces of all processes add up to one, however small the batch."""
    settings = {"teaching__accumulate_gradient": pieces}
    config = stage2_config(folder / "model", folder / "corpus", **settings)
    teaching = Teaching(resolve_config(config), tmp_path)
    weight = next(teaching.network.parameters())

    def share_alone(sentences: object, n_source: object, n_target: object, share: float) -> object:
        return weight.sum() * 0 + share

    monkeypatch.setattr(teaching.step, "_loss", share_alone)
    monkeypatch.setattr(Accelerator, "num_processes", n_processes)
    totals = []
    for index in range(n_processes):
        monkeypatch.setattr(Accelerator, "process_index", index)
        totals.append(float(teaching.step.take(teaching.data.trained_on[:n_sentences], 1.0)))
    assert sum(totals) / n_processes == pytest.approx(1)
