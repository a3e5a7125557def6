"""`spacy-dualner.Transformer.v1` against Hugging Face itself, its sub-word memory, its bytes."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import spacy
import srsly
import torch
from helpers.encoders import TEXTS, docs_of, make_layer, predict
from helpers.many import many
from helpers.tiny import make_examples
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model
from torch import Tensor
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.encoder.subwords import WordTokenizer, word_mark
from spacy_dualner.encoder.transformer import Transformer_v1, encoder_shim
from spacy_dualner.encoder.windows import make_blocks
from spacy_dualner.errors import DualNerError
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.training.optimizer import AdamW

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


class Direct:
    """An encoder as Hugging Face runs it, one sentence at a time and without padding."""

    def __init__(self, path: Path, **settings: bool) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(path, **settings)
        self.model = AutoModel.from_pretrained(path).eval()

    def states(self, ids: list[int]) -> Tensor:
        """Vectors of sub-words `ids`, put between the special ones and run by themselves."""
        first, *_, last = self.tokenizer("a")["input_ids"]
        with torch.no_grad():
            states = self.model(torch.tensor([[first, *ids, last]])).last_hidden_state[0]
        return states[1 : 1 + len(ids)]

    def words(self, words: list[str], pooling: str = "first") -> Tensor:
        """Vectors of words whose places the tokenizer itself tells."""
        encoded = self.tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            states = self.model(**encoded).last_hidden_state[0]
        of_word = encoded.word_ids()
        rows = [[i for i, w in enumerate(of_word) if w == n] for n in range(len(words))]
        names = self.tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
        return torch.stack([states[chosen(r, names, pooling)].mean(0) for r in rows])

    def subwords(self, word: str) -> list[int]:
        return self.tokenizer([word], is_split_into_words=True, add_special_tokens=False)[
            "input_ids"
        ]


def chosen(rows: list[int], names: list[str], pooling: str) -> list[int]:
    """Which of a word's sub-words its vector is taken from."""
    if pooling == "mean":
        return rows
    with_text = [row for row in rows if names[row] not in ("▁", "Ġ")]
    return with_text[:1] if pooling == "first_text" and with_text else rows[:1]


@pytest.fixture(scope="module")
def direct(encoder_path: Path) -> Direct:
    return Direct(encoder_path)


# Vectors


@pytest.mark.parametrize("pooling", ["first", "first_text", "mean"])
def test_vectors_equal_a_direct_forward_pass(encoder_path, direct, pooling) -> None:
    layer = make_layer(encoder_path, pooling=pooling)
    assert registry.architectures.get("spacy-dualner.Transformer.v1") is Transformer_v1
    for vectors, words in zip(predict(layer, TEXTS), TEXTS, strict=True):
        torch.testing.assert_close(vectors, direct.words(words, pooling), **CLOSE)
    assert layer.get_dim("nO") == 32


def test_the_poolings_differ(encoder_path, direct) -> None:
    first, first_text, mean = (
        direct.words(TEXTS[0], pooling) for pooling in ("first", "first_text", "mean")
    )
    assert not torch.allclose(mean, first, atol=1e-2)
    assert not torch.allclose(mean, first_text, atol=1e-2)
    assert not torch.allclose(first_text, first, atol=1e-2)


def test_the_mark_before_a_word_gives_it_no_vector(encoder_path, direct) -> None:
    assert direct.tokenizer.tokenize("Q") == ["▁", "Q"]
    (by_mark,) = predict(make_layer(encoder_path), [["Q", "Z"]])
    (by_text,) = predict(make_layer(encoder_path, pooling="first_text"), [["Q", "Z"]])
    torch.testing.assert_close(
        by_text, direct.states([*direct.subwords("Q"), *direct.subwords("Z")])[[1, 3]], **CLOSE
    )
    assert not torch.allclose(by_mark, by_text, atol=1e-2)


def test_a_letter_is_no_mark_before_a_word(tmp_path) -> None:
    """Maltese writes Ġ, which byte-level vocabularies take for the space before a word."""
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Ġ", "##orġ"]))
    assert word_mark(BertTokenizerFast(str(path), do_lower_case=False)) == -1


