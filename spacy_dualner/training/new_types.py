"""Recognisers that train on get the entity types that their new text adds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import logger, registry, resolve_dot_names

from .corpus import Corpus


@registry.callbacks("spacy-dualner.new_types.v1")
def make_new_types() -> Callable[[Language], Language]:
    """`add_new_types` for `[initialize.before_init]`."""
    return add_new_types


def add_new_types(nlp: Language) -> Language:
    """Give trained recognisers the entity types of the training corpus that they do not know.

    spaCy does not initialise a component that is `source`d, so that nothing else tells it of them.
    Frozen ones are left alone. So are those of whose own types the corpus has none: it is of other
    types, or names them otherwise, and is refused by its reader.
    """
    config = nlp.config.interpolate()
    training = config["training"]
    pipes: list[Any] = [
        nlp.get_pipe(name)
        for name in nlp.component_names
        if nlp.get_pipe_meta(name).factory == "dualner"
        and name not in training["frozen_components"]
    ]
    trained = [pipe for pipe in pipes if pipe.model.has_dim("nO")]
    if not trained:
        return nlp
    (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
    docs: Iterable[Doc] = (
        corpus.docs(nlp.vocab)
        if isinstance(corpus, Corpus)
        else (example.reference for example in corpus(nlp))
    )
    types = {ent.label_ for doc in docs for ent in doc.ents}
    for pipe in trained:
        new = sorted(types.difference(pipe.labels))
        if new and not types.isdisjoint(pipe.labels):
            logger.info("New entity types of '%s': %s", pipe.name, ", ".join(new))
            for label in new:
                pipe.add_label(label)
    return nlp
