"""Batches in pieces: one step over several updates is a step over their words together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from thinc.api import Model


class _Piece(NamedTuple):
    weight: float
    loss: float
    losses: dict[str, float]
    name: str


@dataclass
class Pieces:
    """The updates since the last step of a component.

    spaCy cuts a batch into `accumulate_gradient` pieces, shows each to `update`, adds the gradients
    and then calls `finish_update`. How many pieces or words there will be, no component is told. So
    each piece's mean enters in proportion to its words, those of the first piece counting 1, and
    before the step the sum is divided by that of these weights: what is clipped and stepped on is
    the gradient of the batch's mean. A batch in one piece is not touched.

    A shared encoder has its gradient, together with that of other components, before the size of
    the batch is known. There each piece counts 1, as with spaCy's own components, and the heads
    alone get the mean over pieces.
    """

    _first: int = 0
    _pieces: list[_Piece] = field(default_factory=list)

    def add(
        self, model: Model, n_words: int, loss: float, losses: dict[str, float], name: str
    ) -> float:
        """Note a piece of so many labelled words; what its gradient has to be multiplied by."""
        encoder = model.get_ref("tok2vec")
        shared = not any(node.shims or node.param_names for node in encoder.walk())
        self._first = self._first or n_words
        weight = float(n_words > 0) if shared else n_words / max(1, self._first)
        losses[name] += loss
        self._pieces.append(_Piece(weight, loss, losses, name))
        return weight

    def finish(self, model: Model) -> None:
        """Make means of the gradients and losses of all pieces, and forget them."""
        total = sum(piece.weight for piece in self._pieces)
        if len(self._pieces) > 1 and total:
            _scale_gradients(model, 1 / total)
            for weight, loss, losses, name in self._pieces:
                losses[name] += loss * weight / total - loss
        self._first, self._pieces = 0, []


def _scale_gradients(model: Model, factor: float) -> None:
    for node in model.walk():
        for shim in node.shims:
            gradients = [p.grad for p in shim._model.parameters() if p.grad is not None]
            if gradients:
                torch._foreach_mul_(gradients, factor)
        for name in node.param_names:
            if node.has_grad(name):
                node.set_grad(name, node.get_grad(name) * factor)
