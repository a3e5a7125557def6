"""Gold labels of Docs and Examples as flat arrays of class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.training import Example

from .conversions import extract_span
from .layout import Layout
from .scheme import IGNORE, HeadValues, LabelScheme
from .words import DocWords

Tags = NDArray[np.int64]


def doc_tags(docs: Sequence[Doc], scheme: LabelScheme, words: DocWords) -> Tags:
    """Tag classes of the words of Docs that carry entities.

    scheme (LabelScheme): Entity types; entities of other types count as outside.
    words (DocWords): The words of these Docs.
    RETURNS (Ints1d): Of all words; IGNORE where the annotation is missing.
    """
    return words_tags(token_tags(docs, scheme), words)


def token_tags(docs: Sequence[Doc], scheme: LabelScheme) -> Tags:
    """As `doc_tags`, of all tokens, white space included."""
    values = (doc.to_array([ENT_IOB, ENT_TYPE]) for doc in docs if len(doc))
    iob, type_hash = np.concatenate([np.zeros((0, 2), dtype=np.uint64), *values]).T
    hashes = np.array([get_string_id(t) for t in scheme.types], dtype=np.uint64)
    order = np.argsort(hashes)
    at = np.searchsorted(hashes, type_hash, sorter=order).clip(max=len(hashes) - 1)
    number = np.where(hashes[order][at] == type_hash, order[at] + 1, 0)
    # spaCy's codes: 0 missing, 1 inside, 2 outside, 3 begin.
    tags = np.where(number > 0, 2 * number - (iob == 3), 0)
    tags = np.where(iob == 2, 0, tags)
    return np.where(iob == 0, IGNORE, tags).astype(np.int64)


def words_tags(tags: Tags, words: DocWords) -> Tags:
    """Tag classes of all tokens to those of words.

    An entity that begins in white space begins with its first word, and ends with its last.
    """
    entity = words.of_tokens(np.cumsum((tags > 0) & (tags % 2 == 1)))
    tags = words.of_tokens(tags)
    is_first = np.diff(entity, prepend=0) > 0
    return np.where((tags > 0) & (tags % 2 == 0) & is_first, tags - 1, tags)


def example_labels(
    examples: Sequence[Example], scheme: LabelScheme, device: torch.device | str = "cpu"
) -> HeadValues:
    """Gold labels of the three heads for the predicted Docs' tokens.

    A word whose gold annotation is missing, or does not align with the gold words, has none, and
    neither has white space.

    RETURNS (HeadValues): `[tokens of all predicted Docs]` of each head, IGNORE where unknown.
    """
    tags = [np.zeros(0, dtype=np.int64)]
    for same_tokens, group in groupby(examples, _have_same_tokens):
        if same_tokens:
            tags.append(token_tags([eg.reference for eg in group], scheme))
        else:
            tags += [_aligned_tags(eg, scheme) for eg in group]
    words = DocWords([eg.predicted for eg in examples])
    layout = Layout(words.lengths)
    row = layout.spread(torch.from_numpy(words_tags(np.concatenate(tags), words)))
    return HeadValues(
        *(
            words.to_tokens(layout.gather(values), IGNORE).to(device)
            for values in (row, *extract_span(row))
        )
    )


def _have_same_tokens(example: Example) -> bool:
    return np.array_equal(example.predicted.to_array(ORTH), example.reference.to_array(ORTH))


def _aligned_tags(example: Example, scheme: LabelScheme) -> Tags:
    """Tags of an Example whose two tokenisations differ, from spaCy's own alignment."""
    numbers = {tag: i for i, tag in enumerate(scheme.tags)}
    tags = np.full(len(example.predicted), IGNORE)
    for i, biluo in enumerate(example.get_aligned_ner()):
        if biluo is not None and biluo[0] != "-":
            tags[i] = numbers.get(("B" if biluo[0] in "BU" else "I") + biluo[1:], 0)
    return tags
