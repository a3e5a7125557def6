"""A sentence and its translation in one input, which see each other in the middle layers (FILTER).

As in Fang et al. (2021), "FILTER: An Enhanced Fusion Method for Cross-lingual Language
Understanding": the first m layers encode either side alone, the next k both together, the others
either side alone again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DualNerError
from .encode import pool_words
from .subwords import SubwordBatch
from .windows import Block, Shape, make_blocks

# Types whose layers can be called one after the other: others have modules of the same names, but
# call them in another way.
_LIKE_BERT = ("bert", "camembert", "roberta", "xlm-roberta")


@dataclass(frozen=True)
class Fusion:
    """Which layers see both sides."""

    local_layers: int  # the first m layers, which see one side
    fused_layers: int  # the next k layers, which see both


@dataclass(frozen=True)
class PairBlock:
    """Sentences and their translations, row by row."""

    source: Block  # the sentences
    target: Block  # the translations; the k-th row is of the k-th row of `source`
    n_source: int  # words of all sentences; those of the translations are numbered after them
    fusion: Fusion  # which layers see both


def make_pairs(
    source: SubwordBatch, target: SubwordBatch, shape: Shape, fusion: Fusion
) -> PairBlock:
    """Pad sentences, none longer than a window, and their translations into rows of their own."""
    sides = _one_block(source, shape), _one_block(target, shape)
    return PairBlock(*sides, len(source.word_lengths), fusion)


def encode_pairs(transformer: nn.Module, pairs: PairBlock, pooling: str = "first") -> Tensor:
    """Run the encoder over pairs and give each word its vector.

    transformer (nn.Module): Hugging Face encoder with BERT's modules.
    RETURNS (Floats2d): `[words, width]`, float32: first of the sentences, then of the translations.
    """
    encoder: Any = transformer
    device = next(transformer.parameters()).device
    sides = pairs.source, pairs.target
    states, real = [], []
    for block in sides:
        ids = torch.from_numpy(block.input_ids).to(device)
        lengths = torch.from_numpy(block.lengths).to(device)
        # Either side has positions of its own.
        states.append(encoder.embeddings(input_ids=ids))
        real.append(torch.arange(ids.shape[1], device=device) < lengths[:, None])
    hidden, sees_both = torch.cat(states, 1), torch.cat(real, 1)[:, None, None]
    width, n_places = pairs.source.input_ids.shape[1], hidden.shape[1]
    is_target = torch.arange(n_places, device=device) >= width
    sees_own = sees_both & (is_target[:, None] == is_target)
    lowest = torch.finfo(hidden.dtype).min
    fused, local = (
        hidden.new_zeros(len(hidden), 1, n_places, n_places).masked_fill_(~sees, lowest)
        for sees in (sees_both, sees_own)
    )
    first = pairs.fusion.local_layers
    for number, layer in enumerate(encoder.encoder.layer):
        together = first <= number < first + pairs.fusion.fused_layers
        hidden = layer(hidden, attention_mask=fused if together else local)[0]
    parts = hidden[:, :width], hidden[:, width:]
    return torch.cat(
        [pool_words(part, block, pooling) for part, block in zip(parts, sides, strict=True)]
    )


def check_fusion(transformer: nn.Module, fusion: Fusion) -> None:
    """Raise DualNerError where an encoder cannot be fused, or has fewer layers."""
    config: Any = transformer.config
    if config.model_type not in _LIKE_BERT:
        raise DualNerError(
            "FILTER needs an encoder of BERT's or XLM-R's form, and "
            f"{type(transformer).__name__} has another. Take one of these, or another "
            "teaching.method."
        )
    n_layers = fusion.local_layers + fusion.fused_layers
    if n_layers > config.num_hidden_layers:
        raise DualNerError(
            f"local_layers + fused_layers is {n_layers}, but the encoder has "
            f"{config.num_hidden_layers} layers. Lower teaching.fused_layers."
        )


def _one_block(batch: SubwordBatch, shape: Shape) -> Block:
    """All sentences as one padded block, in their own order."""
    ((ids, lengths, words, first, counts),) = make_blocks(
        batch, replace(shape, budget=1 << 40, max_padding=1.0)
    )
    # Rows stand in order of falling length: turn them back.
    order = np.argsort(-batch.sizes, kind="stable")
    row, column = np.divmod(first, ids.shape[1])
    first = order[row] * ids.shape[1] + column
    back, by_word = np.argsort(order), np.argsort(words)
    return Block(ids[back], lengths[back], words[by_word], first[by_word], counts[by_word])
