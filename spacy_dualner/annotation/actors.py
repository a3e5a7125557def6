"""Actors, which are processes of a Ray cluster, and the shards of the work that they are given."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from socket import gethostname
from typing import Any, NamedTuple

import spacy
import torch
from wasabi import msg

from ..data.outputs import put_in_place
from ..data.storage import as_path, checksum, is_local, upload
from ..errors import DualNerError
from .annotate import go_on, progress_bar, stop
from .annotate_settings import AnnotateSettings
from .cluster_settings import ClusterSettings
from .journal import Journal, Unfinished
from .readers import open_input
from .records import Fault, Position, batches
from .work import Annotator, annotate_batches
from .writers import Output

# Shards that an actor has, the one that it is at included.
_AHEAD = 2
# How often a shard is begun before the run ends.
_TRIES = 4
# Seconds without an actor until that is said.
_PATIENCE = 60

TOTALS = ("texts", "words", "entities", "faults")
"""What is counted of each shard, and of all."""

Record = dict[str, Any]
"""What the manifest says of a shard."""


class Shard(NamedTuple):
    """A part of the input that becomes one file.

    number (int): Its place in the input, from 0.
    name (str): Of the file that it becomes.
    source (str): The file that it is of.
    start (Position): Where it begins in there: where a batch does.
    batches (int): How many it has; all to the end for 0.
    size (int): Its bytes.
    known (Optional[Record]): What an earlier run said of it.
    """

    number: int
    name: str
    source: str
    start: Position
    batches: int
    size: int
    known: Record | None = None


@dataclass(frozen=True)
class Job:
    """What all actors do.

    model (str): Folder or package of the pipeline.
    pipeline (str): The checksum of its files.
    cwd (str): Where relative paths begin.
    unfinished (Unfinished): The output and the folder of what is unfinished.
    writer (Output): The form of the output.
    size (int): The most texts in a batch.
    settings (AnnotateSettings): How the input is read.
    cluster (ClusterSettings): Where it is done.
    """

    model: str
    pipeline: str
    cwd: str
    unfinished: Unfinished
    writer: Output
    size: int
    settings: AnnotateSettings
    cluster: ClusterSettings


def report_of(unfinished: Unfinished, name: str) -> Path:
    """Where the faults of a shard are until the run is finished."""
    return unfinished.folder / f".{name}.errors.jsonl"


class Worker:
    """What an actor does: it loads the pipeline once, and annotates shard after shard."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._annotator: Annotator | None = None

    def load(self) -> None:
        """Load the pipeline, unless it is.

        Raises DualNerError where this node has none, or another one.
        """
        job = self.job
        if self._annotator is not None:
            return
        with suppress(OSError):  # absolute paths do not need it
            os.chdir(job.cwd)
        torch.set_num_threads(1)
        if job.cluster.gpus:
            spacy.require_gpu()
        try:
            annotator = Annotator(job.model, job.writer)
        except OSError as error:
            raise DualNerError(f"Node {gethostname()}: {error}") from None
        if checksum(annotator.nlp.path) != job.pipeline:
            raise DualNerError(
                f"Node {gethostname()} has another pipeline {job.model}. Put the same on all nodes."
            )
        self._annotator = annotator

    def annotate(self, shard: Shard) -> tuple[Record, bool]:
        """Annotate a shard, unless that is done and whole.

        RETURNS (Tuple[Record, bool]): What the manifest says of it, and whether this process has
            met so many new words that another should take its place.
        """
        self.load()
        assert self._annotator is not None
        unfinished, settings, known = self.job.unfinished, self.job.settings, shard.known
        target, report = unfinished.target / shard.name, report_of(unfinished, shard.name)
        if known and _is_whole(known, target, report):
            return known, self._annotator.loads > 1
        reader = open_input(shard.source, settings.form, settings.text_key)
        read = islice(batches(reader, shard.start, self.job.size), shard.batches or None)
        journal = Journal({}, shard.start)
        local = unfinished.folder if is_local(target) else None
        with tempfile.TemporaryDirectory(prefix=".part-", dir=local) as temp:
            part = Unfinished(Path(temp) / shard.name)
            with part.locked(), progress_bar(reader, journal, progress=False) as bar:
                work = annotate_batches(self._annotator, read)
                go_on(part, journal, work, bar, stop if settings.strict else _pass)
                part.finish(journal, self.job.writer.finish)
            # The output comes last: where it is whole, so are its faults.
            for new, place in ((part.report, report), (part.target, target)):
                if new.exists() and local:
                    put_in_place(new, place, Path(temp) / "old")
                elif new.exists():
                    upload(new, place, unfinished.folder / f".{new.name}.part")
        end = journal.position[0] if shard.batches else None
        record = {
            "number": shard.number,
            "name": shard.name,
            "input": shard.source,
            "lines": [shard.start[1] + 1, reader.position[1]] if reader.of_lines else None,
            "input sha256": checksum(as_path(shard.source), shard.start[0], end),
            "sha256": checksum(target) if target.exists() else "",
            **{name: getattr(journal, name) for name in TOTALS},
        }
        return record, self._annotator.loads > 1


