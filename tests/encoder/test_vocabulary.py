"""Trimmed vocabularies: words of the text are split as before, and nothing becomes unknown."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers.many import many
from helpers.tiny import SENTENCES
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from transformers import BertTokenizer, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from spacy_dualner.encoder.vocabulary import (
    config_ids,
    kept_ids,
    read_spec,
    trim_encoder,
    trim_spec,
    trim_tokenizer,
)
from spacy_dualner.errors import DualNerError

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = sorted({word for words, _ in SENTENCES for word in words})
# Words that share parts, so that merges and scores have something to choose from.
LEXICON = WORDS + [a + b for a in ("anna", "ber", "ro", "works") for b in ("lin", "me", "s", "ers")]
KINDS = ["unigram", "bytes", "bpe", "bpe-suffix", "bpe-prefix", "wordpiece"]


@cache
def trained(kind: str) -> Tokenizer:
    """A tokenizer trained on the lexicon, which knows whole words and parts of them."""
    tokenizer: Tokenizer
    if kind in ("unigram", "bytes"):
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=SPECIAL, unk_token="<unk>")
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=350, special_tokens=SPECIAL, initial_alphabet=alphabet
        )
    elif kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIAL)
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        part = {"bpe-suffix": "end_of_word_suffix", "bpe-prefix": "continuing_subword_prefix"}
        mark = {"bpe-suffix": "</w>", "bpe-prefix": "##"}
        trainer = trainers.BpeTrainer(
            vocab_size=150, special_tokens=SPECIAL, **{part[kind]: mark[kind]}
        )
    tokenizer.train_from_iterator(LEXICON * 3, trainer)
    if kind == "bytes":
        spec = json.loads(tokenizer.to_str())
        spec["model"]["byte_fallback"] = True
        spec["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
        tokenizer = Tokenizer.from_str(json.dumps(spec))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def spec_of(tokenizer: Tokenizer) -> dict[str, Any]:
    return json.loads(tokenizer.to_str())


def split(tokenizer: Tokenizer, text: str) -> list[str]:
    # By ids: Unigram gives an unknown character itself as the token.
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return [tokenizer.id_to_token(i) for i in ids]


def trimmed_to(tokenizer: Tokenizer, texts: list[str], fixed: int = 1) -> Tokenizer:
    """The tokenizer with what these texts need."""
    spec = spec_of(tokenizer)
    used = {i for text in texts for i in tokenizer.encode(text).ids}
    return Tokenizer.from_str(json.dumps(trim_spec(spec, kept_ids(spec, used, fixed))))


def fast(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    names = dict(zip(("bos", "pad", "eos", "unk", "mask"), SPECIAL, strict=True))
    special = {f"{name}_token": token for name, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


characters = sorted({c for word in LEXICON for c in word})
texts = st.lists(
    st.one_of(
        st.sampled_from(LEXICON),
        st.text(st.sampled_from([*characters, "é", "好", "🦜"]), min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=6,
)


# Words


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=many(40))
@given(words=texts)
def test_words_of_the_text_are_split_as_before(kind: str, words: list[str]) -> None:
    """Words with unknown characters too."""
    tokenizer = trained(kind)
    smaller = trimmed_to(tokenizer, words)
    assert [split(smaller, word) for word in words] == [split(tokenizer, word) for word in words]
    assert smaller.get_vocab_size() < tokenizer.get_vocab_size()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=many(40))
@given(words=texts, text=st.text(st.sampled_from([*characters, "é", "好"]), max_size=30))
def test_nothing_becomes_unknown(kind: str, words: list[str], text: str) -> None:
    """Nor a character that the tokenizer knows, nor a word that it can split."""
    tokenizer = trained(kind)
    smaller = trimmed_to(tokenizer, words)
    before, after = split(tokenizer, text).count("<unk>"), split(smaller, text).count("<unk>")
    assert after == before
    if kind in ("bytes", "bpe"):
        assert after == 0


def test_the_kinds_differ_where_they_should() -> None:
    """So that the tests above meet unknown characters, bytes, merges, prefixes and suffixes."""
    parts = {kind: split(trained(kind), "annaxlin é") for kind in KINDS}
    assert "<0xC3>" in parts["bytes"] and "Ã" in parts["bpe"]
    assert all("<unk>" in parts[kind] for kind in ("unigram", "bpe-suffix", "wordpiece"))
    assert split(trained("bpe-suffix"), "works") == ["works</w>"]
    assert any(len(part) > 3 and part.startswith("##") for part in parts["bpe-prefix"])


pieces = st.text(st.sampled_from("abcdé"), min_size=1, max_size=4)


@settings(max_examples=many(300))
@given(
    vocab=st.dictionaries(pieces, st.integers(-6, 0), min_size=1, max_size=25),
    words=st.lists(st.text(st.sampled_from("abcdé!"), min_size=1, max_size=10), max_size=4),
)
def test_any_unigram_vocabulary(vocab: dict[str, int], words: list[str]) -> None:
    """Ties among scores, and characters that only longer pieces know."""
    rows = [("<unk>", 0.0), *((piece, float(score)) for piece, score in vocab.items())]
    tokenizer = Tokenizer(models.Unigram(rows, unk_id=0))
    smaller = trimmed_to(tokenizer, words, fixed=-1)
    assert [split(smaller, word) for word in words] == [split(tokenizer, word) for word in words]


@settings(max_examples=many(300))
@given(
    vocab=st.sets(st.builds(str.__add__, st.sampled_from(["", "##"]), pieces), max_size=25),
    words=st.lists(st.text(st.sampled_from("abcdé!"), min_size=1, max_size=10), max_size=4),
)
def test_any_wordpiece_vocabulary(vocab: set[str], words: list[str]) -> None:
    names = ["<unk>", *sorted(vocab)]
    ids = {name: i for i, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="<unk>"))
    smaller = trimmed_to(tokenizer, words, fixed=-1)
    assert [split(smaller, word) for word in words] == [split(tokenizer, word) for word in words]


@settings(max_examples=many(300))
@given(
    choices=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=25),
    ignore=st.booleans(),
    words=st.lists(st.text(st.sampled_from("abcdé!"), min_size=1, max_size=10), max_size=4),
    others=st.text(st.sampled_from("abcdé!"), max_size=20),
)
def test_any_merges(
    choices: list[tuple[int, int]], ignore: bool, words: list[str], others: str
) -> None:
    """Several ways to one sub-word, in any order."""
    names, merges = ["<unk>", *"abcd"], []
    for left, right in choices:
        known = names[1:]
        pair = (known[left % len(known)], known[right % len(known)])
        if len("".join(pair)) <= 6 and pair not in merges:
            merges.append(pair)
            names += [] if "".join(pair) in names else ["".join(pair)]
    ids = {name: i for i, name in enumerate(names)}
    model = models.BPE(ids, merges, unk_token="<unk>", ignore_merges=ignore)
    tokenizer = Tokenizer(model)
    smaller = trimmed_to(tokenizer, words, fixed=-1)
    assert [split(smaller, word) for word in words] == [split(tokenizer, word) for word in words]
    assert split(smaller, others).count("<unk>") == split(tokenizer, others).count("<unk>")


def test_merges_in_the_old_form() -> None:
    """Files of earlier versions hold each merge as one string."""
    spec = spec_of(trained("bpe"))
    ids = {i for word in WORDS[:5] for i in trained("bpe").encode(word).ids}
    old = json.loads(json.dumps(spec))
    old["model"]["merges"] = [" ".join(merge) for merge in spec["model"]["merges"]]
    kept = kept_ids(spec, ids)
    assert kept_ids(old, ids).tolist() == kept.tolist()
    new, old = trim_spec(spec, kept)["model"]["merges"], trim_spec(old, kept)["model"]["merges"]
    assert [" ".join(merge) for merge in new] == old
    assert 0 < len(new) < len(spec["model"]["merges"])


def test_pieces_of_characters_without_a_piece_stay() -> None:
    rows = [("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("ab", -1.0), ("aé", -2.0), ("bab", -9.0)]
    spec = spec_of(Tokenizer(models.Unigram(rows, unk_id=0)))
    # "ab" goes; "bab" has the lowest score.
    assert kept_ids(spec, []).tolist() == [0, 1, 2, 4, 5]
    names = ["<unk>", "a", "##a", "b", "ab", "ba", "##aa"]
    model = models.WordPiece({n: i for i, n in enumerate(names)}, unk_token="<unk>")
    # There is no "##b".
    assert kept_ids(spec_of(Tokenizer(model)), []).tolist() == [0, 1, 2, 3, 4]


# Numbers


def test_ids_are_ranks_and_those_up_to_the_padding_stay() -> None:
    spec = spec_of(trained("unigram"))
    last = len(spec["model"]["vocab"]) - 1
    kept = kept_ids(spec, [last, last - 3], fixed=10)
    assert kept[:11].tolist() == list(range(11))
    assert {last, last - 3} <= set(kept.tolist())
    vocab = trim_spec(spec, kept)["model"]["vocab"]
    assert vocab == [spec["model"]["vocab"][i] for i in kept]


POST_PROCESSORS = {
    "template": processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 7), ("</s>", 9)]
    ),
    "bert": processors.BertProcessing(("</s>", 9), ("<s>", 7)),
    "roberta": processors.RobertaProcessing(("</s>", 9), ("<s>", 7)),
    "sequence": processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(
                single="<s> $A </s>", special_tokens=[("<s>", 7), ("</s>", 9)]
            ),
        ]
    ),
}


@pytest.mark.parametrize("name", POST_PROCESSORS)
def test_whatever_stands_around_a_text_is_renumbered(name: str) -> None:
    names = [
        "a",
        "b",
        "##a",
        "##b",
        "ba",
        "aba",
        "bab",
        "<s>",
        "bb",
        "</s>",
        "ab",
        "<unk>",
        "<pad>",
    ]
    ids = {piece: i for i, piece in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="<unk>"))
    tokenizer.post_processor = POST_PROCESSORS[name]
    tokenizer.enable_padding(pad_id=12, pad_token="<pad>")
    smaller = trimmed_to(tokenizer, ["ab"], fixed=-1)
    assert smaller.get_vocab_size() < len(names)
    encoded = [e.tokens for e in smaller.encode_batch(["ab", ""])]
    assert encoded == [["<s>", "ab", "</s>"], ["<s>", "</s>", "<pad>"]]
    for one in smaller.encode_batch(["ab", ""]):
        assert one.ids == [smaller.token_to_id(token) for token in one.tokens]


@pytest.mark.parametrize("kind", KINDS)
def test_a_trimmed_tokenizer_keeps_its_special_tokens(kind: str) -> None:
    tokenizer = fast(trained(kind))
    tokenizer.add_tokens(["<brand-new>"])
    texts = [WORDS[0], " ".join(WORDS[:8])]
    used = {i for ids in tokenizer(texts)["input_ids"] for i in ids}
    kept = kept_ids(read_spec(tokenizer), used, fixed=1)
    before = tokenizer.get_vocab()
    smaller = trim_tokenizer(tokenizer, kept)
    assert len(smaller) == len(kept) < len(tokenizer)
    assert tokenizer.get_vocab() == before
    assert smaller.special_tokens_map == tokenizer.special_tokens_map
    tokens = tokenizer.convert_ids_to_tokens(kept.tolist())
    assert smaller.convert_ids_to_tokens(range(len(kept))) == tokens
    ranks = np.searchsorted(kept, tokenizer.all_special_ids)
    assert smaller.all_special_ids == ranks.tolist()
    assert smaller.pad_token_id == 1
    assert smaller.tokenize("<brand-new>") == ["<brand-new>"]
    assert smaller.name_or_path == ""
    padded, old = smaller(texts, padding=True), tokenizer(texts, padding=True)
    assert padded["attention_mask"] == old["attention_mask"]
    for ids, ids_before in zip(padded["input_ids"], old["input_ids"], strict=True):
        assert [int(kept[i]) for i in ids] == ids_before


def test_a_tokenizer_that_cannot_be_trimmed_is_an_error(tmp_path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n", "utf8")
    with pytest.raises(DualNerError, match="slow"):
        read_spec(BertTokenizer(str(tmp_path / "vocab.txt")))
    words = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    with pytest.raises(DualNerError, match=r"WordLevel.*Unigram, BPE, WordPiece"):
        read_spec(PreTrainedTokenizerFast(tokenizer_object=words))


# The encoder


def make_model(rows: int, **ids: int) -> XLMRobertaModel:
    config = XLMRobertaConfig(
        vocab_size=rows,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=20,
        **ids,
    )
    return XLMRobertaModel(config)


def test_rows_and_ids_of_the_config() -> None:
    model = make_model(20, pad_token_id=1, bos_token_id=0, eos_token_id=7, sep_token_id=19)
    before = model.get_input_embeddings().weight.detach().clone()
    assert config_ids(model.config)["eos_token_id"] == 7
    trim_encoder(model, np.array([0, 1, 5, 7, 9]))
    embedding = model.get_input_embeddings()
    assert embedding.weight.tolist() == before[[0, 1, 5, 7, 9]].tolist()
    assert isinstance(embedding.weight, nn.Parameter) and embedding.weight.requires_grad
    assert (embedding.num_embeddings, embedding.padding_idx) == (5, 1)
    config = model.config
    assert (config.vocab_size, config.pad_token_id, config.bos_token_id) == (5, 1, 0)
    # The last one names a sub-word that is gone.
    assert (config.eos_token_id, config.sep_token_id) == (3, None)


def test_an_embedding_without_a_row_for_a_sub_word_is_an_error() -> None:
    with pytest.raises(DualNerError, match="20 rows"):
        trim_encoder(make_model(20), np.array([0, 1, 20]))
