"""Read PAN-X as XTREME hands it out: `xx.tar.gz`, or unpacked folders `xx/{train,dev,test}`."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..errors import DataError
from .lines import excerpt, is_language, numbered_lines

SPLITS = ("train", "dev", "test")
TYPES = ("LOC", "ORG", "PER")

_SUFFIX = ".tar.gz"
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError)

Sentence = tuple[list[str], list[str]]
"""The words of a sentence and their BIO tags, of equal length."""


def find_archives(folder: Path) -> dict[str, Path]:
    """The languages of a folder in raw form, sorted; of an archive and a folder, the archive.

    folder (Path): A folder of `xx.tar.gz` files, of `xx` folders, or of both.
    RETURNS (Dict[str, Path]): The archive or folder of each language.
    """
    found: dict[str, Path] = {}
    for path in folder.iterdir():
        if path.is_dir() and any((path / split).is_file() for split in SPLITS):
            found.setdefault(path.name, path)
        elif path.name.endswith(_SUFFIX) and path.is_file():
            found[path.name.removesuffix(_SUFFIX)] = path
    return {lang: found[lang] for lang in sorted(found) if is_language(lang)}


def read_splits(
    path: Path, lang: str, types: Sequence[str] = TYPES
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """Read one language. An archive is read as a stream: use up a split before asking for the next.

    path (Path): An archive or a folder, as `find_archives` gives it.
    lang (str): The language, which every line repeats before its first colon.
    types (Sequence[str]): The entity types that tags may name.
    YIELDS (Tuple[str, Iterator[Sentence]]): A split's name and its sentences, tags repaired.
    RAISES (DataError): If the archive is broken, or a line is malformed.
    """
    if not path.is_dir():
        yield from _read_archive(path, lang, types)
        return
    for split in SPLITS:
        if (path / split).is_file():
            with (path / split).open("rb") as file:
                yield split, read_sentences(file, lang, types, path / split)


def read_sentences(
    lines: Iterable[bytes], lang: str, types: Sequence[str], source: str | Path
) -> Iterator[Sentence]:
    """Read lines `xx:token<TAB>tag`, with a blank line between sentences.

    lines (Iterable[bytes]): The raw lines.
    lang (str): The language before the first colon of each line.
    types (Sequence[str]): The entity types that tags may name.
    source (Union[str, Path]): The name of the file, for errors.
    YIELDS (Sentence): Words and repaired tags.
    RAISES (DataError): If a line is malformed, or its language or tag is another than expected.
    """
    tagset = ["O", *(f"{prefix}-{label}" for label in types for prefix in "BI")]
    known = frozenset(tagset)
    start = f"{lang}:"
    words: list[str] = []
    tags: list[str] = []
    for number, line in numbered_lines(lines, source):
        head, tab, tag = line.rpartition("\t")
        word = head[len(start) :]
        if word and tag in known and head.startswith(start):
            words.append(word)
            tags.append(tag)
        elif line.strip(" \t\r"):
            if not tab or ":" not in head:
                fault = f"expected `{start}token<TAB>tag`. Mend the line, or choose another --form."
            elif not head.startswith(start):
                fault = f"expected the language {lang!r} before the first colon. Move the line"
                fault += " to its own language's file, or mend it."
            elif not word:
                fault = "the token is empty. Remove the line, or write the token."
            else:
                fault = f"unknown tag {tag!r}, known are {', '.join(tagset)}. Mend the tag, or name"
                fault += " all entity types with --types."
            raise DataError(source, fault, line=number, text=excerpt(line))
        elif words:
            yield words, repair_tags(tags)
            words, tags = [], []
    if words:
        yield words, repair_tags(tags)


def repair_tags(tags: Sequence[str]) -> list[str]:
    """Turn each `I-` that continues nothing, or changes type, into a `B-`, as conlleval reads it.

    tags (Sequence[str]): BIO tags.
    RETURNS (List[str]): The same entities, each beginning with `B-`.
    """
    repaired: list[str] = []
    previous = "O"
    for tag in tags:
        if tag.startswith("I-") and tag[2:] != previous[2:]:
            tag = f"B-{tag[2:]}"
        repaired.append(tag)
        previous = tag
    return repaired


def _read_archive(
    path: Path, lang: str, types: Sequence[str]
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    names: list[str] = []
    seen: set[str] = set()
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                names.append(member.name)
                split = PurePosixPath(member.name).name
                file = archive.extractfile(member) if split in SPLITS and member.isreg() else None
                if file is None:
                    continue
                if split in seen:
                    raise DataError(path, f"holds `{split}` twice. Remove one of the two.")
                seen.add(split)
                lines = _archive_lines(file, path)
                yield split, read_sentences(lines, lang, types, f"{path}:{member.name}")
            # tarfile ends without a word at a damaged header: only zeros may follow the last
            # member. Reading them also checks the checksum at the end of the stream.
            stream.seek(archive.offset)
            while block := stream.read(1 << 16):
                if block.strip(b"\0"):
                    raise tarfile.ReadError("damaged header")
    except _BROKEN as error:
        raise _broken(path, error) from error
    if not seen:
        held = ", ".join(sorted(names)[:10]) or "nothing"
        wanted = ", ".join(SPLITS)
        message = f"holds none of {wanted}, but {held}. Take the language's own PAN-X archive."
        raise DataError(path, message)


def _archive_lines(file: Iterable[bytes], path: Path) -> Iterator[bytes]:
    try:
        yield from file
    except _BROKEN as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(path, f"the archive is broken ({error}). Download or pack it again.")
