"""The loop of `annotate`: read, annotate, write, note how far it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from operator import attrgetter
from pathlib import Path
from typing import Any

from tqdm import tqdm
from wasabi import msg

from ..data.outputs import check_apart
from ..data.urls import as_path, checksum, is_local, storage_errors
from ..errors import DataError, DualNerError
from .annotate_settings import AnnotateSettings
from .journal import Journal, Unfinished
from .readers import STDIN, open_input
from .records import Batch, Reader, batches
from .work import Annotated, Annotator, annotate_batches
from .writers import output_form

RESUME = "Go on with --resume."
_ANEW = "Standard input cannot be read again: begin anew with --force."


@storage_errors()
def annotate(
    model: str,
    source: str,
    output: Path,
    settings: AnnotateSettings = AnnotateSettings(),
    *,
    progress: bool = False,
    on_fault: Callable[[DataError], object] = lambda fault: None,
) -> Journal:
    """Annotate text of any size with a pipeline.

    The output is the same whether the run is interrupted and resumed, and how often.

    model (str): Folder or package of the pipeline; any that sets `doc.ents`.
    source (str): A file, a folder of `.spacy` files, or `-` for standard input.
    output (Path): A file of a form of `writers.OUTPUTS` or `writers.TOOLS`. Until the end its
        content is in `OUTPUT.partial`; records that could not be annotated are in
        `OUTPUT.errors.jsonl`.
    settings (AnnotateSettings): How the input is read and the work is done. This process computes
        where spaCy was told to, further ones on their `gpu_id`.
    progress (bool): Whether to show a progress bar, if standard error is a terminal.
    on_fault (Callable[[DataError], object]): Called with each record that cannot be annotated.
    RETURNS (Journal): Counts of what was annotated, interrupted runs included.
    RAISES (DualNerError): If the input cannot be read, something would be lost, a run cannot be
        resumed, or in strict mode a record cannot be annotated.
    """
    if settings.resume and source == STDIN:
        raise DualNerError("Standard input cannot be read from the middle: leave --resume out.")
    writer = output_form(output, settings.output_form)
    reader = open_input(source, settings.form, settings.text_key)
    unfinished = Unfinished(output)
    if source != STDIN:
        check_input(source, output, unfinished.report)
    with unfinished.locked(_ANEW if source == STDIN else RESUME):
        journal = interrupted(unfinished, settings)
        # The output of one that was read to its end may be in its place already.
        if journal is None or not journal.finished:
            check_free(output, writer.check, settings.force)
        annotator = Annotator(model, writer)
        size = settings.batch_size or annotator.nlp.batch_size
        identity = identify([reader], annotator, size, settings)
        journal = begun(unfinished, journal, identity)
        if not journal.finished:
            read = batches(reader, journal.position, size)
            work = annotate_batches(annotator, read, settings.n_process, settings.gpu_id)
            done = counted(reader, journal, work, stop if settings.strict else on_fault, progress)
            unfinished.write(journal, done)
            if reader.of_lines:
                journal.lines = reader.position[1]
        unfinished.finish(journal, writer.finish)
    return journal


def check_input(source: str, *outputs: Path) -> None:
    """Refuse an input that would be replaced, or that an output becomes a part of."""
    path = as_path(source)
    for output in outputs:
        if is_local(output) == is_local(path):
            check_apart(output, path, "the INPUT")


def check_free(target: Path, check: Callable[[Path], object], force: bool) -> None:
    """Refuse an output that would replace anything that it may not, or what `check` refuses."""
    if target.exists() and not force:
        raise DualNerError(f"{target} is there. Name another OUTPUT, or replace it with --force.")
    check(target)


def interrupted(unfinished: Unfinished, settings: AnnotateSettings) -> Journal | None:
    """The journal of the run that this one goes on with, if it is to; says where it goes on.

    Raises DualNerError where there is one, and neither --resume nor --force.
    """
    journal = unfinished.load() if settings.resume or not settings.force else None
    if journal is not None and not settings.resume:
        raise DualNerError(
            f"{unfinished.folder} holds an interrupted run ({journal.texts:,} texts). Go on with "
            "the same command and --resume, or start anew with --force."
        )
    if journal is not None:
        msg.good(f"Resumed after {journal.texts + journal.faults:,} texts")
    elif settings.resume and not unfinished.target.exists():
        msg.warn(f"No interrupted run of {unfinished.target}: starting from the beginning")
    return journal


def identify(
    readers: Sequence[Reader], annotator: Annotator, size: int, settings: AnnotateSettings
) -> dict[str, Any]:
    """What decides the output of a run: input, pipeline and settings."""
    identity = {
        "input": stamps(readers),
        "form": [*sorted({type(reader).__name__ for reader in readers}), settings.text_key],
        "pipeline": checksum(annotator.nlp.path),
        "batch size": size,
    }
    if settings.output_form:
        identity["output form"] = settings.output_form
    return identity


def stamps(readers: Sequence[Reader]) -> list[Any]:
    """Name, size and time of each file: what tells an input from itself after a change."""
    stats = [(path.name, path.stat()) for reader in readers for path in reader.paths]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def begun(unfinished: Unfinished, journal: Journal | None, identity: dict[str, Any]) -> Journal:
    """The journal of the run to go on with, or a new one.

    Raises DualNerError where that run was of something else.
    """
    if journal is None:
        unfinished.forget()
        return Journal(identity)
    before = journal.identity
    changed = [name for name in {**before, **identity} if before.get(name) != identity.get(name)]
    if changed:
        raise DualNerError(
            f"{unfinished.folder} is of a run with another {' and '.join(changed)}. Use the "
            "same as then, or start anew with --force."
        )
    return journal


def counted(
    reader: Reader,
    journal: Journal,
    work: Generator[tuple[Batch, Annotated], None, None],
    on_fault: Callable[[DataError], object],
    progress: bool = False,
) -> Generator[tuple[bytes, bytes], None, None]:
    """Output and report of batch after batch, to the end of the input.

    The journal says how far it is, and a bar of the bytes that were read, or of the texts where
    these cannot be counted.
    """
    if reader.size is None:
        unit = {"unit": " texts", "initial": journal.texts}
    else:
        unit = {"unit": "B", "unit_scale": True, "total": reader.size, "initial": journal.done}
    before, began = journal.seconds, time.perf_counter()
    with closing(work), tqdm(**unit, disable=None if progress else True, leave=False) as bar:
        for batch, annotated in work:
            faults = sorted([*batch.faults, *annotated.faults], key=attrgetter("path", "line"))
            for fault in faults:
                on_fault(fault)
            bar.update(batch.done - journal.done if bar.total else annotated.texts)
            journal.position, journal.done = batch.position, batch.done
            journal.texts += annotated.texts
            journal.words += annotated.words
            journal.entities += annotated.entities
            journal.faults += len(faults)
            journal.seconds = before + time.perf_counter() - began
            yield annotated.output, _report(faults)


def stop(fault: DataError) -> None:
    """What is done with a fault in strict mode."""
    raise fault


def _report(faults: Sequence[DataError]) -> bytes:
    records = ({"file": f.path, "line": f.line, "error": f.message, "text": f.text} for f in faults)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return "".join(lines).encode("utf-8", "backslashreplace")
