"""How `annotate` reads its input and does its work."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AnnotateSettings:
    """How `annotate` reads its input and does its work.

    form (str): Form of INPUT: txt, jsonl, csv, tsv, spacy; by its name if empty.
    text_key (str): Key or column of the text.
    output_form (str): Tool that OUTPUT is for: doccano, prodigy or label-studio; none if empty.
    n_process (int): Processes at once.
    batch_size (int): Texts at once; the pipeline's setting if 0.
    gpu_id (int): GPU ID or -1 for CPU.
    resume (bool): Go on from an interrupted run of the same input, pipeline and settings.
    force (bool): Replace an OUTPUT that is there, or an interrupted run.
    strict (bool): Stop at the first bad record.
    """

    form: str = ""
    text_key: str = "text"
    output_form: str = ""
    n_process: int = field(default=1, metadata={"min": 1})
    batch_size: int = field(default=0, metadata={"min": 0})
    gpu_id: int = -1
    resume: bool = False
    force: bool = False
    strict: bool = False
