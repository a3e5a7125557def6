"""Read annotated text with one token a line and a blank line between sentences."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import DataError
from .lines import excerpt, numbered_lines
from .names import split_of
from .tags import Sentence, repair_tags, tagset, unknown_tag

# No-break and ideographic spaces do occur as tokens, so they separate nothing.
BLANK = " \t"
DOCSTART = "-DOCSTART-"

_BLANKS = re.compile(f"[{BLANK}]+")
# Of CoNLL-U: a word that stands for the words 1 to 2, and a word that the text does not hold.
_NOT_A_WORD = re.compile(r"\d+-\d+|\d+\.\d+")

Entry = tuple[str, str | None]
"""A token and its tag; None in a file without tags."""


class LineFault(Exception):
    """What is wrong with one line, and what to do about it."""


class Layout(ABC):
    """How the lines of one file hold tokens and tags."""

    shape: str
    """A line, as an error shows it."""

    _n_columns = 0

    @abstractmethod
    def read(self, line: str, place: int) -> Entry | None:
        """Read one line.

        line (str): A line that is not blank.
        place (int): The number of the sentence's words before it.
        RETURNS (Optional[Entry]): None for a line that holds no token.
        RAISES (LineFault): If the line is malformed.
        """

    def expect(self, n_columns: int) -> None:
        """Refuse a line with more or fewer columns than the file's first."""
        if n_columns != self._n_columns:
            if self._n_columns:
                fault = f"{n_columns} in place of {self._n_columns} columns, as the lines before"
                raise LineFault(f"{fault} have: expected `{self.shape}`. Mend the line.")
            self._n_columns = n_columns


class Tsv(Layout):
    """XTREME's files: all before the last tab is the token, which may hold spaces and tabs."""

    shape = "token<TAB>tag"

    def read(self, line: str, place: int) -> Entry | None:
        token, tab, tag = line.rpartition("\t")
        self.expect(1 + len(tab))
        if tab:
            return token, tag
        if " " in line:
            fault = f"expected `{self.shape}`, or a token alone. Mend the line, or choose another"
            raise LineFault(f"{fault} --form.")
        return line, None


class Conll(Layout):
    """CoNLL 2003 and its like: token first, tag last, spaces or tabs between the columns."""

    shape = "token ... tag"

    def read(self, line: str, place: int) -> Entry | None:
        columns = _BLANKS.split(line.rstrip(BLANK))
        if columns[0] == DOCSTART:
            if place:
                raise LineFault(f"{DOCSTART} within a sentence. Put a blank line before it.")
            return None
        self.expect(len(columns))
        return columns[0], columns[-1] if len(columns) > 1 else None


class Conllu(Layout):
    """Files like CoNLL-U: word number, token and tag; more columns are ignored."""

    shape = "index<TAB>token<TAB>tag"

    _first = 1

    def read(self, line: str, place: int) -> Entry | None:
        columns = line.split("\t")
        index = columns[0]
        if not place and index in ("0", "1"):
            self._first = int(index)
        if index != str(self._first + place):
            if _NOT_A_WORD.fullmatch(index) or (line.startswith("#") and not place):
                return None
            fault = f"expected `{self.shape}` with the index {self._first + place}. Mend the line,"
            fault += " put a blank line between two sentences, or choose another --form."
            raise LineFault(fault)
        if len(columns) == 1:
            raise LineFault(f"expected `{self.shape}`. Mend the line, or choose another --form.")
        self.expect(len(columns))
        return columns[1], columns[2] if len(columns) > 2 else None


def read_columns(
    paths: Sequence[Path], layout: type[Layout], types: Sequence[str]
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """Read the files of one language.

    paths (Sequence[Path]): A file of each split, named for it.
    layout (Type[Layout]): What their lines look like.
    types (Sequence[str]): The entity types that tags may name.
    YIELDS (Tuple[str, Iterator[Sentence]]): A split's name and its sentences, as `read_sentences`
        gives them.
    """
    for path in paths:
        with path.open("rb") as file:
            yield split_of(path), read_sentences(file, layout(), types, path)


def read_sentences(
    lines: Iterable[bytes], layout: Layout, types: Sequence[str], source: str | Path
) -> Iterator[Sentence]:
    """Read lines of columns, with a blank line between sentences.

    lines (Iterable[bytes]): The raw lines.
    layout (Layout): What the lines look like; for this file alone.
    types (Sequence[str]): The entity types that tags may name.
    source (Union[str, Path]): The name of the file, for errors.
    YIELDS (Sentence): Words and repaired tags; no tags if no line has one.
    RAISES (DataError): If a line is malformed, or its tag is unknown.
    """
    known = tagset(types)
    read = layout.read
    words: list[str] = []
    tags: list[str] = []
    for number, line in numbered_lines(lines, source):
        if line and (not line.isspace() or line.strip(" \t\r")):
            try:
                entry = read(line, len(words))
                if entry is None:
                    continue
                token, tag = entry
                if not token:
                    raise LineFault("the token is empty. Remove the line, or write the token.")
                if tag is not None:
                    if tag not in known:
                        raise LineFault(unknown_tag(tag, types))
                    tags.append(tag)
            except LineFault as fault:
                raise DataError(source, str(fault), line=number, text=excerpt(line)) from None
            words.append(token)
        elif words:
            yield words, repair_tags(tags)
            words, tags = [], []
    if words:
        yield words, repair_tags(tags)
