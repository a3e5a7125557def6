"""Texts in every form that `annotate` reads, and what it wrote."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import spacy
import srsly
from helpers.forms import parsed
from helpers.tiny import SENTENCES
from spacy.tokens import Doc, DocBin

from spacy_dualner.data.columns import Conll
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.tally import FileTally

TEXTS = [" ".join(words) for words, _ in SENTENCES] * 3
ROWS = [{"id": str(n), "text": text, "body": "", "ents": "x\ny"} for n, text in enumerate(TEXTS)]


def write_input(path: Path, rows: list[dict[str, Any]]) -> str:
    form = path.suffix
    if form == ".txt":
        path.write_text("".join(f"{row['text']}\n" for row in rows), encoding="utf-8")
    elif form == ".jsonl":
        srsly.write_jsonl(path, rows)
    elif form == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif form == ".tsv":  # which has no line ends in its cells
        lines = [list(rows[0]), *([" ".join(cell.split()) for cell in r.values()] for r in rows)]
        path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    else:
        nlp = spacy.blank("xx")
        docs = [nlp(row["text"]) for row in rows]
        for doc, row in zip(docs, rows, strict=True):
            doc.user_data.update({key: value for key, value in row.items() if key != "text"})
        DocBin(docs=docs, store_user_data=True).to_disk(path)
    return str(path)


Found = list[tuple[str, list[tuple[str, str]]]]


def read_output(path: Path) -> Found:
    """Each text (of CoNLL its words) with its entities."""
    if path.suffix == ".jsonl":
        records = list(srsly.read_jsonl(path))
        for record in records:
            for ent in record["ents"]:
                assert record["text"][ent["start"] : ent["end"]] == ent["text"]
        return [(r["text"], [(e["text"], e["label"]) for e in r["ents"]]) for r in records]
    if path.suffix == ".spacy":
        docs = list(read_docs(path, spacy.blank("xx").vocab))
    else:
        vocab = spacy.blank("xx").vocab
        pairs = parsed(Conll(), path.read_bytes(), FileTally(str(path)))
        docs = [Doc(vocab, words=words, ents=tags) for words, tags in pairs]
    return [(doc.text.strip(), [(ent.text, ent.label_) for ent in doc.ents]) for doc in docs]


def expected(model: str, texts: list[str]) -> Found:
    """What the pipeline itself finds."""
    return [
        (doc.text, [(ent.text, ent.label_) for ent in doc.ents])
        for doc in spacy.load(model).pipe(texts)
    ]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
