"""The forms of output: JSON, CoNLL and DocBin files.

A batch becomes bytes, and these become a file by being joined; a DocBin is put together at the end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from spacy.tokens import Doc, DocBin

from ..data.docbin import SHARD_SIZE, ShardWriter
from ..data.outputs import check_docs, check_file, written_aside
from ..errors import DualNerError, readable
from .json_writers import (
    Carried,
    Encode,
    Maker,
    to_doccano,
    to_jsonl,
    to_label_studio,
    to_prodigy,
    write_list,
)

# What would end a column or a line, or is no text.
_BREAKS = re.compile("[ \t\r\n\0]+")
_LENGTH_BYTES = 8


class Output(NamedTuple):
    """One form of output."""

    ending: str  # of a file's name
    encode: Encode  # makes the bytes of annotated Docs
    finish: Callable[[Path, Path], object]  # makes the output of the file of all bytes
    check: Callable[[Path], object]  # raises DualNerError where something else would be lost


def to_conll(docs: Sequence[Doc], carried: Sequence[Carried], maker: Maker) -> bytes:
    """A token, a tab and its tag a line, and a blank line after each text.

    Tokens of spaces or line breaks are left out, and one that holds some becomes several. A text
    without any token has no lines. Scores and what is carried have no place here.
    """
    return "".join(line for doc in docs for line in _conll_lines(doc)).encode()


def _conll_lines(doc: Doc) -> Iterator[str]:
    begins = empty = True
    for token in doc:
        # The beginning of an entity may be a token that is left out.
        begins = token.ent_iob == 3 or (begins and token.ent_iob == 1)
        for piece in filter(None, _BREAKS.split(token.text)):
            tag = f"{'B' if begins else 'I'}-{token.ent_type_}" if token.ent_type else "O"
            yield f"{piece}\t{tag}\n"
            begins = empty = False
    if not empty:
        yield "\n"


def to_docbin(docs: Sequence[Doc], carried: Sequence[Carried], maker: Maker) -> bytes:
    """A DocBin, after its length. What is carried is in `doc.user_data` already."""
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _docbins(file: BinaryIO) -> Iterator[DocBin]:
    with readable(file.name, "is damaged", "Start anew with --force."):
        while length := file.read(_LENGTH_BYTES):
            yield DocBin(store_user_data=True).from_bytes(file.read(int.from_bytes(length, "big")))


def write_shards(joined: Path, output: Path, shard_size: int = SHARD_SIZE) -> None:
    """Make one `.spacy` file, or a folder of shards, of a file of what `to_docbin` made."""
    if not joined.stat().st_size:
        # A writer to which nothing is added leaves everything as it is.
        with written_aside(output, joined.parent) as new:
            DocBin(store_user_data=True).to_disk(new)
        return
    with (
        joined.open("rb") as file,
        ShardWriter(output, shard_size=shard_size, folder=joined.parent) as writer,
    ):
        for docbin in _docbins(file):
            writer.merge(docbin)


def check_text(output: Path) -> None:
    """Refuse an output that is a folder, a link, or no file."""
    check_file(output, "text")
    if output.exists() and not output.is_file():
        raise DualNerError(f"{output} is no file. Name one.")


OUTPUTS = {
    form.ending: form
    for form in (
        Output(".jsonl", to_jsonl, os.replace, check_text),
        Output(".conll", to_conll, os.replace, check_text),
        Output(".spacy", to_docbin, write_shards, check_docs),
    )
}
"""The forms by the endings of files' names."""

TOOLS = {
    "doccano": Output(".jsonl", to_doccano, os.replace, check_text),
    "prodigy": Output(".jsonl", to_prodigy, os.replace, check_text),
    "label-studio": Output(".json", to_label_studio, write_list, check_text),
}
"""The forms of annotation tools."""


def output_form(path: Path, tool: str = "") -> Output:
    """The form of an output, by its name or for an annotation tool, a name of TOOLS.

    Raises DualNerError where there is no such tool, or the name tells no form or another.
    """
    if tool and tool not in TOOLS:
        raise DualNerError(f"Unknown --output-form '{tool}'. Choose one of: {', '.join(TOOLS)}.")
    forms = {TOOLS[tool].ending: TOOLS[tool]} if tool else OUTPUTS
    if path.suffix.lower() not in forms:
        known = f"{'one of ' * (len(forms) > 1)}{', '.join(forms)}"
        raise DualNerError(f"{path}: OUTPUT has to end in {known}.")
    return forms[path.suffix.lower()]
