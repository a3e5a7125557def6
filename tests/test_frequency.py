"""Words too frequent to begin or end a name, against plain loops."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_dualner.conversions import Spans
from spacy_dualner.teaching.arrays import SentenceArrays
from spacy_dualner.teaching.frequency import frequent_words, trim_spans

PIECES = ["a", "b", "(", "1", "ж", "."]


def tokenizer() -> SimpleNamespace:
    """Of a vocabulary of single characters."""
    return SimpleNamespace(
        convert_ids_to_tokens=lambda i: PIECES[i], convert_tokens_to_string="".join
    )


def corpus_of(sentences: list[list[str]], langs: list[int]) -> SentenceArrays:
    words = [word for sentence in sentences for word in sentence]
    subwords = [sum(map(len, sentence)) for sentence in sentences]
    return SentenceArrays(
        np.array([PIECES.index(c) for word in words for c in word], dtype=np.int32),
        np.array([len(word) for word in words], dtype=np.int16),
        np.full(len(words), -1, dtype=np.int16),
        np.cumsum([0, *map(len, sentences)]),
        np.cumsum([0, *subwords]),
        np.array(langs, dtype=np.int16),
        ["xx", "yy"],
    )


texts = st.lists(
    st.tuples(
        st.lists(st.text(PIECES, min_size=1, max_size=3), min_size=1, max_size=4),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(texts, st.sampled_from([0.1, 0.4, 0.5, 1.0]), st.integers(0, 3))
def test_frequent_words(text, share: float, n_left_out: int) -> None:
    """Counted once a sentence, by language, over the sentences that count; they need a letter."""
    sentences, langs = [list(words) for words, _ in text], [lang for _, lang in text]
    counting = np.arange(min(n_left_out, len(text)), len(text))
    found = frequent_words(corpus_of(sentences, langs), counting, share, tokenizer())
    expected = []
    for number, (sentence, lang) in enumerate(zip(sentences, langs, strict=True)):
        own = [set(sentences[i]) for i in counting if langs[i] == lang]
        counts = Counter(word for words in own for word in words)
        expected += [
            number in counting and counts[word] >= share * len(own) and any(map(str.isalpha, word))
            for word in sentence
        ]
    assert found.tolist() == expected


@given(st.lists(st.sampled_from("wf|"), max_size=14), st.data())
def test_trimmed_spans(row: list[str], data: st.DataObject) -> None:
    """Words, frequent words and gaps; entities lose frequent words at both edges, not inside."""
    spans, at = [], 0
    for part in "".join(row).split("|"):
        if part:
            first = data.draw(st.integers(0, len(part) - 1))
            last = data.draw(st.integers(first, len(part) - 1))
            spans.append((at + first, at + last, data.draw(st.integers(1, 3))))
        at += len(part) + 1
    frequent = torch.tensor([kind == "f" for kind in row], dtype=torch.bool)
    columns = torch.tensor(spans, dtype=torch.long).reshape(-1, 3).T
    expected = []
    for first, last, type_ in spans:
        kept = [i for i in range(first, last + 1) if row[i] != "f"]
        if kept:
            expected.append((kept[0], kept[-1], type_))
    trimmed = trim_spans(Spans(*columns), frequent)
    assert list(zip(*(values.tolist() for values in trimmed), strict=True)) == expected


@pytest.mark.parametrize("n_words", [0, 3])
def test_nothing_found(n_words: int) -> None:
    none = torch.zeros(0, dtype=torch.long)
    trimmed = trim_spans(Spans(none, none, none), torch.zeros(n_words, dtype=torch.bool))
    assert [len(values) for values in trimmed] == [0, 0, 0]
