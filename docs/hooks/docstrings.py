"""spaCy's docstring style, for griffe: rewritten in Google's style, which griffe reads.

`name (Type): text`, `RETURNS (Type): text`, `YIELDS (Type): text`, `RAISES (Type): text` and a
paragraph `Raises Type where ...` become sections; all else stays as it is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import griffe

ENTRY = re.compile(r"(?P<name>\w+) \((?P<type>[^()]+)\): (?P<text>.*)")
RAISES = re.compile(r"(?:RAISES \((?P<type>\w+)\): |Raises (?P<name>\w+) )(?P<text>.*)")
RESULTS = {"RETURNS": "Returns", "YIELDS": "Yields"}


def to_google(docstring: str, fields: str = "Args") -> str:
    """A docstring in spaCy's style as one in Google's.

    docstring (str): Without common indentation.
    fields (str): What its entries are: `Args`, or `Attributes` for a class that holds data.
    RETURNS (str): The same with sections.
    """
    lines = []
    for section, items in groupby(_items(docstring, fields), key=lambda item: item[0]):
        lines += [f"\n{section}:"] if section else []
        for _, (first, *others) in items:
            indent = "    " if section else ""
            lines += [f"{indent}{first}", *(f"{indent}{line}" for line in others)]
    return "\n".join(lines)


def _items(docstring: str, fields: str) -> Iterator[tuple[str, list[str]]]:
    """Entries and lines of text, each with its section; an entry takes its further lines."""
    lines = docstring.splitlines()
    while lines:
        first = lines.pop(0)
        section, text = _section(first, fields)
        rest: list[str] = []
        # What belongs to an entry is indented, to a paragraph `Raises ...` its other lines.
        while section and lines and lines[0].strip():
            if not lines[0].startswith(" ") and not first.startswith("Raises "):
                break
            rest.append(f"    {lines.pop(0).strip()}")
        yield section, [text, *rest]


def _section(line: str, fields: str) -> tuple[str, str]:
    if match := RAISES.match(line):
        text = match["text"]
        return "Raises", f"{match['type'] or match['name']}: {text[:1].upper()}{text[1:]}"
    match = ENTRY.match(line)
    if match is None:
        return "", line
    if match["name"] in RESULTS:
        return RESULTS[match["name"]], f"{match['type']}: {match['text']}"
    return fields, line


def sections(described: Callable | type) -> list[griffe.DocstringSection]:
    """The sections of a function's or class's docstring, as griffe reads them."""
    text = to_google(inspect.getdoc(described) or "")
    return griffe.Docstring(text).parse("google", warnings=False, returns_named_value=False)


class SpacyDocstrings(griffe.Extension):
    """Has griffe read spaCy's style."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            holds_data = obj.is_class and "__init__" not in obj.members
            fields = "Attributes" if holds_data else "Args"
            obj.docstring.value = to_google(obj.docstring.value, fields)
