"""Read plain text, one sentence a line, for languages without annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from .lines import is_language, numbered_lines

# Written without spaces: PAN-X splits these by character, Latin letters and digits included.
PER_CHARACTER = frozenset({"ja", "th", "zh"})

_SUFFIX = ".txt"
_BATCH_SIZE = 20_000


def find_texts(folder: Path) -> dict[str, Path]:
    """The languages of a folder of `xx.txt` files, sorted.

    folder (Path): The folder.
    RETURNS (Dict[str, Path]): The file of each language.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {p.stem: p for p in paths if p.suffix == _SUFFIX and is_language(p.stem)}


def read_text(path: Path, lang: str) -> Iterator[list[str]]:
    """Read the words of each line that holds any.

    path (Path): A UTF-8 file with one sentence a line.
    lang (str): The language: ja, th and zh are split by character, others by spaCy's tokenizer.
    YIELDS (List[str]): The words of a sentence, none of them white space.
    RAISES (DataError): If a line is not UTF-8.
    """
    with path.open("rb") as file:
        lines = (line for _, line in numbered_lines(file, path))
        if lang in PER_CHARACTER:
            sentences: Iterable[list[str]] = (list("".join(line.split())) for line in lines)
        else:
            sentences = _tokenize(lines)
        yield from filter(None, sentences)


def _tokenize(lines: Iterator[str]) -> Iterator[list[str]]:
    import spacy

    while batch := list(islice(lines, _BATCH_SIZE)):
        # A vocabulary keeps every word it meets, even after a memory zone: begin anew.
        tokenizer = spacy.blank("xx").tokenizer
        for line in batch:
            yield [token.text for token in tokenizer(line) if not token.is_space]
