"""How wrong the entities found in a text probably are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..labels.layout import Layout
from .lattice import expected_entities, make_lattice, span_log_probs
from .read import lattice_parts, read_spans


def doubts(
    logits: Tensor, layout: Layout, decode: str, temperature: float = 1.0
) -> NDArray[np.float64]:
    """The share of errors to expect among the entities of each sentence, found or missed.

    With the lattice of all heads, of which one may contradict another: the found entities that are
    expected to be wrong, and those expected to be missed, over all found and all expected, and one
    more. So it does not grow with the length of a sentence, and is low where there is nothing.

    logits (Floats2d): `[words, 4C + 3]`.
    decode (str): What finds the entities, whatever the threshold: `span`, `tag` or `joint`.
    RETURNS (Floats1d): `[sentences]`, from 0 to less than 1.
    Raises DualNerError for any other decoding.
    """
    shares = []
    for part, own in lattice_parts(logits, layout):
        lattice = make_lattice(own, part.layout, "joint").over(temperature)
        spans = read_spans(own, part.layout, decode)
        right = span_log_probs(lattice, spans).exp().cpu().numpy()
        expected = expected_entities(lattice).cpu().numpy()
        of_span, _ = part.layout.locate(spans.start.cpu().numpy())
        of_place, _ = part.layout.locate(np.arange(part.layout.n_places))
        n = part.layout.n_places - part.layout.n_words
        everything = np.bincount(of_span, minlength=n) + np.bincount(of_place, expected, n)
        errors = everything - 2 * np.bincount(of_span, right, n)
        shares.append(errors.clip(min=0) / (everything + 1))
    return np.concatenate(shares)
