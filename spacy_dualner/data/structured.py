"""Tell files of records and of markup from plain text, whatever they are called."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ..errors import DataError, DualNerError
from .lines import N_FIRST, open_lines

_JSON = re.compile(r'\s*(\[\s*\{|\{\s*")')
_XML = re.compile(r"\s*<(\?xml|!doctype|html)\b", re.IGNORECASE)
_ELEMENT = re.compile(r"\s*</?[A-Za-z][^<>]*>.*")
_HEADER = re.compile(r'"?\w+"?([,;]"?\w+"?)+')
_POINTER = "version https://git-lfs.github.com/"
_PAIR = r"[^|\s]+(\|[^|\s]+){1,2}"
_ONE_LINE_IOB = re.compile(rf"{_PAIR}( +{_PAIR})* *")
_CONLLU_TABS = 9
_MIN_ROWS = 2

TABLE = "tab-separated values"
IOB = "token|tag pairs in one line (spaCy's .iob)"


def first_lines(path: Path) -> list[str]:
    """The first lines of a file, up to one that cannot be read, which is for a reader to name."""
    found: list[str] = []
    with open_lines(path) as lines, suppress(DualNerError):
        found.extend(line for _, line in islice(lines, N_FIRST))
    return found


def structure_of(lines: Sequence[str]) -> str:
    """What the first lines of a file are where they are no plain text: JSON lines, XML and so on.

    RETURNS (str): Empty for text, which may well hold some of each. Blank lines do not count.
    """
    lines = [line for line in lines if line.strip()]
    if not lines:
        return ""
    first, most = lines[0], len(lines) / 2
    if sum(map(_is_object, lines)) > most:
        return "JSON lines"
    if first.startswith(_POINTER):
        return "a git-lfs pointer"
    if _JSON.match("".join(lines[:2])):
        return "JSON"
    if _XML.match(first) or sum(map(bool, map(_ELEMENT.fullmatch, lines))) > most:
        return "XML"
    if sum(map(bool, map(_ONE_LINE_IOB.fullmatch, lines))) > most:
        return IOB
    rows = [line for line in lines if not line.startswith("#")]
    tabs, n_rows = Counter(line.count("\t") for line in rows or lines).most_common(1)[0]
    if tabs == _CONLLU_TABS and n_rows > len(rows) / 2:
        return "CoNLL-U without a tag in its third column or name= in its last"
    if len(lines) < _MIN_ROWS:
        return ""
    if _HEADER.fullmatch(first.strip()) and sum("," in x or ";" in x for x in lines) > most:
        return "comma-separated values"
    return TABLE if tabs and n_rows > most else ""


def check_lines(lines: Sequence[str], source: str | Path, remedy: str) -> None:
    """Raise DataError where a file's first lines are no text, as their annotation would be lost."""
    if structure := structure_of(lines):
        raise DataError(source, f"{structure}, not text. {remedy}")


def _is_object(line: str) -> bool:
    with suppress(ValueError, RecursionError):
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    return False
