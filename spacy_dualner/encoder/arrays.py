"""Sentences as flat arrays: tokenised once, then only indexed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import minibatch

from ..labels.gold import doc_tags
from ..labels.scheme import IGNORE, LabelScheme
from ..labels.words import DocWords, check_lengths
from .subwords import Ints, SubwordBatch, WordTokenizer, ragged_arange

# Columns with a value per sub-word, per word (two) and per sentence (three).
_COLUMNS = {
    **{"ids": np.int32, "word_lengths": np.int16, "tags": np.int16},
    **{"n_words": np.int32, "n_subwords": np.int32, "langs": np.int16},
}


@dataclass
class SentenceArrays:
    """The sub-words and gold tags of a corpus. Made by `ArraysBuilder`."""

    ids: NDArray[np.int32]  # sub-word ids of all words, end to end
    word_lengths: NDArray[np.int16]  # number of sub-words of each word
    tags: NDArray[np.int16]  # tag class of each word, IGNORE where there is no gold tag
    word_bounds: Ints  # where each sentence's words begin, and the last one's end
    subword_bounds: Ints  # the same for sub-words
    langs: NDArray[np.int16]  # language of each sentence, as an index into `lang_names`
    lang_names: list[str]  # names of the languages

    def __post_init__(self) -> None:
        check_lengths("word", self.word_bounds[-1], len(self.word_lengths))
        check_lengths("word", self.word_bounds[-1], len(self.tags))
        check_lengths("sub-word", self.subword_bounds[-1], len(self.ids))
        check_lengths("sentence", len(self), len(self.word_bounds) - 1)
        check_lengths("sentence", len(self), len(self.subword_bounds) - 1)

    def __len__(self) -> int:
        return len(self.langs)

    def checksum(self) -> int:
        """Of all that is in it."""
        arrays = (self.ids, self.word_lengths, self.tags, self.langs)
        checksum = crc32(",".join(self.lang_names).encode())
        for array in (*arrays, self.word_bounds, self.subword_bounds):
            checksum = crc32(array.data, checksum)
        return checksum

    def word_counts(self) -> Ints:
        """Number of words of each sentence."""
        return np.diff(self.word_bounds)

    def subword_counts(self) -> Ints:
        """Number of sub-words of each sentence."""
        return np.diff(self.subword_bounds)

    def select(self, sentences: Ints) -> tuple[SubwordBatch, Ints]:
        """The sub-words of some sentences (Ints1d) in their order, and the tags of their words."""
        first, n_words = _parts(self.word_bounds, sentences)
        word = ragged_arange(first, n_words)
        subword = ragged_arange(*_parts(self.subword_bounds, sentences))
        batch = SubwordBatch(
            self.ids[subword].astype(np.int64), self.word_lengths[word].astype(np.int64), n_words
        )
        return batch, self.tags[word].astype(np.int64)

    def subset(self, sentences: Ints) -> SentenceArrays:
        """A corpus of some sentences; languages without a sentence are left out."""
        batch, tags = self.select(sentences)
        present = np.unique(self.langs[sentences])
        return SentenceArrays(
            batch.ids.astype(np.int32),
            batch.word_lengths.astype(np.int16),
            tags.astype(np.int16),
            _bounds(batch.sentence_lengths),
            _bounds(batch.sizes),
            np.searchsorted(present, self.langs[sentences]).astype(np.int16),
            [self.lang_names[i] for i in present],
        )

    def sample(self, sentences: Ints, most: int) -> SubwordBatch:
        """Some of the sentences (Ints1d), evenly spread, or all where there are no more."""
        n = min(most, len(sentences))
        return self.select(sentences[np.arange(n) * len(sentences) // n])[0]

    def of_lang(self, name: str) -> Ints:
        """Sentence numbers of one of the languages."""
        return np.flatnonzero(self.langs == self.lang_names.index(name))


@dataclass
class ArraysBuilder:
    """Tokenises Docs into one `SentenceArrays`, in memory or, once it is large, in files."""

    words: WordTokenizer
    scheme: LabelScheme
    _: KW_ONLY
    max_memory: int = 1 << 30  # bytes above which arrays are written to temporary files, and mapped
    folder: Path | None = None  # where those lie; they have no name there, and go with the arrays
    keep_empty: bool = False  # whether Docs without a word keep their places, as empty sentences

    def __post_init__(self) -> None:
        where = str(self.folder) if self.folder is not None else None
        self._files = {name: SpooledTemporaryFile(dir=where) for name in _COLUMNS}  # noqa: SIM115
        self._n_bytes = 0
        self._names: dict[str, int] = {}

    @property
    def lang_names(self) -> list[str]:
        """The languages met so far."""
        return list(self._names)

    def add(self, docs: Iterable[Doc], *, labelled: bool) -> int:
        """Tokenise Docs, a thousand at a time; the number of sentences added.

        docs (Iterable[Doc]): Any number of Docs of one vocab; the language is `user_data["lang"]`.
            Those without a word are left out, unless `keep_empty`.
        """
        n_added = 0
        for batch in minibatch(docs, 1000):
            words = DocWords(batch)
            subwords = self.words.encode(words)
            tags = np.full(len(words), IGNORE)
            if labelled:
                tags = doc_tags(batch, self.scheme, words)
            check_lengths("word", len(subwords.word_lengths), len(tags))
            names = self._names
            kept = (words.lengths > 0) | self.keep_empty
            langs = [
                names.setdefault(doc.user_data.get("lang", ""), len(names))
                for doc, keep in zip(batch, kept, strict=True)
                if keep
            ]
            lengths = words.lengths[kept], subwords.sizes[kept]
            self._write(subwords.ids, subwords.word_lengths, tags, *lengths, np.array(langs))
            n_added += len(langs)
        return n_added

    def build(self) -> SentenceArrays:
        """All sentences added, in their order."""
        ids, word_lengths, tags, n_words, n_subwords, langs = map(self._read, _COLUMNS)
        return SentenceArrays(
            ids, word_lengths, tags, _bounds(n_words), _bounds(n_subwords), langs, self.lang_names
        )

    def _write(self, *columns: Ints) -> None:
        for (name, file), values in zip(self._files.items(), columns, strict=True):
            self._n_bytes += file.write(values.astype(_COLUMNS[name]).tobytes())
        if self._n_bytes > self.max_memory:
            for file in self._files.values():
                file.rollover()

    def _read(self, name: str) -> NDArray:
        file, dtype = self._files[name], _COLUMNS[name]
        size = file.seek(0, 2)
        file.seek(0)
        if size and self._n_bytes > self.max_memory:
            file.flush()
            return np.memmap(file, dtype=dtype, mode="r")
        return np.frombuffer(file.read(), dtype=dtype)


def _bounds(lengths: NDArray) -> Ints:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _parts(bounds: Ints, sentences: Ints) -> tuple[Ints, Ints]:
    """Begins and lengths."""
    return bounds[sentences], bounds[sentences + 1] - bounds[sentences]
