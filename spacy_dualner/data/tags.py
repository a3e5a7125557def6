"""Tags of entities as files write them, and the one way in which they are read here."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

from ..errors import DualNerError

TYPES = ("LOC", "ORG", "PER")
"""PAN-X's entity types."""

ALL_TYPES = "all"
"""In place of entity types: any."""

Sentence = tuple[list[str], list[str]]
"""The words of a sentence and their BIO tags, of equal length; no tags where a file has none."""

# IOB1, IOB2, IOE, IOBES, BMES and BILOU: no letter means one thing in one scheme and another in
# the next, so they need not be told apart.
_PREFIXES = "BIESLUM"
_BEGINS = frozenset("BSU")
_ENDS = frozenset("ESLU")
_TAG = re.compile(rf"O|[{_PREFIXES}]-\S+")


def is_tag(text: str) -> bool:
    """Whether a text has the shape of a tag: `O`, `B-LOC`, `S-anything`."""
    return _TAG.fullmatch(text) is not None


class _AnyTag:
    def __contains__(self, tag: object) -> bool:
        return is_tag(str(tag))


def tagset(types: Iterable[str]) -> Container[str]:
    """Every tag of some entity types, in any scheme; what is a tag at all if one is ALL_TYPES."""
    if ALL_TYPES in types:
        return _AnyTag()
    return frozenset(["O", *(f"{prefix}-{label}" for label in types for prefix in _PREFIXES)])


def is_known(label: str, types: Collection[str]) -> bool:
    """Whether an entity's type is one of these, or any is."""
    return ALL_TYPES in types or label in types


def unknown_tag(tag: str, types: Sequence[str]) -> str:
    """What is wrong with a tag that is not in the tagset of these types, and what to do."""
    if is_tag(tag) and tag != "O":
        fault = f"unknown tag {tag!r}, the entity types are {', '.join(types)}. Name all of the"
        return f"{fault} data's types with --types, or map this one: --map {tag[2:]}=O drops it."
    # A Cyrillic O looks like any other.
    odd = ", ".join(f"U+{ord(letter):04X}" for letter in tag[:2] if not letter.isascii())
    fault = f"unknown tag {tag!r}{f' ({odd})' * bool(odd)}, expected O, or B- or I- before an"
    return f"{fault} entity type. Mend the tag, or choose another --form."


def repair_tags(tags: Iterable[str]) -> list[str]:
    """Read tags of any scheme as conlleval does, and write them as BIO, entities beginning with B-.

    An `I-` that continues nothing, or changes type, begins an entity. So does what follows the end
    that IOBES (`E-`, `S-`) or BILOU (`L-`, `U-`) marks.
    """
    repaired: list[str] = []
    open_label = ""
    for tag in tags:
        if tag == "O":
            repaired.append(tag)
            open_label = ""
            continue
        prefix, label = tag[0], tag[2:]
        begins = label != open_label or prefix in _BEGINS
        repaired.append(f"B-{label}" if begins else f"I-{label}")
        open_label = "" if prefix in _ENDS else label
    return repaired


def count_repairs(tags: Sequence[str], repaired: Sequence[str]) -> int:
    """How many tags begin an entity without saying so, as in IOB1, where that is no fault."""
    if tags == repaired:
        return 0
    pairs = zip(tags, repaired, strict=True)
    return sum(new[0] == "B" and old[0] not in _BEGINS for old, new in pairs)


def parse_classes(text: str) -> list[str]:
    """Read `O,B-PER,I-PER`: the tags of class ids, in their order."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_mapping(text: str) -> dict[str, str]:
    """Read `MISC=O,GPE=LOC`: an entity type and what becomes of it, O for no entity.

    Raises DualNerError where a part is not of this form, or a type stands there twice.
    """
    mapping: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        old, equals, new = (name.strip() for name in part.partition("="))
        if not (old and equals and new) or old == "O" or "=" in new:
            raise DualNerError(f"--map: {part!r} is not of the form OLD=NEW, as in MISC=O,GPE=LOC.")
        if mapping.setdefault(old, new) != new:
            raise DualNerError(f"--map: {old} is mapped to {mapping[old]} and to {new}. Keep one.")
    return mapping


def mapped_types(types: Iterable[str], mapping: Mapping[str, str]) -> list[str]:
    """The entity types that are left once some were mapped, in their order, without repeats."""
    new = [mapping.get(label, label) for label in [*types, *mapping]]
    return [label for label in dict.fromkeys(new) if label != "O"]


def map_types(sentences: Iterable[Sentence], mapping: Mapping[str, str]) -> Iterator[Sentence]:
    """Sentences with their entities' types changed; types that are not in the mapping stay.

    mapping (Mapping[str, str]): The new type of an old one; O makes it no entity.
    YIELDS (Sentence): Words and BIO tags. Neighbouring entities stay apart if they become one type.
    """
    renamed = {
        f"{prefix}-{old}": new if new == "O" else f"{prefix}-{new}"
        for old, new in mapping.items()
        for prefix in "BI"
    }
    for words, tags in sentences:
        yield words, [renamed.get(tag, tag) for tag in tags]
