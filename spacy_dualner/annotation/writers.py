"""The forms of output: JSON lines, CoNLL and DocBin files.

A batch becomes bytes, and these become a file by being joined; a DocBin is put together at the end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from spacy.tokens import Doc, DocBin

from ..data.docbin import SHARD_SIZE, ShardWriter
from ..data.folders import check_docs, check_file, put_in_place
from ..errors import DualNerError

_OWN = ("text", "ents")
# Further digits depend on the machine, and say nothing.
_DIGITS = 4
# What would end a column or a line, or is no text.
_BREAKS = re.compile("[ \t\r\n\0]+")
_LENGTH_BYTES = 8

Carried = Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """One form of output.

    encode (Callable[[Sequence[Doc], Sequence[Carried], Sequence[str]], bytes]): Makes the bytes of
        annotated Docs, given what each carries and the span groups that hold scores.
    finish (Callable[[Path, Path], object]): Makes the output of the file of all bytes.
    check (Callable[[Path], object]): Raises DualNerError where something else would be lost.
    """

    encode: Callable[[Sequence[Doc], Sequence[Carried], Sequence[str]], bytes]
    finish: Callable[[Path, Path], object]
    check: Callable[[Path], object]


def to_jsonl(docs: Sequence[Doc], carried: Sequence[Carried], spans_keys: Sequence[str]) -> bytes:
    """One JSON object a line: `text`, `ents`, and what is carried.

    docs (Sequence[Doc]): Annotated Docs.
    carried (Sequence[Carried]): Further keys of each. `text` and `ents` become `input_text` and
        `input_ents`, or where that is taken `input_input_text`, and so on.
    spans_keys (Sequence[str]): The span groups that hold entities' scores.
    RETURNS (bytes): The lines, in UTF-8.
    """
    lines = []
    for doc, more in zip(docs, carried, strict=True):
        record: dict[str, Any] = {"text": doc.text, "ents": entities(doc, spans_keys)}
        for key, value in more.items():
            name = key
            while key in _OWN and name in more:
                name = f"input_{name}"
            record[name] = value
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def entities(doc: Doc, spans_keys: Sequence[str]) -> list[dict[str, Any]]:
    """The entities of a Doc, by characters (Unicode code points) of its text.

    doc (Doc): An annotated Doc.
    spans_keys (Sequence[str]): The span groups that hold entities' scores.
    RETURNS (List[Dict[str, Any]]): `start`, `end` (exclusive), `label`, `text`, and `score` of
        those that have one.
    """
    scores = {
        (span.start, span.end, span.label): score
        for key in spans_keys
        if key in doc.spans and "scores" in doc.spans[key].attrs
        for span, score in zip(doc.spans[key], doc.spans[key].attrs["scores"], strict=True)
    }
    found = []
    for ent in doc.ents:
        entity = {"start": ent.start_char, "end": ent.end_char, "label": ent.label_}
        score = scores.get((ent.start, ent.end, ent.label))
        if score is not None:
            entity["score"] = round(score, _DIGITS)
        found.append(entity | {"text": ent.text})
    return found


def to_conll(docs: Sequence[Doc], carried: Sequence[Carried], spans_keys: Sequence[str]) -> bytes:
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


def to_docbin(docs: Sequence[Doc], carried: Sequence[Carried], spans_keys: Sequence[str]) -> bytes:
    """A DocBin, after its length. What is carried is in `doc.user_data` already."""
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _docbins(file: BinaryIO) -> Iterator[DocBin]:
    while length := file.read(_LENGTH_BYTES):
        yield DocBin(store_user_data=True).from_bytes(file.read(int.from_bytes(length, "big")))


def write_shards(joined: Path, output: Path, shard_size: int = SHARD_SIZE) -> None:
    """Make one `.spacy` file of DocBins, or a folder of shards where it would be too large.

    joined (Path): The file of what `to_docbin` made.
    output (Path): The `.spacy` file or folder; what is there is replaced.
    shard_size (int): The most Docs in one file.
    """
    if not joined.stat().st_size:
        # A writer to which nothing is added leaves everything as it is.
        DocBin(store_user_data=True).to_disk(joined)
        put_in_place(joined, output, joined.with_name(".old"))
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
    ".jsonl": Output(to_jsonl, os.replace, check_text),
    ".conll": Output(to_conll, os.replace, check_text),
    ".spacy": Output(to_docbin, write_shards, check_docs),
}
"""The forms by the endings of files' names."""


def output_form(path: Path) -> Output:
    """The form of an output, by its name.

    Raises DualNerError where the name tells none.
    """
    form = OUTPUTS.get(path.suffix.lower())
    if form is None:
        raise DualNerError(f"{path}: OUTPUT has to end in one of {', '.join(OUTPUTS)}.")
    return form
