"""`annotate` on a Ray cluster: its input in shards, its output with a manifest."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from logging import ERROR
from operator import itemgetter
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..data.lines import plain_path
from ..data.outputs import check_entries, check_link, write_json
from ..data.urls import as_path, is_local, open_bytes, remove_folder, storage_errors
from ..errors import DataError, DualNerError, need
from ..system.scratch import scratch
from .actors import TOTALS, Job, Record, Shard, hand_out, report_of
from .annotate import RESUME, begun, check_free, check_input, identify, interrupted, stamps
from .annotate_settings import LOCAL, AnnotateSettings, ClusterSettings
from .journal import Journal, Unfinished
from .readers import STDIN, open_input
from .records import Reader, batches
from .work import Annotator
from .writers import output_form

MANIFEST = "manifest.json"
# Shards are files: Ray has little to hold.
_OBJECT_BYTES = 100_000_000
# Seconds to wait for an answer of a cluster.
_PATIENCE = 20
# The journal is written so rarely that this takes a twentieth of the time.
_RARELY = 20


@storage_errors()
def annotate_on_cluster(
    model: str,
    source: str,
    output: Path,
    settings: AnnotateSettings,
    cluster: ClusterSettings,
    *,
    progress: bool = False,
) -> Journal:
    """Annotate text of any size with the actors of a Ray cluster.

    The output does not depend on how many there are, nor on which of them die: what `annotate`
    writes of one file is that of its shards, one after the other. A folder's files are each one
    shard, equal to what `annotate` writes of that file.

    model (str): Folder or package of the pipeline, the same on all nodes.
    source (str): A file or a folder of files that all nodes see, or the URL of one.
    output (Path): A folder that all nodes see, or a URL as `as_path` gives it. Its name ends as
        those of the files in it do. Faults and what is unfinished are beside it, as of `annotate`.
    RAISES (DualNerError): As `annotate`, and if there is no cluster or its actors die.
    """
    need("A cluster needs", "ray", "ray", instead=", or leave --ray out")
    if settings.n_process > 1 or settings.gpu_id >= 0:
        raise DualNerError("--n-process and --gpu-id are for one machine: use --actors and --gpus.")
    writer = output_form(output, settings.output_form)
    readers = open_inputs(source, settings, output.suffix)
    _check_url(output, readers)
    unfinished = Unfinished(output)
    check_input(source, output, unfinished.report)
    with unfinished.locked(RESUME):
        journal = interrupted(unfinished, settings)
        if journal is None:
            check_free(output, partial(_check_folder, unfinished), settings.force)
        annotator = Annotator(model, writer)
        size = settings.batch_size or annotator.nlp.batch_size
        identity = identify(readers, annotator, size, settings)
        path = as_path(source)
        is_cut = readers[0].of_lines and path == plain_path(path) and not path.is_dir()
        identity["shard batches"] = n_batches = cluster.shard_batches if is_cut else 0
        journal = Journal(identity) if journal is None else begun(unfinished, journal, identity)
        annotator.unload()
        if not journal.finished:
            pipeline, cwd = identity["pipeline"], os.getcwd()
            job = Job(model, pipeline, cwd, unfinished, writer, size, settings, cluster)
            with connected(cluster) as n_actors:
                # What --force replaces stays until there is a cluster; a kill may leave some of it.
                if not journal.shards:
                    _check_folder(unfinished, output)
                    unfinished.save(journal)
                    remove_folder(output)
                output.mkdir(parents=True, exist_ok=True)
                for leftover in unfinished.folder.glob(".part-*"):
                    remove_folder(leftover)
                planned = plan(readers, output.suffix, size, n_batches)
                known = journal.shards.get
                shards = (shard._replace(known=known(shard.name)) for shard in planned)
                _collect(unfinished, journal, hand_out(job, n_actors, shards), progress)
            if stamps(readers) != identity["input"]:
                raise DualNerError(
                    "The input was changed while it was read. Start anew with --force."
                )
            ends = [record["lines"] for record in journal.shards.values()]
            lines = sum(end for _, end in ends) if all(ends) else 0
            journal.lines = readers[0].position[1] if n_batches else lines
            journal.finished = True
            unfinished.save(journal)
        _finish(unfinished, journal)
    return journal


def open_inputs(source: str, settings: AnnotateSettings, ending: str) -> list[Reader]:
    """The reader of a file, or those of a folder's files but for hidden ones and `_SUCCESS`.

    ending (str): Of the files that they become.
    Raises DualNerError where one is no input, or two would become one output.
    """
    path = as_path(source)
    if source == STDIN:
        raise DualNerError("Standard input cannot be shared. Name a file or a folder of files.")
    paths = [path]
    if path.is_dir():
        paths = sorted(one for one in path.iterdir() if not one.name.startswith((".", "_")))
        if not paths:
            raise DataError(source, "a folder without files. Mend the path.")
    by_output = {MANIFEST: Path(MANIFEST)}
    for one in paths:
        if (other := by_output.setdefault(f"{_stem(one)}{ending}", one)) is not one:
            raise DataError(one, f"its output would be that of {other.name}. Rename one of them.")
    return [open_input(str(one), settings.form, settings.text_key) for one in paths]


def plan(readers: Sequence[Reader], ending: str, size: int, n_batches: int) -> Iterator[Shard]:
    """Cut the input into shards, in its order.

    ending (str): Of the files that shards become.
    size (int): The most texts in a batch.
    n_batches (int): The batches of each shard of the file; 0 where each file is one.
    """
    if not n_batches:
        for number, reader in enumerate(readers):
            path, name = reader.path, f"{_stem(reader.path)}{ending}"
            yield Shard(number, name, str(path), (0, 0), 0, _n_bytes(stamps([reader])))
        return
    (reader,) = readers
    read = batches(reader, (0, 0), size)
    start, done = (0, 0), 0
    for number in count():
        # Only the last of them is kept.
        last = deque(islice(read, n_batches), maxlen=1)
        if number and not last:
            return
        name = f"{_stem(reader.path)}-{number:06}{ending}"
        yield Shard(number, name, str(reader.path), start, n_batches, reader.done - done)
        start, done = reader.position, reader.done


def _stem(path: Path) -> str:
    return plain_path(path).stem


def _n_bytes(files: Sequence[Any]) -> int:
    return sum(n_bytes for _, n_bytes, _ in files)


def _check_url(output: Path, readers: Sequence[Reader]) -> None:
    """Refuse a URL with marks of a pattern, or whose bucket is not there: it would be made."""
    if is_local(output):
        return
    for name in (str(output), *(reader.path.name for reader in readers)):
        if any(mark in name for mark in "*?["):
            raise DataError(name, "files of a URL cannot have * ? or [ in their names. Rename it.")
    if not (bucket := output.parents[-1]).exists():
        raise DataError(output, f"there is no {bucket}. Mend the URL, or make it.")


def _check_folder(unfinished: Unfinished, output: Path) -> None:
    """Refuse to replace what no such run has written."""
    check_link(output)
    if output.exists() and not ((output / MANIFEST).is_file() or unfinished.is_begun()):
        raise DualNerError(
            f"{output} is there and was not written on a cluster, so it is not replaced. Name "
            "another OUTPUT."
        )
    check_entries(output, [f"*{MANIFEST}*", f"*{output.suffix}"])


def _collect(
    unfinished: Unfinished,
    journal: Journal,
    done: Iterator[tuple[Shard, Record]],
    progress: bool,
) -> None:
    """Note what is done in the journal, and show it."""
    before, began = journal.seconds, time.perf_counter()
    saved = cost = 0.0

    def save() -> None:
        for name in TOTALS:
            setattr(journal, name, sum(record[name] for record in journal.shards.values()))
        journal.seconds = before + time.perf_counter() - began
        unfinished.save(journal)

    total, off = _n_bytes(journal.identity["input"]), None if progress else True
    try:
        with tqdm(total=total, unit="B", unit_scale=True, disable=off, leave=False) as bar:
            for shard, record in done:
                journal.shards[shard.name] = record
                bar.set_postfix_str(f"{len(journal.shards):,} shards", refresh=False)
                bar.update(shard.size)
                now = time.perf_counter()
                if now - saved > _RARELY * cost:
                    save()
                    saved = time.perf_counter()
                    cost = saved - now
    finally:
        save()


def _finish(unfinished: Unfinished, journal: Journal) -> None:
    """Write the manifest and the report of faults. Can be done again after a kill."""
    records = sorted(journal.shards.values(), key=itemgetter("number"))
    with unfinished.errors.open("wb") as file:
        for record in records:
            if record["faults"]:
                with open_bytes(report_of(unfinished, record["name"])) as faults:
                    shutil.copyfileobj(faults, file)
    unfinished.put_report(journal)
    totals = {name: getattr(journal, name) for name in (*TOTALS, "seconds")}
    manifest = {**journal.identity, **totals, "shards": records}
    write_json(unfinished.target / MANIFEST, manifest)
    unfinished.forget()


@contextmanager
def connected(cluster: ClusterSettings) -> Iterator[int]:
    """Be part of a Ray cluster while the block lasts; yields how many actors are to be made.

    One of this machine alone is heard on its loopback only. Raises DualNerError where there is no
    cluster, or none that has what they need.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # No warning of how a later Ray will hide GPUs.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if local := cluster.ray == LOCAL:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # which means: the loopback
        os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    # The names of sockets cannot be long.
    with scratch("/tmp") as folder:
        more: dict[str, Any] = {"log_to_driver": False, "logging_level": ERROR}
        if local:
            more |= {"include_dashboard": False, "object_store_memory": _OBJECT_BYTES}
            more |= {"_temp_dir": str(folder), "num_cpus": cluster.actors or None}
        try:
            try:
                _check_address(cluster.ray)
                with _as_before():
                    ray.init(cluster.ray, **more)
            except (OSError, RuntimeError, ValueError) as error:
                said = " ".join(str(error).split())
                raise DualNerError(
                    f"No Ray cluster can be used at '{cluster.ray}' ({said}). Begin one with "
                    "`ray start --head`, or give --ray no address."
                ) from None
            kind = "GPU" if cluster.gpus else "CPU"
            n_actors = cluster.actors or int(ray.cluster_resources().get(kind, 0))
            if not n_actors:
                raise DualNerError(f"The cluster has no {kind}. Say how many with --actors.")
            yield n_actors
        finally:
            ray.shutdown()


@contextmanager
def _as_before() -> Iterator[None]:
    """Have SIGTERM do what it did: Ray has it end the process with status 15 and without a word."""
    before, is_ended = signal.getsignal(signal.SIGTERM), False
    try:
        yield
    except SystemExit as end:
        if end.code != signal.SIGTERM:
            raise
        is_ended = True
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    if is_ended:
        signal.raise_signal(signal.SIGTERM)


def _check_address(address: str) -> None:
    """Ray itself tries for minutes, then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), _PATIENCE).close()
