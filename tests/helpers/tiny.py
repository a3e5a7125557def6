"""A tiny random encoder, a few annotated sentences, and pipelines over them, made on the spot."""

from __future__ import annotations

from pathlib import Path

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"

SENTENCES = [
    (["Anna", "Smith", "lives", "in", "Berlin", "."], ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]),
    (["Acme", "Corp", "hired", "Anna", "."], ["B-ORG", "I-ORG", "O", "B-PER", "O"]),
    (["nothing", "happens", "here"], ["O", "O", "O"]),
    (["Paris", "is", "far", "from", "Rome"], ["B-LOC", "O", "O", "O", "B-LOC"]),
    (
        ["Peter", "works", "for", "Umbra", "Ltd", "in", "Rome"],
        ["B-PER", "O", "O", "B-ORG", "I-ORG", "O", "B-LOC"],
    ),
]


def make_encoder(folder: Path, *, width: int = 32, layers: int = 2, positions: int = 66) -> Path:
    """Write a tiny XLM-R with random weights and a tokenizer that knows some of the test words."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    words = sorted({word for words, _ in SENTENCES for word in words})
    pieces = [(f"▁{word}", -2.0) for word in words[::2]]
    pieces += [(chr(code), -6.0) for code in (ord("▁"), *range(33, 127))]
    tokenizer = Tokenizer(models.Unigram([*((name, 0.0) for name in special), *pieces], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=positions - 2,
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(fast),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=positions,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.1,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def make_examples(nlp: Language) -> list[Example]:
    """Annotated Examples with gold tokens."""
    return [
        Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=tags))
        for words, tags in SENTENCES
    ]


def make_nlp(encoder: Path, **settings: object) -> Language:
    """A blank pipeline with an uninitialised dualner over the encoder."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner", config={"model": {"tok2vec": {"name": str(encoder)}}, **settings})
    return nlp


def train_nlp(encoder: Path, steps: int = 60, **settings: object) -> Language:
    """A pipeline that knows the test sentences by heart."""
    from spacy_dualner.training.optimizer import AdamW

    torch.manual_seed(0)
    nlp = make_nlp(encoder, **settings)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = AdamW(3e-3)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp
