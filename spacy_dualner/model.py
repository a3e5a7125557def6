"""`spacy-dualner.DualNer.v1`: an encoder and the three heads as one Thinc model."""

from collections.abc import Callable, Sequence

from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import Model, PyTorchWrapper_v3
from thinc.types import Floats2d

from .encoder.heads import CALIBRATORS, Heads, heads_module, make_shim
from .encoder.transformer import LAYER_NAME, encoder_shim, unflatten
from .labels.scheme import LabelScheme


@registry.architectures("spacy-dualner.DualNer.v1")
def DualNer_v1(tok2vec: Model[list[Doc], list[Floats2d]]) -> Model[list[Doc], Floats2d]:
    """Tag, start and end heads over an encoder of words.

    tok2vec (Model[List[Doc], List[Floats2d]]): `spacy-dualner.Transformer.v1`, or any other spaCy
        encoder: a listener to a shared transformer, `Tok2VecTransformer.v3`, `HashEmbedCNN.v2`.
    RETURNS (Model[List[Doc], Floats2d]): Logits `[words of all Docs, 4C + 3]`: 2C + 1 of the tag
        head, C + 1 of the start head, C + 1 of the end head.
    """
    heads = PyTorchWrapper_v3(Heads())
    heads.shims[0] = make_shim(Heads())
    return Model(
        "dualner",
        forward,
        init=init,
        layers=[tok2vec, heads],
        refs={"tok2vec": tok2vec, "heads": heads},
        dims={"nO": None},
        # Thinc sets the first to the training loop's dropout; it acts on the word vectors.
        attrs={"dropout_rate": 0.0, CALIBRATORS: {}},
    )


def fitting(model: Model, examples: Sequence[Example]) -> list[Sequence[Example]]:
    """The pieces of a batch that memory takes in training.

    model (Model): A DualNer.v1 model; any batch is one piece unless its encoder is Transformer.v1.
    """
    layer = model.get_ref("tok2vec")
    if layer.name != LAYER_NAME:
        return [examples]
    shim = encoder_shim(layer)
    batch = shim.words().encode_docs([example.predicted for example in examples])
    return [[examples[i] for i in places] for places in shim.piece_size().cut(batch.sizes)]


def init(model: Model, X: list[Doc] | None = None, Y: LabelScheme | None = None) -> None:
    """Initialise the encoder and build the heads. Y: the label scheme."""
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=X)
    if Y is None:
        return
    width = tok2vec.maybe_get_dim("nO")
    if width is None and X:
        width = tok2vec.predict(X)[0].shape[1]
    if width is None:
        raise ValueError("The width of the encoder is unknown: initialise with at least one Doc.")
    heads_module(model).build(width, Y)
    model.attrs[CALIBRATORS] = {}
    model.set_dim("nO", Y.n_logits, force=True)


def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple[Floats2d, Callable]:
    """Logits of all words of all Docs, and the callback that takes their gradient back."""
    tok2vec, heads = model.get_ref("tok2vec"), model.get_ref("heads")
    per_doc, backprop_tok2vec = tok2vec(docs, is_train)
    flat = model.ops.flatten(per_doc)
    if not len(flat):
        return model.ops.alloc2f(0, model.get_dim("nO")), lambda d_logits: docs
    if is_train:
        heads_module(model).dropout.p = model.attrs["dropout_rate"]
    logits, backprop_heads = heads(flat, is_train)

    def backprop(d_logits: Floats2d) -> list[Doc]:
        return backprop_tok2vec(unflatten(model.ops, backprop_heads(d_logits), docs))

    return logits, backprop
