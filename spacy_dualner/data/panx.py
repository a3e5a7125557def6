"""Read PAN-X as XTREME hands it out: `xx.tar.gz`, or unpacked folders `xx/{train,dev,test}`."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import DataError, readable
from .columns import OTHER_FORM, Entry, LineForm, read_columns, read_sentences
from .lines import Fault, is_language, numbered_lines
from .names import SPLITS
from .tags import TYPES, Sentence
from .tally import Tally

_SUFFIX = ".tar.gz"
_CHUNK = 1 << 16
# Of names and times; gzip could make gigabytes of a few bytes.
_MAX_HEADER = 1 << 20


def find_archives(folder: Path) -> dict[str, Path]:
    """The archives `xx.tar.gz` of a folder, and else its folders `xx` in raw form, by language.

    folder (Path): The folder, or one archive.
    """
    found: dict[str, Path] = {}
    for path in [folder] if folder.is_file() else folder.iterdir():
        if path.is_dir() and any((path / split).is_file() for split in SPLITS):
            found.setdefault(path.name, path)
        elif path.name.endswith(_SUFFIX) and path.is_file():
            found[path.name.removesuffix(_SUFFIX)] = path
    return {lang: found[lang] for lang in sorted(found) if is_language(lang)}


def read_splits(
    path: Path, lang: str, types: Sequence[str] = TYPES, tally: Tally | None = None
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """Read one language. An archive is read as a stream: use up a split before asking for the next.

    lang (str): The language, which every line repeats before its first colon.
    YIELDS (Tuple[str, Iterator[Sentence]]): A split's name and its sentences, tags repaired.
    RAISES (DataError): If the archive is broken, or a line is malformed.
    """
    tally = tally or Tally()
    if not path.is_dir():
        yield from _read_archive(path, lang, types, tally)
        return
    for split in SPLITS:
        if (part := path / split).is_file():
            yield split, read_columns(partial(Raw, lang), part, types, tally.begin(part))


class Raw(LineForm):
    """Lines `xx:token<TAB>tag`; all between the first colon and the last tab is the token."""

    def __init__(self, lang: str) -> None:
        self._start = f"{lang}:"
        self.shape = f"{self._start}token<TAB>tag"
        self._lang = lang

    def read(self, line: str, place: int) -> Entry | str:
        head, tab, tag = line.rpartition("\t")
        if head.startswith(self._start):
            return head[len(self._start) :], tag
        if not tab or ":" not in head:
            raise Fault(f"expected `{self.shape}`. {OTHER_FORM}")
        fault = f"expected the language {self._lang!r} before the first colon. Move the line to its"
        raise Fault(f"{fault} own language's file, or mend it.")


def _read_archive(
    path: Path, lang: str, types: Sequence[str], tally: Tally
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    names: list[str] = []
    seen: set[str] = set()
    with _whole(path), _Stream(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            names.append(member.name)
            split = PurePosixPath(member.name).name
            file = archive.extractfile(member) if split in SPLITS and member.isreg() else None
            if file is None:
                continue
            if split in seen:
                raise DataError(path, f"holds `{split}` twice. Remove one of the two.")
            seen.add(split)
            name = f"{path}:{member.name}"
            lines = numbered_lines(_archive_lines(file, path), name)
            yield split, read_sentences(lines, Raw(lang), types, tally.begin(name))
        # tarfile ends without a word at a damaged header: only zeros may follow the last member.
        # Reading them also checks the checksum at the end of the stream.
        stream.seek(archive.offset)
        while block := stream.read(_CHUNK):
            if block.strip(b"\0"):
                raise tarfile.ReadError("damaged header")
    if not seen:
        message = f"holds none of {', '.join(SPLITS)}, but {', '.join(sorted(names)) or 'nothing'}."
        raise DataError(path, f"{message} Take the language's own PAN-X archive.")


class _Stream(gzip.GzipFile):
    """What tarfile reads: headers, however large they say they are, and members piece by piece."""

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, unless they would be no header and no piece."""
        if size is None or not 0 <= size <= _MAX_HEADER:
            raise tarfile.ReadError(f"header of {size} bytes")
        return super().read(size)


def _archive_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    with _whole(path):
        while chunk := file.read(_CHUNK):
            yield chunk


def _whole(path: Path) -> AbstractContextManager[None]:
    return readable(path, "the archive is broken", "Download or pack it again.")