def test_the_order_of_a_batch_does_not_matter(layer) -> None:
    texts = [words * n for n in (1, 5) for words in TEXTS]
    order = list(range(len(texts)))
    random.Random(0).shuffle(order)
    expected = predict(layer, texts)
    for vectors, i in zip(predict(layer, [texts[i] for i in order]), order, strict=True):
        torch.testing.assert_close(vectors, expected[i], **CLOSE)
    one_by_one = [predict(layer, [words])[0] for words in texts]
    for vectors, other in zip(one_by_one, expected, strict=True):
        torch.testing.assert_close(vectors, other, **CLOSE)


@pytest.mark.parametrize("block_size", [1, 50, 100_000])
def test_the_block_size_does_not_matter(encoder_path, layer, block_size) -> None:
    texts = [words * n for n in (1, 8) for words in TEXTS]
    other = make_layer(encoder_path, block_size=block_size)
    for vectors, expected in zip(predict(other, texts), predict(layer, texts), strict=True):
        torch.testing.assert_close(vectors, expected, **CLOSE)


def test_blocks_suit_the_device(layer) -> None:
    """By default a CPU gets small blocks: many sentences are never padded into one."""
    shim = encoder_shim(layer)
    vocab = Vocab()
    batch = shim.words().encode_docs([Doc(vocab, words=words) for words in TEXTS * 200])
    sizes = [block.input_ids.size for block in make_blocks(batch, shim.shape())]
    assert len(sizes) > 1 and max(sizes) <= 1024


def test_empty_docs(layer, direct) -> None:
    assert layer.predict([]) == []
    assert [vectors.shape for vectors in predict(layer, [[], []])] == [(0, 32), (0, 32)]
    first, anna, last = predict(layer, [[], TEXTS[0], []])
    assert first.shape == last.shape == (0, 32)
    torch.testing.assert_close(anna, direct.words(TEXTS[0]), **CLOSE)


@pytest.mark.parametrize("space", [" ", "\n\n", "\u3000"])
def test_white_space_is_no_word(layer, direct, space) -> None:
    """Whatever the vocabulary knows: this one knows nothing."""
    (vectors,) = predict(layer, [["Anna", space, "works", space]])
    torch.testing.assert_close(vectors[[0, 2]], direct.words(["Anna", "works"]), **CLOSE)
    assert not vectors[[1, 3]].any()


@pytest.mark.parametrize("odd", ["\u200b", "\ufeff", "🦜", "好"])
def test_odd_words_have_vectors_and_leave_the_others_in_place(
    encoder_path, bpe_path, bert_path, odd
) -> None:
    """Invisible and unknown characters; BERT's tokenizer maps some to nothing."""
    words = ["Anna", odd, "works", odd]
    for path, settings_ in (
        (encoder_path, {}),
        (bpe_path, {"add_prefix_space": True}),
        (bert_path, {}),
    ):
        direct = Direct(path, **settings_)
        pieces = [direct.subwords(word) or [direct.tokenizer.unk_token_id] for word in words]
        states = direct.states([i for ids in pieces for i in ids])
        first = np.cumsum([0, *map(len, pieces)])[:-1]
        (vectors,) = predict(make_layer(path), [words])
        torch.testing.assert_close(vectors, states[first], **CLOSE)


def test_some_words_are_nothing_to_bert(bert_path) -> None:
    """So that the test above tests what it says."""
    assert [Direct(bert_path).subwords(w) for w in ("\u200b", "\ufeff")] == [[], []]


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_a_very_long_word_keeps_what_fits(encoder_path, direct, pooling) -> None:
    """Of a word of 1,000 characters half a window is kept, and its neighbours lose nothing."""
    words = ["Anna", "q" * 1000, "Rome"]
    pieces = [direct.subwords(word) for word in words]
    assert len(pieces[1]) > 400
    pieces[1] = pieces[1][:31]
    states = direct.states([i for ids in pieces for i in ids])
    parts = states.split([len(ids) for ids in pieces])
    expected = torch.stack([p[0] if pooling == "first" else p.mean(0) for p in parts])
    (vectors,) = predict(make_layer(encoder_path, pooling=pooling), [words])
    torch.testing.assert_close(vectors, expected, **CLOSE)


