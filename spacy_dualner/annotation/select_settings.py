"""How `select` reads its input and what it chooses."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SelectSettings:
    """How `select` reads its input and what it chooses.

    n (int): Texts to choose, as many of each language.
    form (str): Form of TEXT: txt, jsonl, csv, tsv, spacy; by its name if empty.
    text_key (str): Key or column of the text.
    output_form (str): Tool that OUT is for: doccano, prodigy or label-studio; none if empty.
    seed (int): Of the drawing: another one chooses other texts.
    batch_size (int): Texts at once; the pipeline's setting if 0.
    gpu_id (int): GPU ID or -1 for CPU.
    force (bool): Replace an OUT that is there.
    """

    n: int = field(default=200, metadata={"min": 1})
    form: str = ""
    text_key: str = "text"
    output_form: str = ""
    seed: int = 0
    batch_size: int = field(default=0, metadata={"min": 0})
    gpu_id: int = -1
    force: bool = False
