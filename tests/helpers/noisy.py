"""Annotated text that a pipeline can only be right about in part."""

from __future__ import annotations

import random
from pathlib import Path

from helpers.tiny import SENTENCES

from spacy_dualner.data.docbin import DocBinWriter


def write_noisy(path: Path, lang: str, n: int, seed: int) -> None:
    """Sentences of known words in new orders; a quarter of the annotated entities is left out."""
    rng = random.Random(seed)
    pieces = [
        [("Anna", "B-PER"), ("Smith", "I-PER")],
        [("Berlin", "B-LOC")],
        [("Acme", "B-ORG"), ("Corp", "I-ORG")],
        [("Paris", "B-LOC")],
        [("Rome", "B-LOC")],
        [("Umbra", "B-ORG"), ("Ltd", "I-ORG")],
    ]
    fillers = [
        (word, tag)
        for words, tags in SENTENCES
        for word, tag in zip(words, tags, strict=True)
        if tag == "O"
    ]
    with DocBinWriter(path, lang, labelled=True) as writer:
        for _ in range(n):
            sentence = []
            for _ in range(rng.randint(1, 3)):
                piece = rng.choice(pieces)
                if rng.random() < 0.25:
                    piece = [(word, "O") for word, _ in piece]
                sentence += [rng.choice(fillers) for _ in range(rng.randint(0, 3))] + piece
            writer.add([word for word, _ in sentence], [tag for _, tag in sentence])