@pytest.mark.parametrize("window", [0, 20])
def test_a_text_of_5000_words(encoder_path, direct, window) -> None:
    """No word is lost, and each has the vector of a window with the most context for it."""
    rng = random.Random(0)
    words = [rng.choice(rng.choice(TEXTS)) for _ in range(5000)]
    (vectors,) = predict(make_layer(encoder_path, window=window), [words])
    assert vectors.shape == (5000, 32)
    assert vectors.isfinite().all()
    size = (window or 64) - 2
    stride = size - size // 2
    pieces = [direct.subwords(word)[: size // 2] for word in words]
    ids = [i for piece in pieces for i in piece]
    bounds = np.cumsum([0, *map(len, pieces)]).tolist()
    starts = [*range(0, len(ids) - size, stride), len(ids) - size]

    def context(start: int, word: int) -> float:
        left = bounds[word] - start if start else np.inf
        right = start + size - bounds[word + 1] if start + size < len(ids) else np.inf
        return min(left, right)

    for word in [0, 1, 2, *rng.sample(range(5000), 30), 4998, 4999]:
        best = max(context(start, word) for start in starts)
        assert best >= size // 8
        candidates = [
            direct.states(ids[start : start + size])[bounds[word] - start]
            for start in starts
            if context(start, word) == best
        ]
        assert any(torch.allclose(vectors[word], c, **CLOSE) for c in candidates)


def test_window_setting(encoder_path, direct) -> None:
    """Special sub-words counted, and never beyond what the encoder takes."""
    for window, size in ((0, 62), (20, 18), (500, 62)):
        shape = encoder_shim(make_layer(encoder_path, window=window, block_size=99)).shape()
        assert (shape.window, shape.overlap, shape.budget) == (size, size // 2, 99)
        assert (shape.prefix, shape.suffix, shape.pad) == ((0,), (2,), 1)


def test_a_tokenizer_that_knows_no_limit(encoder_path, tmp_path) -> None:
    """The encoder's own positions limit the window then, whatever was asked for."""
    path = tmp_path / "encoder"
    shutil.copytree(encoder_path, path)
    config = json.loads((path / "tokenizer_config.json").read_text())
    del config["model_max_length"]
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    for window in (0, 500):
        layer = make_layer(path, window=window)
        assert encoder_shim(layer).shape().window == 62
        (vectors,) = predict(layer, [TEXTS[0] * 20])
        assert vectors.isfinite().all()


def test_an_encoder_that_knows_no_limit(encoder_path) -> None:
    """XLNet's config says -1."""
    layer = make_layer(encoder_path)
    encoder_shim(layer).transformer.config.max_position_embeddings = -1
    assert encoder_shim(layer).shape().window == 62


def test_positions_begin_after_the_padding_id(encoder_path, tmp_path) -> None:
    """Of RoBERTa's kin: that of rinna's Japanese RoBERTa is 3, and has two rows fewer left."""
    path = tmp_path / "encoder"
    shutil.copytree(encoder_path, path)
    config = XLMRobertaConfig.from_pretrained(path, pad_token_id=3)
    XLMRobertaModel(config).save_pretrained(path)
    layer = make_layer(path)
    assert encoder_shim(layer).shape().window == 60
    (vectors,) = predict(layer, [TEXTS[0] * 20])
    assert vectors.isfinite().all()


@pytest.mark.parametrize("window", [-5, 1, 2, 3])
def test_a_window_that_no_word_fits_into_is_an_error(encoder_path, window) -> None:
    """Not a vector for each word that says nothing of the word."""
    with pytest.raises(DualNerError, match="window"):
        predict(make_layer(encoder_path, window=window), TEXTS)


def test_mixed_precision_gives_float32_vectors_near_the_exact_ones(encoder_path, layer) -> None:
    mixed = make_layer(encoder_path, mixed_precision=True)
    for vectors, expected in zip(predict(mixed, TEXTS), predict(layer, TEXTS), strict=True):
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors, expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("pooling", ["first", "first_text", "mean"])
def test_other_kinds_of_tokenizers(bpe_path, bert_path, pooling) -> None:
    """Byte-level BPE (words take their prefix space, the first one too) and WordPiece."""
    for direct, path in (
        (Direct(bpe_path, add_prefix_space=True), bpe_path),
        (Direct(bert_path), bert_path),
    ):
        layer = make_layer(path, pooling=pooling)
        for vectors, words in zip(predict(layer, TEXTS), TEXTS, strict=True):
            torch.testing.assert_close(vectors, direct.words(words, pooling), **CLOSE)
        loaded = Transformer_v1("gone", pooling=pooling).from_bytes(layer.to_bytes())
        for vectors, words in zip(predict(loaded, TEXTS), TEXTS, strict=True):
            torch.testing.assert_close(vectors, direct.words(words, pooling), **CLOSE)


# Gradients


@pytest.mark.parametrize("pooling", ["first", "first_text", "mean"])
def test_gradients_equal_those_of_a_padded_forward_pass(still_path, pooling) -> None:
    direct = Direct(still_path)
    direct.model.train()
    encoded = direct.tokenizer(TEXTS, is_split_into_words=True, padding=True, return_tensors="pt")
    states = direct.model(**encoded).last_hidden_state
    weights = [torch.randn(len(words), 32) for words in TEXTS]
    total = torch.zeros(())
    for i, words in enumerate(TEXTS):
        for n in range(len(words)):
            rows = [k for k, w in enumerate(encoded.word_ids(i)) if w == n]
            names = direct.tokenizer.convert_ids_to_tokens(encoded["input_ids"][i])
            rows = chosen(rows, names, pooling)
            total = total + (weights[i][n] * states[i][rows].mean(0)).sum()
    total.backward()

    layer = make_layer(still_path, pooling=pooling, block_size=60)
    docs = docs_of([*TEXTS, []])
    vectors, backprop = layer(docs, True)
    value = sum((torch.from_numpy(v) * w).sum() for v, w in zip(vectors, weights, strict=False))
    torch.testing.assert_close(value, total.detach(), rtol=1e-4, atol=1e-4)
    assert backprop([*(w.numpy() for w in weights), np.zeros((0, 32), dtype="f")]) is docs
    of_layer = dict(encoder_shim(layer).transformer.named_parameters())
    checked = 0
    for name, parameter in direct.model.named_parameters():
        if name.startswith("pooler."):
            assert name not in of_layer
            continue
        expected, got = parameter.grad, of_layer[name].grad
        # Attention does not depend on the bias of its keys: that gradient is zero but for noise.
        scale = max(float(expected.norm()), 1e-2)
        assert float((got - expected).norm()) < 1e-4 * scale, name
        checked += 1
    assert checked > 20


def test_gradients_accumulate_until_the_step(still_path) -> None:
    layer = make_layer(still_path)
    embedding = encoder_shim(layer).transformer.get_input_embeddings().weight
    weights = [torch.randn(len(words), 32).numpy() for words in TEXTS]
    gradients = []
    for _ in range(2):
        layer.begin_update(docs_of(TEXTS))[1](weights)
        gradients.append(embedding.grad.clone())
    assert gradients[0].any()
    torch.testing.assert_close(gradients[1], 2 * gradients[0], rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_alone(layer) -> None:
    docs = docs_of(TEXTS)
    first, second = (layer.begin_update(docs)[0] for _ in range(2))
    assert not np.allclose(first[0], second[0], atol=1e-3)
    for vectors, again in zip(layer.predict(docs), layer.predict(docs), strict=True):
        np.testing.assert_array_equal(vectors, again)


# The sub-word memory


class Counting:
    """A tokenizer that keeps a record of the words it was asked for."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer = tokenizer
        self.unk_token_id, self.is_fast = tokenizer.unk_token_id, tokenizer.is_fast
        self.asked: list[str] = []

    def __call__(self, words, **settings):
        self.asked += [word for (word,) in words]
        return self.tokenizer(words, **settings)


def encode(memory: WordTokenizer, words: list[str]) -> list[list[int]]:
    """Sub-words of each word."""
    strings = {get_string_id(word): word for word in words}
    hashes = np.array([get_string_id(word) for word in words], dtype=np.uint64)
    ids, lengths = memory.encode_words(hashes, strings.__getitem__)
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])] if words else []


@settings(max_examples=many(60))
@given(
    batches=st.lists(
        st.lists(st.sampled_from([w for words in TEXTS for w in words]), min_size=1, max_size=12),
        min_size=1,
        max_size=8,
    ),
    max_cached=st.integers(1, 12),
    max_word=st.integers(1, 5),
)
def test_the_memory_is_bounded_and_changes_nothing(direct, batches, max_cached, max_word) -> None:
    memory = WordTokenizer(direct.tokenizer, max_word=max_word, max_cached=max_cached)
    largest = max(len(set(words)) for words in batches)
    for words in batches:
        assert encode(memory, words) == [direct.subwords(word)[:max_word] for word in words]
        kept = max(map(len, memory._memory))
        assert kept <= max_word * max(max_cached, largest)


def test_each_word_is_tokenised_once(direct) -> None:
    counting = Counting(direct.tokenizer)
    memory = WordTokenizer(counting, max_word=31)
    counting.asked.clear()  # how it marks where a word begins
    expected = [encode(memory, words) for words in TEXTS]
    distinct = {word for words in TEXTS for word in words}
    assert sorted(counting.asked) == sorted(distinct)
    assert [encode(memory, words) for words in reversed(TEXTS)] == expected[::-1]
    assert len(counting.asked) == len(distinct)


def test_sub_words_of_docs(direct) -> None:
    memory = WordTokenizer(direct.tokenizer, max_word=31)
    batch = memory.encode_docs(docs_of([[], *TEXTS, []]))
    pieces = [direct.subwords(word) for words in TEXTS for word in words]
    assert batch.ids.tolist() == [i for ids in pieces for i in ids]
    assert batch.word_lengths.tolist() == [len(ids) for ids in pieces]
    assert batch.sentence_lengths.tolist() == [0, *map(len, TEXTS), 0]
    for docs in ([], docs_of([[], []])):
        batch = memory.encode_docs(docs)
        assert (len(batch.ids), len(batch.word_lengths)) == (0, 0)
        assert batch.sentence_lengths.tolist() == [0] * len(docs)


# Serialisation


def by_bytes(layer: Model, other: Model, folder: Path) -> Model:
    return other.from_bytes(layer.to_bytes())


def by_disk(layer: Model, other: Model, folder: Path) -> Model:
    layer.to_disk(folder / "layer")
    return other.from_disk(folder / "layer")


both_ways = pytest.mark.parametrize("move", [by_bytes, by_disk])


@both_ways
def test_a_saved_layer_needs_nothing_of_the_encoders_folder(encoder_path, tmp_path, move) -> None:
    """The folder is moved away; initialising what was loaded keeps the loaded weights."""
    path = tmp_path / "encoder"
    shutil.copytree(encoder_path, path)
    layer = make_layer(path)
    with torch.no_grad():
        encoder_shim(layer).transformer.get_input_embeddings().weight.mul_(2)
    expected = predict(layer, TEXTS)
    path.rename(tmp_path / "elsewhere")
    loaded = move(layer, Transformer_v1(str(path)), tmp_path)
    assert loaded.get_dim("nO") == 32
    for _ in range(2):
        for vectors, other in zip(predict(loaded, TEXTS), expected, strict=True):
            torch.testing.assert_close(vectors, other, rtol=0, atol=0)
        loaded.initialize()
    again = move(loaded, Transformer_v1("gone"), tmp_path)
    torch.testing.assert_close(predict(again, TEXTS), expected, rtol=0, atol=0)


@both_ways
def test_a_loaded_layer_forgets_the_words_of_its_former_tokenizer(
    encoder_path, bpe_path, tmp_path, move
) -> None:
    loaded = make_layer(bpe_path)
    predict(loaded, TEXTS)
    layer = make_layer(encoder_path)
    loaded = move(layer, loaded, tmp_path)
    torch.testing.assert_close(predict(loaded, TEXTS), predict(layer, TEXTS), rtol=0, atol=0)


def test_a_copy_is_a_layer_of_its_own(encoder_path) -> None:
    """As `nlp.replace_listeners` and parallel training make them."""
    layer = make_layer(encoder_path)
    copied = layer.copy()
    expected = predict(layer, TEXTS)
    torch.testing.assert_close(predict(copied, TEXTS), expected, rtol=0, atol=0)
    with torch.no_grad():
        encoder_shim(copied).transformer.get_input_embeddings().weight.zero_()
    torch.testing.assert_close(predict(layer, TEXTS), expected, rtol=0, atol=0)
    assert not torch.allclose(predict(copied, TEXTS)[0], expected[0])


@both_ways
def test_a_layer_without_weights_travels_too(encoder_path, direct, tmp_path, move) -> None:
    loaded = move(Transformer_v1(str(encoder_path)), Transformer_v1(str(encoder_path)), tmp_path)
    assert not encoder_shim(loaded).is_loaded
    loaded.initialize()
    torch.testing.assert_close(predict(loaded, TEXTS[:1])[0], direct.words(TEXTS[0]), **CLOSE)


def test_using_a_layer_without_weights_says_what_to_do(encoder_path) -> None:
    with pytest.raises(DualNerError, match="initialize"):
        Transformer_v1(str(encoder_path)).predict(docs_of(TEXTS))


@pytest.mark.parametrize("kind", ["encoder_path", "bpe_path", "bert_path"])
def test_the_bytes_hold_no_trace_of_the_encoders_folder(kind, request) -> None:
    """Neither of the folder it was read from, nor of one that it passed through on loading."""
    path = request.getfixturevalue(kind)
    shim = encoder_shim(make_layer(path))
    loaded = EncoderShim().from_bytes(shim.to_bytes())
    for data in (shim.to_bytes(), loaded.to_bytes()):
        assert path.name.encode() not in data
        assert tempfile.gettempdir().encode() not in data


def test_the_bytes_of_a_whole_layer_hold_no_path_either(encoder_path) -> None:
    """Its settings are stored beside the weights."""
    data = make_layer(encoder_path).to_bytes()
    assert str(encoder_path).encode() not in data
    assert str(encoder_path.parent).encode() not in data


def stored(layer: Model) -> dict:
    message = srsly.msgpack_loads(encoder_shim(layer).to_bytes())
    del message["checksum"]  # as earlier versions wrote none
    return message


def edit_state(edit: Callable[[dict], object]) -> Callable[[dict], object]:
    def edit_message(message: dict) -> None:
        state = torch.load(BytesIO(message["state"]), weights_only=True)
        edit(state)
        buffer = BytesIO()
        torch.save(state, buffer)
        message["state"] = buffer.getvalue()

    return edit_message


@pytest.mark.parametrize(
    "spoil",
    [
        edit_state(lambda state: state.pop("encoder.layer.1.output.dense.bias")),
        edit_state(lambda state: state.update(extra=torch.zeros(1))),
        lambda message: message["config"].update(hidden_size=64),
        lambda message: message["config"].update(num_hidden_layers=1),
    ],
    ids=["missing", "unexpected", "width", "layers"],
)
def test_weights_that_do_not_match_are_an_error(layer, spoil) -> None:
    message = stored(layer)
    EncoderShim().from_bytes(srsly.msgpack_dumps(message))
    spoil(message)
    with pytest.raises(DualNerError, match="does not match"):
        EncoderShim().from_bytes(srsly.msgpack_dumps(message))


@pytest.mark.parametrize("config", [{"hidden_size": 30}, {"model_type": "unheard-of"}])
def test_a_config_that_no_encoder_can_have_is_an_error_too(layer, config) -> None:
    """For instance one of an architecture that the installed transformers does not know."""
    message = stored(layer)
    message["config"].update(config)
    with pytest.raises(DualNerError):
        EncoderShim().from_bytes(srsly.msgpack_dumps(message))


# Encoders that cannot be had


@pytest.mark.parametrize("name", ["no/such/folder", "no-such-owner/no-such-encoder", "empty"])
def test_a_missing_encoder_names_what_was_tried_and_where_to_set_it(tmp_path, monkeypatch, name):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DualNerError) as error:
        make_layer(name)
    assert f"'{name}'" in str(error.value)
    assert "components.dualner.model.tok2vec.name" in str(error.value)


def test_an_encoder_without_tokenizer_is_an_error_too(encoder_path, tmp_path) -> None:
    path = tmp_path / "encoder"
    shutil.copytree(encoder_path, path, ignore=shutil.ignore_patterns("*token*"))
    with pytest.raises(DualNerError, match=r"components\.dualner\.model\.tok2vec\.name"):
        make_layer(path)


def test_frozen_embeddings_stay_and_all_else_learns(encoder_path: Path) -> None:
    frozen = {"model": {"tok2vec": {"name": str(encoder_path), "freeze_embeddings": True}}}
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner", config=frozen)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    transformer = find_encoder(nlp, "dualner").transformer
    embedding = transformer.get_input_embeddings().weight
    before = {name: weight.clone() for name, weight in transformer.named_parameters()}
    nlp.update(examples, sgd=AdamW(3e-3))
    changed = {n for n, w in transformer.named_parameters() if not torch.equal(w, before[n])}
    assert {n for n, w in transformer.named_parameters() if w is not embedding} == changed
    loaded = find_encoder(
        spacy.blank("xx", config=nlp.config).from_bytes(nlp.to_bytes()), "dualner"
    )
    assert not loaded.transformer.get_input_embeddings().weight.requires_grad
