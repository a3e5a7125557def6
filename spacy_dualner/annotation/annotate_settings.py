"""How `annotate` and `select` read their input, and what they do with it."""

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


LOCAL = "local"
"""The address of a cluster that begins and ends with the command."""


@dataclass(frozen=True)
class ClusterSettings:
    """Which Ray cluster `annotate` uses, and how.

    ray (str): Share the work in a Ray cluster: its address, or auto for the one that this machine
        is part of; without an address one of this machine alone.
    gpus (bool): On the cluster, a GPU for each actor.
    actors (int): Actors that annotate on the cluster; as many as its CPUs or GPUs if 0.
    shard_batches (int): Batches that become one file, where INPUT is a file and on a cluster.
    """

    ray: str = field(default="", metadata={"metavar": "[ADDRESS]"})
    gpus: bool = False
    actors: int = field(default=0, metadata={"min": 0})
    shard_batches: int = field(default=256, metadata={"min": 1})


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
