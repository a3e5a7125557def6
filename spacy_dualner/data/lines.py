"""Lines of text with their numbers, and the language names that files carry."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import DataError, DualNerError
from .urls import open_bytes

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_REMEDY = "Convert the file to UTF-8, as with `iconv -f LATIN1 -t UTF-8`."
_MAX_QUOTED = 200
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]+)*", re.IGNORECASE)
_GZIP = ".gz"
_CHUNK = 1 << 16
# Of a line, or of lines that are read together: gzip can make ten gigabytes of as many megabytes.
MAX_BYTES = 1 << 30
# What a file is, is told by so many lines or records. A malformed one is for its reader to name.
N_FIRST = 200


class Fault(Exception):
    """What is wrong with a line or record, and what to do about it."""


def plain_path(path: Path) -> Path:
    """The path without the `.gz` of a compressed file."""
    return path.with_suffix("") if path.suffix.lower() == _GZIP else path


@contextmanager
def open_lines(path: Path) -> Iterator[Iterator[tuple[int, str]]]:
    """The numbered lines of a file, which is compressed by gzip if its name ends in `.gz`."""
    with ExitStack() as stack:
        file = stack.enter_context(open_bytes(path))
        if plain_path(path) != path:
            file = cast(BinaryIO, stack.enter_context(gzip.open(file)))
        yield numbered_lines(read_chunks(file, path), path)


def read_chunks(file: BinaryIO, source: str | Path) -> Iterator[bytes]:
    """Read a file in pieces, cut anywhere: no line end is waited for.

    Raises DualNerError where it is compressed, and broken; `source` is its name.
    """
    try:
        # Not `read`, which would wait until a pipe has given all of it.
        while chunk := file.read1(_CHUNK):  # type: ignore[attr-defined]
            yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DualNerError(f"{source}: not a whole gzip file ({error}). Get it anew.") from error


def split_lines(chunks: Iterable[bytes], source: str | Path = "") -> Iterator[bytes]:
    """Cut bytes into lines, each with its end: a line feed, a carriage return or both.

    Raises DualNerError where a line is longer than MAX_BYTES: there is no reading on after it.
    """
    begun: list[bytes] = []  # a line of any length costs no more than its bytes
    length = 0
    for chunk in chunks:
        if begun and not begun[-1].endswith(b"\r") and b"\n" not in chunk and b"\r" not in chunk:
            begun.append(chunk)
            if (length := length + len(chunk)) > MAX_BYTES:
                raise DualNerError(
                    f"{source}: a line of more than {MAX_BYTES:,} bytes. Cut it into lines."
                )
            continue
        length = 0
        lines = b"".join([*begun, chunk]).splitlines(keepends=True)
        # A line feed may follow the carriage return.
        begun = [] if not lines or lines[-1].endswith(b"\n") else [lines.pop()]
        yield from lines
    yield from filter(None, [b"".join(begun)])


def numbered_lines(chunks: Iterable[bytes], source: str | Path) -> Iterator[tuple[int, str]]:
    """Decode lines, without their line ends and without a byte order mark.

    Text is UTF-8, or UTF-16 where a byte order mark says so. A line feed, a carriage return or both
    end a line, also where a file mixes them. U+2028 and its like are text, and do occur in tokens.

    YIELDS (Tuple[int, str]): The line's number, from 1, and its text.
    RAISES (DataError): If a line is in another encoding, or holds a NUL character.
    """
    chunks = iter(chunks)
    first = next(chunks, b"")
    utf16 = first.startswith(UTF16)
    chunks = chain([first if utf16 else first.removeprefix(codecs.BOM_UTF8)], chunks)
    if utf16:
        chunks = (text.encode() for text in codecs.iterdecode(chunks, "utf-16"))
    number = 0
    try:
        for number, raw in enumerate(split_lines(chunks, source), 1):
            yield number, without_end(decode_line(raw, number, source))
    except UnicodeDecodeError as error:
        # What was decoded of the last chunk has not come out.
        text = error.object[: error.start].decode(error.encoding)
        number += 1 + len(re.findall("\r\n?|\n", text))
        message = f"not valid UTF-16 ({error.reason}). Convert the file to UTF-8."
        raise DataError(source, message, line=number) from error


def without_end(line: str) -> str:
    """A line without its line end."""
    return line.removesuffix("\n").removesuffix("\r")


def decode_line(raw: bytes, number: int, source: str | Path) -> str:
    """Decode one line of UTF-8 with its line end.

    Raises DataError where it is in another encoding, or holds a NUL character.
    """
    try:
        line = raw.decode("utf-8")
        if "\0" not in line:
            return line
        fault = "a NUL character: the file is damaged, or UTF-16 without a byte order mark"
    except UnicodeDecodeError as error:
        line = raw.decode("utf-8", "backslashreplace")
        fault = f"not valid UTF-8 ({error.reason})"
    text = excerpt(line.rstrip("\r\n"))
    raise DataError(source, f"{fault}. {_REMEDY}", line=number, text=text)


def excerpt(text: str) -> str:
    """A line as an error quotes it: whole, or its beginning where it is very long."""
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."


def is_language(name: str) -> bool:
    """Whether a file's name reads as a language's code: `de`, `zh-min-nan`, but not `README`."""
    return _LANGUAGE.fullmatch(name) is not None
