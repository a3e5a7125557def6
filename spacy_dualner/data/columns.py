"""Read annotated text with one token a line and a blank line between sentences."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from ..errors import DataError
from .lines import N_FIRST, Fault, excerpt, open_lines
from .tags import Sentence, is_tag, tagset, unknown_tag
from .tally import BLANK as BLANK_LINE
from .tally import FileTally

# No-break and ideographic spaces do occur as tokens, so they separate nothing.
BLANK = " \t"
DOCSTART = "-DOCSTART-"
OTHER_FORM = "Mend the line, or choose another --form."

_BLANKS = re.compile(f"[{BLANK}]+")
# Of CoNLL-U: a word that stands for the words 1 to 2, and a word that the text does not hold.
_NOT_A_WORD = re.compile(r"\d+-\d+|\d+\.\d+")
# In so many lines, words differ and are not all numbers.
_MIN_ALIKE = 10

# More have to be a file that gzip made of next to nothing.
_MAX_WORDS = 10_000_000

# An entity's tag in the last column of CoNLL-U, as NorNE and DaNE have it.
_NAME = re.compile(r"(?:.*\|)?name=([^|]+)(?:\|.*)?")
_CONLLU_COLUMNS = 10
_SHAPE_IOB = "token|tag token|tag"

_COMMENT = "comment"
_RANGE = "range or empty node"

Entry = tuple[str, str | None]
"""A token and its tag; None in a file without tags."""


class LineForm(ABC):
    """How the lines of one file hold tokens and tags."""

    shape: str  # a line, as an error shows it

    _n_columns = 0
    _first = 1

    def begin(self, lines: Sequence[str]) -> None:  # noqa: B027
        """See the first lines of the file. Raises Fault where they are of another layout."""

    @abstractmethod
    def read(self, line: str, place: int) -> Entry | str:
        """Read one line that is not blank; of one that holds no token, say what it is.

        place (int): The number of the sentence's words before it.
        RAISES (Fault): If the line is malformed.
        """

    def count(self, index: str, place: int) -> bool:
        """Check the number of a word, which counts from 0 or 1 in each sentence.

        RETURNS (bool): Whether it is a word: CoNLL-U has ranges and empty nodes as well.
        RAISES (Fault): If it is not the number after the last one.
        """
        if not place and index in ("0", "1"):
            self._first = int(index)
        if index == str(self._first + place):
            return True
        if _NOT_A_WORD.fullmatch(index):
            return False
        fault = f"expected `{self.shape}` with the index {self._first + place}. Mend the line,"
        fault += " put a blank line between two sentences, or choose another --form."
        raise Fault(fault)

    def counts_words(self, rows: Iterable[Sequence[str]]) -> bool:
        """Whether the first of several columns counts the words of each sentence, from 0 or 1 on.

        rows (Iterable[Sequence[str]]): The columns of each line, a blank one between two sentences.
        """
        place, longest = 0, 0
        with suppress(Fault):
            for columns in rows:
                if not any(columns):
                    place = 0
                elif len(columns) < 3:
                    return False
                else:
                    place += self.count(columns[0], place)
                    longest = max(longest, place)
            # A word may be called 1, but then the next is not called 2, in every sentence.
            return longest > 1
        return False

    def expect(self, n_columns: int) -> None:
        """Refuse a line with more or fewer columns than the file's first."""
        self._n_columns = self._n_columns or n_columns
        if n_columns != self._n_columns:
            fault = f"{n_columns} in place of {self._n_columns} columns, as the lines before have"
            raise Fault(f"{fault}: expected `{self.shape}`. Mend the line.")


class Tsv(LineForm):
    """XTREME's files: all before the last tab is the token, which may hold spaces and tabs."""

    shape = "token<TAB>tag"

    def begin(self, lines: Sequence[str]) -> None:
        if self.counts_words(line.rstrip(BLANK).split("\t") for line in lines):
            message = "the first column counts words, and would become part of them. Choose"
            raise Fault(f"{message} `--form conllu`, or remove that column.")

    def read(self, line: str, place: int) -> Entry | str:
        token, tab, tag = line.rpartition("\t")
        self.expect(1 + len(tab))
        if tab:
            return token, tag
        if " " in line:
            raise Fault(f"expected `{self.shape}`, or a token alone. {OTHER_FORM}")
        return line, None


