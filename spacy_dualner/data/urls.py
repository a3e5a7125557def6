"""Files on this machine's disks, and by URL those of any storage that fsspec knows."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import BinaryIO, cast

from ..errors import DualNerError, need, readable

_CHUNK = 1 << 20


def as_path(source: str) -> Path:
    """A path, or what acts as one for a URL such as `s3://bucket/news.txt`.

    Raises DualNerError where what URLs need is not installed, or nothing knows such a URL.
    """
    if "://" not in source:
        return Path(source)
    need("URLs need", "ray", "upath", instead=", or give a path")
    from upath import UPath

    with readable(source, "its storage cannot be used", "Mend the URL, or install what is named."):
        path = UPath(source)
        _ = path.fs  # for which its package is imported
    return cast(Path, path)


def is_local(path: Path) -> bool:
    """Whether a path is one of this machine's, and not a URL."""
    return isinstance(path, Path)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise OSError, with what to check, for errors of storages' packages, which share no base."""
    try:
        yield
    except Exception as error:
        frames = walk_tb(error.__traceback__)
        through = {frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in frames}
        has_remedy = isinstance(error, DualNerError) or getattr(error, "errno", None)
        if has_remedy or through.isdisjoint({"fsspec", "upath"}):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(".")
        raise OSError(
            f"The storage of a URL does not answer as it should ({said}). Check the URL, its "
            "access keys and the connection."
        ) from error


def open_bytes(path: Path) -> BinaryIO:
    """Open a file to be read."""
    file = path.open("rb")
    return file if hasattr(file, "read1") else cast(BinaryIO, io.BufferedReader(file))


def replace(new: Path, target: Path) -> None:
    """Rename a file; one that has the name already goes."""
    if is_local(new):
        os.replace(new, target)
    else:
        new.rename(target)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, if it is there."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.is_dir():
        folder.rmdir()


def upload(new: Path, target: Path, aside: Path) -> None:
    """Put a local file or folder in the place of what a URL names, each file aside until whole."""
    files = target.fs  # type: ignore[attr-defined]
    place, beside = target.path, aside.path  # type: ignore[attr-defined]
    for path in (aside, target):
        if path.exists():
            files.rm(path.path, recursive=True)  # type: ignore[attr-defined]
    parts = {new: place}
    if new.is_dir():
        parts = {file: f"{place}/{file.name}" for file in sorted(new.iterdir())}
        files.makedirs(place, exist_ok=True)
    for part, name in parts.items():
        files.put_file(str(part), beside)
        files.mv(beside, name)


def checksum(path: Path, begin: int = 0, end: int | None = None) -> str:
    """SHA-256 of a file or some bytes of it, or of all files of a folder and their names."""
    digest = hashlib.sha256()
    whole = path.is_dir()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if whole else [path]
    for file in files:
        if whole:
            digest.update(f"{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
        left = sys.maxsize if end is None else end - begin
        with open_bytes(file) as content:
            content.seek(begin)
            while chunk := content.read(min(_CHUNK, left)):
                digest.update(chunk)
                left -= len(chunk)
    return digest.hexdigest()
