"""Read plain text, one sentence a line: raw text, or translations of annotated text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import spacy
from spacy.tokens import Doc

from ..errors import DataError
from ..tokenizer import make_tokenizer
from .lines import excerpt, open_lines
from .tally import BLANK, MARK, FileTally

# Written without spaces: PAN-X splits these by character, Latin letters and digits included.
PER_CHARACTER = frozenset({"ja", "th", "zh"})

_N_TEXTS = 20_000


def read_text(path: Path, lang: str, tally: FileTally | None = None) -> Iterator[list[str]]:
    """Read the words of each line that holds any.

    path (Path): A UTF-8 file with one sentence a line.
    lang (str): The language: ja, th and zh are split by character, others as the pipelines of the
        presets split text.
    tally (Optional[FileTally]): Where the lines are counted.
    YIELDS (List[str]): The words of a sentence, none of them white space.
    RAISES (DataError): If a line is not UTF-8.
    """
    tally = tally or FileTally(str(path))
    with open_lines(path) as numbered:
        lines = _unmarked(numbered, tally)
        split = _characters if lang in PER_CHARACTER else _words(WordSplitter())
        for number, words in enumerate(map(split, lines), 1):
            tally.read = number
            if not words:
                tally.left_out[BLANK] += 1
                continue
            tally.used += 1
            tally.add_sentence(number, len(words))
            yield words


def read_translations(path: Path, lang: str, tally: FileTally | None = None) -> Iterator[list[str]]:
    """Read the words of each line; line i is the translation of sentence i.

    path (Path): A file with one sentence a line, split into words by spaces.
    lang (str): The language: ja, th and zh are split by character.
    tally (Optional[FileTally]): Where the lines are counted.
    YIELDS (List[str]): The words of a sentence. Blank lines at the end are left out.
    RAISES (DataError): If a line before others is blank, or a line holds a tab.
    """
    tally = tally or FileTally(str(path))
    blank = 0
    with open_lines(path) as lines:
        for number, line in lines:
            tally.read = number
            tally.marks += line.startswith(MARK)
            if "\t" in line:
                message = "a tab in a line of plain text. Mend the line, or choose another --form."
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
            tally.used += 1
            tally.add_sentence(number, len(words))
            yield words


def _unmarked(lines: Iterable[tuple[int, str]], tally: FileTally) -> Iterator[str]:
    """Lines without the byte order marks of files that were put together, which are no text."""
    for _, line in lines:
        tally.marks += line.startswith(MARK)
        yield line.removeprefix(MARK)


def _characters(line: str) -> list[str]:
    return list("".join(line.split()))


def _words(split: WordSplitter) -> Callable[[str], list[str]]:
    return lambda line: [token.text for token in split(line) if not token.is_space]


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
