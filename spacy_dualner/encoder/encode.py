"""Padded blocks to word vectors: the torch part, used by the Thinc layer and by teaching alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from ..labels.words import check_lengths
from .subwords import ragged_arange
from .windows import Block


def encode_words(
    transformer: nn.Module, blocks: Sequence[Block], n_words: int, pooling: str = "first"
) -> Tensor:
    """Run the encoder over blocks and give each word its vector.

    blocks (Sequence[Block]): From `make_blocks`; together they hold each word once.
    pooling (str): `mean` takes the mean of a word's sub-words, else the first one's vector: which
        that is, the blocks tell.
    RETURNS (Floats2d): `[n_words, width]`, float32.
    """
    config: Any = transformer.config
    device = next(transformer.parameters()).device
    check_lengths("word", n_words, sum(len(block.words) for block in blocks))
    places = [torch.from_numpy(block.words).to(device, non_blocking=True) for block in blocks]
    parts = (pool_words(_states(transformer, block), block, pooling) for block in blocks)
    if blocks and torch.is_grad_enabled():
        return torch.cat(list(parts))[torch.cat(places).argsort()]
    # Kept one by one, the blocks' vectors would leave holes in memory that nothing else fits in:
    # for a Doc of 200,000 words 20 times what they take themselves.
    vectors = torch.empty((n_words, config.hidden_size), device=device, dtype=torch.float32)
    for place, part in zip(places, parts, strict=True):
        vectors[place] = part
    return vectors


def _states(transformer: nn.Module, block: Block) -> Tensor:
    """The encoder's output for a block, `[rows, width, hidden]`."""
    device = next(transformer.parameters()).device
    ids = torch.from_numpy(block.input_ids).to(device, non_blocking=True)
    lengths = torch.from_numpy(block.lengths).to(device, non_blocking=True)
    mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
    states: Tensor = transformer(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return states


def pool_words(states: Tensor, block: Block, pooling: str) -> Tensor:
    """`[words, hidden]` in float32, in the block's order, of states `[rows, width, hidden]`."""
    states = states.flatten(0, 1)
    if pooling == "mean":
        of_words = ragged_arange(block.first, block.counts), np.cumsum(block.counts) - block.counts
        rows, begins = (torch.from_numpy(x).to(states.device) for x in of_words)
        return embedding_bag(rows, states.float(), begins, mode="mean")
    return states[torch.from_numpy(block.first).to(states.device, non_blocking=True)].float()


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 arithmetic is native on a device: elsewhere it is slower than float32."""
    if device.type == "cuda":
        # Torch says that it is supported where it is emulated, too.
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    native = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in native)


def autocast(device: torch.device, enabled: bool) -> AbstractContextManager[Any]:
    """bfloat16 autocast on a device where it is native; does nothing elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and bf16_pays(device))


def keep_few_kernels() -> None:
    """Have oneDNN's bfloat16 kernels forgotten after use: nearly every block has another shape.

    They would grow by hundreds of megabytes. It acts before the first of them is made; what the
    environment says already stands.
    """
    # PyTorch keeps kernels in the one, oneDNN in the other, each 1,024 unless told otherwise. A
    # block of one shape takes fewer than 64, forward and backward.
    for variable in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(variable, "64")
