"""Scores on raw text: the pipeline's own tokenizer splits it, entities are compared by offsets."""

from __future__ import annotations

from collections.abc import Iterable

from spacy.language import Language
from spacy.tokens import Doc

from ..pipeline import find_component
from ..scorer import Scores, score_entities
from .predicting import judge


def raw_scores(nlp: Language, docs: Iterable[Doc], component: str = "dualner") -> Scores:
    """Precision, recall and F1 of the entities that a pipeline finds in the text of annotated Docs.

    A found entity is right where the annotation has one of the same type from the same character
    to the same character of the text (`predicting.as_written`), white space around its words left
    out.

    nlp (Language): The pipeline. Its tokenizer, the components before the recogniser and the
        recogniser run, with the settings that they have.
    docs (Iterable[Doc]): Annotated Docs. As in the scores on gold tokens, an entity that lies in
        words without annotation alone is neither right nor wrong.
    component (str): Name of the dualner component.
    RETURNS (Dict[str, float]): `p`, `r`, `f` in percent.
    Raises DualNerError where there is no such component.
    """
    find_component(nlp, component)
    until = nlp.pipe_names[: nlp.pipe_names.index(component) + 1]
    with nlp.select_pipes(enable=until):
        judged = judge(nlp, docs, raw=True)
        scores = score_entities((set(own.annotated), set(own.found)) for own in judged)
    return {key: scores[key] for key in "prf"}
