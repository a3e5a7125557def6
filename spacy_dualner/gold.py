"""Gold labels of Docs and Examples as flat arrays of class numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy.training import Example

from .conversions import extract_span
from .heads import HeadValues
from .labels import IGNORE, LabelScheme
from .layout import Layout

Tags = NDArray[np.int64]


def doc_tags(docs: Sequence[Doc], scheme: LabelScheme, strings: StringStore) -> Tags:
    """Tag classes of the words of Docs that carry entities.

    docs (Sequence[Doc]): Docs with `ent_iob` and `ent_type`.
    scheme (LabelScheme): Entity types; entities of other types count as outside.
    strings (StringStore): The Docs' string store.
    RETURNS (Ints1d): Of all words; IGNORE where the annotation is missing.
    """
    values = [doc.to_array([ENT_IOB, ENT_TYPE]) for doc in docs if len(doc)]
    if not values:
        return np.zeros(0, dtype=np.int64)
    iob, type_hash = np.concatenate(values).T
    hashes = np.array([strings.add(t) for t in scheme.types], dtype=np.uint64)
    order = np.argsort(hashes)
    at = np.searchsorted(hashes, type_hash, sorter=order).clip(max=len(hashes) - 1)
    number = np.where(hashes[order][at] == type_hash, order[at] + 1, 0)
    # spaCy's codes: 0 missing, 1 inside, 2 outside, 3 begin.
    tags = np.where(number > 0, 2 * number - (iob == 3), 0)
    tags = np.where(iob == 2, 0, tags)
    return np.where(iob == 0, IGNORE, tags).astype(np.int64)


def example_labels(
    examples: Sequence[Example], scheme: LabelScheme, device: torch.device | str = "cpu"
) -> HeadValues:
    """Gold labels of the three heads for the predicted Docs' words.

    A word whose gold annotation is missing, or does not align with the gold words, has none.

    examples (Sequence[Example]): Predicted and reference Docs, in any tokenisations.
    scheme (LabelScheme): Entity types.
    device (torch.device): Where the labels go.
    RETURNS (HeadValues): `[words of all predicted Docs]` of each head, IGNORE where unknown.
    """
    lengths = np.array([len(eg.predicted) for eg in examples], dtype=np.int64)
    same = [_same_words(eg.predicted, eg.reference) for eg in examples]
    tags = np.full(lengths.sum(), IGNORE, dtype=np.int64)
    same_words = np.repeat(same, lengths).astype(bool)
    references = [eg.reference for eg, ok in zip(examples, same, strict=True) if ok]
    if references:
        tags[same_words] = doc_tags(references, scheme, references[0].vocab.strings)
    layout = Layout(lengths)
    row = layout.spread(torch.from_numpy(tags))
    start, end = map(layout.gather, extract_span(row))
    labels = HeadValues(layout.gather(row), start, end)
    begins = np.cumsum(lengths) - lengths
    for i, example in enumerate(examples):
        if not same[i]:
            _write_aligned(example, scheme, labels, int(begins[i]))
    return HeadValues(*(values.to(device) for values in labels))


def _same_words(predicted: Doc, reference: Doc) -> bool:
    if len(predicted) != len(reference):
        return False
    return bool((predicted.to_array(ORTH) == reference.to_array(ORTH)).all())


def _write_aligned(example: Example, scheme: LabelScheme, labels: HeadValues, at: int) -> None:
    """Labels of an Example whose two tokenisations differ, from spaCy's own alignment."""
    numbers = {type_: i + 1 for i, type_ in enumerate(scheme.types)}
    for i, biluo in enumerate(example.get_aligned_ner(), start=at):
        if biluo is None or biluo[0] == "-":
            continue
        number = numbers.get(biluo[2:], 0)
        labels.tag[i] = 2 * number - (biluo[0] in "BU") if number else 0
        labels.start[i] = number if biluo[0] in "BU" else 0
        labels.end[i] = number if biluo[0] in "LU" else 0
