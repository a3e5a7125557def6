"""Read PAN-X as the Hugging Face hub holds it: folders `PAN-X.xx` of parquet files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, need
from .lines import excerpt, is_language
from .tags import TYPES, Sentence, count_repairs, repair_tags, tagset, unknown_tag
from .tally import FileTally, Tally

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetFile

PREFIX = "PAN-X."

CLASSES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
"""The tags of the class ids 0 to 6 in `google/xtreme`, whose files name them too."""

# Our name for each of the hub's splits.
_SPLITS = {"train": "train", "validation": "dev", "test": "test"}
_SHARD = re.compile(r"\w+-(\d{5})-of-(\d{5})(-[0-9a-f]+)?\.parquet")
_STRINGS = re.compile(r"(large_)?list<\w+: (large_)?string( not null)?>")
_COLUMNS = {
    "tokens": ("strings", _STRINGS),
    "ner_tags": ("class ids", re.compile(r"(large_)?list<\w+: u?int\d+( not null)?>")),
    "langs": ("strings", _STRINGS),
}
_BATCH_SIZE = 1_000
_BUFFER_SIZE = 1 << 20

_Row = tuple[list[Any] | None, list[Any] | None, list[Any] | None]
"""Tokens, class ids and languages of a row, each None where it is missing."""


def find_parquet(folder: Path) -> dict[str, Path]:
    """The languages of a folder laid out as the hub's `google/xtreme`, sorted.

    folder (Path): A folder of `PAN-X.xx` folders, such as a snapshot in the hub's cache.
    RETURNS (Dict[str, Path]): The folder of each language.
    """
    found = {
        path.name.removeprefix(PREFIX): path
        for path in sorted(folder.glob(f"{PREFIX}*"))
        if any(next(path.glob(f"{split}-*.parquet"), None) for split in _SPLITS)
    }
    return {lang: path for lang, path in found.items() if is_language(lang)}


def read_parquet_splits(
    path: Path,
    lang: str,
    types: Sequence[str] = TYPES,
    tally: Tally | None = None,
    classes: Sequence[str] = (),
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """Read one language, a batch of rows at a time.

    Tokens are taken as they are: the hub's do not carry the `xx:` of the archives. A row without
    tokens is passed over.

    path (Path): A folder, as `find_parquet` gives it.
    lang (str): The language, which a column `langs`, where there is one, repeats for each token.
    types (Sequence[str]): The entity types that tags may name.
    tally (Optional[Tally]): Where the rows are counted.
    classes (Sequence[str]): The tags of the class ids 0, 1 and so on, for files that do not name
        them.
    YIELDS (Tuple[str, Iterator[Sentence]]): A split's name (train, dev, test) and its sentences,
        tags repaired.
    RAISES (DataError): If a file is missing or broken, its classes have no names or others than the
        given ones, or a row, counted from 1, is malformed.
    RAISES (DualNerError): If pyarrow is not installed.
    """
    need_parquet()
    tally = tally or Tally()
    for split, shards in find_shards(path).items():
        yield (
            split,
            chain.from_iterable(
                _read_shard(shard, lang, types, tally.begin(shard), classes) for shard in shards
            ),
        )


def need_parquet() -> None:
    """Raise DualNerError where pyarrow is not installed."""
    need("Parquet files need", "hub", "pyarrow")


def find_shards(path: Path) -> dict[str, list[Path]]:
    """The files of one language.

    path (Path): A folder, as `find_parquet` gives it.
    RETURNS (Dict[str, List[Path]]): Of each split that is there (train, dev, test) its files, from
        `train-00000-of-00002.parquet` on.
    RAISES (DataError): If some files of a split are missing, or do not belong together.
    """
    found: dict[str, list[Path]] = {}
    for name, split in _SPLITS.items():
        shards = sorted(path.glob(f"{name}-*.parquet"))
        names = [shard.name for shard in shards]
        numbers = [match and match.group(1, 2) for match in map(_SHARD.fullmatch, names)]
        if numbers != [(f"{place:05d}", f"{len(names):05d}") for place in range(len(names))]:
            message = f"holds {', '.join(names)}, expected {name}-00000-of-00001.parquet, or all of"
            message += f" {name}-00000-of-00002.parquet and so on. Download the missing files, or"
            raise DataError(path, f"{message} remove those that do not belong together.")
        if shards:
            found[split] = shards
    return found


def _read_shard(
    path: Path, lang: str, types: Sequence[str], tally: FileTally, given: Sequence[str]
) -> Iterator[Sentence]:
    known = tagset(types)
    with _open(path) as file:
        columns = _columns(file.schema_arrow, path)
        classes = _read_classes(file.schema_arrow, given, path)
        tags = {place: tag for place, tag in enumerate(classes) if tag in known}
        for number, (words, ids, langs) in enumerate(_read_rows(file, columns), 1):
            tally.read = number
            if words is None or ids is None:
                fault = "the tokens or their tags are missing. Add them, or remove the row."
            elif len(words) != len(ids):
                fault = f"{len(words)} tokens, but {len(ids)} tags. Mend the row."
            elif not all(words):
                fault = "a token is empty or missing. Remove it and its tag, or write the token."
            elif langs is not None and not {lang}.issuperset(langs):
                fault = f"its langs are not all {lang!r}. Move the row to its own language's file."
            elif not tags.keys() >= set(ids):
                fault = _unknown_class(next(i for i in ids if i not in tags), classes, types)
            else:
                if not words:
                    tally.left_out["without a token"] += 1
                    continue
                own = [tags[i] for i in ids]
                repaired = repair_tags(own)
                tally.used += 1
                tally.repaired += count_repairs(own, repaired)
                tally.add_sentence(number, len(words))
                yield words, repaired
                continue
            text = excerpt(" ".join(map(str, words))) if words else None
            raise DataError(path, f"row {number}: {fault}", text=text)


def _unknown_class(place: int | None, classes: Sequence[str], types: Sequence[str]) -> str:
    if place is None:
        return "a tag is missing. Write it, or remove its token."
    if not 0 <= place < len(classes):
        return f"unknown class {place}, known are 0 to {len(classes) - 1}. Mend the tag."
    return unknown_tag(classes[place], types)


@contextmanager
def _open(path: Path) -> Iterator[ParquetFile]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, buffer_size=_BUFFER_SIZE, page_checksum_verification=True) as file:
            yield file
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's fault, not the file's
        reason = " ".join(str(error).split()).removesuffix(".")
        message = f"the file is broken ({reason}). Download or make it again."
        raise DataError(path, message) from error


def _columns(schema: Schema, path: Path) -> list[str]:
    """The names of the columns to read. Raises DataError where one is not as it should be."""
    columns = [name for name in _COLUMNS if name in schema.names or name != "langs"]
    for name in columns:
        held = schema.field(name).type if name in schema.names else "no such column"
        content, kind = _COLUMNS[name]
        if not kind.fullmatch(str(held)):
            message = f"column {name}: expected lists of {content}, found {held}."
            raise DataError(path, f"{message} Take the PAN-X files of google/xtreme, or mend it.")
    return columns


def _read_rows(file: ParquetFile, columns: Sequence[str]) -> Iterator[_Row]:
    for batch in file.iter_batches(_BATCH_SIZE, columns=columns):
        langs: Iterable[list[Any] | None] = repeat(None)
        if "langs" in columns:
            column = batch.column("langs")
            distinct = column.flatten().unique().to_pylist()
            # Almost always one language, and then there is no need to make a list for each row.
            langs = repeat(distinct) if len(distinct) == 1 else column.to_pylist()
        tokens, ids = (batch.column(name).to_pylist() for name in ("tokens", "ner_tags"))
        yield from zip(tokens, ids, langs, strict=False)


def _read_classes(schema: Schema, given: Sequence[str], path: Path) -> Sequence[str]:
    """The tags by class id: as the `datasets` library notes them in a file, or as given."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features["ner_tags"]["feature"]["names"]
    except (KeyError, TypeError, ValueError):
        names = None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        if given:
            return given
        message = "the file does not say which tag each class id stands for, and other data have"
        message += " other orders. Name them, from 0 on, as in --classes O,B-PER,I-PER,... (PAN-X"
        raise DataError(path, f"{message} of google/xtreme: --classes {','.join(CLASSES)}).")
    if given and list(given) != names:
        message = f"names its classes {','.join(names)}. Leave --classes out, or give these."
        raise DataError(path, message)
    return names
