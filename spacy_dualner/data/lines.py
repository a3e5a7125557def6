"""Lines of UTF-8 text with their numbers, and the language names that files carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import DataError

_BOM = b"\xef\xbb\xbf"
_MAX_QUOTED = 200
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]+)*", re.IGNORECASE)


def numbered_lines(lines: Iterable[bytes], source: str | Path) -> Iterator[tuple[int, str]]:
    """Decode lines, without their line ends and without a byte order mark.

    Only a line feed ends a line: U+2028 and its like are text, and do occur in tokens.

    lines (Iterable[bytes]): The raw lines, such as a file opened in binary mode.
    source (Union[str, Path]): The name of the file, for errors.
    YIELDS (Tuple[int, str]): The line's number, from 1, and its text.
    RAISES (DataError): If a line is not UTF-8.
    """
    for number, raw in enumerate(lines, 1):
        if number == 1:
            raw = raw.removeprefix(_BOM)
        try:
            yield number, raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            text = excerpt(raw.decode("utf-8", "backslashreplace").rstrip("\r\n"))
            message = f"not valid UTF-8 ({error.reason}). Convert the file to UTF-8."
            raise DataError(source, message, line=number, text=text) from error


def excerpt(text: str) -> str:
    """A line as an error quotes it: whole, or its beginning where it is very long."""
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."


def is_language(name: str) -> bool:
    """Whether a file's name reads as a language's code: `de`, `zh-min-nan`, but not `README`."""
    return _LANGUAGE.fullmatch(name) is not None