class Conll(LineForm):
    """CoNLL 2003 and its like: token first, tag last, spaces or tabs between the columns.

    Where the first column of the first lines counts words, the token is the second.
    """

    shape = "token ... tag"

    _numbered = False

    def begin(self, lines: Sequence[str]) -> None:
        entries = [line for line in lines if not line.startswith((DOCSTART, "#"))]
        rows = [_BLANKS.split(line.rstrip(BLANK)) for line in entries]
        self._numbered = self.counts_words(rows)
        if self._numbered:
            self.shape = f"index {self.shape}"
            return
        first = [columns[0] for columns in rows if len(columns) > 2]
        numbers = all(map(str.isdecimal, first)) or len(set(first)) == 1
        if numbers and len(first) == sum(map(any, rows)) >= _MIN_ALIKE:
            message = "the first column holds numbers, or the same in each line, and no words."
            raise Fault(f"{message} Remove it, as with `cut -d' ' -f2-`.")

    def read(self, line: str, place: int) -> Entry | str:
        columns = _BLANKS.split(line.rstrip(BLANK))
        if columns[0] == DOCSTART:
            if place:
                raise Fault(f"{DOCSTART} within a sentence. Put a blank line before it.")
            return DOCSTART
        # In a file without tags, a word alone may well be a hash tag.
        alone = len(columns) == 1 >= self._n_columns
        if not place and columns[0].startswith("#") and not (alone or is_tag(columns[-1])):
            return _COMMENT
        if self._numbered and not self.count(columns[0], place):
            return _RANGE
        self.expect(len(columns))
        return columns[self._numbered], columns[-1] if len(columns) > 1 else None


def tag_of(columns: Sequence[str]) -> str | None:
    """The tag of a line of CoNLL-U: `name=B-PER` in its last column, or the third column."""
    if len(columns) == _CONLLU_COLUMNS and (match := _NAME.fullmatch(columns[-1])):
        return match[1]
    return columns[2] if len(columns) > 2 else None


class Conllu(LineForm):
    """Files like CoNLL-U: word number, token and tag; more columns are ignored.

    The tag may also stand in the last of ten columns, as `name=B-PER`.
    """

    shape = "index<TAB>token<TAB>tag"

    def read(self, line: str, place: int) -> Entry | str:
        columns = line.split("\t")
        if not place and line.startswith("#"):
            return _COMMENT
        if not self.count(columns[0], place):
            return _RANGE
        if len(columns) == 1:
            raise Fault(f"expected `{self.shape}`. {OTHER_FORM}")
        self.expect(len(columns))
        return columns[1], tag_of(columns)


def read_columns(
    layout: Callable[[], LineForm], path: Path, types: Sequence[str], tally: FileTally
) -> Iterator[Sentence]:
    """Read a file of lines of this layout; see `read_sentences`."""
    with open_lines(path) as lines:
        yield from read_sentences(lines, layout(), types, tally)


def read_iob(path: Path, types: Sequence[str], tally: FileTally) -> Iterator[Sentence]:
    """Read a file of spaCy's `.iob`: a sentence a line, as `token|tag` or `token|part|tag`.

    Raises DataError where a line is malformed, or its tag unknown.
    """
    known = tagset(types)
    n_columns = 0
    with open_lines(path) as lines:
        for number, line in tally.lines(lines):
            if not (entries := line.split()):
                tally.left_out[BLANK_LINE] += 1
                continue
            n_columns = n_columns or entries[0].count("|") + 1
            columns = [entry.rsplit("|", max(1, n_columns - 1)) for entry in entries]
            tags = [own[-1] for own in columns]
            fault = ""
            if any(len(own) < max(2, n_columns) or not own[0] for own in columns):
                fault = f"expected `{_SHAPE_IOB}`. {OTHER_FORM}"
            elif wrong := [tag for tag in tags if tag not in known]:
                fault = unknown_tag(wrong[0], types)
            if fault:
                raise DataError(path, fault, line=number, text=excerpt(line))
            yield tally.add(number, [own[0] for own in columns], tags)


def read_sentences(
    lines: Iterator[tuple[int, str]], layout: LineForm, types: Sequence[str], tally: FileTally
) -> Iterator[Sentence]:
    """Read numbered lines of columns, with a blank line between sentences.

    layout (LineForm): What the lines look like; for this file alone.
    types (Sequence[str]): The entity types that tags may name.
    YIELDS (Sentence): Words and repaired tags; no tags if no line has one.
    RAISES (DataError): If a line is malformed, or its tag is unknown.
    """
    known, source, read = tagset(types), tally.source, layout.read
    words: list[str] = []
    tags: list[str] = []
    start = 0
    first = list(islice(lines, N_FIRST))
    try:
        layout.begin([line for _, line in first])
    except Fault as fault:
        raise DataError(source, str(fault)) from None
    for number, line in tally.lines(chain(first, lines)):
        if not line.strip(BLANK):
            tally.left_out[BLANK_LINE] += 1
            if words:
                yield tally.add(start, words, tags, len(words))
                words, tags = [], []
            continue
        try:
            entry = read(line, len(words))
            if isinstance(entry, str):
                tally.left_out[entry] += 1
                continue
            token, tag = entry
            if not token:
                raise Fault("the token is empty. Remove the line, or write the token.")
            if tag is not None:
                if tag not in known:
                    raise Fault(unknown_tag(tag, types))
                tags.append(tag)
        except Fault as fault:
            raise DataError(source, str(fault), line=number, text=excerpt(line)) from None
        start = start if words else number
        words.append(token)
        if len(words) > _MAX_WORDS:
            message = f"a sentence of more than {_MAX_WORDS:,} words. Put a blank line between"
            raise DataError(source, f"{message} two sentences.", line=start)
    if words:
        yield tally.add(start, words, tags, len(words))
