"""Read annotated Docs of others: `.spacy` files, whose words and entities stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy.vocab import Vocab

from ..errors import DataError
from .docbin import read_docs
from .names import split_of
from .tags import Sentence, is_known, unknown_tag
from .tally import FileTally, Tally


def read_docbins(
    paths: Sequence[Path], types: Sequence[str], tally: Tally
) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """Read the files of one language.

    paths (Sequence[Path]): A file of each split, named for it; one that is not is for training.
    types (Sequence[str]): The entity types that there may be.
    tally (Tally): Where the Docs are counted.
    YIELDS (Tuple[str, Iterator[Sentence]]): A split's name and its sentences: a Doc is one.
    RAISES (DataError): If a file is no DocBin, an entity is of another type, or only some Docs have
        entities set.
    """
    for path in paths:
        yield split_of(path) or "train", _read(path, types, tally.begin(path))


def _read(path: Path, types: Sequence[str], tally: FileTally) -> Iterator[Sentence]:
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
        tally.used += 1
        tally.add_sentence(number, len(doc))
        yield [token.text for token in doc], tags if annotated else []
