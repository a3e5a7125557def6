"""Fixtures that several folders share: a tiny encoder and pipelines over it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

# Nothing in the tests may reach for a hub; read when transformers is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import pytest
import torch
from helpers.encoders import TEXTS
from helpers.tiny import make_encoder, make_examples, make_nlp, train_nlp
from hypothesis import settings
from spacy.language import Language
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
)

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.1,
}

# More threads than cores stand idle waiting for each other when tests run side by side.
torch.set_num_threads(1)
# A busy machine is not a failure.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def encoder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny encoder: 2 layers x 32, at most 64 sub-words with special ones."""
    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def still_path(encoder_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder without dropout."""
    path = tmp_path_factory.mktemp("still") / "encoder"
    shutil.copytree(encoder_path, path)
    config = json.loads((path / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.fixture(scope="session")
def trained_nlp(encoder_path: Path) -> Language:
    """Shared by tests that do not change it."""
    return train_nlp(encoder_path)


@pytest.fixture(scope="session")
def learned(trained_nlp: Language) -> bytes:
    """Bytes of a pipeline that knows the test sentences by heart."""
    return trained_nlp.to_bytes()


@pytest.fixture
def own(encoder_path: Path, learned: bytes) -> Language:
    """The same pipeline, for one test alone."""
    return make_nlp(encoder_path).from_bytes(learned)


@pytest.fixture
def nlp(encoder_path: Path) -> Language:
    """An initialised pipeline with random heads."""
    torch.manual_seed(0)
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.fixture(scope="module")
def bpe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RoBERTa with a byte-level BPE tokenizer."""
    path = tmp_path_factory.mktemp("roberta")
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
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        **SMALL,
        max_position_embeddings=66,
    )
    RobertaModel(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def bert_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with a WordPiece tokenizer, which maps some words to nothing."""
    path = tmp_path_factory.mktemp("bert")
    letters = sorted({c for words in TEXTS for word in words for c in word.lower()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (path / "vocab.txt").write_text("\n".join([*pieces, "anna", "##lin", "works"]), "utf8")
    tokenizer = BertTokenizerFast(str(path / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        **SMALL,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(path)
    return path
