"""The forms in which data come: what their files are called, how they are read and recognised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DataError
from .columns import (
    BLANK,
    DOCSTART,
    Conll,
    Conllu,
    Tsv,
    read_columns,
    read_iob,
    tag_of,
)
from .docbin import read_docbin
from .hub import find_parquet, read_parquet_splits
from .lines import N_FIRST, excerpt, open_lines
from .names import (
    DOC_SUFFIXES,
    JSON_SUFFIXES,
    TRANSLATED,
    UNLABELLED,
    is_translation,
    split_files,
    split_of,
    suffix_of,
    text_files,
    translation_files,
)
from .panx import find_archives, read_splits
from .structured import IOB, TABLE, check_lines, first_lines, structure_of
from .tags import Sentence, is_tag, unknown_tag
from .tally import FileTally, Tally
from .text import read_text, read_translations
from .tools import TOOLS, read_tool, tools_of

Splits = Iterator[tuple[str, Iterator[Sentence]]]
"""Each split's name and its sentences, to be used up before the next is asked for."""


@dataclass(frozen=True)
class Form:
    """One form of data."""

    content: str  # what a folder of this form holds
    # What to read for each language that a folder holds: a file, a folder or several files. Under
    # "" what names no language.
    find: Callable[[Path], Mapping[str, Any]]
    # Reads that, given the language, the entity types that tags may name, and where to count lines.
    read: Callable[..., Splits]
    plain: bool = False  # whether it is text without tags, in one file a language
    file: bool = True  # whether one file may be given in place of a folder
    aligned: bool = False  # whether entities are given by character, and `read` takes `align`
    unit: str = "lines"  # what is counted


def _files(
    read: Callable[..., Iterator[Sentence]], shown: str, suffixes: Sequence[str] = (), **more: Any
) -> Form:
    """A form of files that are named for their split; a single one that is not is for training.

    shown (str): The suffix in messages.
    suffixes (Sequence[str]): As `split_files` takes them.
    more (Any): Further fields of the form.
    """

    def read_files(
        paths: Sequence[Path], _: str, types: Sequence[str], tally: Tally, **how: Any
    ) -> Splits:
        for path in paths:
            yield split_of(path) or "train", read(path, types, tally.begin(path), **how)

    content = f"{{train,dev,test}}-xx{shown} files or folders xx of {{train,dev,test}}{shown}"
    return Form(content, partial(split_files, suffixes=suffixes), read_files, **more)


def _plain(
    content: str,
    find: Callable[[Path], Mapping[str, Path]],
    read: Callable[[Path, str, FileTally], Iterator[list[str]]],
    split: str,
) -> Form:
    def read_splits(path: Path, lang: str, _: Sequence[str], tally: Tally) -> Splits:
        yield split, ((words, []) for words in read(path, lang, tally.begin(path)))

    def find_files(source: Path) -> Mapping[str, Path]:
        return {"": source} if source.is_file() else find(source)

    return Form(content, find_files, read_splits, plain=True)


FORMS: dict[str, Form] = {
    "raw": Form("xx.tar.gz archives or xx/{train,dev,test} folders", find_archives, read_splits),
    "tsv": _files(partial(read_columns, Tsv), ".tsv"),
    "hub": Form(
        "folders xx or PAN-X.xx of parquet files, or of save_to_disk",
        find_parquet,
        read_parquet_splits,
        file=False,
        unit="rows",
    ),
    "conll": _files(partial(read_columns, Conll), ".conll"),
    "conllu": _files(partial(read_columns, Conllu), ".conllu"),
    "iob": _files(read_iob, ".iob"),
    "spacy": _files(read_docbin, ".spacy", DOC_SUFFIXES, unit="Docs"),
    **{
        name: _files(partial(read_tool, own), ".jsonl", JSON_SUFFIXES, aligned=True, unit="records")
        for name, own in TOOLS.items()
    },
    "text": _plain("xx.txt files", text_files, read_text, UNLABELLED),
    "translated": _plain(
        "xx.txt or SOURCE-xx.txt files", translation_files, read_translations, TRANSLATED
    ),
}
"""The forms by the names that `--form` takes."""

_RAW = re.compile(r"[A-Za-z]{2,3}([-_]\w+)*:.+")
_PLAIN = "plain text"
_TO_NAME = "Call files by part and language, as train-en.conll or (raw text) de.txt"
_TO_READ = "How to bring other forms into one that is read: docs/data.md"


def recognise_form(source: Path) -> str:
    """The form, a name of FORMS, of a file or folder, by the names of files and their first lines.

    Raises DataError where no file is of a known form, files are of several, or one can be read in
    two ways.
    """
    if not source.exists():
        raise DataError(source, "no such file or folder. Mend the path.")
    found: dict[str, Path] = {}
    unknown: list[Path] = []
    for form, path in _signs(source):
        if form == _PLAIN:
            unknown.append(path)
        else:
            found.setdefault(form, path)
    if not found:
        for path in unknown:
            _refuse(path)
        held = f"{unknown[0].relative_to(source)}, without tags" if unknown else _names(source)
        message = (
            f"holds nothing of a known form ({', '.join(FORMS)}), but {held}. {_TO_NAME}, give"
        )
        raise DataError(source, f"{message} another folder, or the form with --form. {_TO_READ}.")
    if len(found) > 1:
        within = source if source.is_dir() else source.parent
        held = " and ".join(f"{path.relative_to(within)} ({form})" for form, path in found.items())
        message = f"holds {held}. Choose one of the forms with --form."
        raise DataError(source, message)
    return next(iter(found))


