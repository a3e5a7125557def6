"""Masked words and cut sub-words, against lists read from left to right."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from spacy_dualner.encoder.subwords import SubwordBatch
from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.noise import Noise, SplitTable, mask_words, split_subwords
from spacy_dualner.teaching.settings import NoiseSettings

LONG = 1000  # sub-words that a word may have, where that is not what is tested
MASK = 0
# Some can be cut in one way, some in several, some in none.
PIECES = ["<mask>", "a", "b", "c", "ab", "bc", "abc", "cab", "aa", "aaa", "▁", "▁a", "▁ab"]
Sentences = list[list[list[int]]]


def fast(model: models.Model) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), mask_token="<mask>")


def unigram(pieces: list[str]) -> PreTrainedTokenizerFast:
    return fast(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))


TOKENIZER = unigram(PIECES)
TABLE = SplitTable.of(TOKENIZER)


def cuts_in(table: SplitTable, tokenizer: PreTrainedTokenizerFast) -> set[tuple[str, str, str]]:
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert len(table.bounds) == len(names) + 1
    assert table.bounds[-1] == len(table.left) == len(table.right)
    found = [
        (names[i], names[table.left[k]], names[table.right[k]])
        for i in range(len(names))
        for k in range(table.bounds[i], table.bounds[i + 1])
    ]
    assert len(set(found)) == len(found)
    return set(found)


def pairs(pieces: list[str], prefix: str = "") -> set[tuple[str, str, str]]:
    """All pairs of pieces that make up a third: no string is cut here."""
    return {
        (left + right.removeprefix(prefix), left, right)
        for left in pieces
        for right in pieces
        if right.startswith(prefix) and left + right.removeprefix(prefix) in pieces
    }


# The cuts of a vocabulary


@given(pieces=st.lists(st.text("▁abc", min_size=1, max_size=5), min_size=1, unique=True))
def test_cuts_of_sentencepiece(pieces) -> None:
    tokenizer = unigram(["<mask>", *pieces])
    assert cuts_in(SplitTable.of(tokenizer), tokenizer) == pairs(pieces)


marked = st.builds("{}{}".format, st.sampled_from(["", "##"]), st.text("abc", min_size=1))


@given(pieces=st.lists(marked, min_size=1, unique=True))
@pytest.mark.parametrize("kind", [models.WordPiece, models.BPE])
def test_cuts_of_marked_continuations(kind, pieces) -> None:
    """`##ab` is `##a` and `##b`, `ab` is `a` and `##b`."""
    vocab = {piece: i for i, piece in enumerate(["<mask>", *pieces])}
    merges = {"merges": []} if kind is models.BPE else {}
    model = kind(vocab=vocab, unk_token="<mask>", continuing_subword_prefix="##", **merges)
    tokenizer = fast(model)
    assert cuts_in(SplitTable.of(tokenizer), tokenizer) == pairs(pieces, "##")


def test_marks_are_not_cut() -> None:
    pieces = ["a", "#", "##a", "###", "##", "a</w>", "</w>", "ab</w>", "b</w>", "ab<", "/w>"]
    vocab = {piece: i for i, piece in enumerate(["<mask>", *pieces])}
    wordpiece = fast(models.WordPiece(vocab=vocab, unk_token="<mask>"))
    assert "##a" not in {piece for piece, _, _ in cuts_in(SplitTable.of(wordpiece), wordpiece)}
    suffix = fast(models.BPE(vocab=vocab, merges=[], unk_token="<mask>", end_of_word_suffix="</w>"))
    assert {cut for cut in cuts_in(SplitTable.of(suffix), suffix) if "b" in cut[0]} == {
        ("ab</w>", "a", "b</w>")
    }


def test_special_tokens_are_not_cut() -> None:
    """Nor are added ones, and neither are parts of a cut."""
    pieces = ["<mask>", "<", "mask>", "extra", "ex", "tra", "extra<mask>", "xextra", "x"]
    tokenizer = unigram(pieces)
    tokenizer.add_tokens(["extra"])
    assert not cuts_in(SplitTable.of(tokenizer), tokenizer)


def test_slow_tokenizer() -> None:
    with pytest.raises(DualNerError, match="slow one"):
        SplitTable.of(object())


def test_cuts_of_real_tokenizer() -> None:
    path = SHARED / "encoders" / "mini-xlmr"
    if not path.exists():
        pytest.skip("needs ../shared")
    tokenizer = AutoTokenizer.from_pretrained(path)
    table = SplitTable.of(tokenizer)
    names = np.array(tokenizer.convert_ids_to_tokens(range(len(tokenizer))), dtype=object)
    whole = np.repeat(np.arange(len(names)), np.diff(table.bounds))
    assert (names[table.left] + names[table.right] == names[whole]).all()
    assert not np.isin([*whole, *table.left, *table.right], tokenizer.all_special_ids).any()
    assert ("▁Deutschland", "▁Deutsch", "land") in cuts_in(table, tokenizer)


# Sentences


def pack(sentences: Sentences) -> SubwordBatch:
    words = [word for sentence in sentences for word in sentence]
    return SubwordBatch(
        np.array([i for word in words for i in word], dtype=np.int64),
        np.array([len(word) for word in words], dtype=np.int64),
        np.array([len(sentence) for sentence in sentences], dtype=np.int64),
    )


def unpack(batch: SubwordBatch) -> Sentences:
    ids, lengths = iter(batch.ids.tolist()), iter(batch.word_lengths.tolist())
    sentences = [
        [[next(ids) for _ in range(next(lengths))] for _ in range(n_words)]
        for n_words in batch.sentence_lengths
    ]
    assert not [*ids, *lengths]
    return sentences


def spell(words: list[list[int]]) -> list[str]:
    return ["".join(PIECES[i] for i in word) for word in words]


word = st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=4)


@st.composite
def cases(draw) -> tuple[Sentences, list[bool], int]:
    """Sentences, of each word whether it is chosen, and a seed."""
    sentences = draw(st.lists(st.lists(word, max_size=5), max_size=5))
    n_words = sum(map(len, sentences))
    chosen = draw(st.lists(st.booleans(), min_size=n_words, max_size=n_words))
    return sentences, chosen, draw(st.integers(0, 99))


def flags(chosen: list[bool]) -> np.ndarray:
    return np.array(chosen, dtype=bool)


@given(case=cases())
def test_mask_words(case) -> None:
    sentences, chosen, _ = case
    batch = pack(sentences)
    masked = iter(chosen)
    expected = [[[MASK] * len(w) if next(masked) else w for w in s] for s in sentences]
    assert unpack(mask_words(batch, flags(chosen), MASK)) == expected
    assert unpack(batch) == sentences


@given(case=cases(), share=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_split_subwords(case, share) -> None:
    """Words keep their spelling; each sub-word of a chosen one is itself or two that make it up."""
    sentences, chosen, seed = case
    batch = pack(sentences)
    rng = np.random.default_rng(seed)
    noisy = split_subwords(batch, flags(chosen), TABLE, rng, share, max_word=LONG)
    assert {values.dtype for values in noisy} == {np.dtype(np.int64)}
    assert unpack(batch) == sentences
    after = unpack(noisy)
    assert list(map(len, after)) == list(map(len, sentences))
    cuts = pairs(PIECES[1:])
    before = [w for s in sentences for w in s]
    for old, new, is_chosen in zip(before, [w for s in after for w in s], chosen, strict=True):
        assert spell([old]) == spell([new])
        if not is_chosen or share == 0:
            assert old == new
            continue
        rest = [PIECES[i] for i in new]
        for piece in (PIECES[i] for i in old):
            can_be_cut = any(whole == piece for whole, _, _ in cuts)
            if rest[0] == piece:
                assert share < 1 or not can_be_cut
                del rest[0]
            else:
                assert (piece, rest[0], rest[1]) in cuts
                del rest[:2]
        assert not rest


@given(case=cases(), longest=st.integers(4, 7))
def test_words_grow_no_longer_than_allowed(case, longest) -> None:
    """A word is cut as without a limit, or not at all where that makes it longer than the limit."""
    sentences, chosen, seed = case
    free, limited = (
        split_subwords(
            pack(sentences), flags(chosen), TABLE, np.random.default_rng(seed), 1.0, max_word=limit
        )
        for limit in (LONG, longest)
    )
    fits = free.word_lengths <= longest
    assert (limited.word_lengths <= longest).all()
    assert (limited.word_lengths[fits] == free.word_lengths[fits]).all()
    before = [w for s in sentences for w in s]
    after = [w for s in unpack(limited) for w in s]
    assert all(before[i] == after[i] for i in np.flatnonzero(~fits))


def test_every_cut_is_as_likely() -> None:
    """`aaa` is `a aa` or `aa a`; of many, about as many as the share says are cut."""
    n = 4000
    at = PIECES.index("aaa")
    batch = pack([[[at]] * n])
    rng = np.random.default_rng(0)
    noisy = split_subwords(batch, np.ones(n, bool), TABLE, rng, 0.25, max_word=LONG)
    words = [w for s in unpack(noisy) for w in s]
    one, two = PIECES.index("a"), PIECES.index("aa")
    assert abs(words.count([one, two]) / n - 0.125) < 0.02
    assert abs(words.count([two, one]) / n - 0.125) < 0.02
    assert words.count([at]) == n - words.count([one, two]) - words.count([two, one])


def noise(
    tokenizer: PreTrainedTokenizerFast = TOKENIZER, *, max_word: int = LONG, **settings: float
) -> Noise:
    return Noise(NoiseSettings(**settings), tokenizer, max_word=max_word)


@given(case=cases(), mask=st.sampled_from([0.0, 0.5, 0.99]), split=st.sampled_from([0.0, 0.5, 1.0]))
def test_noise_is_on_target_words_alone(case, mask, split) -> None:
    sentences, is_target, seed = case
    batch, rng = pack(sentences), np.random.default_rng(seed)
    state = rng.bit_generator.state
    noisy = noise(mask=mask, split=split).apply(batch, flags(is_target), rng)
    if mask == split == 0:
        assert noisy is batch
        assert rng.bit_generator.state == state
    after = unpack(noisy)
    assert list(map(len, after)) == list(map(len, sentences))
    words = zip((w for s in sentences for w in s), (w for s in after for w in s), strict=True)
    for (old, new), target in zip(words, is_target, strict=True):
        masked, split_only = new == [MASK] * len(old), spell([new]) == spell([old])
        assert old == new if not target else masked or split_only
        assert mask > 0 or split_only
        assert split > 0 or masked or new == old


def test_share_of_masked_words() -> None:
    n = 4000
    batch = pack([[[1, 2]] * n])
    target = np.arange(n) % 2 == 0
    rng = np.random.default_rng(0)
    noisy = noise(mask=0.2).apply(batch, target, rng)
    assert abs(unpack(noisy)[0].count([MASK, MASK]) / target.sum() - 0.2) < 0.03
    assert set(map(tuple, unpack(noisy)[0])) == {(1, 2), (MASK, MASK)}


def test_noise_keeps_words_within_the_limit() -> None:
    batch, target = pack([[[PIECES.index("abc")] * 3] * 50]), np.ones(50, bool)
    rng = np.random.default_rng(0)
    assert noise(split=1.0, max_word=6).apply(batch, target, rng).word_lengths.tolist() == [6] * 50
    assert noise(split=1.0, max_word=5).apply(batch, target, rng).word_lengths.tolist() == [3] * 50


def test_noise_that_a_tokenizer_cannot_make() -> None:
    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.Unigram([("a", -1.0)])))
    with pytest.raises(DualNerError, match="no mask token"):
        noise(bare, mask=0.1)
    batch = pack([[[0]]])
    nothing = noise(bare).apply(batch, np.ones(1, bool), np.random.default_rng(0))
    assert nothing is batch
