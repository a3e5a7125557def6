"""Batches in pieces that the device's memory takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .encode import autocast, encode_words
from .subwords import Ints, SubwordBatch
from .windows import Shape, count_windows, make_blocks, padded_widths

# What a run on a CPU plans with, in bytes. It does not follow the machine's memory, so that a batch
# is cut alike on all of them.
CPU_BYTES = 4e9

# The share of a device's memory that is planned with, and what of it a training run holds beside
# what a forward pass keeps, in copies of the weights: student, gradient, AdamW's two moments,
# teacher, and the best student or a running mean; one is for what comes and goes. On a CPU some
# more, as its allocator does not give all back that was freed.
_SHARE, _GPU_COPIES, _CPU_COPIES = 0.8, 7, 10

# However large the weights, so much is tried.
_LEAST_BYTES = 0.5e9


@dataclass(frozen=True)
class PieceSize:
    """How much of a batch is computed at once."""

    shape: Shape  # how sentences are cut and padded
    most: float  # what a piece may cost; a sentence is never cut to fit
    subword: float = 1.0  # what each padded sub-word costs
    pair: float = 0.0  # what it costs more for each sub-word in its row, as in attention

    def cut(self, lengths: Ints) -> list[Ints]:
        """Halve a batch by cost until every piece fits; one that fits is left as it is.

        lengths (Ints1d): Sub-words of each sentence.
        RETURNS (List[Ints1d]): Places of each piece's sentences, in their order. Sentences of like
            length share a piece.
        """
        pieces, todo = [], [np.argsort(-lengths, kind="stable")]
        while todo:
            places = todo.pop()
            costs = self.costs(lengths[places])
            if len(places) < 2 or costs[-1] <= self.most:
                pieces.append(np.sort(places))
                continue
            middle = int(np.searchsorted(costs, costs[-1] / 2)) + 1
            middle = min(middle, len(places) - 1)
            todo.extend((places[middle:], places[:middle]))
        return pieces

    def costs(self, lengths: Ints) -> Ints:
        """What the first sentences cost together, for each number of them; lengths are falling."""
        counts = count_windows(lengths, self.shape)
        windows = np.repeat(np.minimum(lengths, self.shape.window), counts)
        widths = padded_widths(windows, self.shape)
        total = np.cumsum(widths * (self.subword + self.pair * widths))
        return np.concatenate(([0], total))[np.cumsum(counts)]

    @property
    def subwords(self) -> int:
        """How many padded sub-words in short sentences fit, about."""
        return int(self.most / self.subword)


def fitting_pieces(
    encoder: nn.Module, shape: Shape, *, mixed_precision: bool, passes: int = 1
) -> PieceSize:
    """The pieces that the encoder's device has memory for. Leaves the state of chance alone.

    encoder (nn.Module): Hugging Face encoder. What it keeps for each sub-word is measured.
    passes (int): How often sentences go through it before a backward pass.
    """
    special = len(shape.prefix) + len(shape.suffix)
    (short, per_short), (long, per_long) = (
        (n + special, _bytes_per_row(encoder, shape, n, mixed_precision) / (n + special))
        for n in (min(16, shape.window // 2), min(128, shape.window))
    )
    pair = max(0.0, (per_long - per_short) / (long - short))
    return PieceSize(shape, _bytes_to_keep(encoder) / passes, per_short - pair * short, pair)


def _bytes_to_keep(encoder: nn.Module) -> float:
    device = next(encoder.parameters()).device
    total, copies = CPU_BYTES, _CPU_COPIES
    if device.type == "cuda":
        total, copies = torch.cuda.get_device_properties(device).total_memory, _GPU_COPIES
    # Weights that training leaves alone are there once, for all.
    held = sum(
        (copies if p.requires_grad else 1) * p.numel() * p.element_size()
        for p in encoder.parameters()
    )
    return max(_LEAST_BYTES, _SHARE * total - held)


def _bytes_per_row(encoder: nn.Module, shape: Shape, length: int, mixed_precision: bool) -> float:
    """What a forward pass keeps for each row of so many sub-words."""
    # Weights in bfloat16 are kept once, however many rows there are.
    few, more = (_kept(encoder, shape, length, rows, mixed_precision) for rows in (2, 6))
    return (more - few) / 4


def _kept(encoder: nn.Module, shape: Shape, length: int, rows: int, mixed_precision: bool) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights not counted."""
    device = next(encoder.parameters()).device
    weights = {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        # As it is, an output would hold what made it, and that the output: neither were ever freed.
        return tensor.detach()

    # Not all of one length, for then there is no mask.
    lengths = np.array([length, length - 1] * (rows // 2))
    n_words = int(lengths.sum())
    ones = np.ones(n_words, dtype=np.int64)
    blocks = make_blocks(SubwordBatch(np.zeros_like(ones), ones, lengths), shape)
    was_training = encoder.training
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        torch.enable_grad(),
        autocast(device, mixed_precision),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        encode_words(encoder.train(), blocks, n_words)
    encoder.train(was_training)
    return sum(size for place, size in kept.items() if place not in weights)
