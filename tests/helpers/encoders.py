"""Tiny encoders of several families, and what the layer makes of texts."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.tiny import SENTENCES
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from torch import Tensor

from spacy_dualner.encoder.transformer import Transformer_v1

TEXTS = [words for words, _ in SENTENCES]


def make_layer(path: Path | str, **settings) -> Model:
    layer = Transformer_v1(str(path), **settings)
    layer.initialize()
    return layer


def docs_of(texts: list[list[str]]) -> list[Doc]:
    vocab = Vocab()
    return [Doc(vocab, words=words) for words in texts]


def predict(layer: Model, texts: list[list[str]]) -> list[Tensor]:
    return [torch.from_numpy(vectors) for vectors in layer.predict(docs_of(texts))]
