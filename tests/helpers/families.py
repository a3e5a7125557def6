"""Tiny encoders of each family with random weights, and tokenizers as the hub has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from helpers.tiny import SENTENCES
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

WORDS = sorted({word for words, _ in SENTENCES for word in words})
LETTERS = [chr(code) for code in range(33, 127)]
SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.1,
}
POSITIONS = 66


def unigram(special: list[str], begin: str, end: str) -> Tokenizer:
    """SentencePiece's Unigram, as of XLM-R, DeBERTa-v3, RemBERT and T5."""
    letters = [piece for c in ["", *LETTERS] for piece in (f"▁{c}", c) if piece]
    words = [f"▁{word}" for word in [*WORDS[::2], "unseen"]]
    # A word may be a letter too, but no piece has two rows.
    pieces = dict.fromkeys(special, 0.0) | dict.fromkeys(letters, -6.0) | dict.fromkeys(words, -2.0)
    rows = list(pieces.items())
    unknown = next(i for i, name in enumerate(special) if name in ("<unk>", "[UNK]"))
    tokenizer = Tokenizer(models.Unigram(rows, unk_id=unknown))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return with_special(tokenizer, begin, end)


def wordpiece(special: list[str], begin: str, end: str) -> Tokenizer:
    """WordPiece, as of BERT, ELECTRA and DistilBERT."""
    pieces = [*special, *LETTERS, *(f"##{c}" for c in LETTERS), "Anna", "##lin", "works", "unseen"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return with_special(tokenizer, begin, end)


def gemma(special: list[str], begin: str, end: str) -> Tokenizer:
    """Gemma's BPE, as of mmBERT: a word has a boundary mark only where a space is before it."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [("▁", "A"), ("n", "n"), ("▁A", "nn"), ("▁Ann", "a"), ("n", "a"), ("▁", "i")]
    made = ["".join(pair) for pair in merges]
    pieces = dict.fromkeys([*special, *bytes_, "▁", *LETTERS, *made])
    vocab = {piece: i for i, piece in enumerate(pieces)}
    model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(" "), "merged_with_previous")
    return with_special(tokenizer, begin, end)


def with_special(tokenizer: Tokenizer, begin: str, end: str) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}".strip(),
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in (begin, end) if t],
    )
    return tokenizer


ROBERTA = (["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s>", "</s>")
BERT = (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "[CLS]", "[SEP]")
T5 = (["<pad>", "</s>", "<unk>"], "", "</s>")
GEMMA = (["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"], "<bos>", "<eos>")

Family = tuple[str, str, Callable[..., Tokenizer], tuple, dict[str, Any]]
# Name: type of the model, class of the tokenizer, its model, its special tokens, further settings.
FAST: dict[str, Family] = {
    "xlm-roberta": ("xlm-roberta", "XLMRobertaTokenizerFast", unigram, ROBERTA, {}),
    "bert": ("bert", "BertTokenizerFast", wordpiece, BERT, {}),
    "e5": ("bert", "XLMRobertaTokenizerFast", unigram, ROBERTA, {}),
    "mdeberta": (
        "deberta-v2", "DebertaV2TokenizerFast", unigram, BERT,
        {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"],
         "norm_rel_ebd": "layer_norm", "share_att_key": True, "type_vocab_size": 0,
         "position_biased_input": False},
    ),
    "modernbert": ("modernbert", "PreTrainedTokenizerFast", gemma, GEMMA, {}),
    "modernbert-gemma": ("modernbert", "GemmaTokenizerFast", gemma, GEMMA, {}),
    "rembert": ("rembert", "RemBertTokenizerFast", unigram, BERT,
                {"input_embedding_size": 16, "output_embedding_size": 16}),
    "electra": ("electra", "ElectraTokenizerFast", wordpiece, BERT, {"embedding_size": 16}),
    "distilbert": ("distilbert", "DistilBertTokenizerFast", wordpiece, BERT,
                   {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}),
    "t5": ("t5", "T5TokenizerFast", unigram, T5,
           {"d_model": 32, "d_ff": 48, "d_kv": 8, "num_layers": 2, "num_heads": 4}),
    "mt5": ("mt5", "T5TokenizerFast", unigram, T5,
            {"d_model": 32, "d_ff": 48, "d_kv": 8, "num_layers": 2, "num_heads": 4}),
}  # fmt: skip


def write_family(name: str, folder: Path, **more: Any) -> Path:
    """Write a tiny encoder of a family. more (Any): Settings of its config."""
    if name in SLOW:
        return SLOW[name](folder)
    kind, tokenizer_class, make, (special, begin, end), settings = FAST[name]
    roles = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")
    ids = {token.strip("<>[]").lower(): i for i, token in enumerate(special)}
    found = {"cls": ids.get("s", ids.get("bos")), "sep": ids.get("/s", ids.get("eos"))}
    found |= {"bos": found["cls"], "eos": found["sep"]} if make is not wordpiece else {}
    found |= {key: value for key, value in ids.items() if key in roles}
    names = {f"{role}_token": special[i] for role, i in found.items() if i is not None}
    tokenizer = getattr(transformers, tokenizer_class)(
        tokenizer_object=make(special, begin, end),
        model_max_length=64,
        **(names if kind != "t5" and kind != "mt5" else {}),
        **({"do_lower_case": False} if make is wordpiece else {}),
        **({"extra_ids": 0} if kind in ("t5", "mt5") else {}),
    )
    token_ids = {f"{name}_id": tokenizer.convert_tokens_to_ids(t) for name, t in names.items()}
    return write_model(kind, tokenizer, folder, **token_ids, **settings, **more)


def write_model(
    kind: str, tokenizer: PreTrainedTokenizerBase, folder: Path, **settings: Any
) -> Path:
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    positions = {} if kind in ("t5", "mt5") else {"max_position_embeddings": POSITIONS}
    size = {} if kind in ("t5", "mt5", "distilbert") else SIZE
    rows = {"vocab_size": len(tokenizer)} | positions | size | settings
    AutoModel.from_config(AutoConfig.for_model(kind, **rows)).save_pretrained(folder)
    return folder


# Of LUKE, beside sub-words.
ENTITIES = {"[PAD]": 0, "[UNK]": 1, "[MASK]": 2, "[MASK2]": 3}


def luke(folder: Path) -> Path:
    """LUKE: byte-level BPE in Python, and embeddings of entities beside those of sub-words."""
    from transformers import LukeTokenizer
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    special = [*ROBERTA[0], "<ent>", "<ent2>"]
    pieces = [*special, *bytes_to_unicode().values(), "ĠA", "nn", "ĠAnn", "ĠAnna"]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab), "utf8")
    (folder / "merges.txt").write_text("#version: 0.2\nĠ A\nn n\nĠA nn\nĠAnn a\n", "utf8")
    (folder / "entity_vocab.json").write_text(json.dumps(ENTITIES), "utf8")
    files = (str(folder / n) for n in ("vocab.json", "merges.txt", "entity_vocab.json"))
    return write_luke(LukeTokenizer(*files, model_max_length=64), folder)


def mluke(folder: Path) -> Path:
    """mLUKE: the same over XLM-R's SentencePiece."""
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import MLukeTokenizer

    folder.mkdir(exist_ok=True)
    path = folder / "sentencepiece.bpe.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(" ".join(words) for words, _ in SENTENCES),
            model_writer=file, vocab_size=45, model_type="unigram", minloglevel=2,
            hard_vocab_limit=False,
        )  # fmt: skip
    entities = folder / "entity_vocab.json"
    entities.write_text(json.dumps(ENTITIES), "utf8")
    return write_luke(MLukeTokenizer(str(path), str(entities), model_max_length=64), folder)


