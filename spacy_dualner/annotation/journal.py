"""What an interrupted run leaves beside its output, so that it can go on."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..data.outputs import check_entries, check_file, check_link, locked, write_json
from ..data.urls import is_local, remove_folder, replace
from ..errors import DataError, readable
from .records import Position

# What may be in the folder of an unfinished run: while a DocBin is put together, folders as well.
_OWN = ("output", "errors.jsonl", "report", "journal.json", ".*")
# A number that was damaged would else lose texts, or write them twice, without a word.
_CHECKSUM = "checksum"
# What the report of faults begins with.
_FAULT = '{"file": '


@dataclass
class Journal:
    """A point at which input, output and report belong together."""

    identity: dict[str, Any]  # what decides the output: input, pipeline and settings
    position: Position = (0, 0)  # in the input
    done: int = 0  # bytes of the input, where they are counted
    output_bytes: int = 0  # the length of the output
    error_bytes: int = 0  # the length of the report of faults
    texts: int = 0  # texts annotated, with their words and entities
    words: int = 0
    entities: int = 0
    faults: int = 0  # records that could not be annotated
    lines: int = 0  # lines of the whole input, where all of it has some
    seconds: float = 0.0  # the time that it took
    finished: bool = False  # whether the input was read to its end
    # On a cluster, what is done of its output, by name.
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)


class Unfinished:
    """The folder `OUTPUT.partial`: output and report so far, and the journal.

    target (Path): The output, when it is finished.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.report = target.with_name(f"{target.name}.errors.jsonl")
        self.folder = target.with_name(f"{target.name}.partial")
        self.errors = self.folder / "errors.jsonl"  # the report so far
        self._output = self.folder / "output"
        self._journal = self.folder / "journal.json"

    @contextmanager
    def locked(self, remedy: str = "") -> Iterator[None]:
        """Keep other runs out while the block lasts. Without a journal nothing stays of the folder.

        remedy (str): What to do where the block is interrupted: the error says it, and how far the
            run is.
        Raises DualNerError where another run has it, or it or the report is of something else.
        """
        check_link(self.folder)
        check_entries(self.folder, _OWN)
        check_file(self.report, "report of annotate", lambda text: text.startswith(_FAULT))
        local = is_local(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder, self.target) if local else nullcontext():
            try:
                yield
            except KeyboardInterrupt as error:
                # Without one nothing is written yet, or all is in its place.
                if (journal := self.load()) is not None:
                    done = journal.texts + journal.faults
                    error.args = (f"Interrupted after {done:,} texts. {remedy}",)
                raise
            finally:
                if not self.is_begun():
                    remove_folder(self.folder)

    def is_begun(self) -> bool:
        """Whether there is a journal."""
        return self._journal.exists()

    def load(self) -> Journal | None:
        """The journal, if there is one. Raises DualNerError where it is damaged."""
        if not self.is_begun():
            return None
        with readable(self._journal, "not a journal of annotate", "Start anew with --force."):
            held = json.loads(self._journal.read_bytes())
            # Versions that wrote none are believed.
            if _CHECKSUM in held and held.pop(_CHECKSUM) != _checksum(held):
                raise ValueError("its checksum is another")
            first, second = held["position"]
            return Journal(**held | {"position": (first, second)})

    def write(self, journal: Journal, parts: Generator[tuple[bytes, bytes], None, None]) -> None:
        """Write output and report on from where the journal stands; what comes after that goes.

        parts (Generator[Tuple[bytes, bytes], None, None]): What to add to each of them. The journal
            says how far the input was read for it, and is written after it.
        """
        with (
            closing(parts),
            _open_at(self._output, journal.output_bytes) as output,
            _open_at(self.errors, journal.error_bytes) as errors,
        ):
            for part in parts:
                for file, more in zip((output, errors), part, strict=True):
                    file.write(more)
                    file.flush()
                    os.fsync(file.fileno())
                journal.output_bytes, journal.error_bytes = output.tell(), errors.tell()
                self.save(journal)
        journal.finished = True
        self.save(journal)

    def save(self, journal: Journal) -> None:
        """Write the journal."""
        held = asdict(journal)
        write_json(self._journal, held | {_CHECKSUM: _checksum(held)})

    def finish(self, journal: Journal, finish: Callable[[Path, Path], object]) -> None:
        """Put output and report in their places; the folder goes. Can be done again after a kill.

        finish (Callable[[Path, Path], object]): Makes the output; it may be moved, or copied.
        """
        self.put_report(journal)
        if self._output.exists() and (journal.texts or not journal.faults):
            finish(self._output, self.target)
        self.forget()

    def put_report(self, journal: Journal) -> None:
        """Put the report in its place, if there are faults, and an earlier one away."""
        if not journal.faults:
            self.report.unlink(missing_ok=True)
        elif self.errors.exists():  # else this was done before a kill
            replace(self.errors, self.report)

    def forget(self) -> None:
        """Remove the journal, and when the lock goes, the folder."""
        self._journal.unlink(missing_ok=True)


def _checksum(held: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(held, sort_keys=True).encode())


def _open_at(path: Path, length: int) -> BinaryIO:
    path.touch()
    file = path.open("r+b")
    if file.seek(0, os.SEEK_END) < length:
        raise DataError(path, f"not all of {length:,} bytes are there. Start anew with --force.")
    file.truncate(length)
    file.seek(length)
    return file
