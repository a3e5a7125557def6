"""PAN-X archives and folders of annotated files, written and read back."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from helpers.corpus import run_cli
from helpers.tiny import SHARED
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

import spacy_dualner.cli  # noqa: F401
from spacy_dualner.data.docbin import read_docs

TYPES = ("LOC", "ORG", "PER")
TAGS = ["O", *(f"{prefix}-{label}" for label in TYPES for prefix in "BI")]

words = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\0"), min_size=1, max_size=8)
sentences = st.lists(st.lists(st.tuples(words, st.sampled_from(TAGS)), min_size=1), min_size=1)


def raw(lang: str, sentences: list[list[tuple[str, str]]], newline: str = "\n") -> bytes:
    """Sentences of words and tags in raw form."""
    blocks = ("".join(f"{lang}:{w}\t{t}{newline}" for w, t in words) for words in sentences)
    return newline.join(blocks).encode()


def pack(path: Path, members: dict[str, bytes]) -> Path:
    """An archive of the members, the same bytes for the same members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
    return path


def tags_of(doc: Doc) -> list[str]:
    assert all(token.ent_iob for token in doc)
    return [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type else "O" for t in doc]


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


PANX = SHARED / "panx"


TRAIN = [
    [("Anna", "B-PER"), ("Berg", "I-PER"), ("in", "O"), ("Bonn", "B-LOC")],
    [("Ulm", "I-LOC"), ("SAP", "I-ORG")],
    [("nichts", "O")],
]


DEV = [[("Trier", "B-LOC")]]


def words_of(path: Path) -> list[str]:
    return [" ".join(token.text for token in doc) for doc in read_docs(path, Vocab())]


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


segments = st.lists(st.tuples(st.sampled_from(["O", "LOC", "ORG"]), st.integers(1, 4)), max_size=6)


def bio(segments: list[tuple[str, int]]) -> list[str]:
    """Entities, and stretches without one, as BIO."""
    return [
        "O" if label == "O" else f"{'I' if i else 'B'}-{label}"
        for label, length in segments
        for i in range(length)
    ]


def in_scheme(gold: list[str], scheme: str) -> list[str]:
    """Well-formed BIO in another scheme."""
    if scheme == "IOB1":
        before = ["O", *gold]
        return [
            f"I-{tag[2:]}" if tag[0] == "B" and last[2:] != tag[2:] else tag
            for last, tag in zip(before, gold, strict=False)
        ]
    single, end = ("S", "E") if scheme == "IOBES" else ("U", "L")
    after = [*gold[1:], "O"]
    return [
        tag
        if tag == "O" or following[0] == "I"
        else f"{single if tag[0] == 'B' else end}-{tag[2:]}"
        for tag, following in zip(gold, after, strict=False)
    ]


def run(*arguments: str | Path) -> tuple[int, str]:
    """Run `convert`. Exit status and output, white space made even."""
    return run_cli("dualner", "convert", *arguments)
