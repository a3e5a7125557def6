"""Tiny encoders of several families, and what the layer makes of texts."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.families import POSITIONS, SIZE
from helpers.tiny import SENTENCES
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

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


def make_roberta(path: Path) -> Path:
    """A tiny RoBERTa with a byte-level BPE tokenizer."""
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    text = [" ".join(words) for words in TEXTS]
    bpe.train_from_iterator(text, vocab_size=300, min_frequency=1, special_tokens=special)
    bpe.save_model(str(path))
    tokenizer = RobertaTokenizerFast(
        str(path / "vocab.json"), str(path / "merges.txt"), model_max_length=64
    )
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=len(tokenizer), **SIZE, max_position_embeddings=POSITIONS)
    RobertaModel(config).save_pretrained(path)
    return path
