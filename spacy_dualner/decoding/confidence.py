"""How probably entities are right, calibrated on development data, and how wrong a text's are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from thinc.api import Model
from torch import Tensor

from ..encoder.heads import CALIBRATORS, split_logits
from ..labels.conversions import Spans
from ..labels.layout import Layout
from .lattice import Lattice, expected_entities, make_lattice, span_log_probs
from .read import lattice_parts, read_spans

# No log probability is positive: this tells the network that there is no word.
_NO_WORD = 1.0


class Calibrator(NamedTuple):
    """A network with one hidden layer, from what the heads say about an entity to log odds."""

    mean: Tensor  # of each feature on the development data, `[4 (4C + 3) + 1]`
    scale: Tensor  # standard deviation of each
    hidden_weight: Tensor  # `[hidden, features]`
    hidden_bias: Tensor  # `[hidden]`
    output_weight: Tensor  # `[hidden]`
    output_bias: Tensor  # `[1]`

    def log_odds(self, features: Tensor) -> Tensor:
        """Log odds that each entity is right: `[entities, features]` to `[entities]`."""
        centred = (features - self.mean) / self.scale
        hidden = torch.relu(centred @ self.hidden_weight.T + self.hidden_bias)
        return hidden @ self.output_weight + self.output_bias


def get_calibrator(model: Model, decode: str, device: torch.device) -> Calibrator | None:
    """The calibrator of one decoding in a DualNer.v1 model, if it has one."""
    arrays = model.attrs[CALIBRATORS].get(decode)
    return arrays and Calibrator(*(torch.tensor(array, device=device) for array in arrays))


def set_calibrator(model: Model, decode: str, calibrator: Calibrator | None) -> None:
    """Put a decoding's calibrator into a DualNer.v1 model, or take it out."""
    others = {key: value for key, value in model.attrs[CALIBRATORS].items() if key != decode}
    if calibrator is not None:
        others[decode] = [values.cpu().numpy() for values in calibrator]
    model.attrs[CALIBRATORS] = others


def confidences(
    logits: Tensor,
    layout: Layout,
    lattice: Lattice,
    spans: Spans,
    temperature: float = 1.0,
    calibrator: Calibrator | None = None,
) -> Tensor:
    """Probability that each entity is right, boundaries and type.

    logits (Floats2d): `[words, 4C + 3]`.
    layout (Layout): The sentences of those words.
    lattice (Lattice): From `make_lattice`, of the heads that the entities were read from.
    spans (Spans): Entities, in places of the row.
    temperature (float): Divides the lattice's scores.
    calibrator (Optional[Calibrator]): Corrects the lattice's probability.
    RETURNS (Floats1d): `[entities]`, 0 to 1.
    """
    if calibrator is None:
        return span_log_probs(lattice.over(temperature), spans).exp()
    return calibrator.log_odds(features(logits, layout, lattice, spans, temperature)).sigmoid()


def features(
    logits: Tensor, layout: Layout, lattice: Lattice, spans: Spans, temperature: float
) -> Tensor:
    """What the calibrator sees of each entity.

    The lattice's log odds; and all heads' log probabilities at the word before the entity, at its
    first and its last word, and at the word after it. The arguments are those of `confidences`.

    RETURNS (Floats2d): `[entities, 4 (4C + 3) + 1]`, float32.
    """
    heads = torch.cat([head.float().log_softmax(-1) for head in split_logits(logits)], 1)
    row = layout.spread(heads, _NO_WORD)
    # The place before the first is the last one, a gap.
    words = (spans.start - 1, spans.start, spans.end, spans.end + 1)
    sure = span_log_probs(lattice.over(temperature), spans).clamp(max=-1e-9)
    log_odds = sure - torch.log(-torch.expm1(sure))
    return torch.cat([log_odds[:, None].float(), *(row[places] for places in words)], 1)


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
