"""The heads as a part of a Thinc model."""

from typing import cast

import torch
from thinc.api import Model, PyTorchShim
from thinc.types import ArgsKwargs

from ..labels.scheme import LabelScheme
from .heads import Heads, deserialize_heads, serialize_heads


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
    return HeadsShim(heads, serialize_model=serialize_heads, deserialize_model=deserialize_heads)


def heads_module(model: Model) -> Heads:
    """The torch module of a DualNer.v1 model's heads."""
    return cast(Heads, model.get_ref("heads").shims[0]._model)


def widen(model: Model, scheme: LabelScheme) -> None:
    """Give the heads of an initialised DualNer.v1 model rows for further types.

    model (Model): Changed in place; logits of types that it knows stay as they are.
    scheme (LabelScheme): Those types, and the new ones after them.
    """
    heads = heads_module(model)
    heads.widen(scheme)
    # spaCy's optimizers know weights by their shim: what they hold of the former ones fits no more.
    model.get_ref("heads").shims[0] = make_shim(heads)
    model.set_dim("nO", scheme.n_logits, force=True)
