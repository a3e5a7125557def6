"""Encoder and heads of a pipeline as one torch module, and prediction over sentence arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from spacy.language import Language
from torch import Tensor, nn

from ..decoding.decodings import HEAD_DECODINGS, read_tags
from ..encoder.arrays import SentenceArrays
from ..encoder.encode import encode_words
from ..encoder.heads import Heads
from ..encoder.pairs import PairBlock, encode_pairs
from ..encoder.subwords import Ints, SubwordBatch, WordTokenizer
from ..encoder.windows import Block, Shape, make_blocks
from ..errors import DualNerError
from ..labels.layout import Layout
from ..labels.scheme import LabelScheme
from ..model import heads_module
from ..pipeline import find_component, find_encoder


class Network(nn.Module):
    """A `dualner` component's own torch modules: training this trains the pipeline."""

    def __init__(self, encoder: nn.Module, heads: Heads, pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = heads
        self.pooling = pooling

    def forward(self, blocks: Sequence[Block] | PairBlock, n_words: int) -> tuple[Tensor, Tensor]:
        """Word vectors `[words, width]` and logits `[words, 4C + 3]`."""
        if isinstance(blocks, PairBlock):
            vectors = encode_pairs(self.encoder, blocks, self.pooling)
        else:
            vectors = encode_words(self.encoder, blocks, n_words, self.pooling)
        return vectors, self.heads(vectors)


class Recogniser:
    """What teaching needs of a `dualner`. Raises DualNerError where it cannot be taught."""

    def __init__(self, nlp: Language, name: str) -> None:
        pipe, shim = find_component(nlp, name), find_encoder(nlp, name)
        if not (pipe.cfg["tag_loss"] and pipe.cfg["span_loss"]):
            raise DualNerError(
                "Dual teaching needs both kinds of heads: train stage 1 with tag_loss and "
                f"span_loss of component '{name}' above 0."
            )
        # Confidences that fitted the old weights do not fit the new ones.
        pipe.forget_calibration()
        # Weights that were stored in half precision will change by less than it can tell.
        shim.store_in(torch.float32)
        self.scheme: LabelScheme = pipe.scheme
        self.shape: Shape = shim.shape()
        self.words: WordTokenizer = shim.words()
        self.network = Network(shim.transformer, heads_module(pipe.model), shim.pooling)


def predict(network: nn.Module, batch: SubwordBatch, shape: Shape) -> tuple[Tensor, Layout]:
    """A network's logits of sentences `[words, 4C + 3]`, without gradient, and their layout.

    The network is left in evaluation mode.
    """
    network.eval()
    with torch.no_grad():
        _, logits = network(make_blocks(batch, shape), len(batch.word_lengths))
    return logits.float(), Layout(batch.sentence_lengths, logits.device)


def predict_tags(
    network: nn.Module, corpus: SentenceArrays, sentences: Ints, shape: Shape
) -> dict[str, list[Ints]]:
    """BIO tags that a network predicts, by either kind of heads.

    network (nn.Module): A Network, or one prepared by Accelerate.
    RETURNS (Dict[str, List[Ints1d]]): For `span` and `tag`, tag classes of each sentence's words.
    """
    found: dict[str, list[Ints]] = {decode: [] for decode in HEAD_DECODINGS}
    for at in range(0, len(sentences), 1000):
        batch, _ = corpus.select(sentences[at : at + 1000])
        logits, layout = predict(network, batch, shape)
        ends = np.cumsum(batch.sentence_lengths)[:-1]
        for decode, rows in found.items():
            tags = layout.gather(read_tags(logits, layout, decode)).cpu().numpy()
            rows.extend(np.split(tags, ends))
    return found
