"""Sentences as flat arrays: tokenised once, then only indexed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy.util import minibatch

from ..encoder.subwords import Ints, SubwordBatch, WordTokenizer, ragged_arange
from ..gold import doc_tags
from ..labels import IGNORE, LabelScheme


def _bounds(lengths: NDArray) -> Ints:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


@dataclass
class SentenceArrays:
    """The sub-words and gold tags of a corpus.

    ids (Array1d[int32]): Sub-word ids of all words, end to end.
    word_lengths (Array1d[int16]): Number of sub-words of each word.
    sentence_lengths (Array1d[int32]): Number of words of each sentence.
    tags (Array1d[int16]): Tag class of each word, IGNORE where there is no gold tag.
    langs (Array1d[int16]): Language of each sentence, as an index into `lang_names`.
    lang_names (List[str]): Names of the languages.
    """

    ids: NDArray[np.int32]
    word_lengths: NDArray[np.int16]
    sentence_lengths: NDArray[np.int32]
    tags: NDArray[np.int16]
    langs: NDArray[np.int16]
    lang_names: list[str]

    def __post_init__(self) -> None:
        self._word_bounds = _bounds(self.sentence_lengths)
        self._subword_bounds = _bounds(self.word_lengths)

    def __len__(self) -> int:
        return len(self.sentence_lengths)

    @classmethod
    def from_docs(
        cls,
        docs: Iterable[Doc],
        words: WordTokenizer,
        scheme: LabelScheme,
        strings: StringStore,
        *,
        labelled: bool,
    ) -> SentenceArrays:
        """Tokenise Docs, a thousand at a time. Empty Docs are left out.

        docs (Iterable[Doc]): Any number of Docs; the language is `user_data["lang"]`.
        words (WordTokenizer): Gives the sub-words.
        scheme (LabelScheme): Entity types.
        strings (StringStore): The Docs' string store.
        labelled (bool): Whether to take gold tags from the Docs; otherwise they have none.
        """
        ids, word_lengths, sentence_lengths, tags, langs = [], [], [], [], []
        names: dict[str, int] = {}
        for batch in minibatch((doc for doc in docs if len(doc)), 1000):
            subwords = words.encode_docs(batch)
            n_words = len(subwords.word_lengths)
            gold = doc_tags(batch, scheme, strings) if labelled else np.full(n_words, IGNORE)
            lang = [names.setdefault(d.user_data.get("lang", ""), len(names)) for d in batch]
            ids.append(subwords.ids.astype(np.int32))
            word_lengths.append(subwords.word_lengths.astype(np.int16))
            sentence_lengths.append(subwords.sentence_lengths.astype(np.int32))
            tags.append(gold.astype(np.int16))
            langs.append(np.array(lang, dtype=np.int16))
        return cls(
            _join(ids, np.int32),
            _join(word_lengths, np.int16),
            _join(sentence_lengths, np.int32),
            _join(tags, np.int16),
            _join(langs, np.int16),
            list(names),
        )

    def subword_counts(self) -> Ints:
        """Number of sub-words of each sentence."""
        return np.diff(self._subword_bounds[self._word_bounds])

    def select(self, sentences: Ints) -> tuple[SubwordBatch, Ints]:
        """Some sentences in a given order.

        sentences (Ints1d): Sentence numbers.
        RETURNS (Tuple[SubwordBatch, Ints1d]): Their sub-words, and the tags of their words.
        """
        lengths = self.sentence_lengths[sentences].astype(np.int64)
        word = ragged_arange(self._word_bounds[sentences], lengths)
        word_lengths = self.word_lengths[word].astype(np.int64)
        subword = ragged_arange(self._subword_bounds[word], word_lengths)
        batch = SubwordBatch(self.ids[subword].astype(np.int64), word_lengths, lengths)
        return batch, self.tags[word].astype(np.int64)

    def subset(self, sentences: Ints) -> SentenceArrays:
        """A corpus of some sentences; languages without a sentence are left out."""
        batch, tags = self.select(sentences)
        present = np.unique(self.langs[sentences])
        return SentenceArrays(
            batch.ids.astype(np.int32),
            batch.word_lengths.astype(np.int16),
            batch.sentence_lengths.astype(np.int32),
            tags.astype(np.int16),
            np.searchsorted(present, self.langs[sentences]).astype(np.int16),
            [self.lang_names[i] for i in present],
        )

    def of_lang(self, name: str) -> Ints:
        """Sentence numbers of a language."""
        if name not in self.lang_names:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.langs == self.lang_names.index(name))

    @classmethod
    def concatenate(cls, first: SentenceArrays, second: SentenceArrays) -> SentenceArrays:
        """Two corpora as one, the second's sentences after the first's."""
        names = [*first.lang_names, *(n for n in second.lang_names if n not in first.lang_names)]
        renumber = np.array([names.index(n) for n in second.lang_names], dtype=np.int16)
        return cls(
            np.concatenate((first.ids, second.ids)),
            np.concatenate((first.word_lengths, second.word_lengths)),
            np.concatenate((first.sentence_lengths, second.sentence_lengths)),
            np.concatenate((first.tags, second.tags)),
            np.concatenate((first.langs, renumber[second.langs])),
            names,
        )


def _join(parts: list[NDArray], dtype: type) -> NDArray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)
