"""What `convert` reads, and how."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .docbin import SHARD_SIZE
from .names import TRANSLATED
from .tags import TYPES, parse_classes, parse_mapping

_LIMIT = {"min": 0}


@dataclass(frozen=True)
class ConvertSettings:
    """What `convert` reads, and how.

    langs (Sequence[str]): Languages, as in de,es; all if empty.
    form (str): raw (PAN-X archives), tsv (XTREME's), hub (parquet, save_to_disk), conll, conllu,
        iob, spacy, doccano, prodigy, label-studio, annotate (its JSON lines), text (a sentence a
        line) or translated (FILTER's); recognised if empty.
    types (Sequence[str]): Entity types; LOC,ORG,PER if empty, all if "all".
    mapping (Union[Mapping[str, str], str]): What becomes of entity types, as in MISC=O,GPE=LOC; O
        drops one.
    classes (Sequence[str]): For hub: the tags of the class ids 0, 1 and so on, where the files do
        not name them, as in O,B-PER,I-PER.
    align (str): What becomes of an entity that is given by characters and cuts a word: expand,
        contract, or strict, which leaves it out.
    train_limit (int): First training sentences of each language, or translations of them; 0 for
        all.
    dev_limit (int): The same for development.
    test_limit (int): The same for test.
    unlabelled_limit (int): The same for text without labels.
    shard_size (int): The most sentences in one file.
    """

    langs: Sequence[str] = ()
    form: str = ""
    types: Sequence[str] = ()
    mapping: Mapping[str, str] | str = field(default="", metadata={"option": "map"})
    classes: Sequence[str] = field(default=(), metadata={"parser": parse_classes})
    align: str = "expand"
    train_limit: int = field(default=0, metadata=_LIMIT)
    dev_limit: int = field(default=0, metadata=_LIMIT)
    test_limit: int = field(default=0, metadata=_LIMIT)
    unlabelled_limit: int = field(default=0, metadata=_LIMIT)
    shard_size: int = field(default=SHARD_SIZE, metadata={"option": None})

    def entity_types(self) -> list[str]:
        """The entity types that tags may name, besides those of the mapping."""
        return list(self.types or TYPES)

    def new_types(self) -> Mapping[str, str]:
        """What becomes of an entity type; O for no entity."""
        named = self.mapping
        return parse_mapping(named) if isinstance(named, str) else named

    def limit(self, split: str) -> int:
        """The most sentences to take of a split; translations have their sources' limit."""
        limit: int = getattr(self, f"{'train' if split == TRANSLATED else split}_limit")
        return limit or sys.maxsize
