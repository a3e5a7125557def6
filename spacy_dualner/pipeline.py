"""A pipeline's dualner component and the encoder inside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from spacy.language import Language
from spacy.tokens import Doc
from thinc.types import Floats2d

from .component import DualNer
from .encoder.shim import EncoderShim
from .encoder.transformer import LAYER_NAME, encoder_shim
from .errors import DualNerError


def find_component(nlp: Language, name: str) -> DualNer:
    """The dualner component of a pipeline.

    nlp (Language): A pipeline.
    name (str): The component's name.
    Raises DualNerError where there is no such component.
    """
    pipe = nlp.get_pipe(name) if name in nlp.pipe_names else None
    if not isinstance(pipe, DualNer):
        raise DualNerError(
            f"The pipeline has no dualner component '{name}', only: "
            f"{', '.join(nlp.pipe_names) or 'none'}. Give the name of its component."
        )
    return pipe


def predict_words(nlp: Language, name: str, docs: Sequence[Doc]) -> tuple[list[Doc], Floats2d]:
    """What a pipeline's recogniser says of the words of Docs, whatever its tokenizer makes of them.

    nlp (Language): The pipeline. Components before the recogniser run as well.
    name (str): The recogniser's name.
    docs (Sequence[Doc]): Docs, which stay as they are.
    RETURNS (Tuple[List[Doc], Floats2d]): New Docs of the same tokens, and logits of all tokens.
    Raises DualNerError where a component before the recogniser changes the tokens.
    """
    fresh = [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]
    for other, pipe in nlp.pipeline[: nlp.pipe_names.index(name)]:
        # A component that is a plain function has no `pipe`.
        run = (
            partial(pipe.pipe, batch_size=len(fresh))
            if hasattr(pipe, "pipe")
            else partial(map, pipe)
        )
        fresh = list(run(fresh))
        if list(map(len, fresh)) != list(map(len, docs)):
            raise DualNerError(
                f"Component '{other}' changes the tokens, so that those of the annotated text "
                f"cannot be scored. Put it after '{name}', or score a pipeline without it."
            )
    return fresh, find_component(nlp, name).predict(fresh)


def find_encoder(nlp: Language, name: str) -> EncoderShim:
    """The encoder inside the dualner component of a pipeline.

    nlp (Language): A pipeline.
    name (str): The component's name.
    Raises DualNerError where there is no such component, or its encoder is of another kind.
    """
    layer = find_component(nlp, name).model.get_ref("tok2vec")
    if layer.name != LAYER_NAME:
        raise DualNerError(
            f"The encoder of component '{name}' is '{layer.name}', which has to be "
            "spacy-dualner.Transformer.v1 inside the component, and not a listener. Train stage 1 "
            'with @architectures = "spacy-dualner.Transformer.v1" at '
            f"components.{name}.model.tok2vec."
        )
    return encoder_shim(layer)
