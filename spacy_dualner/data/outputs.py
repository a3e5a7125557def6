"""Outputs: written whole or not at all, and in place of nothing but what was made by the same."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..errors import DualNerError
from ..system.scratch import LOCK, hold
from .urls import replace

# What tells a folder of a pipeline from any other, and what else may be in it.
_MARKS = ("config.cfg", "meta.json")
_CONTENT = ("tokenizer", "vocab", "*README.md", "LICEN[CS]E*")
_N_NAMED = 3
# Characters of an earlier output that tell what it is; a report of faults may have gigabytes.
_BEGINNING = 1 << 24
# Of renameat2: both paths are as the process sees them, and change places.
_HERE, _EXCHANGE = -100, 2
# What a file of Docs begins with.
_ZLIB = b"\x78"


def check_output(output: Path, model: Path) -> None:
    """Refuse to write a changed copy where the original, or something else, would be lost.

    output (Path): Folder to write; a pipeline that is there is replaced.
    model (Path): Folder of the pipeline that is copied.
    Raises DualNerError where one lies in the other, or what is there is no pipeline, holds other
    files, or is a link.
    """
    check_apart(output, model, f"the pipeline {model}")
    check_link(output)
    # One that is empty is no loss.
    is_empty = output.is_dir() and not any(output.iterdir())
    if output.exists() and not is_empty and not is_pipeline(output):
        raise _other(output, "pipeline", "folder")
    check_entries(output, [*_MARKS, *_CONTENT, *_components(output)])


def check_apart(output: Path, source: Path, what: str) -> None:
    """Refuse an output that would replace what is read, become a part of it, or hold it.

    what (str): What is read.
    """
    ours, theirs = output.resolve(), source.resolve()
    within = ours.is_relative_to(theirs) or theirs.is_relative_to(ours)
    # A disk may give one file two names.
    if within or (output.exists() and source.exists() and output.samefile(source)):
        raise DualNerError(
            f"{output} and {what} are one, or lie in one another. Name another output."
        )


def check_docs(output: Path) -> None:
    """Refuse to replace what is no file of Docs, and no folder of such files."""
    if output.is_dir():
        check_link(output)
        check_entries(output, ["*.spacy"])
        return
    check_file(output, "corpus file")
    if output.is_file():
        with output.open("rb") as file:
            if file.read(1) not in (b"", _ZLIB):
                raise _other(output, "corpus file", "file")


def check_entries(folder: Path, own: Sequence[str] = ("*",), other: Sequence[str] = ()) -> None:
    """Refuse to replace a folder, which need not be there, that holds other files.

    own (Sequence[str]): Patterns of the names that may be in it.
    other (Sequence[str]): Patterns of those that may not.
    """
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    other = [name for name in names if _fits(name, other) or not _fits(name, own)]
    if other:
        named = ", ".join(other[:_N_NAMED]) + ", ..." * (len(other) > _N_NAMED)
        raise DualNerError(
            f"{folder} is there and holds other files ({named}), so it is not replaced. Name "
            "another output."
        )


def check_file(output: Path, what: str, is_own: Callable[[str], bool] | None = None) -> None:
    """Refuse to replace a file of another kind, a folder, or a link.

    A device or a pipe is written to as it is, and a file that is empty is no loss.

    what (str): What is written.
    is_own (Optional[Callable[[str], bool]]): Whether a text, of a large file its beginning, is
        that; any file is replaced if None.
    """
    check_link(output)
    if output.is_dir():
        raise DualNerError(f"{output} is a folder. Name a file.")
    if is_own is None or not output.is_file() or not output.stat().st_size:
        return
    with output.open(encoding="utf8", errors="replace") as file:
        text = file.read(_BEGINNING)
    if not is_own(text):
        raise _other(output, what, "file")


def check_json(output: Path | None, what: str, *keys: str) -> None:
    """As `check_file`, of a JSON file, if any, that holds an object with these keys."""

    def is_own(text: str) -> bool:
        with suppress(ValueError):
            value = json.loads(text)
            return isinstance(value, dict) and value.keys() >= {*keys}
        return False

    if output is not None:
        check_file(output, what, is_own)


def check_link(output: Path) -> None:
    """Refuse an output that is a link, unless it leads to a device or a pipe, or a URL.

    To replace it would leave what it points to as it was, and to write there would lose that.
    """
    check_no_url(output)
    if output.is_symlink() and (output.is_dir() or output.is_file() or not output.exists()):
        raise DualNerError(
            f"{output} is a link to {os.readlink(output)}. Name that, or remove the link."
        )


def check_no_url(output: Path) -> None:
    """Refuse an output whose path was a URL: `s3:` would be a folder of this disk."""
    # Windows' disks have one letter.
    if output.parts and re.fullmatch(r"[A-Za-z][\w+.-]+:", output.parts[0]):
        raise DualNerError(
            f"{output} is a URL, to which only `annotate --ray` writes. Name a path of this disk."
        )


def _other(output: Path, what: str, kind: str) -> DualNerError:
    return DualNerError(
        f"{output} is there and is no {what}, so it is not replaced. Name another {kind}."
    )


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def is_pipeline(folder: Path) -> bool:
    """Whether a folder is that of a pipeline."""
    return all((folder / name).is_file() for name in _MARKS)


def _components(folder: Path) -> list[str]:
    """Names of the folders of a pipeline's components, where its meta.json can be read."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        meta = json.loads((folder / "meta.json").read_bytes())
        return [str(name) for key in ("components", "pipeline") for name in meta.get(key, [])]
    return []


