"""Read plain text, one sentence a line: raw text, or translations of annotated text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import spacy
from spacy.tokens import Doc

from ..errors import DataError
from ..tokenizer import make_tokenizer
from .columns import OTHER_FORM
from .lines import excerpt, open_lines
from .tally import BLANK, MARK, FileTally

# Written without spaces: PAN-X splits these by character, Latin letters and digits included.
PER_CHARACTER = frozenset({"ja", "th", "zh"})

_N_TEXTS = 20_000


def read_text(path: Path, lang: str, tally: FileTally | None = None) -> Iterator[list[str]]:
    """Read the words of each line that holds any, none of them white space.

    path (Path): A UTF-8 file with one sentence a line.
    lang (str): The language: ja, th and zh are split by character, others as the pipelines of the
        presets split text.
    Raises DataError where a line is not UTF-8.
    """
    tally = tally or FileTally(str(path))
    split = _characters if lang in PER_CHARACTER else WordSplitter().words
    with open_lines(path) as lines:
        for number, line in tally.lines(lines):
            # Files that were put together have marks in their middle, which are no text.
            if words := split(line.removeprefix(MARK)):
                tally.add(number, words)
                yield words
            else:
                tally.left_out[BLANK] += 1


def read_translations(path: Path, lang: str, tally: FileTally | None = None) -> Iterator[list[str]]:
    """Read the words of each line; line i is the translation of sentence i.

    path (Path): A file with one sentence a line, split into words by spaces. Blank lines at its end
        are left out.
    lang (str): The language: ja, th and zh are split by character.
    Raises DataError where a line before others is blank, or a line holds a tab.
    """
    tally = tally or FileTally(str(path))
    blank = 0
    with open_lines(path) as lines:
        for number, line in tally.lines(lines):
            if "\t" in line:
                message = f"a tab in a line of plain text. {OTHER_FORM}"
                raise DataError(path, message, line=number, text=excerpt(line))
            words = _characters(line) if lang in PER_CHARACTER else line.split(" ")
            words = [word for word in words if word.strip()]
            if not words:
                blank = blank or number
                tally.left_out[BLANK] += 1
                continue
            if blank:
                message = "a blank line has no words, and without it all later translations would"
                message += " move. Write the translation there, or the source sentence."
                raise DataError(path, message, line=blank)
            tally.add(number, words)
            yield words


def _characters(line: str) -> list[str]:
    return list("".join(line.split()))


class WordSplitter:
    """Splits texts as the pipelines of the presets do; memory stays flat."""

    def __init__(self) -> None:
        self._n_texts = 0

    def __call__(self, text: str) -> Doc:
        """Split a text, also at white space, which is a word of a Doc too."""
        if self._n_texts % _N_TEXTS == 0:
            # A vocabulary keeps every word it meets, even after a memory zone: begin anew.
            self._split = make_tokenizer(split_hyphens=False)(spacy.blank("xx"))
        self._n_texts += 1
        return self._split(text)

    def words(self, text: str) -> list[str]:
        """The words of a text that are no white space."""
        return [token.text for token in self(text) if not token.is_space]
