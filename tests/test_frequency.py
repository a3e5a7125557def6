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
from spacy_dualner.teaching.frequency import frequent_words, name_words, trim_spans

PIECES = ["a", "b", "(", "1", "ж", "."]


def tokenizer() -> SimpleNamespace:
    """Of a vocabulary of single characters."""
    return SimpleNamespace(
        convert_ids_to_tokens=lambda i: PIECES[i],
        convert_tokens_to_string="".join,
        decode=lambda ids: "".join(PIECES[i] for i in ids),
    )


def corpus_of(sentences: list[list[str]], langs: list[int], tags: list[int]) -> SentenceArrays:
    words = [word for sentence in sentences for word in sentence]
    subwords = [sum(map(len, sentence)) for sentence in sentences]
    return SentenceArrays(
        np.array([PIECES.index(c) for word in words for c in word], dtype=np.int32),
        np.array([len(word) for word in words], dtype=np.int16),
        np.array([*tags, *[-1] * (len(words) - len(tags))], dtype=np.int16),
        np.cumsum([0, *map(len, sentences)]),
        np.cumsum([0, *subwords]),
        np.array(langs, dtype=np.int16),
        ["xx", "yy"],
    )


word = st.text(PIECES, min_size=1, max_size=3)
texts = st.lists(
    st.tuples(st.lists(word, min_size=1, max_size=4), st.integers(0, 1)), min_size=1, max_size=12
)
# Parts of a sentence: words, and whether they are outside (0), of a name (1 or 2), or unknown (-1).
annotated = st.lists(
    st.lists(
        st.tuples(st.lists(word, min_size=1, max_size=2), st.integers(-1, 2)),
        min_size=1,
        max_size=3,
    ),
    max_size=4,
)


@settings(deadline=None)
@given(annotated, texts, st.sampled_from([0.1, 0.4, 0.5, 1.0]))
def test_frequent_words(source, text, share: float) -> None:
    """Counted once a sentence, by language, in unlabelled text; they need a letter, and stand
    outside of names more often than at their edges."""
    sentences, langs = [list(words) for words, _ in text], [lang for _, lang in text]
    edges, outside, tags = Counter(), Counter(), []
    for sentence in source:
        for words, kind in sentence:
            edges.update([words[i] for i in {0, len(words) - 1}] * (kind > 0))
            outside.update(words * (kind == 0))
            if kind > 0:
                tags += [2 * kind - 1, *[2 * kind] * (len(words) - 1)]
            else:
                tags += [kind] * len(words)
    given_ = [[word for words, _ in sentence for word in words] for sentence in source]
    corpus = corpus_of([*given_, *sentences], [*[0] * len(source), *langs], tags)
    found = frequent_words(corpus, len(source), share, tokenizer())
    expected = [False] * sum(map(len, given_))
    named: dict[str, Counter] = {}
    for sentence, lang in zip(sentences, langs, strict=True):
        own = [set(words) for words, of in text if of == lang]
        counts = Counter(word for words in own for word in words)
        for word in sentence:
            of_name = edges[word] and edges[word] >= outside[word]
            has_letter = any(map(str.isalpha, word))
            expected.append(counts[word] >= share * len(own) and has_letter and not of_name)
            named.setdefault(["xx", "yy"][lang], Counter())[word] += expected[-1]
    assert found.tolist() == expected
    words_of = name_words(corpus, found, tokenizer())
    assert words_of.keys() == {lang for lang, counts in named.items() if counts.total()}
    for lang, words in words_of.items():
        assert sorted(words) == sorted(+named[lang])
        times = [named[lang][word] for word in words]
        assert times == sorted(times, reverse=True)


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
