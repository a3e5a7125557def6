"""Sentences as flat arrays, against lists."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.arrays import Sentence, arrays_of
from helpers.many import many
from helpers.tiny import SENTENCES
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_dualner.encoder.arrays import ArraysBuilder, SentenceArrays
from spacy_dualner.encoder.subwords import WordTokenizer
from spacy_dualner.labels.scheme import IGNORE, LabelScheme

SCHEME = LabelScheme.from_types(["LOC", "ORG", "PER"])
moderate = settings(max_examples=many(60))

corpora = st.lists(
    st.tuples(
        st.sampled_from(["en", "de", "zh"]),
        st.lists(
            st.tuples(st.lists(st.integers(0, 99), min_size=1, max_size=3), st.integers(-1, 6)),
            min_size=1,
            max_size=4,
        ),
    ),
    max_size=8,
)


def unpack(arrays: SentenceArrays) -> list[Sentence]:
    """Back to lists, reading the arrays from left to right."""
    ids, lengths, tags = (iter(x.tolist()) for x in (arrays.ids, arrays.word_lengths, arrays.tags))
    sentences = [
        (
            arrays.lang_names[lang],
            [([next(ids) for _ in range(next(lengths))], next(tags)) for _ in range(n_words)],
        )
        for lang, n_words in zip(arrays.langs, arrays.word_counts(), strict=True)
    ]
    assert not [*ids, *lengths, *tags]
    return sentences


@st.composite
def choices(draw) -> tuple[list[Sentence], list[int]]:
    """A corpus and numbers of some of its sentences, in any order, repeated or not."""
    sentences = draw(corpora)
    number = st.integers(0, len(sentences) - 1)
    return sentences, draw(st.lists(number, max_size=10)) if sentences else []


@moderate
@given(choice=choices())
def test_select(choice) -> None:
    sentences, chosen = choice
    batch, tags = arrays_of(sentences).select(np.array(chosen, dtype=np.int64))
    words = [word for i in chosen for word in sentences[i][1]]
    assert batch.ids.tolist() == [i for ids, _ in words for i in ids]
    assert batch.word_lengths.tolist() == [len(ids) for ids, _ in words]
    assert batch.sentence_lengths.tolist() == [len(sentences[i][1]) for i in chosen]
    assert tags.tolist() == [tag for _, tag in words]
    assert {x.dtype for x in (*batch, tags)} == {np.dtype(np.int64)}


@moderate
@given(choice=choices())
def test_subset(choice) -> None:
    sentences, chosen = choice
    part = arrays_of(sentences).subset(np.array(chosen, dtype=np.int64))
    assert unpack(part) == [sentences[i] for i in chosen]
    assert sorted(part.lang_names) == sorted({sentences[i][0] for i in chosen})
    again = part.subset(np.arange(len(part)))
    assert unpack(again) == unpack(part)


@moderate
@given(sentences=corpora)
def test_of_lang_and_counts(sentences) -> None:
    arrays = arrays_of(sentences)
    for lang in arrays.lang_names:
        expected = [i for i, (name, _) in enumerate(sentences) if name == lang]
        assert arrays.of_lang(lang).tolist() == expected
    counts = [sum(len(ids) for ids, _ in s) for _, s in sentences]
    assert arrays.subword_counts().tolist() == counts
    assert len(arrays) == len(sentences)


def make_docs(langs: list[str | None]) -> list[Doc]:
    """The test sentences in turn, each with its language; an empty Doc before each."""
    vocab, docs = Vocab(), []
    for i, lang in enumerate(langs):
        tokens, tags = SENTENCES[i % len(SENTENCES)]
        doc = Doc(vocab, words=tokens, ents=tags)
        if lang is not None:
            doc.user_data["lang"] = lang
        docs += [Doc(vocab), doc]
    return docs


def expected_sentences(words: WordTokenizer, langs: list, labelled: bool) -> list[Sentence]:
    expected = []
    for i, lang in enumerate(langs):
        tokens, tags = SENTENCES[i % len(SENTENCES)]
        gold = [SCHEME.tag_id(tag) if labelled else IGNORE for tag in tags]
        pieces = words.tokenizer(
            [[token] for token in tokens], is_split_into_words=True, add_special_tokens=False
        )["input_ids"]
        expected.append((lang or "", list(zip(pieces, gold, strict=True))))
    return expected


@pytest.mark.parametrize("max_memory", [1 << 30, 2000, 0])
def test_builder(words, tmp_path, max_memory) -> None:
    """More Docs than are tokenised at once, of two vocabularies, labelled and not; the empty ones
    are left out. In memory, in files from somewhere in the middle on, and from the beginning."""
    first, second = ["en", "de", None] * 400, ["de", "sw"] * 300
    builder = ArraysBuilder(words, SCHEME, max_memory=max_memory, folder=tmp_path)
    assert builder.add(iter(make_docs(first)), labelled=True) == len(first)
    assert builder.add(make_docs(second), labelled=False) == len(second)
    arrays = builder.build()
    assert unpack(arrays) == [
        *expected_sentences(words, first, True),
        *expected_sentences(words, second, False),
    ]
    assert arrays.lang_names == ["en", "de", "", "sw"]
    assert isinstance(arrays.ids, np.memmap) == (max_memory < 1 << 30)
    chosen = np.array([1700, 3, 3, 1201])
    assert unpack(arrays.subset(chosen)) == [unpack(arrays)[i] for i in chosen]
    # The files have no name: nothing is left behind, whatever happens.
    assert not list(tmp_path.iterdir())


def test_from_no_docs(words) -> None:
    for docs in ([], [Doc(Vocab())]):
        builder = ArraysBuilder(words, SCHEME, max_memory=0)
        assert builder.add(docs, labelled=True) == 0
        arrays = builder.build()
        assert len(arrays) == 0
        assert unpack(arrays.subset(np.zeros(0, dtype=np.int64))) == []
