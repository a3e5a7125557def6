"""The three softmax heads over word vectors, and what they predict as one row of logits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import Any, cast

import torch
from thinc.api import Model, PyTorchShim
from thinc.types import ArgsKwargs
from torch import Tensor, nn

from ..labels.scheme import HeadValues, LabelScheme
from .packing import load_tensors

CALIBRATORS = "calibrators"
"""In a DualNer.v1 model's attributes: the arrays of each decoding's calibrator."""

UNTAUGHT = 5.0
"""How much lower than that of `O` the logit of a class is that no text has taught yet."""


class Heads(nn.Module):
    """Tag, start and end classifiers (equations 1 to 3); empty until built or loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.0)

    def build(self, width: int, scheme: LabelScheme) -> None:
        """Make the classifiers anew, with random weights."""
        device = next((p.device for p in self.parameters()), None)
        # Float32, whatever other libraries make torch's default.
        make = partial(nn.Linear, width, device=device, dtype=torch.float32)
        self.tag = make(scheme.n_tags)
        self.start = make(scheme.n_bounds)
        self.end = make(scheme.n_bounds)

    def forward(self, vectors: Tensor) -> Tensor:
        """Word vectors `[words, width]` to logits `[words, 4C + 3]`: tag, start, end."""
        return self.classify(self.dropout(vectors))

    def classify(self, vectors: Tensor) -> Tensor:
        """The same without dropout, whatever the module's mode."""
        return torch.cat((self.tag(vectors), self.start(vectors), self.end(vectors)), -1)


def with_rows(head: nn.Linear, rows: Sequence[int | None]) -> nn.Linear:
    """A classifier made of another's rows.

    A class without a row begins as the first, `O` or "none", but `UNTAUGHT` less likely: it is
    never predicted, takes nearly nothing from the others' probability, and is near enough to learn.

    rows (Sequence[Optional[int]]): Of each class the row there, None where there is none.
    RETURNS (nn.Linear): `[classes, width]`, float32.
    """
    places = torch.tensor([rows[0] if row is None else row for row in rows], dtype=torch.long)
    places = places.to(head.weight.device)
    new = nn.utils.skip_init(nn.Linear, head.in_features, len(rows), dtype=torch.float32)
    bias = head.weight.new_zeros(head.out_features) if head.bias is None else head.bias
    lower = bias.new_tensor([UNTAUGHT * (row is None) for row in rows])
    new.weight = nn.Parameter(head.weight.detach()[places].float())
    new.bias = nn.Parameter(bias.detach()[places].float() - lower)
    return new


def split_logits(logits: Tensor) -> HeadValues:
    """Take the logits `[words, 4C + 3]` of the three heads apart."""
    n_types = n_types_of(logits.shape[-1])
    return HeadValues(*logits.split((2 * n_types + 1, n_types + 1, n_types + 1), -1))


def n_types_of(n_logits: int) -> int:
    """Number of entity types C, given the 4C + 3 logits."""
    return (n_logits - 3) // 4


def deserialize_heads(heads: Any, state_bytes: bytes, device: torch.device) -> Any:
    """Build the classifiers that the stored weights need, as their shapes tell, and load them."""
    state = load_tensors(BytesIO(state_bytes), map_location=device)
    if state:
        n_bounds, width = state["start.weight"].shape
        heads.build(width, LabelScheme(tuple(map(str, range(n_bounds - 1)))))
        heads.load_state_dict(state, strict=True)
    return heads.to(device)


class HeadsShim(PyTorchShim):
    """Thinc's shim, except that predictions know no dropout."""

    def predict(self, inputs: ArgsKwargs) -> torch.Tensor:
        """Logits without gradient. inputs: arguments of `Heads.classify`."""
        # Thinc's own sets the mode, predicts and sets it back to training: other threads may
        # predict with dropout then.
        with torch.no_grad():
            return cast(Heads, self._model).classify(*inputs.args)


def make_shim(heads: Heads) -> HeadsShim:
    """The shim of heads, whose weights it stores."""
    return HeadsShim(heads, deserialize_model=deserialize_heads)


def heads_module(model: Model) -> Heads:
    """The torch module of a DualNer.v1 model's heads."""
    return cast(Heads, model.get_ref("heads").shims[0]._model)


def widen(model: Model, scheme: LabelScheme) -> None:
    """Give the heads of a DualNer.v1 model rows for the types that a scheme has after theirs."""
    heads = heads_module(model)
    for name, n_rows in zip(HeadValues._fields, scheme.sizes, strict=True):
        head = getattr(heads, name)
        n_new = n_rows - head.out_features
        setattr(heads, name, with_rows(head, [*range(head.out_features), *[None] * n_new]))
    # spaCy's optimizers know weights by their shim: what they hold of the former ones fits no more.
    model.get_ref("heads").shims[0] = make_shim(heads)
    model.set_dim("nO", scheme.n_logits, force=True)
