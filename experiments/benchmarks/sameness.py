"""A text's entities and scores do not depend on its batch, its neighbours, their order or threads.

python -m experiments.benchmarks.sameness training/stage2/model-best --data PANX --limit 70
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import spacy
import typer
from spacy.tokens import Doc
from wasabi import msg

from experiments.benchmarks import common
from spacy_dualner.cli._options import with_settings
from spacy_dualner.data.panx import read_splits
from spacy_dualner.data.text import PER_CHARACTER
from spacy_dualner.pipeline import find_encoder

Found = dict[tuple[int, int, str], float]  # entities of one text, with their scores


class Difference(NamedTuple):
    """Texts that got other entities, and the largest difference of any score."""

    texts: int
    score: float


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    data: Path = common.Archives
    limit: int = typer.Option(300, "--limit", help="First N sentences of each language")
    threads: int = typer.Option(8, "--threads", help="Threads in one process")
    calls: int = typer.Option(1200, "--calls", help="Texts that each thread reads")
    processes: int = typer.Option(20, "--processes", help="Fresh processes; 0: no threads at all")
    gpu_id: int = common.Gpu
    output: Path | None = common.Output


@with_settings()
def main(
    settings: Settings, model: Path = typer.Argument(..., help="Folder of a pipeline")
) -> None:
    """Compare with one call for each text, in one thread: half of the threads use `nlp.pipe`."""
    common.use_gpu(settings.gpu_id)
    nlp = load(model)
    texts = read_texts(settings.data, settings.limit)
    alone = [found(nlp(text)) for text in texts]
    entities = sum(map(len, alone))
    msg.info(f"{len(texts):,} texts with {entities:,} entities")
    rng = random.Random(0)
    orders = {
        "as read": list(range(len(texts))),
        "by length": sorted(range(len(texts)), key=lambda i: len(texts[i])),
        "shuffled": rng.sample(range(len(texts)), len(texts)),
    }
    results: dict[str, Difference] = {}

    def note(name: str, own: Difference) -> None:
        results[name] = own
        msg.info(f"{name}: other entities in {own.texts:,}, scores within {own.score:.1e}")

    for name, order in orders.items():
        for size in (len(texts), 256, 16):
            docs = nlp.pipe([texts[i] for i in order], batch_size=size)
            note(f"batches of {size}, {name}", compare(docs, [alone[i] for i in order]))
    # Words far longer than any window, before each.
    beside = [text for own in texts for text in ("x" * 2000 + " " + own * 4, own)]
    docs = list(nlp.pipe(beside, batch_size=64))[1::2]
    note("beside long texts", compare(docs, alone))
    pool = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
    with pool:
        for number in range(settings.processes):
            job = (model, texts, alone, settings, number)
            during, after = pool.apply(read_in_threads, job)
            note(f"{settings.threads} threads, process {number + 1}", during)
            note(f"one thread after them, process {number + 1}", after)
    worst = Difference(*(max(values) for values in zip(*results.values(), strict=True)))
    msg.info(f"At most {worst.texts} texts with other entities, scores within {worst.score:.1e}")
    differences = {name: own._asdict() for name, own in results.items()}
    common.save(
        settings.output,
        texts=len(texts),
        entities=entities,
        worst=worst._asdict(),
        differences=differences,
    )


def load(model: Path) -> Any:
    """A pipeline that computes in float32."""
    nlp = spacy.load(model)
    find_encoder(nlp, "dualner").bf16 = False
    return nlp


def read_texts(data: Path, limit: int) -> list[str]:
    """The first sentences of every archive in a folder, of whichever split comes first in it."""
    texts = []
    for path in sorted(data.glob("*.tar.gz")):
        lang = path.name.partition(".")[0]
        space = "" if lang in PER_CHARACTER else " "
        splits = read_splits(path, lang)
        _, sentences = next(splits)
        texts += [space.join(words) for words, _ in islice(sentences, limit)]
    return texts


def found(doc: Doc) -> Found:
    """A text's entities with their scores."""
    group = doc.spans["dualner"]
    scores = group.attrs["scores"]
    return {(e.start_char, e.end_char, e.label_): s for e, s in zip(group, scores, strict=True)}


def compare(docs: Iterable[Doc], expected: Iterable[Found]) -> Difference:
    """How texts differ from what was found in each alone."""
    pairs = [(found(doc), own) for doc, own in zip(docs, expected, strict=True)]
    scores = (abs(one[key] - other[key]) for one, other in pairs for key in one.keys() & other)
    return Difference(
        sum(one.keys() != other.keys() for one, other in pairs), max(scores, default=0)
    )


def read_in_threads(
    model: Path, texts: list[str], alone: list[Found], settings: Settings, seed: int
) -> tuple[Difference, Difference]:
    """In a fresh process: all threads at once on a pipeline that has read nothing, then one."""
    n_threads, gpu_id = settings.threads, settings.gpu_id
    common.use_gpu(gpu_id)
    nlp = load(model)
    barrier = Barrier(n_threads)

    def read(number: int) -> Difference:
        if gpu_id >= 0:
            common.use_gpu(gpu_id)  # Thinc keeps the device by thread
        order = random.Random(seed * n_threads + number).choices(
            range(len(texts)), k=settings.calls
        )
        chosen = [texts[i] for i in order]
        barrier.wait()
        docs = nlp.pipe(chosen, batch_size=16) if number % 2 else map(nlp, chosen)
        return compare(docs, [alone[i] for i in order])

    with ThreadPoolExecutor(n_threads) as pool:
        own = list(pool.map(read, range(n_threads)))
    during = Difference(sum(one.texts for one in own), max(one.score for one in own))
    return during, compare(map(nlp, texts), alone)


if __name__ == "__main__":
    typer.run(main)
