"""The language and the part of a corpus that a file's name tells."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeVar

from ..errors import DataError
from .lines import is_language, plain_path

SPLITS = ("train", "dev", "test")
UNLABELLED = "unlabelled"
TRANSLATED = "translated"
PARTS = (*SPLITS, UNLABELLED, TRANSLATED)
"""The parts of a corpus, of which the first have labels."""

# As CoNLL 2003 and the hub's data sets have them.
_ALIASES = {"valid": "dev", "validation": "dev", "testa": "dev", "testb": "test"}
SPLIT_NAMES = {**{split: split for split in SPLITS}, **_ALIASES}
"""Our name of a split, by the names that others have for it."""

JSON_SUFFIXES = (".jsonl", ".json", ".txt")
DOC_SUFFIXES = (".spacy",)
_LINES = {".tsv", ".txt", ".conll", ".conllu", ".bio", ".iob", ".iob2", ".bioes", ".ner"}
_OTHERS = {*JSON_SUFFIXES, *DOC_SUFFIXES} - _LINES

_SPLIT = "|".join(SPLIT_NAMES)
_SPLIT_FIRST = re.compile(rf"({_SPLIT})([-_.])(.+)")
_SPLIT_LAST = re.compile(rf"(.+)[-_.]({_SPLIT})")
# FILTER calls its translations train-en-de.tsv, and those of other parts dev-de-en.tsv.
_TRANSLATION = re.compile(r"(?:train[-_.])?(?:([a-z]{2,3})-)?([a-z]{2,3}(?:_[a-z0-9]+)*)", re.I)

_Key = TypeVar("_Key")


def split_files(source: Path, suffixes: Collection[str] = ()) -> dict[str, list[Path]]:
    """The files of annotated text in a folder, by language.

    They are called train-xx, xx-train (with `-`, `_` or `.`) or, in a folder xx, train, with any of
    the usual suffixes or none, and may be compressed (.gz). dev may be called valid, validation or
    testa, test testb.

    source (Path): The folder, or one file, which need not be called so.
    suffixes (Collection[str]): What their names end in; if empty, in nothing that JSON or Docs do.
    RETURNS (Dict[str, List[Path]]): The files of each language, sorted, in the order train, dev,
        test; under "" those that lie in the folder and name no language.
    RAISES (DataError): If two files are the same part of the same language.
    """
    found: dict[tuple[str, str], Path] = {}
    if source.is_file():
        return {_parse(source)[1]: [source]}
    for lang, path in _candidates(source):
        split, named = _parse(path)
        own = suffix_of(path)
        if split and (own in suffixes if suffixes else own not in _OTHERS):
            key = (named or lang, split)
            _add(found, key, path, f"the {split} set of {key[0] or 'the language'}")
    langs = sorted({lang for lang, _ in found})
    return {
        lang: [found[lang, split] for split in SPLITS if (lang, split) in found] for lang in langs
    }


def split_of(path: Path) -> str:
    """The split that a file's name tells: train, dev, test, or "" if none."""
    return _parse(path)[0]


def is_translation(path: Path) -> bool:
    """Whether a file's name tells that it holds translations: `en-de.txt`, `train-en-de.tsv`."""
    match = _translation(path)
    return match is not None and match[1] is not None and suffix_of(path) not in _OTHERS


def text_files(folder: Path) -> dict[str, Path]:
    """The files `xx.txt` of a folder, by language, sorted.

    Raises DataError where two are of the same language.
    """
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        lang = _stem(path)
        if suffix_of(path) == ".txt" and not split_of(path) and is_language(lang):
            _add(found, lang, path, f"text of {lang}")
    return found


def suffix_of(path: Path) -> str:
    """What a file's name ends in, in small letters, before any `.gz`."""
    return plain_path(path).suffix.lower()


def translation_files(folder: Path) -> dict[str, Path]:
    """The files of translated text in a folder, by the language that they are in, sorted.

    They are called xx, or train-xx or SOURCE-xx or train-SOURCE-xx, and end in .txt or .tsv. Raises
    DataError where two are of the same language.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        match = _translation(path)
        if match and suffix_of(path) in {".txt", ".tsv"} and path.is_file():
            _add(found, match[2], path, f"a translation into {match[2]}")
    return dict(sorted(found.items()))


def _add(found: dict[_Key, Path], key: _Key, path: Path, what: str) -> None:
    """Add a file. Raises DataError where another one is the same."""
    if (other := found.setdefault(key, path)) is not path:
        raise DataError(path, f"{what}, as is {other}. Move one of the two away.")


def _candidates(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each file of a folder and of its languages' folders, with the language of the folder."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield "", path
        elif path.is_dir() and is_language(path.name):
            yield from ((path.name, file) for file in sorted(path.iterdir()) if file.is_file())


def _parse(path: Path) -> tuple[str, str]:
    """The split and the language that a file's name tells, "" where it does not."""
    stem = _stem(path)
    if stem in SPLIT_NAMES:
        return SPLIT_NAMES[stem], ""
    split = lang = ""
    if match := _SPLIT_FIRST.fullmatch(stem):
        split, separator, lang = match.groups()
        if separator == "." and stem == plain_path(path).name:
            return "", ""  # no language: train.bak
    elif match := _SPLIT_LAST.fullmatch(stem):
        lang, split = match.groups()
    if is_language(lang) and lang not in SPLIT_NAMES:
        return SPLIT_NAMES[split], lang
    return "", ""


def _translation(path: Path) -> re.Match[str] | None:
    """The source language, if named, and the language of a file of translated training text."""
    return _TRANSLATION.fullmatch(_stem(path)) if split_of(path) in ("", "train") else None


def _stem(path: Path) -> str:
    path = plain_path(path)
    return path.stem if path.suffix.lower() in _LINES | _OTHERS else path.name
