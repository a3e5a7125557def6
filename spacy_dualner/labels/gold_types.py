"""Gold entities of types that a pipeline does not know: they would count as no entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from spacy.attrs import ENT_TYPE
from spacy.tokens import Doc

from ..errors import DualNerError


def noting_types(docs: Iterable[Doc], types: set[str]) -> Iterator[Doc]:
    """Docs as they come. types (Set[str]): Gets the types of their entities."""
    for doc in docs:
        types.update(ent.label_ for ent in doc.ents)
        yield doc


def types_of(docs: Sequence[Doc]) -> set[str]:
    """The types of the entities of Docs. docs (Sequence[Doc]): Of one vocab."""
    hashes = [doc.to_array(ENT_TYPE) for doc in docs if len(doc)]
    found = np.unique(np.concatenate(hashes)).tolist() if hashes else []
    return {docs[0].vocab.strings[type_] for type_ in found if type_}


def check_types(found: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise DualNerError where a pipeline does not know the types of gold entities."""
    if message := foreign_types(found, known, where):
        raise DualNerError(
            f"{message} Convert the text again with --map, as in PERSON=PER or MISC=O, or train a "
            "stage-1 pipeline on these types."
        )


def foreign_types(found: Iterable[str], known: Iterable[str], where: str) -> str:
    """What is to be said of types of gold entities that a pipeline does not know, if anything."""
    foreign = sorted(set(found) - set(known))
    if not foreign:
        return ""
    return (
        f"{where} has entities of the types {', '.join(sorted(set(found)))}, the pipeline knows "
        f"{', '.join(sorted(known))}: it cannot find {', '.join(foreign)}."
    )
