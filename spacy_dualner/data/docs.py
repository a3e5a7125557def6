"""Read annotated Docs of others: `.spacy` files, whose words and entities stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy.vocab import Vocab

from ..errors import DataError
from .docbin import read_docs
from .tags import Sentence, is_known, unknown_tag
from .tally import FileTally


def read_docbin(path: Path, types: Sequence[str], tally: FileTally) -> Iterator[Sentence]:
    """Read a `.spacy` file, or a folder of them; a Doc is a sentence.

    Raises DataError where a file is no DocBin, an entity is of another type than these, or only
    some Docs have entities set.
    """
    tagged: bool | None = None
    for number, doc in enumerate(read_docs(path, Vocab(), name_lang=False), 1):
        tally.read = number
        if not len(doc):
            tally.left_out["without a token"] += 1
            continue
        annotated = doc.has_annotation("ENT_IOB")
        tags = ["O"] * len(doc)
        for ent in doc.ents:
            if not is_known(ent.label_, types):
                raise DataError(f"{path}:Doc {number}", unknown_tag(f"B-{ent.label_}", types))
            tags[ent.start] = f"B-{ent.label_}"
            tags[ent.start + 1 : ent.end] = [f"I-{ent.label_}"] * (len(ent) - 1)
        if annotated != (annotated if tagged is None else tagged):
            message = "entities are set in some Docs only. Set them in all: `doc.ents = []` says"
            raise DataError(f"{path}:Doc {number}", f"{message} that there are none.")
        tagged = annotated
        yield tally.add(number, [token.text for token in doc], tags if annotated else [])
