"""Scores on raw text: the pipeline's own tokenizer splits it, entities are compared by offsets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import tee
from typing import Any

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, LENGTH, SPACY
from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.tokens import Doc

from ..data.text import PER_CHARACTER
from ..labels.words import is_word
from ..pipeline import find_component
from ..scorer import Scores


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
            known = _is_annotated(annotated)
            found = {e for e in _offsets(predicted) if known[e[0] : e[1]].any()}
            score.score_set(found, _offsets(annotated))
    return {"p": 100 * score.precision, "r": 100 * score.recall, "f": 100 * score.fscore}


def as_written(doc: Doc) -> Doc:
    """A sentence with the spaces that its text has.

    Where the Doc knows its spaces, as from a tokenizer, they stay. Otherwise there is one between
    words, but none in Chinese, Japanese and Thai, which PAN-X splits by character, Latin letters
    included, with `#` for a space.

    doc (Doc): A sentence; its language in `user_data["lang"]`.
    RETURNS (Doc): The same words and entities.
    """
    if not doc.has_unknown_spaces:
        return doc
    space = doc.user_data.get("lang") not in PER_CHARACTER
    written = Doc(doc.vocab, words=[token.text for token in doc], spaces=[space] * len(doc))
    attrs = [ENT_IOB, ENT_TYPE]
    entities: Any = doc.to_array(attrs)
    return written.from_array(attrs, entities) if len(doc) else written


def _is_annotated(doc: Doc) -> np.ndarray:
    lengths = doc.to_array([LENGTH, SPACY]).sum(axis=1).astype(np.int64)
    return np.repeat(doc.to_array(ENT_IOB) != 0, lengths)


def _offsets(doc: Doc) -> set[tuple[int, int, str]]:
    """Where the words of each entity begin and end."""
    words = (([t for t in ent if is_word(t.text)], ent.label_) for ent in doc.ents)
    return {(of[0].idx, of[-1].idx + len(of[-1]), label) for of, label in words if of}
