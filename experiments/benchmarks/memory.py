r"""Resident memory of `convert`, `nlp.pipe` and `teach` on ever-new words, of loading, of training.

python -m experiments.benchmarks.memory --sentences 1000000
python -m experiments.benchmarks.memory --cases load --shape 6x768 --vocabulary 60000
python -m experiments.benchmarks.memory --cases stage2 --data en.tar.gz --limit 20000 \
    --longest 256 --shape 12x384 --vocabulary 89616 --bf16
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import psutil
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from wasabi import msg

from experiments.benchmarks import common, peers, training
from spacy_dualner.cli._options import with_settings
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.data.tags import Sentence
from spacy_dualner.encoder.encode import keep_few_kernels
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.teaching.teach import Teaching

CASES = "convert,pipe,blank,teach,load"
STAGES: dict[str, Callable[..., Any]] = {"stage1": training.stage1, "stage2": training.stage2}
WORDS = 8


def resident() -> float:
    """Megabytes in memory now."""
    return psutil.Process(os.getpid()).memory_info().rss / 1e6


def sentences(n: int, new: int = 2) -> Iterator[list[str]]:
    """Eight words each, so many of them never met before."""
    known = [f"word{i}" for i in range(5000)]
    for i in range(n):
        old = [known[(i * 7 + k * 613) % len(known)] for k in range(WORDS - new)]
        yield [*old, *(f"x{k}{i * 2654435761 % 2**32:x}" for k in range(new))]


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    n: int = typer.Option(1_000_000, "--sentences", help="Number of sentences")
    new: int = typer.Option(2, "--new-words", help="New words a sentence, of 8")
    cases: str = typer.Option(CASES, help=f"Which to run, out of {CASES},serve,{','.join(STAGES)}")
    data: Path = common.Data
    limit: int = common.Limit
    longest: int = typer.Option(0, help="Of these the N longest; 0 for all")
    rounds: int = typer.Option(5, help="Epochs of stage1 and stage2 over the first sentences")
    bf16: bool = typer.Option(False, "--bf16", help="bfloat16 in stage1 and stage2")
    shape: str = typer.Option("2x128", "--shape", help="LAYERSxWIDTH of the encoder")
    vocabulary: int = common.Vocabulary
    encoder: Path = common.Encoder
    steps: int = typer.Option(50, help="Steps of teach")
    max_memory_mb: int = typer.Option(2000, help="teaching.max_memory_mb")
    output: Path | None = common.Output


@with_settings()
def main(settings: Settings) -> None:
    """Measure resident memory, in this process, one case after the other."""
    results: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory() as temp,
        common.encoder_folder(settings.encoder, settings.shape, settings.vocabulary) as folder,
    ):
        corpus = Path(temp) / "corpus"
        for case in settings.cases.split(","):
            if case in ("convert", "teach") and not corpus.exists():
                results["convert"] = convert_text(settings.n, settings.new, Path(temp), corpus)
            if case == "pipe":
                nlp = peers.dualner_nlp({"name": str(folder), "mixed_precision": True})
                results["nlp.pipe, nlp.memory_zone()"] = pipe(settings.n, settings.new, nlp)
            if case == "blank":
                results["the same without dualner"] = pipe(
                    settings.n, settings.new, spacy.blank("xx")
                )
            if case == "serve":
                found = serve(settings.n, settings.new, folder, Path(temp))
                results["examples/serve, requests of a hundred texts"] = found
            if case == "teach":
                results["teach"] = teach(folder, Path(temp), settings.steps, settings.max_memory_mb)
            if case in STAGES:
                chosen = common.load_sentences(settings.data, settings.limit, "train")
                chosen = sorted(chosen, key=lambda sentence: len(sentence[0]))[-settings.longest :]
                results[case] = train(
                    STAGES[case], folder, chosen, settings.rounds, settings.bf16, Path(temp)
                )
            if case == "load":
                results["load and save"] = load_and_save(folder, Path(temp))
    for name, found in results.items():
        msg.info(f"{name}: " + ", ".join(f"{k} {v:,.1f}" for k, v in found.items()))
    common.save(
        settings.output,
        sentences=settings.n,
        words=WORDS * settings.n,
        new_words=settings.new * settings.n,
        shape=settings.shape,
        results=results,
    )


def watched(items: Iterator, n: int) -> dict[str, float]:
    """Use up items; memory after a tenth, in the middle and at the end, and at most between."""
    begin, seen, after = time.perf_counter(), [], {}
    for done, _ in enumerate(items, start=1):
        if done % 10_000 == 0:
            seen.append(resident())
        if done in (n // 10, n // 2, n):
            after[f"MB after {done:,}"] = resident()
    return after | {"MB at most": max(seen, default=0.0), "seconds": time.perf_counter() - begin}


def convert_text(n: int, new: int, temp: Path, corpus: Path) -> dict[str, float]:
    """`convert` of plain text: memory is read while the lines are written and while it reads."""
    text = temp / "de.txt"
    with text.open("w") as file:
        file.writelines(" ".join(words) + "\n" for words in sentences(n, new))
    before, begin = resident(), time.perf_counter()
    peak = Peak()
    with peak:
        convert(text, corpus, langs=["de"], form="text")
    seconds = time.perf_counter() - begin
    return {
        "MB before": before,
        "MB after": resident(),
        "MB at most": peak.most,
        "seconds": seconds,
    }


class Peak:
    """The most memory seen, looked at ten times a second, while the block lasts."""

    def __enter__(self) -> Peak:
        self.most, self._done = resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self.most = max(self.most, resident())

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()


def pipe(n: int, new: int, nlp: Language) -> dict[str, float]:
    """A memory zone for every 10,000 sentences."""

    def docs() -> Iterator[int]:
        for batch in minibatch(sentences(n, new), 10_000):
            with nlp.memory_zone():
                made = (Doc(nlp.vocab, words=words) for words in batch)
                yield from (len(doc.ents) for doc in nlp.pipe(made, batch_size=1000))

    return watched(docs(), n)


def serve(n: int, new: int, folder: Path, temp: Path) -> dict[str, float]:
    """What the service does with requests, but for HTTP."""
    peers.dualner_nlp({"name": str(folder), "mixed_precision": True}).to_disk(temp / "served")
    batches = run_path("examples/serve/app.py")["Batches"](lambda: spacy.load(temp / "served"))
    texts = minibatch(map(" ".join, sentences(n, new)), 100)
    return watched(chain.from_iterable(map(batches.find, texts)), n)


def teach(folder: Path, temp: Path, steps: int, max_memory_mb: int) -> dict[str, float]:
    """Load what `convert_text` wrote as target text, then some steps."""
    nlp = peers.dualner_nlp({"name": str(folder)})
    nlp.to_disk(temp / "model")
    with DocBinWriter(corpus_path(temp / "corpus", "train", "en"), "en", labelled=True) as writer:
        for words in sentences(1000):
            writer.add(words, ["O"] * len(words))
    config = common.teaching_config(temp, max_memory_mb=max_memory_mb)
    before, begin = resident(), time.perf_counter()
    peak = Peak()
    with peak:
        teaching = Teaching(config, temp)
    loading, loaded = time.perf_counter() - begin, resident()
    data = teaching.data
    for batch in data.batches(teaching.settings.batch_size, seed=0, epoch=0)[:steps]:
        teaching.step.take(batch, 1.0)
    n_tokens = len(data.corpus.word_lengths)
    arrays = [own for own in vars(data.corpus).values() if isinstance(own, np.ndarray)]
    return {
        "MB before": before,
        "MB loaded": loaded,
        "MB at most while loading": peak.most,
        f"MB after {steps} steps": resident(),
        "bytes of arrays a token": sum(a.nbytes for a in arrays) / n_tokens,
        "bytes of resident memory a token": 1e6 * (loaded - before) / n_tokens,
        "seconds to load": loading,
    }


def load_and_save(folder: Path, temp: Path) -> dict[str, float]:
    """A pipeline with random heads, in a process that has done nothing before."""
    peers.dualner_nlp({"name": str(folder)}).to_disk(temp / "loaded")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_load_and_save, (temp / "loaded",))


def _load_and_save(folder: Path) -> dict[str, float]:
    spacy.blank("xx").add_pipe("dualner")
    before = _peak()
    nlp = spacy.load(folder)
    loading = _peak() - before
    nlp.to_disk(folder.with_name("saved"))
    saving = _peak() - before
    megabytes = sum(w.nbytes for w in find_encoder(nlp, "dualner").transformer.parameters()) / 1e6
    return {
        "MB of weights": megabytes,
        "MB to load": loading,
        "times the weights to load": loading / megabytes,
        "MB to load and save": saving,
        "times the weights to load and save": saving / megabytes,
    }


def _peak() -> float:
    """The most megabytes that this process ever had in memory."""
    (line,) = (k for k in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in k)
    return int(line.split()[1]) * 1024 / 1e6


def train(
    stage: Callable, folder: Path, chosen: list[Sentence], rounds: int, bf16: bool, temp: Path
) -> dict[str, float]:
    """Epochs of steps of 64 sentences, in this process after others: a process for each is best."""
    keep_few_kernels()
    arguments = (1, bf16, temp) if stage is training.stage2 else (-(-len(chosen) // 64), bf16)
    job = stage({"name": str(folder)}, chosen, 64, *arguments)
    found = {"MB before": resident()}
    for number in range(1, rounds + 1):
        begin, peak = time.process_time(), Peak()
        with peak:
            job()
        found |= {f"MB after {number}": resident(), f"MB at most in {number}": peak.most}
        found[f"CPU seconds of {number}"] = time.process_time() - begin
    return found


if __name__ == "__main__":
    typer.run(main)
