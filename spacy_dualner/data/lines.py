"""Lines of text with their numbers, and the language names that files carry."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ..errors import DataError

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_REMEDY = "Convert the file to UTF-8, as with `iconv -f LATIN1 -t UTF-8`."
_MAX_QUOTED = 200
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]+)*", re.IGNORECASE)


def numbered_lines(lines: Iterable[bytes], source: str | Path) -> Iterator[tuple[int, str]]:
    """Decode lines, without their line ends and without a byte order mark.

    Text is UTF-8, or UTF-16 where a byte order mark says so. Only a line feed, or a carriage return
    before it, ends a line: U+2028 and its like are text, and do occur in tokens.

    lines (Iterable[bytes]): The raw lines, such as a file opened in binary mode.
    source (Union[str, Path]): The name of the file, for errors.
    YIELDS (Tuple[int, str]): The line's number, from 1, and its text.
    RAISES (DataError): If a line is in another encoding, or holds a NUL character.
    """
    lines = iter(lines)
    first = next(lines, None)
    if first is None:
        return
    lines = chain([first.removeprefix(codecs.BOM_UTF8)], lines)
    if first.startswith(UTF16):
        lines = _utf8_lines(lines, source)
    for number, raw in enumerate(lines, 1):
        yield number, decode_line(raw, number, source).removesuffix("\n").removesuffix("\r")


def decode_line(raw: bytes, number: int, source: str | Path) -> str:
    """Decode one line of UTF-8.

    raw (bytes): The line.
    number (int): Its number, for errors.
    source (Union[str, Path]): The name of the file, for errors.
    RETURNS (str): Its text, line end included.
    RAISES (DataError): If it is in another encoding, or holds a NUL character.
    """
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        text = excerpt(raw.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        message = f"not valid UTF-8 ({error.reason}). {_REMEDY}"
        raise DataError(source, message, line=number, text=text) from error
    if "\0" in line:
        message = "a NUL character: the file is damaged, or UTF-16 without a byte order mark."
        text = excerpt(line.rstrip("\r\n"))
        raise DataError(source, f"{message} {_REMEDY}", line=number, text=text)
    return line


def _utf8_lines(chunks: Iterable[bytes], source: str | Path) -> Iterator[bytes]:
    """The lines of UTF-16 text, cut anywhere, as UTF-8."""
    number, rest = 1, ""
    try:
        for text in codecs.iterdecode(chunks, "utf-16"):
            *whole, rest = (rest + text).split("\n")
            number += len(whole)
            yield from (line.encode() for line in whole)
    except UnicodeDecodeError as error:
        message = f"not valid UTF-16 ({error.reason}). Convert the file to UTF-8."
        raise DataError(source, message, line=number) from error
    if rest:
        yield rest.encode()


def excerpt(text: str) -> str:
    """A line as an error quotes it: whole, or its beginning where it is very long."""
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."


def is_language(name: str) -> bool:
    """Whether a file's name reads as a language's code: `de`, `zh-min-nan`, but not `README`."""
    return _LANGUAGE.fullmatch(name) is not None
