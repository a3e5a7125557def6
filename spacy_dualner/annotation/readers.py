"""The forms of input: text, JSON lines, tables and DocBin files."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import sys
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from copy import copy
from io import BufferedReader
from itertools import islice
from math import isinf
from pathlib import Path
from typing import BinaryIO, Literal, cast

from spacy.vocab import Vocab

from ..data.docbin import read_docs, shard_paths
from ..data.lines import (
    UTF16,
    decode_line,
    excerpt,
    plain_path,
    read_chunks,
    split_lines,
    without_end,
)
from ..data.names import suffix_of
from ..data.structured import check_lines, first_lines
from ..data.urls import as_path, is_local, open_bytes
from ..errors import DataError, DualNerError
from .records import Position, Reader, Record

STDIN = "-"

# A quotation mark that nothing closes would else take in the rest of the file.
_MAX_FIELD = 10_000_000
_PEEKED = 8_192


class LineReader(Reader):
    """A file of lines, which may be compressed by gzip, or standard input.

    While it is read, an iterator of its lines. After one that cannot be decoded, which is an error,
    the next comes.

    path (Path): The file; `-` is standard input.
    key (str): The key or column of the text.
    """

    of_lines = True

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self.source = "standard input"
        if str(path) != STDIN:
            self.source, self.paths, self.size = str(path), [path], path.stat().st_size

    @property
    def number(self) -> int:
        """The number of the line that was read last."""
        return self.position[1]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._again.popleft() if self._again else next(self._raw)
        offset, number = self.position
        self.position = offset + len(raw), number + 1
        if not offset:
            if raw.startswith(UTF16):
                raise DualNerError(
                    f"{self.source}: the file is UTF-16. Convert it to UTF-8, as with "
                    "`iconv -f UTF-16 -t UTF-8`."
                )
            raw = raw.removeprefix(codecs.BOM_UTF8)
            if not raw:  # the mark alone is no line
                raise StopIteration
        return self.decode(raw)

    def decode(self, raw: bytes) -> str:
        """Decode the line that was read last."""
        return decode_line(raw, self.number, self.source)

    def error(self, message: str, line: str, number: int = 0) -> DataError:
        """An error in a line, by default the last one."""
        text = excerpt(without_end(line))
        return DataError(self.source, message, line=number or self.number, text=text)

    def read(self, start: Position) -> Iterator[Record | DataError]:
        with ExitStack() as stack:
            raw = cast(BinaryIO, sys.stdin.buffer)
            if self.size is not None:
                raw = stack.enter_context(open_bytes(self.path))
            self._file = raw
            if self.path != plain_path(self.path):
                self._file = cast(BinaryIO, stack.enter_context(gzip.open(raw)))
            self._start((0, 0))
            self.begin()
            if start != (0, 0):
                self._file.seek(start[0])
                self._start(start)
            while True:
                item: Record | DataError | None
                try:
                    item = self.next_record()
                except StopIteration:
                    return
                except DataError as error:
                    item = copy(error)  # without the traceback, which would keep the line
                self.done = raw.tell() if self.size is not None else 0
                if item is not None:
                    yield item

    def begin(self) -> None:
        """Read what comes before the first record."""

    @abstractmethod
    def next_record(self) -> Record | None:
        """Read one record; None where some lines hold none.

        Raises DataError where the record is malformed, and StopIteration at the end.
        """

    def _start(self, position: Position) -> None:
        self.position = position
        self._again: deque[bytes] = deque()  # lines that were read, but too early
        self._raw = split_lines(read_chunks(self._file, self.source), self.source)


class TextReader(LineReader):
    """One text a line; a blank line is a text too."""

    def next_record(self) -> Record | None:
        text = without_end(next(self))
        return Record(self.source, self.number, text, {})


class JsonlReader(LineReader):
    """One JSON object a line."""

    def next_record(self) -> Record | None:
        line = next(self)
        if not line.strip():
            return None
        try:
            carried = json.loads(line, parse_float=_number)
        except (ValueError, RecursionError) as error:
            raise self.error(f"not JSON ({error}). Mend the line.", line) from None
        if not isinstance(carried, dict):
            raise self.error("not a JSON object. Mend the line.", line)
        if self.key not in carried:
            raise self.error(f"no key '{self.key}'. Mend the line, or name it: --text-key.", line)
        text = carried.pop(self.key)
        if not isinstance(text, str):
            raise self.error(f"the value of '{self.key}' is not a string. Mend the line.", line)
        return Record(self.source, self.number, text, carried)


class TableReader(LineReader):
    """Comma-separated values with a header, any of which may stand in quotation marks."""

    delimiter = ","
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
    _fault: DataError | None  # of the row that is read
    _lines: list[bytes]  # those of it

    def begin(self) -> None:
        """Read the header."""
        csv.field_size_limit(_MAX_FIELD)
        # In strict mode a quotation mark in the wrong place is an error, and not changed text.
        self._rows = csv.reader(self, delimiter=self.delimiter, quoting=self.quoting, strict=True)
        self.columns: list[str] = []
        try:
            with suppress(StopIteration):
                self.columns = self._next_row()
        except csv.Error as error:
            fault = f"{self.source}: no header ({error}). Mend the first line."
            raise DualNerError(fault) from None
        repeated = {name for name in self.columns if self.columns.count(name) > 1}
        if self.key not in self.columns or repeated:
            fault = (
                f"more than one column '{min(repeated)}'" if repeated else f"no column '{self.key}'"
            )
            raise DualNerError(
                f"{self.source}: {fault} in the header, which has {', '.join(self.columns)}. Name "
                "the text's column with --text-key, or mend the header."
            )

    def next_record(self) -> Record | None:
        before = self.position
        first = self.number + 1
        try:
            row = self._next_row()
        except csv.Error as error:
            # An open quotation mark may have taken in good lines.
            self.position = before
            self._again.extendleft(reversed(self._lines))
            line = next(self)
            raise self.error(f"not a row of a table ({error}). Mend the line.", line) from None
        if not row:
            return None
        if len(row) != len(self.columns):
            message = f"{len(row)} in place of {len(self.columns)} columns. Mend the line."
            raise self.error(message, self.delimiter.join(row), first)
        carried = dict(zip(self.columns, row, strict=True))
        return Record(self.source, first, carried.pop(self.key), carried)

    def decode(self, raw: bytes) -> str:
        """Decode a line; one that cannot be decoded stays a part of its row, whose fault it is."""
        self._lines.append(raw)
        try:
            return super().decode(raw)
        except DataError as error:
            self._fault = error
            return raw.decode("utf-8", "backslashreplace")

    def _next_row(self) -> list[str]:
        self._fault, self._lines = None, []
        row = next(self._rows)
        if self._fault is not None:
            raise self._fault
        return row


class TabReader(TableReader):
    """Tab-separated values with a header. Quotation marks are text, as everything else is."""

    delimiter = "\t"
    quoting = csv.QUOTE_NONE


class DocBinReader(Reader):
    """A `.spacy` file or a folder of shards, whose tokens and other annotation stay.

    path (Path): The file or folder.
    key (str): Of no use here.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.paths = shard_paths(path)

    def read(self, start: Position) -> Iterator[Record | DataError]:
        first, skip = start
        for shard, path in enumerate(self.paths[first:], first):
            # A vocabulary of its own for each shard, so that memory stays flat.
            docs = islice(read_docs(path, Vocab(), name_lang=False), skip, None)
            for number, doc in enumerate(docs, skip + 1):
                self.position = shard, number
                try:
                    content = doc.to_bytes()
                except Exception as error:  # what spaCy says of a damaged Doc has no common base
                    yield DataError(path, f"{error}. Make the Doc anew.", line=number)
                else:
                    yield Record(str(path), number, content, {})
            skip = 0


