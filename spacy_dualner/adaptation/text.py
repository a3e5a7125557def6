"""The text that an encoder is adapted to: each sentence once, some of them held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..data.docbin import read_shards, text_paths
from ..encoder.subwords import Ints, WordTokenizer, ragged_arange
from ..errors import DualNerError
from ..labels import LabelScheme
from ..teaching.arrays import ArraysBuilder, SentenceArrays

# Of the sentences of a language, one in so many is held back, and no more than that.
ONE_IN, AT_MOST = 100, 500

# Sentences that are compared at once.
CHUNK = 100_000


def read_text(
    words: WordTokenizer,
    corpus: Path,
    langs: Mapping[str, int],
    *,
    splits: Sequence[str],
    limit: int = 0,
    progress: bool = False,
) -> tuple[SentenceArrays, dict[str, Ints]]:
    """Tokenise the text of a corpus. Of annotated sentences the words alone are read.

    words (WordTokenizer): Gives the sub-words.
    corpus (Path): Corpus folder.
    langs (Mapping[str, int]): Languages, each with its own limit; all if empty.
    splits (Sequence[str]): Parts of the corpus.
    limit (int): First N sentences of each part of a language without limit of its own; 0 for all.
    progress (bool): Whether to show a progress bar.
    RETURNS (Tuple[SentenceArrays, Dict[str, Ints1d]]): The sentences, and the numbers of those of
        each language, without the repeats of a sentence, which `convert` writes to `train` and
        `unlabelled` alike.
    Raises DualNerError where a language has no text.
    """
    builder = ArraysBuilder(words, LabelScheme(()))
    counts = {}
    paths = text_paths(corpus, splits, langs)
    for lang, own in tqdm(paths.items(), "text", leave=False, disable=None if progress else True):
        most = langs.get(lang) or limit
        shards = (shard for path in own for shard in read_shards(path, most))
        counts[lang] = sum(builder.add(shard, labelled=False) for shard in shards)
        if not counts[lang]:
            raise DualNerError(f"No sentence of '{lang}' in {', '.join(map(str, own))}.")
    text = builder.build()
    hashes = _hashes(text)
    sentences, end = {}, 0
    for lang, count in counts.items():
        _, first = np.unique(hashes[end : end + count], return_index=True)
        sentences[lang] = np.sort(first) + end
        end += count
    return text, sentences


def hold_back(sentences: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Set some sentences of a language apart, to measure on: of few, half of them at most.

    sentences (Ints1d): Numbers of the sentences.
    rng (Generator): Source of chance.
    RETURNS (Tuple[Ints1d, Ints1d]): Those held back, and the others.
    """
    number = min(AT_MOST, -(-len(sentences) // ONE_IN), len(sentences) // 2)
    order = rng.permutation(sentences)
    return order[:number], order[number:]


def _hashes(text: SentenceArrays) -> np.ndarray:
    """A number for each sentence, the same for the same sub-words alone."""
    lengths = text.subword_counts()
    size = int(lengths.max(initial=0))
    factors = np.random.default_rng(0).integers(1 << 64, size=size, dtype=np.uint64) | np.uint64(1)
    hashes = np.zeros(len(text), dtype=np.uint64)
    for begin in range(0, len(text), CHUNK):
        chunk = np.arange(begin, min(begin + CHUNK, len(text)))
        own = lengths[chunk]
        position = ragged_arange(np.zeros_like(own), own)
        terms = (text.select(chunk)[0].ids.astype(np.uint64) + np.uint64(1)) * factors[position]
        hashes[chunk] = np.add.reduceat(terms, np.cumsum(own) - own)
    return hashes
