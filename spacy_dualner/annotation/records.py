"""What is read and annotated: records, faults in their place, and batches of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..data.lines import excerpt
from ..errors import DataError

# However long its texts are, a batch holds few characters more.
MAX_CHARACTERS = 1_000_000

Position = tuple[int, int]
"""How far a reader is: the bytes and lines before, or the files and the Docs of the next one."""


class Record(NamedTuple):
    """One text and what came with it."""

    source: str  # the file that it is from
    line: int  # the number of its first line; of a Doc its own number in the file. Both from 1
    content: str | bytes  # the text, or the bytes of a Doc
    carried: dict[str, Any]  # the other keys or columns, to be carried to the output

    def fault(self, message: str) -> DataError:
        """What to report where it cannot be annotated."""
        text = excerpt(self.content) if isinstance(self.content, str) else None
        return DataError(self.source, message, line=self.line, text=text)


class Reader(ABC):
    """Reads records one after the other. One that cannot be read does not stop it."""

    path: Path  # the input; `-` is standard input
    paths: Sequence[Path] = ()  # the files that it is made of; none of standard input
    position: Position = (0, 0)  # after the record that was read last
    of_lines: bool = False  # whether the input is made of lines
    size: int | None = None  # the bytes of the input, where they can be counted
    done: int = 0  # how many of these bytes were read

    @abstractmethod
    def read(self, start: Position) -> Iterator[Record | DataError]:
        """Read the records after a position; (0, 0) is the beginning."""


class Batch(NamedTuple):
    """Some records that are annotated together."""

    records: list[Record]  # the records
    faults: list[DataError]  # those between them that could not be read
    position: Position  # the reader's position after them
    done: int  # the bytes that it had read then


def batches(reader: Reader, start: Position, size: int) -> Iterator[Batch]:
    """Read batches of at most so many records, none of them empty, from where an earlier one ended.

    The batches after a position are the same however often reading was interrupted before it: the
    last digits of a score depend on what shares the batch.
    """
    records: list[Record] = []
    faults: list[DataError] = []
    length = 0
    for item in reader.read(start):
        if isinstance(item, DataError):
            faults.append(item)
        else:
            records.append(item)
            length += len(item.content)
        if len(records) + len(faults) == size or length >= MAX_CHARACTERS:
            yield Batch(records, faults, reader.position, reader.done)
            records, faults, length = [], [], 0
    if records or faults:
        yield Batch(records, faults, reader.position, reader.done)