def _forms_of_file(path: Path) -> list[str]:
    """The forms of a file whose whole structure tells them, and not its lines."""
    if suffix_of(path) in DOC_SUFFIXES:
        return ["spacy"]
    structure = structure_of(first_lines(path))
    return tools_of(path) if structure.startswith("JSON") else ["iob"] * (structure == IOB)


def _names(folder: Path, limit: int = 5) -> str:
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    names = []
    for path in paths[:limit]:
        structure = structure_of(first_lines(path))
        names.append(f"{path.name} ({structure})" if structure else path.name)
    return ", ".join(names) + ", ..." * (len(paths) > limit) or "no files"


def _signs(source: Path) -> Iterator[tuple[str, Path]]:
    """The forms that a folder's files show, with the file or folder that shows them.

    Plain text where a file's name tells a split, but no line has a tag.
    """
    if source.is_file():
        by_name = {".tar": ["raw"], ".parquet": ["hub"]}
        forms = by_name.get(suffix_of(source)) or _forms_of(source)
        if forms != [_PLAIN]:
            yield from ((form, source) for form in forms)
            return
        if suffix_of(source) != ".txt":
            _refuse(source)
            message = "its lines have no tags, such as B-PER. If it is plain text, choose"
            remedy = f"{message} `--form text` or `--form translated`. {_TO_READ}."
            raise DataError(source, remedy)
    else:
        yield from (("raw", path) for path in find_archives(source).values() if path.is_file())
        yield from (("hub", path) for path in find_parquet(source).values())
        for path in _split_files(source):
            forms = _forms_of(path)
            # Files of tokens without tags look like translations, but are not called so.
            if forms == [_PLAIN] and is_translation(path):
                check_lines(first_lines(path), path, _as_text("translated"))
                forms = ["translated"]
            yield from ((form, path) for form in forms)
    for path in [source] if source.is_file() else text_files(source).values():
        if (forms := _forms_of(path)) != [_PLAIN]:
            message = f"looks like the form {forms[0]}, but its name tells no split. Call it"
            message += f" train-{path.name}, or choose the form with --form."
            raise DataError(path, message)
        if is_translation(path):
            message = "plain text, or translations by its name. Choose `--form text` or"
            raise DataError(path, f"{message} `--form translated`.")
        check_lines(first_lines(path), path, _as_text("text"))
        yield "text", path


def _as_text(form: str) -> str:
    return f"Choose `--form {form}` to take each line for a sentence as it stands. {_TO_READ}."


def _refuse(path: Path) -> None:
    """Raise DataError to say why a file is of no known form; of text, if its name tells a split."""
    lines = first_lines(path)
    structure = structure_of(lines)
    if structure and structure != TABLE:
        raise DataError(path, f"{structure}, which is not read. {_TO_READ}.")
    for number, line in enumerate(lines if split_of(path) else (), 1):
        columns = line.split()
        if len(columns) > 1 and not line.startswith("#") and not is_tag(columns[-1]):
            raise DataError(path, unknown_tag(columns[-1], ()), line=number, text=excerpt(line))


def _split_files(folder: Path) -> Iterable[Path]:
    """The files whose names tell a split, with any suffix, each once."""
    found = (split_files(folder, suffixes) for suffixes in ((), JSON_SUFFIXES, DOC_SUFFIXES))
    return dict.fromkeys(path for files in found for paths in files.values() for path in paths)


def _forms_of(path: Path) -> list[str]:
    """The forms that a file may be of: by its structure, or else that of most of its lines."""
    if own := _forms_of_file(path):
        return own
    forms: Counter[str] = Counter()
    with open_lines(path) as lines:
        for _, line in islice(lines, N_FIRST):
            columns = line.split()
            if columns and columns[0] == DOCSTART:
                return ["conll"]
            if columns and not (line.startswith("#") and not is_tag(columns[-1])):
                forms[_form_of_line(line)] += 1
    return [max(forms, key=forms.__getitem__, default=_PLAIN)]


def _form_of_line(line: str) -> str:
    columns = line.rstrip(BLANK).split("\t")
    if columns[0].isdigit() and is_tag(tag_of(columns) or ""):
        return "conllu"
    if len(columns) > 1 and is_tag(columns[-1]):
        if _RAW.fullmatch(columns[0]):
            return "raw"
        return "tsv" if len(columns) == 2 and line == line.rstrip(BLANK) else "conll"
    columns = line.split()
    return "conll" if len(columns) > 1 and is_tag(columns[-1]) else _PLAIN