def write_luke(tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    size = {"entity_vocab_size": len(ENTITIES), "entity_emb_size": 8, "pad_token_id": 1}
    return write_model("luke", tokenizer, folder, **size)


def canine(folder: Path) -> Path:
    """CANINE: characters, each by its number in Unicode."""
    from transformers import CanineTokenizer

    tokenizer = CanineTokenizer(model_max_length=64)
    return write_model("canine", tokenizer, folder, num_hash_buckets=64)


def convbert(folder: Path) -> Path:
    """ConvBERT, whose convolutions reach into the padding."""
    tokenizer = AutoTokenizer.from_pretrained(write_family("bert", folder))
    return write_model("convbert", tokenizer, folder, embedding_size=32)


def xmod(folder: Path) -> Path:
    """X-MOD, which has to be told the language of a text."""
    tokenizer = AutoTokenizer.from_pretrained(write_family("xlm-roberta", folder))
    return write_model("xmod", tokenizer, folder, languages=["en_XX", "de_DE"])


def bart(folder: Path) -> Path:
    """An encoder and decoder in one."""
    tokenizer = transformers.XLMRobertaTokenizerFast(
        tokenizer_object=unigram(*ROBERTA), model_max_length=64
    )
    layers = {"encoder_layers": 2, "decoder_layers": 2}
    return write_model("bart", tokenizer, folder, d_model=32, **layers)


SLOW: dict[str, Callable[[Path], Path]] = {
    "luke": luke,
    "mluke": mluke,
    "canine": canine,
    "convbert": convbert,
    "xmod": xmod,
    "bart": bart,
}
FAMILIES = [*FAST, *SLOW]


# In an order of their own.
LABELS = ["B-PER", "O", "I-LOC", "B-LOC", "I-PER", "I-ORG", "B-ORG"]


def write_classifier(encoder: Path, folder: Path, labels: list[str] = LABELS) -> Path:
    """A classifier of random weights over an encoder."""
    torch.manual_seed(1)
    names = dict(enumerate(labels))
    model = AutoModelForTokenClassification.from_pretrained(
        encoder, id2label=names, label2id={label: i for i, label in names.items()}
    )
    for module in model.children():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.5)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder
