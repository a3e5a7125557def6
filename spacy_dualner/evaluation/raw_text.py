"""Scores on raw text: the pipeline's own tokenizer splits it, entities are compared by offsets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import tee
from typing import Any

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, LENGTH, SPACY
from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Span

from ..data.text import PER_CHARACTER
from ..labels.words import is_word
from ..pipeline import find_component
from ..scorer import Scores
from .mistakes import Place


def raw_scores(nlp: Language, docs: Iterable[Doc], component: str = "dualner") -> Scores:
    """Precision, recall and F1 of the entities that a pipeline finds in the text of annotated Docs.

    A found entity is right where the annotation has one of the same type from the same character
    to the same character of `as_written`'s text, white space around its words left out.

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
    score = PRFScore()
    gold, sent = tee(map(as_written, docs))
    with nlp.select_pipes(enable=until):
        read = nlp.pipe(doc.text for doc in sent)
        for annotated, predicted in zip(gold, read, strict=True):
            known = is_annotated(annotated)
            found = {e for e in places(predicted) if known[e.start : e.end].any()}
            score.score_set(found, set(places(annotated)))
    return {"p": 100 * score.precision, "r": 100 * score.recall, "f": 100 * score.fscore}


def as_written(doc: Doc) -> Doc:
    """A sentence with the spaces that its text has.

    Where the Doc knows its spaces, as from a tokenizer, they stay. Otherwise there is one between
    words, but none in Chinese, Japanese and Thai, which PAN-X splits by character, Latin letters
    included, with `#` for a space.

    doc (Doc): A sentence; its language in `user_data["lang"]`.
    """
    if not doc.has_unknown_spaces:
        return doc
    space = doc.user_data.get("lang") not in PER_CHARACTER
    written = Doc(doc.vocab, words=[token.text for token in doc], spaces=[space] * len(doc))
    attrs = [ENT_IOB, ENT_TYPE]
    entities: Any = doc.to_array(attrs)
    return written.from_array(attrs, entities) if len(doc) else written


def is_annotated(doc: Doc) -> np.ndarray:
    """Whether each character of a Doc is in a token with annotation, `[characters]`."""
    lengths = doc.to_array([LENGTH, SPACY]).sum(axis=1).astype(np.int64)
    return np.repeat(doc.to_array(ENT_IOB) != 0, lengths)


def places(doc: Doc) -> list[Place]:
    """Where the words of each entity begin and end, in characters."""
    return [place for ent in doc.ents if (place := place_of(ent)) is not None]


def place_of(span: Span) -> Place | None:
    """Where the words of a span begin and end; None where it has none."""
    words = [token for token in span if is_word(token.text)]
    return Place(words[0].idx, words[-1].idx + len(words[-1]), span.label_) if words else None
