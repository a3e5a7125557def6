"""Batches in pieces that memory takes."""

from __future__ import annotations

import gc
import os
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.corpus import stage2_config, write_corpus
from helpers.many import many
from helpers.tiny import make_examples, make_nlp, train_nlp
from hypothesis import given, settings
from hypothesis import strategies as st

import spacy_dualner.encoder.piece_size as piece_size
from spacy_dualner.encoder.encode import encode_words
from spacy_dualner.encoder.loading import load_encoder
from spacy_dualner.encoder.piece_size import CPU_BYTES, PieceSize, fitting_pieces
from spacy_dualner.encoder.subwords import SubwordBatch
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.encoder.windows import Shape, make_blocks
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import Teaching

SHAPE = Shape((0,), (2,), 1, 30, 15, 200)


def batch_of(lengths: np.ndarray) -> SubwordBatch:
    ones = np.ones(lengths.sum(), dtype=np.int64)
    return SubwordBatch(ones, ones, lengths)


def cost_of_blocks(lengths: np.ndarray, size: PieceSize) -> float:
    """What the encoder is really given, block by block."""
    widths = [block.input_ids.shape for block in make_blocks(batch_of(lengths), size.shape)]
    return sum(rows * width * (size.subword + size.pair * width) for rows, width in widths)


@settings(max_examples=many(200))
@given(
    lengths=st.lists(st.integers(0, 100), min_size=1, max_size=60),
    most=st.integers(1, 2000),
    pair=st.sampled_from([0.0, 0.1]),
)
def test_pieces_fit_and_none_is_needless(lengths: list[int], most: int, pair: float) -> None:
    size = PieceSize(SHAPE, most, 1.5, pair)
    each = np.array(lengths)
    cut = size.cut(each)
    assert sorted(np.concatenate(cut).tolist()) == list(range(len(lengths)))
    for piece in cut:
        assert all(before < after for before, after in pairwise(piece.tolist()))
        assert len(piece) == 1 or cost_of_blocks(each[piece], size) <= most + 1e-6
    if cost_of_blocks(each, size) <= most:
        assert len(cut) == 1


@given(lengths=st.lists(st.integers(0, 100), min_size=1, max_size=40))
def test_costs_are_those_of_the_blocks(lengths: list[int]) -> None:
    size = PieceSize(SHAPE, 1, 1.0, 0.01)
    falling = np.array(sorted(lengths, reverse=True))
    expected = [cost_of_blocks(falling[:n], size) for n in range(1, len(falling) + 1)]
    assert size.costs(falling).tolist() == pytest.approx(expected)


