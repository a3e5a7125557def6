"""The three softmax heads over word vectors, and what they predict as one row of logits."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from ..labels.scheme import HeadValues, LabelScheme

CALIBRATORS = "calibrators"
"""In a DualNer.v1 model's attributes: the arrays of each decoding's calibrator."""


class Heads(nn.Module):
    """Tag, start and end classifiers (equations 1 to 3); empty until built or loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.0)

    def build(self, width: int, scheme: LabelScheme) -> None:
        """Make the classifiers anew, with random weights.

        width (int): Width of the word vectors.
        scheme (LabelScheme): Entity types.
        """
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


def split_logits(logits: Tensor) -> HeadValues:
    """Take the logits `[words, 4C + 3]` of the three heads apart."""
    n_types = n_types_of(logits.shape[-1])
    return HeadValues(*logits.split((2 * n_types + 1, n_types + 1, n_types + 1), -1))


def n_types_of(n_logits: int) -> int:
    """Number of entity types C, given the 4C + 3 logits."""
    return (n_logits - 3) // 4


def serialize_heads(heads: Any) -> bytes:
    """The classifiers' weights; their shapes tell how to build them."""
    buffer = BytesIO()
    torch.save(heads.state_dict(), buffer)
    return buffer.getvalue()


def deserialize_heads(heads: Any, state_bytes: bytes, device: torch.device) -> Any:
    """Build the classifiers that the stored weights need, and load them."""
    state = torch.load(BytesIO(state_bytes), map_location=device, weights_only=True)
    if state:
        n_bounds, width = state["start.weight"].shape
        heads.build(width, LabelScheme(tuple(map(str, range(n_bounds - 1)))))
        heads.load_state_dict(state, strict=True)
    return heads.to(device)
