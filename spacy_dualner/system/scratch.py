"""Folders that one process has to itself, and what a killed one left of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

LOCK = ".lock"
"""The file in a folder that says who has it."""

_PREFIX = "spacy-dualner-"
_FILES = "files"


def hold(folder: Path) -> BaseFileLock | None:
    """Lock a folder, also against runs of other programs that use this function.

    The lock ends with the process, however that ends.

    folder (Path): It is made.
    RETURNS (Optional[BaseFileLock]): The lock; None where another process has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        if os.path.lexists(folder):
            raise
        return None  # it has just gone
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except (FileNotFoundError, Timeout):
        return None
    if not (folder / LOCK).exists():  # who had it has just removed it
        lock.release()
        return None
    return lock


@contextmanager
def scratch(parent: str = "") -> Iterator[Path]:
    """A temporary folder, which goes at the end. Those that killed processes left go before.

    parent (str): Where to make it; by default where the system says.
    """
    parent = parent or tempfile.gettempdir()
    for left in Path(parent).glob(f"{_PREFIX}????????"):
        # Other users' folders are none of ours, nor is one that holds anything else.
        with suppress(OSError):
            held = {path.name for path in left.iterdir()}
            if held <= {LOCK, _FILES} and (lock := hold(left)) is not None:
                shutil.rmtree(left)
                lock.release()
    lock = None
    while lock is None:  # another process may take one that is not locked yet for left
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = hold(folder)
    try:
        (folder / _FILES).mkdir()
        yield folder / _FILES
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
