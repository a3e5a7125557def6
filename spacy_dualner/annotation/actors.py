"""Actors, which are processes of a Ray cluster, and the shards of the work that they are given."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from socket import gethostname
from typing import Any, NamedTuple

import spacy
import torch
from wasabi import msg

from ..data.outputs import put_in_place
from ..data.urls import as_path, checksum, is_local, storage_errors, upload
from ..errors import DualNerError
from ..system.scratch import scratch
from .annotate import counted, stop
from .annotate_settings import AnnotateSettings, ClusterSettings
from .journal import Journal, Unfinished
from .readers import open_input
from .records import Position, batches
from .work import Annotator, annotate_batches
from .writers import Output

# How often anything is tried before the run ends.
_TRIES = 4
# Seconds without an actor until that is said.
_PATIENCE = 60

TOTALS = ("texts", "words", "entities", "faults")
"""What is counted of each shard, and of all."""

Record = dict[str, Any]
"""What the manifest says of a shard."""


class Shard(NamedTuple):
    """A part of the input, its `number` from 0, that becomes one file called `name`."""

    number: int
    name: str
    source: str  # the file that it is of
    start: Position  # where it begins in there: where a batch does
    batches: int  # how many it has; all to the end for 0
    size: int  # its bytes
    known: Record | None = None  # what an earlier run said of it


@dataclass(frozen=True)
class Job:
    """What all actors do."""

    model: str  # folder or package of the pipeline
    pipeline: str  # the checksum of its files
    cwd: str  # where relative paths begin
    unfinished: Unfinished
    writer: Output
    size: int  # the most texts in a batch
    settings: AnnotateSettings
    cluster: ClusterSettings


def report_of(unfinished: Unfinished, name: str) -> Path:
    """Where the faults of a shard are until the run is finished."""
    return unfinished.folder / f".{name}.errors.jsonl"


class Worker:
    """What an actor does: it loads the pipeline once, and annotates shard after shard."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def load(self) -> None:
        """Load the pipeline, unless it is. Raises DualNerError where this node has another."""
        _ = self.annotator

    @cached_property
    def annotator(self) -> Annotator:
        """See `load`."""
        with suppress(OSError):  # absolute paths do not need it
            os.chdir(self.job.cwd)
        torch.set_num_threads(1)
        node, model = gethostname(), self.job.model
        if self.job.cluster.gpus:
            try:
                spacy.require_gpu()
            except ValueError as error:
                raise DualNerError(f"{node}: {error}. Mend this, or leave --gpus out.") from None
        annotator = Annotator(model, self.job.writer)
        if checksum(annotator.nlp.path) != self.job.pipeline:
            raise DualNerError(f"{node} has another pipeline {model}. Put the same on all nodes.")
        return annotator

    @storage_errors()
    def annotate(self, shard: Shard) -> Record:
        """Annotate a shard, unless that is done and whole; returns what the manifest says of it."""
        annotator, job, known = self.annotator, self.job, shard.known
        folder, target = job.unfinished.folder, job.unfinished.target / shard.name
        report = report_of(job.unfinished, shard.name)
        found = checksum(target) if known and target.exists() else ""
        if known and found == known["sha256"] and (report.exists() or not known["faults"]):
            return known
        reader = open_input(shard.source, job.settings.form, job.settings.text_key)
        read = islice(batches(reader, shard.start, job.size), shard.batches or None)
        journal = Journal({}, shard.start)
        local = is_local(target)
        beside = tempfile.TemporaryDirectory(prefix=".part-", dir=folder) if local else scratch()
        with beside as temp:
            part = Unfinished(Path(temp) / shard.name)
            with part.locked():
                work = annotate_batches(annotator, read)
                on_fault = stop if job.settings.strict else lambda fault: None
                part.write(journal, counted(reader, journal, work, on_fault))
                part.finish(journal, job.writer.finish)
            # The output comes last: where it is whole, so are its faults.
            for new, place in ((part.report, report), (part.target, target)):
                if new.exists() and local:
                    put_in_place(new, place, Path(temp) / "old")
                elif new.exists():
                    upload(new, place, folder / f".{new.name}.part")
        end = reader.position[0] if shard.batches else None
        return {
            "number": shard.number,
            "name": shard.name,
            "input": shard.source,
            "lines": [shard.start[1] + 1, reader.position[1]] if reader.of_lines else None,
            "input sha256": checksum(as_path(shard.source), shard.start[0], end),
            "sha256": checksum(target) if target.exists() else "",
            **{name: getattr(journal, name) for name in TOTALS},
        }


def hand_out(job: Job, n_actors: int, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Record]]:
    """Have shards annotated by actors, each at one at a time.

    Ray places the actors, and begins anew those that die, where there is room: until then their
    shards go to others.

    YIELDS (Tuple[Shard, Record]): Each shard that is done, in any order.
    RAISES (DualNerError): If an actor raised it, or a shard failed several times.
    """
    import ray

    actor_class = ray.remote(num_cpus=1, num_gpus=int(job.cluster.gpus), max_restarts=-1)(Worker)
    make = partial(actor_class.remote, job)
    # What an actor is at: a shard, or loading the pipeline.
    calls: dict[Any, tuple[Any, Shard | None]] = {}
    free: deque[Any] = deque()
    failures: Counter[str] = Counter()

    def load(actor: Any) -> None:
        calls[actor.load.options(max_task_retries=-1).remote()] = actor, None

    for _ in range(n_actors):
        load(make())
    while True:
        if free and (given := next(shards, None)):
            actor = free.popleft()
            calls[actor.annotate.remote(given)] = actor, given
            continue
        is_busy = any(shard for _, shard in calls.values())
        if free and not is_busy:
            return
        ready, _ = ray.wait(list(calls), timeout=_PATIENCE)
        if not ready and not is_busy:
            msg.warn("Waiting for room on the cluster: see `ray status`")
        for call in ready:
            actor, shard = calls.pop(call)
            name = shard.name if shard else "Loading the pipeline"
            try:
                found = ray.get(call)
            except ray.exceptions.RayError as error:
                failures[name] += 1
                why = _mendable(error)
                if failures[name] == _TRIES:
                    raise DualNerError(
                        f"{name} failed {_TRIES} times: {why}. Mend this, and go on with --resume."
                    ) from None
                msg.warn(f"{name} failed and is begun again: {why}")
                if shard is not None:
                    shards = chain([shard], shards)
                load(actor if shard else make())
                continue
            del failures[name]
            if shard is not None:
                yield shard, found
            free.append(actor)


def _mendable(error: Exception) -> str:
    """What was wrong where another try may do; else raises it."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, OSError):
        return str(cause).removesuffix(".")
    if isinstance(cause, DualNerError):
        raise cause from None
    if isinstance(cause, Exception):
        raise error
    return "the process died, for lack of memory perhaps"