def _number(text: str) -> float:
    if isinf(number := float(text)):
        raise ValueError(f"{excerpt(text)} is too large a number")
    return number


READERS: dict[str, type[LineReader] | type[DocBinReader]] = {
    "txt": TextReader,
    "jsonl": JsonlReader,
    "csv": TableReader,
    "tsv": TabReader,
    "spacy": DocBinReader,
}
"""The readers by the names of the forms, which are also the endings of files' names."""

_AS_TEXT = (
    "Choose the form with --form: txt takes each line for a text as it stands; jsonl, csv and tsv "
    "have a --text-key."
)


def open_input(source: str, form: str = "", key: str = "text") -> Reader:
    """Find the reader of an input.

    source (str): A file, a folder of `.spacy` files, or `-` for standard input.
    form (str): A name of READERS; by default what the file's name ends in, before any `.gz`.
    key (str): The key or column of the text.
    RAISES (DualNerError): If there is no such file, its form is unknown, or by default that of
        text, which it does not look like.
    """
    path = as_path(source)
    if source == STDIN:
        if not form:
            # What has come is looked at, and stays in the pipe.
            begun = cast(BufferedReader, sys.stdin.buffer).peek(_PEEKED).decode("utf-8", "ignore")
            check_lines(begun.splitlines(), "standard input", _AS_TEXT)
        form = form or "txt"
        if form not in ("txt", "jsonl"):
            raise DualNerError(
                "Standard input can be lines of text or of JSON: --form txt or --form jsonl."
            )
    elif not path.exists():
        raise DataError(path, "no such file or folder. Mend the path.")
    elif is_local(path) and not (path.is_file() or path.is_dir()):
        raise DataError(path, "a pipe or a device. Give what comes from it as standard input: -")
    elif not form:
        form = "spacy" if path.is_dir() else suffix_of(path).removeprefix(".")
        if form not in READERS:
            known = ", ".join(READERS)
            raise DataError(path, f"its name tells no form. Choose one with --form: {known}.")
        if form == "txt":
            check_lines(first_lines(path), source, _AS_TEXT)
    if form not in READERS:
        raise DualNerError(f"Unknown form '{form}'. Choose one of: {', '.join(READERS)}.")
    if form != "spacy" and path.is_dir():
        raise DataError(path, f"a folder, not a file of the form {form}. Name one file.")
    return READERS[form](path, key)
