"""Read data sets as the Hugging Face hub holds them, or `save_to_disk` writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, need, readable
from .lines import excerpt, is_language
from .names import SPLIT_NAMES, SPLITS
from .tags import TYPES, Sentence, tagset, unknown_tag
from .tally import FileTally, Tally

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

PREFIX = "PAN-X."

CLASSES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
"""The tags of the class ids 0 to 6 in `google/xtreme`, whose files name them too."""

_STATE = "state.json"
_SHARD = re.compile(r"\w+-(\d{5})-of-(\d{5})(-[0-9a-f]+)?\.parquet")
_STRINGS = r"(large_)?list<\w+: (large_)?string( not null)?>"
_COLUMNS = {
    "tokens": ("strings", re.compile(_STRINGS)),
    "ner_tags": ("class ids", re.compile(rf"(large_)?list<\w+: u?int\d+( not null)?>|{_STRINGS}")),
    "langs": ("strings", re.compile(_STRINGS)),
}
_BATCH_SIZE = 1_000
_BUFFER_SIZE = 1 << 20

_Row = tuple[list[Any] | None, list[Any] | None, list[Any] | None]
"""Tokens, class ids and languages of a row, each None where it is missing."""


def find_parquet(folder: Path) -> dict[str, Path]:
    """The data sets in a folder by language, called `PAN-X.xx` or `xx`; "" if it is one itself."""
    if _is_data(folder):
        return {"": folder}
    paths = (path for path in sorted(folder.iterdir()) if path.is_dir() and _is_data(path))
    found = {path.name.removeprefix(PREFIX): path for path in paths}
    return {lang: path for lang, path in found.items() if is_language(lang)}


def _is_data(folder: Path) -> bool:
    held = ("{}-*.parquet", "{}.parquet", f"{{}}/{_STATE}")
    names = (name.format(split) for split in SPLIT_NAMES for name in held)
    return any(next(folder.glob(name), None) for name in (_STATE, *names))


def read_parquet_splits(
    path: Path,
    lang: str,
    types: Sequence[str] = TYPES,
    tally: Tally | None = None,
    classes: Sequence[str] = (),
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """Read the data set of one language, a batch of rows at a time: each split and its sentences.

    lang (str): The language, which a column `langs`, where there is one, repeats for each token.
    classes (Sequence[str]): The tags of the class ids 0, 1 and so on, for files that do not name
        them.
    RAISES (DataError): If a file is missing or broken, its classes have no names or others than the
        given ones, or a row, counted from 1, is malformed.
    RAISES (DualNerError): If pyarrow is not installed.
    """
    need_parquet()
    tally = tally or Tally()
    for split, shards in find_shards(path).items():
        read = (_read_shard(shard, lang, types, tally.begin(shard), classes) for shard in shards)
        yield split, chain.from_iterable(read)


def need_parquet() -> None:
    """Raise DualNerError where pyarrow is not installed."""
    need("Parquet files need", "hub", "pyarrow")


def find_shards(path: Path) -> dict[str, list[Path]]:
    """The files of each split of a data set, from `train-00000-of-00002.parquet` on.

    Raises DataError where some are missing, or do not belong together.
    """
    found: dict[str, list[Path]] = {}
    for name, shards in chain(_find_saved(path), _find_parquet(path)):
        if name in SPLIT_NAMES:
            split = SPLIT_NAMES[name]
            if (other := found.setdefault(split, shards)) is not shards:
                message = f"the {split} set, as is {other[0]}. Move one of the two away."
                raise DataError(shards[0], message)
    return {split: found[split] for split in SPLITS if split in found}


def _find_parquet(path: Path) -> Iterator[tuple[str, list[Path]]]:
    for name in SPLIT_NAMES:
        shards = sorted(path.glob(f"{name}-*.parquet")) or sorted(path.glob(f"{name}.parquet"))
        names = [shard.name for shard in shards]
        numbers = [match and match.group(1, 2) for match in map(_SHARD.fullmatch, names)]
        expected = [(f"{place:05d}", f"{len(names):05d}") for place in range(len(names))]
        if numbers != expected and names != [f"{name}.parquet"]:
            message = f"holds {', '.join(names)}, expected {name}-00000-of-00001.parquet, or all of"
            message += f" {name}-00000-of-00002.parquet and so on. Download the missing files, or"
            raise DataError(path, f"{message} remove those that do not belong together.")
        if shards:
            yield name, shards


def _find_saved(path: Path) -> Iterator[tuple[str, list[Path]]]:
    """The files of what `save_to_disk` wrote: a data set, or a folder with one of each split."""
    for state in [*path.glob(_STATE), *sorted(path.glob(f"*/{_STATE}"))]:
        with readable(state, "not of a data set", "Save it anew."):
            held = json.loads(state.read_text(encoding="utf-8"))
            shards = [state.with_name(file["filename"]) for file in held["_data_files"]]
            for shard in shards:
                if not shard.is_file():
                    message = "no such file, but its state.json names it. Copy it there."
                    raise DataError(shard, message)
            # A part of a split is called so: train[:1000].
            own = (held.get("_split") or "train").partition("[")[0]
        yield own if state.parent == path else state.parent.name, shards


def _read_shard(
    path: Path, lang: str, types: Sequence[str], tally: FileTally, given: Sequence[str]
) -> Iterator[Sentence]:
    known = tagset(types)
    with _open(path) as (schema, batches):
        named = "string" in str(schema.field("ner_tags").type)
        classes = () if named else _read_classes(schema, given, path)
        tags: dict[Any, str] = {place: tag for place, tag in enumerate(classes) if tag in known}
        for number, (words, ids, langs) in enumerate(_read_rows(batches), 1):
            tally.read = number
            if named and ids is not None:
                tags |= {tag: tag for tag in {*ids} - tags.keys() if tag in known}
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
            elif words:
                yield tally.add(number, words, [tags[i] for i in ids])
                continue
            else:
                tally.left_out["without a token"] += 1
                continue
            text = excerpt(" ".join(map(str, words))) if words else None
            raise DataError(path, f"row {number}: {fault}", text=text)


def _unknown_class(place: int | str | None, classes: Sequence[str], types: Sequence[str]) -> str:
    if place is None:
        return "a tag is missing. Write it, or remove its token."
    if isinstance(place, str):
        return unknown_tag(place, types)
    if not 0 <= place < len(classes):
        return f"unknown class {place}, known are 0 to {len(classes) - 1}. Mend the tag."
    return unknown_tag(classes[place], types)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Schema, Iterable[RecordBatch]]]:
    """The schema of a file, parquet or a stream of Arrow, and the columns that are read."""
    from pyarrow import memory_map
    from pyarrow.ipc import open_stream
    from pyarrow.parquet import ParquetFile

    with readable(path, "the file is broken", "Download or make it again."):
        if path.suffix == ".arrow":
            with memory_map(str(path)) as file, open_stream(file) as stream:
                columns = _columns(stream.schema, path)
                yield stream.schema, (batch.select(columns) for batch in stream)
            return
        with ParquetFile(path, buffer_size=_BUFFER_SIZE, page_checksum_verification=True) as held:
            columns = _columns(held.schema_arrow, path)
            yield held.schema_arrow, held.iter_batches(_BATCH_SIZE, columns=columns)


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


def _read_rows(batches: Iterable[RecordBatch]) -> Iterator[_Row]:
    for batch in batches:
        # Else rows that do not lie within the file could end the process.
        batch.validate(full=True)
        langs: Iterable[list[Any] | None] = repeat(None)
        if "langs" in batch.schema.names:
            column = batch.column("langs")
            distinct = column.flatten().unique().to_pylist()
            # Almost always one language, and then there is no need to make a list for each row.
            langs = repeat(distinct) if len(distinct) == 1 else column.to_pylist()
        tokens, ids = (batch.column(name).to_pylist() for name in ("tokens", "ner_tags"))
        yield from zip(tokens, ids, langs, strict=False)


def _read_classes(schema: Schema, given: Sequence[str], path: Path) -> Sequence[str]:
    """The tags by class id: as `datasets` notes them in a file or beside it, or as given."""
    beside = path.with_name("dataset_info.json")
    try:
        if note := (schema.metadata or {}).get(b"huggingface"):
            features = json.loads(note)["info"]["features"]
        else:
            features = json.loads(beside.read_text(encoding="utf-8"))["features"]
        names = features["ner_tags"]["feature"]["names"]
    except (KeyError, TypeError, ValueError, FileNotFoundError):
        names = None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        if given:
            return given
        message = "the file does not say which tag each class id stands for. Name them, from 0 on,"
        message += f" as in --classes {','.join(CLASSES)} (PAN-X of google/xtreme)."
        raise DataError(path, message)
    if given and list(given) != names:
        message = f"names its classes {','.join(names)}. Leave --classes out, or give these."
        raise DataError(path, message)
    return names
