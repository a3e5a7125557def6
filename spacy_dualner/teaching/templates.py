"""Beginnings that many sentences of a language share and that are no part of names.

Every fourth line of Spanish in PAN-X is `REDIRECCIÓN` and a title. A teacher that has never met the
word finds wrong names in such lines, or none, and the student learns it thousands of times. Read
without its beginning, the same line is easy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..decoding.read import read_spans
from ..encoder.arrays import SentenceArrays
from ..encoder.heads import split_logits
from ..encoder.subwords import Ints, SubwordBatch, ragged_arange
from ..encoder.windows import Shape
from ..labels.words import check_lengths
from .network import predict

Bools = NDArray[np.bool_]

FEWEST = 10
"""Sentences that have to begin alike, however few there are."""

SAMPLE = 100
"""Of these, how many are read."""

MOST_ALIKE = 0.5
"""Share of them that may go on with the same word: else that one belongs to the beginning."""

FEWEST_NAMES = 1 / 3
"""Share of them in which an entity has to follow the beginning at once."""

MOST_OF_A_TYPE = 0.7
"""Share of those entities that may be of one type: what goes with one alone (`Pope`) is a part of
names."""

ALL_OF_A_TYPE = 0.9
"""Share of one type from which on entities that hold the beginning itself are names: a place stands
after `University of` as often as a person, but all are organisations."""

# Sentences whose sub-words are in memory at once.
_PART = 10_000
# Logit of a word outside of entities, others being 0.
_SURE = 20.0
# An odd number with its bits well mixed: sums of powers of it tell sequences of ids apart.
_BASE = np.uint64(0x9E3779B97F4A7C15)


class Template(NamedTuple):
    """A beginning."""

    sentences: Ints  # numbers of the sentences that begin with it
    n_words: int  # how many words it has
    text: str

    def remark(self, lang: str) -> str:
        """What is to be said of it. lang (str): The language."""
        return (
            f"{lang}: the teacher does not read '{self.text}', with which "
            f"{len(self.sentences):,} sentences begin"
        )


def find_templates(
    network: nn.Module,
    corpus: SentenceArrays,
    sentences: Ints,
    shape: Shape,
    share: float,
    tokenizer: Any,
) -> list[Template]:
    """The beginnings of a language's sentences that are no part of names, frequent ones first.

    Those of at least a share of the sentences, and of `FEWEST`, that have a letter and go on
    in many ways, where the teacher, shown what follows alone, finds entities that begin there,
    and of several types; and where entities that it finds across, shown all, are of several types.
    """
    fewest = max(FEWEST, share * len(sentences))
    # A part at a time: there may be millions, of which memory is not to hold the sub-words.
    parts = np.array_split(sentences, 1 + len(sentences) // _PART)
    keys = np.concatenate([word_keys(corpus.select(part)[0]) for part in parts])
    lengths = corpus.word_counts()[sentences]
    begins = np.cumsum(lengths) - lengths
    found = []
    # Sentences by place in `sentences`, and how many words they have in common.
    groups = [(np.arange(len(sentences)), 0)]
    while groups:
        group, n = groups.pop()
        longer = group[lengths[group] > n]
        if len(longer) < fewest:
            continue
        _, word, counts = np.unique(
            keys[begins[longer] + n], return_inverse=True, return_counts=True
        )
        template = Template(sentences[longer], n, _text(corpus, sentences[longer[0]], n, tokenizer))
        goes_on_alike = counts.max() > MOST_ALIKE * len(longer)
        if n and not goes_on_alike and _is_apart(network, corpus, template, shape):
            found.append(template)
            continue
        groups.extend((longer[word == i], n + 1) for i in np.flatnonzero(counts >= fewest))
    return sorted(found, key=lambda template: -len(template.sentences))


def template_words(corpus: SentenceArrays, templates: Iterable[Template]) -> Bools:
    """Which words of a corpus (Bools1d) are of such beginnings."""
    chosen = np.zeros(len(corpus.word_lengths), dtype=bool)
    for sentences, n_words, _ in templates:
        first = corpus.word_bounds[sentences]
        chosen[ragged_arange(first, np.full(len(first), n_words))] = True
    return chosen


def without_words(batch: SubwordBatch, left_out: Bools) -> SubwordBatch:
    """Sentences without some of their words (Bools1d); one of such words alone is empty."""
    sentence = np.repeat(np.arange(len(batch.sentence_lengths)), batch.sentence_lengths)
    return SubwordBatch(
        batch.ids[np.repeat(~left_out, batch.word_lengths)],
        batch.word_lengths[~left_out],
        np.bincount(sentence[~left_out], minlength=len(batch.sentence_lengths)),
    )


def _is_apart(network: nn.Module, corpus: SentenceArrays, template: Template, shape: Shape) -> bool:
    """Whether a beginning has a letter and is no part of the names that follow."""
    sentences, n_words, text = template
    if not any(map(str.isalpha, text)):
        return False
    batch = corpus.sample(sentences, SAMPLE)
    lengths = batch.sentence_lengths
    n = len(lengths)
    of_template = ragged_arange(np.zeros(n, dtype=np.int64), lengths) < n_words
    after = _found(network, without_words(batch, of_template), shape)
    follows = [kind for start, _, kind in after if start == 0]
    if len(follows) < FEWEST_NAMES * n or _share_of_one(follows) > MOST_OF_A_TYPE:
        return False
    across = [kind for start, end, kind in _found(network, batch, shape) if start < n_words <= end]
    return len(across) <= n / 2 or _share_of_one(across) < ALL_OF_A_TYPE


def _found(network: nn.Module, batch: SubwordBatch, shape: Shape) -> Iterator[tuple[int, int, int]]:
    """First and last word, counted in their sentence, and type of the entities in sentences."""
    logits, layout = predict(network, batch, shape)
    first, last, type_ = (values.cpu().numpy() for values in read_spans(logits, layout, "span"))
    _, start = layout.locate(first)
    end = start + last - first
    return zip(start.tolist(), end.tolist(), type_.tolist(), strict=True)


def _text(corpus: SentenceArrays, sentence: int, n_words: int, tokenizer: Any) -> str:
    """The first words of a sentence."""
    batch, _ = corpus.select(np.array([sentence]))
    return str(tokenizer.decode(batch.ids[: batch.word_lengths[:n_words].sum()])).strip()


def _share_of_one(types: list[int]) -> float:
    return float(np.bincount(types).max()) / len(types)


def word_keys(batch: SubwordBatch) -> NDArray[np.uint64]:
    """A number for each word, the same for the same sub-words."""
    begins = np.cumsum(batch.word_lengths) - batch.word_lengths
    place = np.arange(len(batch.ids)) - np.repeat(begins, batch.word_lengths)
    powers = np.cumprod(np.full(place.max(initial=0) + 1, _BASE))
    mixed = (batch.ids.astype(np.uint64) + np.uint64(1)) * powers[place]
    return np.add.reduceat(mixed, begins)


def with_unread(logits: Tensor, unread: Bools) -> Tensor:
    """Logits of all words, given those of the words that were read: others are outside entities.

    logits (Floats2d): `[words read, 4C + 3]`.
    RETURNS (Floats2d): `[words, 4C + 3]`.
    """
    check_lengths("word", int((~unread).sum()), len(logits))
    rows = logits.new_zeros((len(unread), logits.shape[1]))
    for head in split_logits(rows):
        head[:, 0] = _SURE
    return rows.index_copy(0, torch.from_numpy(np.flatnonzero(~unread)).to(rows.device), logits)
