"""Batches with random words, and the losses by plain loops."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from helpers import oracle
from torch import Tensor

from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE
from spacy_dualner.teaching.objective import Piece
from spacy_dualner.teaching.settings import ConfigSchemaTeaching

N_TYPES = 3


SIZES = (2 * N_TYPES + 1, N_TYPES + 1, N_TYPES + 1)


def objective(**settings: Any) -> ConfigSchemaTeaching:
    """The settings of stage 2 that the loss reads; the defaults are the paper's."""
    return ConfigSchemaTeaching.model_construct(**settings)


def randn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + prod(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def pull_by_pairs(vectors: Tensor, entities, n_types: int, norm: str) -> Tensor:
    """Equation 9 with its double loop."""
    total = vectors.new_zeros(())
    for type_ in range(1, n_types + 1):
        r = [torch.cat((vectors[s], vectors[e])) for s, e, t in entities if t == type_]
        if len(r) < 2:
            continue
        pairs = [((a - b) ** 2) for m, a in enumerate(r) for q, b in enumerate(r) if m != q]
        if norm == "pairs":
            total = total + sum(p.mean() for p in pairs) / len(pairs)
        else:
            total = total + sum(p.sum() for p in pairs) / len(r)
    return total / n_types


@dataclass
class Batch:
    """Sentences of a batch with everything that the objective reads."""

    lengths: list[int]
    is_source: list[bool]
    gold: list[list[int]]
    vectors: Tensor
    student: Tensor
    teacher: Tensor

    @property
    def of_word(self) -> list[bool]:
        return [s for s, n in zip(self.is_source, self.lengths, strict=True) for _ in range(n)]

    def words(self, source: bool) -> Tensor:
        return torch.tensor(sum(s == source for s in self.of_word))

    def piece(self, begin: int = 0, end: int | None = None, share: float = 1.0) -> tuple:
        """Arguments of `stage2_loss` for some of the sentences."""
        end = len(self.lengths) if end is None else end
        first, last = sum(self.lengths[:begin]), sum(self.lengths[:end])
        piece = Piece(
            torch.tensor([t for tags in self.gold[begin:end] for t in tags], dtype=torch.long),
            Layout(self.lengths[begin:end]),
            torch.tensor(self.of_word[first:last], dtype=torch.bool),
            self.words(True),
            self.words(False),
            share,
        )
        return piece, *(x[first:last] for x in (self.vectors, self.student, self.teacher))

    def split(self, logits: Tensor) -> list[tuple[Tensor, ...]]:
        """Logits of each sentence's heads."""
        return [part.split(SIZES, -1) for part in logits.split(self.lengths)]


def make_batch(lengths: list[int], is_source: list[bool], seed: int = 0) -> Batch:
    n_words = sum(lengths)
    generator = torch.Generator().manual_seed(seed)
    gold = [
        torch.randint(-1 if n % 3 == 0 else 0, SIZES[0], (n,), generator=generator).tolist()
        if source
        else [IGNORE] * n
        for n, source in zip(lengths, is_source, strict=True)
    ]
    width = sum(SIZES)
    # A preference for "none" at the bounds, so that some ends lie behind their starts.
    student, teacher = (2 * randn(n_words, width, seed=seed + i) for i in (1, 2))
    for logits in (student, teacher):
        logits[:, SIZES[0]] += 1
        logits[:, -SIZES[2]] += 1
    return Batch(lengths, is_source, gold, randn(n_words, 4, seed=seed + 3), student, teacher)


def classes(logits: Tensor) -> list[int]:
    return logits.argmax(-1).tolist()


def crossed_over(tag: Tensor, start: Tensor, end: Tensor) -> tuple[list[int], ...]:
    """Pseudo labels of one sentence: tags from start and end, start and end from the tags."""
    tags, starts, ends = classes(tag), classes(start), classes(end)
    return oracle.sequential(starts, ends), *oracle.extract_span(tags)