def test_what_an_encoder_keeps_is_measured_and_chance_left_alone(encoder_path: Path) -> None:
    """The estimate for a batch against what its forward pass keeps, counted tensor by tensor."""
    encoder = load_encoder(str(encoder_path)).transformer.eval()
    shape = Shape((0,), (2,), 1, 62, 31, 1024)
    before = torch.get_rng_state()
    gc.collect()
    n_tensors = sum(isinstance(x, torch.Tensor) for x in gc.get_objects())
    size = fitting_pieces(encoder, shape, mixed_precision=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert not encoder.training and 0.7 * CPU_BYTES < size.most < 0.8 * CPU_BYTES
    # Nothing of the measurement stays.
    gc.collect()
    assert sum(isinstance(x, torch.Tensor) for x in gc.get_objects()) <= n_tensors + 1
    lengths = np.array([60, 41, 40, 22, 21, 20, 9, 8, 7])
    kept: dict[int, int] = {p.data_ptr(): 0 for p in encoder.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor.detach()

    encoder.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        vectors = encode_words(encoder, make_blocks(batch_of(lengths), shape), lengths.sum())
    assert vectors.requires_grad
    assert size.costs(lengths)[-1] == pytest.approx(sum(kept.values()), rel=0.1)


@pytest.mark.parametrize("gigabytes", [16, 80])
def test_a_gpu_gives_what_its_weights_leave(
    encoder_path: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: int
) -> None:
    """XLM-R-base, 278 million weights, on a GPU that only says how large it is."""
    weight = SimpleNamespace(
        device=torch.device("cuda", 1),
        numel=lambda: 278_000_000,
        element_size=lambda: 4,
        requires_grad=True,
    )
    seen: list[torch.device] = []

    def properties(device: torch.device) -> Any:
        seen.append(device)
        return SimpleNamespace(total_memory=gigabytes * 1e9)

    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    encoder: Any = SimpleNamespace(parameters=lambda: iter([weight]))
    left = piece_size._bytes_to_keep(encoder)
    # Student, gradient, two moments and teacher, and something to spare.
    assert 0.2 * gigabytes * 1e9 < left < gigabytes * 1e9 - 5 * 4 * 278e6
    assert seen == [weight.device]
    weight.requires_grad = False
    frozen = piece_size._bytes_to_keep(encoder)
    assert frozen == pytest.approx(0.8 * gigabytes * 1e9 - 4 * 278e6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    folder = tmp_path_factory.mktemp("pieces")
    train_nlp(encoder_path, steps=12).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de"])
    return folder


def pieces_of_a_step(folder: Path, output: Path, monkeypatch: Any, **overrides: Any) -> list[int]:
    """Numbers of padded sub-words that the student is given between two backward passes."""
    config = stage2_config(folder / "model", folder / "corpus", **overrides)
    teaching = Teaching(resolve_config(config), output)
    student, backward = teaching.step.student, teaching.accelerator.backward
    given_: list[int] = [0]

    class Counting(torch.nn.Module):
        def forward(self, blocks: Any, n_words: int) -> Any:
            given_[-1] += sum(block.input_ids.size for block in blocks)
            return student(blocks, n_words)

    def count(loss: torch.Tensor) -> None:
        given_.append(0)
        backward(loss)

    monkeypatch.setattr(teaching.step, "student", Counting())
    monkeypatch.setattr(teaching.accelerator, "backward", count)
    teaching.step.take(teaching.data.trained_on, 1.0)
    return given_[:-1]


def test_a_step_is_computed_in_pieces_of_so_many_subwords(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pieces_of_a_step(folder, tmp_path, monkeypatch)
    assert len(whole) == 1
    cut = pieces_of_a_step(folder, tmp_path, monkeypatch, teaching__piece_size=150)
    assert len(cut) > 2 and max(cut) <= 150


def test_what_fits_is_computed_as_a_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before there was a size; and by memory where there is less of it."""
    asked = pieces_of_a_step(folder, tmp_path, monkeypatch, teaching__accumulate_gradient=2)
    assert len(asked) == 2
    monkeypatch.setattr(piece_size, "CPU_BYTES", 0)
    monkeypatch.setattr(piece_size, "_LEAST_BYTES", 1e6)
    assert len(pieces_of_a_step(folder, tmp_path, monkeypatch)) > 2


def test_stage_1_steps_alike_in_pieces_that_fit(
    encoder_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder is given less at once; the gradient is that of the batch's mean."""
    found: list[tuple[int, float, list[torch.Tensor]]] = []
    monkeypatch.setattr(piece_size, "CPU_BYTES", 0)
    for available in (1e9, 3e5):
        monkeypatch.setattr(piece_size, "_LEAST_BYTES", available)
        torch.manual_seed(0)
        nlp = make_nlp(encoder_path)
        nlp.initialize(lambda nlp=nlp: make_examples(nlp))
        pipe = nlp.get_pipe("dualner")
        shim = encoder_shim(pipe.model.get_ref("tok2vec"))
        for module in shim.transformer.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if hasattr(module, "dropout_prob"):  # of the attention
                module.dropout_prob = 0.0
        begin_update, calls = shim.begin_update, []
        monkeypatch.setattr(
            shim, "begin_update", lambda x, b=begin_update, c=calls: c.append(1) or b(x)
        )
        losses: dict[str, float] = {}
        pipe.update(make_examples(nlp), losses=losses)
        pipe._pieces.finish(pipe.model)
        gradients = [p.grad for p in shim.transformer.parameters() if p.grad is not None]
        found.append((len(calls), losses["dualner"], gradients))
    (one, loss, whole), (several, same_loss, cut) = found
    assert one == 1 and several > 1
    assert same_loss == pytest.approx(loss, rel=1e-4)
    for ours, theirs in zip(cut, whole, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


def test_kernels_are_bounded_unless_the_user_says_otherwise(
    encoder_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "64"
    assert os.environ["LRU_CACHE_CAPACITY"] == "7"