def _is_whole(known: Record, target: Path, report: Path) -> bool:
    found = checksum(target) if target.exists() else ""
    return found == known["sha256"] and (report.exists() or not known["faults"])


def _pass(fault: Fault) -> None:
    """Nothing: faults are in the report."""


class Pool:
    """Actors, each of which is given a shard while it is at another.

    Ray places them, and begins anew what dies, where there is room for it; until then others get
    its shards.

    job (Job): What all of them do.
    n_actors (int): How many there are to be.
    """

    def __init__(self, job: Job, n_actors: int) -> None:
        import ray

        self._ray = ray
        actor = ray.remote(num_cpus=1, num_gpus=int(job.cluster.gpus), max_restarts=-1)(Worker)
        self._make = partial(actor.remote, job)
        self._actors: list[Any] = [self._make() for _ in range(n_actors)]
        # What each call is of: the number of its actor, and a shard; None where it loads.
        self._calls: dict[Any, tuple[int, Shard | None]] = {}
        # Numbers of actors, as often as each can be given a shard.
        self._free: deque[int] = deque()
        self._returned: deque[Shard] = deque()
        self._failures: Counter[str] = Counter()

    def annotate(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, Record]]:
        """Have shards annotated.

        shards (Iterator[Shard]): The shards, of which the next is read when an actor can have it.
        YIELDS (Tuple[Shard, Record]): Each shard that is done, in any order.
        Raises DualNerError where one cannot be, or several actors died as they were at it.
        """
        for number in range(len(self._actors)):
            self._load(number)
        while True:
            while self._free and (shard := self._next(shards)):
                number = self._free.popleft()
                self._calls[self._actors[number].annotate.remote(shard)] = number, shard
            busy = any(shard for _, shard in self._calls.values())
            if self._free and not busy:
                return
            ready, _ = self._ray.wait(list(self._calls), timeout=_PATIENCE)
            if not ready and not busy:
                msg.warn("Waiting for room for an actor on the cluster: see `ray status`")
            for call in ready:
                number, shard = self._calls.pop(call)
                if (found := self._result(call, number, shard)) and shard:
                    yield shard, found

    def _next(self, shards: Iterator[Shard]) -> Shard | None:
        return self._returned.popleft() if self._returned else next(shards, None)

    def _load(self, number: int) -> None:
        """Have an actor load, also where Ray is still to place it."""
        load = self._actors[number].load.options(max_task_retries=-1)
        self._calls[load.remote()] = number, None

    def _result(self, call: Any, number: int, shard: Shard | None) -> Record | None:
        """What became of a call; None where there is no record of a shard."""
        errors = self._ray.exceptions
        try:
            found = self._ray.get(call)
        except errors.RayTaskError as error:
            if isinstance(error.cause, DualNerError):
                raise error.cause from None
            if not isinstance(error.cause, OSError):
                raise
            self._again(number, shard, str(error.cause))
        except errors.RayError:
            if shard is None:  # Ray does not begin it again
                self._actors[number] = self._make()
            self._again(number, shard, "the process died, for lack of memory perhaps")
        else:
            self._failures.pop(_name(number, shard), None)
            in_flight = sum(other == number for other, _ in self._calls.values())
            if shard is None:
                self._take(number)
                self._free.extend([number] * (_AHEAD - in_flight))
                return None
            record, is_worn = found
            if not is_worn:
                self._free.append(number)
            elif self._take(number) and not in_flight:
                # Ray ends the other when nobody has it.
                self._actors[number] = self._make()
                self._load(number)
            return record
        return None

    def _again(self, number: int, shard: Shard | None, why: str) -> None:
        """Have what failed be done again, a shard by any actor."""
        name = _name(number, shard)
        self._failures[name] += 1
        if self._failures[name] == _TRIES:
            message = f"{name} failed {_TRIES} times: {why}. Mend this and go on with --resume."
            raise DualNerError(message)
        msg.warn(f"{name} failed and is begun again: {why}")
        self._take(number)
        if shard is not None:
            self._returned.append(shard)
        if (number, None) not in self._calls.values():
            self._load(number)

    def _take(self, number: int) -> bool:
        """Give an actor no shards until it has loaded."""
        self._free = deque(other for other in self._free if other != number)
        return True


def _name(number: int, shard: Shard | None) -> str:
    return shard.name if shard else f"Actor {number + 1}"
