"""`spacy-dualner.Transformer.v1`: a Hugging Face encoder as a Thinc layer over words."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, cast

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import ArgsKwargs, Model, Ops, torch2xp, xp2torch
from thinc.types import Floats2d, Ints1d

from ..labels.words import DocWords
from .encode import keep_few_kernels
from .loading import load_encoder
from .shim import EncoderShim
from .windows import make_blocks

LAYER_NAME = "dualner_transformer"


@registry.architectures("spacy-dualner.Transformer.v1")
def Transformer_v1(
    name: str,
    pooling: Literal["first", "first_text", "mean"] = "first",
    window: int = 0,
    block_size: int = 0,
    mixed_precision: bool = False,
    freeze_embeddings: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """Encode each word of each Doc with a pre-trained transformer.

    Words are split into sub-words one by one. Texts longer than a window are cut into windows
    that overlap by half; a word's vector comes from the window that gives it most context. A
    batch is computed in blocks of texts of like length, in any order at the same cost.

    name (str): Hub name or folder of the encoder. Read at initialisation only: a saved pipeline
        carries weights, tokenizer and config.
    pooling (str): A word's vector is that of its first sub-word (`first`, the paper's), of its
        first one that holds text (`first_text`, see `subwords.word_mark`), or the mean of all
        (`mean`).
    window (int): Longest piece of text in sub-words, special ones counted. 0: what the encoder
        takes, at most 512.
    block_size (int): Padded sub-words computed at once. 0: what suits the device.
    mixed_precision (bool): bfloat16 autocast, on machines that have bfloat16 arithmetic.
    freeze_embeddings (bool): Training leaves the sub-words' embeddings as they are. Of a
        multilingual encoder they are most of the weights, and each step passes over all of them.
    RETURNS (Model[List[Doc], List[Floats2d]]): Per Doc `[words, width]`.
    """
    shim = EncoderShim(
        pooling=pooling,
        window=window,
        block_size=block_size,
        mixed_precision=mixed_precision,
        freeze_embeddings=freeze_embeddings,
    )
    # No setting is an attribute of the layer: those are stored with the weights, where they would
    # win over the config, and the name may be a path of this machine.
    return Model(
        LAYER_NAME, forward, init=partial(init, name=name), dims={"nO": None}, shims=[shim]
    )


def encoder_shim(model: Model) -> EncoderShim:
    """The shim of a Transformer.v1 layer."""
    return cast(EncoderShim, model.shims[0])


def init(model: Model, X: list[Doc] | None = None, Y: object = None, *, name: str) -> None:
    """Load the pre-trained weights, unless the layer has weights already."""
    keep_few_kernels()
    shim = encoder_shim(model)
    if not shim.is_loaded:
        shim.set_encoder(load_encoder(name))
    model.set_dim("nO", cast(Any, shim.transformer.config).hidden_size)


def unflatten(ops: Ops, flat: Floats2d, docs: Sequence[Doc]) -> list[Floats2d]:
    """Rows of the words of all Docs to one array per Doc."""
    lengths = cast(Ints1d, [len(doc) for doc in docs])
    return ops.unflatten(flat, lengths)


def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Callable]:
    """Word vectors of Docs, 0 for white space, and the callback that takes their gradient back."""
    shim = encoder_shim(model)
    words = DocWords(docs)
    batch = shim.words().encode(words)
    inputs = (make_blocks(batch, shim.shape()), len(words), shim.pooling)
    vectors, backprop_torch = shim(ArgsKwargs(inputs, {}), is_train)
    flat = words.to_tokens(vectors.detach(), 0.0)
    per_doc = unflatten(model.ops, cast(Floats2d, torch2xp(flat)), docs)

    def backprop(d_per_doc: list[Floats2d]) -> list[Doc]:
        d_flat = xp2torch(model.ops.flatten(d_per_doc), device=shim.device)
        backprop_torch(words.of_tokens(d_flat))
        return docs

    return per_doc, backprop