@contextmanager
def locked(folder: Path, output: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made, while the block lasts.

    Raises DualNerError where another run has it, to write the output.
    """
    lock = hold(folder)
    if lock is None:
        raise DualNerError(f"{output} is being written by another run. Wait for it to end.")
    own = (folder / LOCK).stat()
    try:
        yield
    finally:
        # Where the block removed the folder, the next run may have it already.
        with suppress(FileNotFoundError):
            if os.path.samestat(own, (folder / LOCK).stat()):
                (folder / LOCK).unlink()
        lock.release()


@contextmanager
def aside(output: Path, folder: Path | None = None) -> Iterator[Path]:
    """A folder beside an output for what is to take its place; it goes at the end.

    What a run left there that was killed goes first.

    output (Path): The output, which one run at a time may write.
    folder (Optional[Path]): Where to make it, on the same disk; by default where the output is.
    """
    output = output.absolute()
    place = (folder or output.parent) / f".{output.name}.part"
    check_entries(place, ["new", "old", "output", ".*"])
    with locked(place, output):
        try:
            _bring_back(place / "old", output)
            for name in ("new", "old"):
                shutil.rmtree(place / name, ignore_errors=True)
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def written_aside(output: Path, folder: Path | None = None) -> Iterator[Path]:
    """A path that takes the place of the output if the block ends well; as `aside`."""
    with aside(output, folder) as place:
        yield place / "new"
        put_in_place(place / "new", output, place / "old")


def put_in_place(new: Path, output: Path, old: Path) -> None:
    """Put a file or folder in the place of an output, if any: in one step, where the system can.

    Else the output steps aside first, to the path `old` on the same disk, and comes back on
    failure. Afterwards, what was there before may be at `new` or `old`.
    """
    if not output.exists() or (output.is_file() and new.is_file()):
        os.replace(new, output)
    elif not _exchange(new, output):
        try:
            os.replace(output, old)
            os.replace(new, output)
        except BaseException:
            _bring_back(old, output)
            raise


def _bring_back(old: Path, output: Path) -> None:
    if old.exists() and not output.exists():
        os.replace(old, output)


def _exchange(one: Path, other: Path) -> bool:
    """Give each the other's name in one step. Linux can, on most kinds of disk."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and not rename(
        _HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE
    )


def write_text(path: Path, text: str) -> None:
    """Write a text file aside, then put it in place; its folder is made.

    A device or a pipe is written to as it is.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file aside, then put it in place."""
    # Not with srsly: it writes 1e-12 as 0, and neither NaN nor an integer of more than 64 bits.
    write_text(path, json.dumps(value, indent=2) + "\n")
