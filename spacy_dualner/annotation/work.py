"""Annotate records with a pipeline, in this process or in several others."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache, partial
from operator import add
from typing import Any, NamedTuple

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import raise_error
from srsly.msgpack import msgpack_decoders, msgpack_encoders

from ..component import DualNer
from ..errors import DataError, DualNerError
from ..pipeline import load_pipeline
from ..system.interrupts import deaf_to_interrupts, end_with_parent
from .json_writers import Carried, Maker
from .records import Batch, Record
from .writers import Output

# Batches that each process has waiting.
_AHEAD = 2
# After so many words the pipeline is loaded anew: spaCy's tables of strings keep the place of every
# word that was ever in them, also when a memory zone ends.
_MAX_STRINGS = 2_000_000
# spaCy's own components that need a gigabyte for 100,000 characters.
_LIMITED = {"parser", "ner", "beam_parser", "beam_ner"}


class Annotated(NamedTuple):
    """What became of some records."""

    output: bytes = b""  # the annotated texts in the form of the output
    texts: int = 0
    words: int = 0
    entities: int = 0
    faults: tuple[DataError, ...] = ()  # the records that could not be annotated


def look_up_encoders_once() -> None:
    """Have srsly look up other packages' msgpack encoders now, and not with every Doc.

    That is three quarters of the time that writing or reading a Doc takes.
    """
    for registry in (msgpack_encoders, msgpack_decoders):
        for name, function in registry.get_all().items():
            registry.register(name, func=function)
        registry.entry_points = False


class Annotator:
    """Annotates records with a pipeline; memory stays flat."""

    def __init__(self, model: str, output: Output) -> None:
        self.model = model
        self.output = output
        look_up_encoders_once()
        self._load()

    def _load(self) -> None:
        self._n_strings = 0
        self.nlp: Language = load_pipeline(self.model)
        # An error is to be seen here, whatever a component's handler would make of it.
        for _, pipe in self.nlp.pipeline:
            # spaCy's ner and parser can be given none, and raise as they are.
            with suppress(AttributeError):
                pipe.set_error_handler(raise_error)  # type: ignore[attr-defined]
        factories = {self.nlp.get_pipe_meta(name).factory for name in self.nlp.pipe_names}
        if not factories & _LIMITED:
            # The encoder takes text of any length, in windows.
            self.nlp.max_length = sys.maxsize
        pipes = [pipe for _, pipe in self.nlp.pipeline if isinstance(pipe, DualNer)]
        keys = [key for pipe in pipes if (key := pipe.cfg.get("spans_key"))]
        meta = self.nlp.meta
        self.maker = Maker(keys, f"{meta['lang']}_{meta['name']} {meta['version']}")

    def unload(self) -> None:
        """Give the pipeline's memory back."""
        del self.nlp
        gc.collect()

    def annotate(self, records: Sequence[Record]) -> Annotated:
        """Annotate some records together."""
        if self._n_strings > _MAX_STRINGS:
            self.unload()
            self._load()
        strings = self.nlp.vocab.strings
        before = len(strings)
        with self.nlp.memory_zone():
            annotated = self._annotate(records)
            self._n_strings += len(strings) - before
        return annotated

    def _annotate(self, records: Sequence[Record]) -> Annotated:
        """As `annotate`; where that fails, one half after the other."""
        if not records:
            return Annotated()
        try:
            docs, output = self.process([self._doc(record) for record in records])
            n_words, n_entities = sum(map(len, docs)), sum(len(doc.ents) for doc in docs)
            return Annotated(output, len(docs), n_words, n_entities)
        except Exception as error:
            if len(records) == 1:
                kind = "" if isinstance(error, DualNerError) else f"{type(error).__name__}: "
                return Annotated(faults=(records[0].fault(f"{kind}{error}"),))
        middle = len(records) // 2
        halves = self._annotate(records[:middle]), self._annotate(records[middle:])
        return Annotated(*map(add, *halves))

    def process(self, docs: list[Doc]) -> tuple[list[Doc], bytes]:
        """Annotate the Docs of some records, and make their bytes in the output."""
        carried = list(map(carried_by, docs))
        annotated = self.run(docs)
        return annotated, self.output.encode(annotated, carried, self.maker)

    def run(self, docs: list[Doc], without: Sequence[str] = ()) -> list[Doc]:
        """Run the pipeline over Docs, but for some components.

        Raises ValueError where it gives more Docs, or fewer.
        """
        done = list(self.nlp.pipe(docs, batch_size=len(docs), disable=without))
        if len(done) != len(docs):
            raise ValueError(f"{len(done)} Docs came out of the pipeline, not {len(docs)}.")
        return done

    def _doc(self, record: Record) -> Doc:
        if isinstance(record.content, bytes):
            return Doc(self.nlp.vocab).from_bytes(record.content)
        if len(record.content) > self.nlp.max_length:
            raise DualNerError(
                f"{len(record.content):,} characters are too many for the pipeline's parser or "
                f"ner, which take {self.nlp.max_length:,}. Split the text."
            )
        doc = self.nlp.make_doc(record.content)
        doc.user_data.update(record.carried)
        return doc


def carried_by(doc: Doc) -> Carried:
    """What a Doc carries from its record to the output."""
    return {key: value for key, value in doc.user_data.items() if isinstance(key, str)}


def annotate_batches(
    annotator: Annotator, batches: Iterable[Batch], n_process: int = 1, gpu_id: int = -1
) -> Generator[tuple[Batch, Annotated], None, None]:
    """Annotate batch after batch.

    annotator (Annotator): Does the work if one process does. More than one load its pipeline
        themselves, and here it is given up.
    gpu_id (int): Where the others compute; as in `spacy train`.
    YIELDS (Tuple[Batch, Annotated]): Each batch in its turn, and what became of it.
    RAISES (DualNerError): If one of the processes dies.
    """
    if n_process == 1:
        for batch in batches:
            yield batch, annotator.annotate(batch.records)
        return
    # Neither `nlp.pipe(n_process=2)` nor a plain pool would do: their processes grow with every
    # word, and stay for ever when this one is killed.
    annotator.unload()
    threads = max(1, torch.get_num_threads() // n_process)
    pool = ProcessPoolExecutor(
        n_process,
        multiprocessing.get_context("spawn"),
        _begin,
        (annotator.model, annotator.output, gpu_id, threads),
    )
    waiting: deque[tuple[Batch, Future[Annotated]]] = deque()
    others = set(multiprocessing.active_children())
    try:
        for batch in batches:
            # With the first, the processes begin.
            with deaf_to_interrupts():
                waiting.append((batch, pool.submit(_work, batch.records)))
            if len(waiting) > _AHEAD * n_process:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    except BrokenProcessPool as error:
        raise DualNerError(
            "A process that annotates has died, for lack of memory perhaps. Go on with --resume "
            "and a smaller --n-process."
        ) from error
    except BaseException:
        # Nobody waits for what they are at, or for one that only begins.
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_annotator: Callable[[], Annotator]


def _begin(*given: Any) -> None:
    global _annotator
    end_with_parent()
    # Made with the first records, as an error there is told; one here would only break the pool.
    _annotator = cache(partial(_make_annotator, *given))


def _make_annotator(model: str, output: Output, gpu_id: int, threads: int) -> Annotator:
    torch.set_num_threads(threads)
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    return Annotator(model, output)


def _work(records: Sequence[Record]) -> Annotated:
    return _annotator().annotate(records)
