"""Decodings of one pipeline against each other: entity F1 per language, and what each costs.

python -m experiments.benchmarks.decoding training/stage2/model-best --corpus corpus --limit 2000
python -m experiments.benchmarks.decoding training/calibrated --langs en --types 66 --words 500 \\
    --limit 16000
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor
from wasabi import msg

from experiments.benchmarks import common
from experiments.benchmarks.memory import Peak, resident
from spacy_dualner.cli._options import with_settings
from spacy_dualner.component import DualNer
from spacy_dualner.data.docbin import corpus_path, languages, read_docs
from spacy_dualner.decoding.confidence import Calibrator
from spacy_dualner.decoding.decodings import DECODINGS
from spacy_dualner.decoding.lattice import best_tags, make_lattice
from spacy_dualner.decoding.read import read_spans
from spacy_dualner.evaluation.calibrate import read_sentences
from spacy_dualner.evaluation.fitting import HIDDEN
from spacy_dualner.evaluation.sentences import Sentences
from spacy_dualner.labels.conversions import Spans, tags_to_spans
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import LabelScheme
from spacy_dualner.model import heads_module
from spacy_dualner.pipeline import find_component

BASE = "encoder and heads"

Reader = Callable[[Tensor, Layout], Spans]


def _setting(decode: str) -> Reader:
    return lambda logits, layout: read_spans(logits, layout, decode)


def _path(decode: str) -> Reader:
    return lambda logits, layout: tags_to_spans(best_tags(make_lattice(logits, layout, decode)))


READERS: dict[str, Reader] = {
    "span": _setting("span"),
    "tag": _setting("tag"),
    "joint": _setting("joint"),
    "span, best path": _path("span"),
    "tag, best path": _path("tag"),
    "joint, best path": _path("joint"),
}
"""The component's decodings, and the best path of one kind of heads or of both, unfiltered."""


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    corpus: Path = common.Corpus
    langs: str = typer.Option("", "--langs", help="Languages; all that have the split if empty")
    source: str = typer.Option("en", "--source", help="Languages left out of the mean")
    split: str = typer.Option("test", "--split", help="Annotated part of the corpus")
    limit: int = common.Limit
    repeats: int = typer.Option(3, "--repeats", help="Timed rounds; 0 for scores alone")
    types: int = typer.Option(0, "--types", help="Copy the types up to so many; costs alone then")
    words: int = typer.Option(0, "--words", help="Join sentences to Docs of so many words")
    gpu_id: int = common.Gpu
    output: Path | None = common.Output


@with_settings()
def main(
    settings: Settings, model: Path = typer.Argument(..., help="Folder of a pipeline")
) -> None:
    """Score each decoding on each language, then see what each costs on the first one."""
    common.use_gpu(settings.gpu_id)
    nlp = spacy.load(model)
    found = (
        settings.langs.split(",")
        if settings.langs
        else languages(settings.corpus, [settings.split])
    )
    paths = {lang: corpus_path(settings.corpus, settings.split, lang) for lang in found}
    if settings.types:
        copy_types(find_component(nlp, "dualner"), settings.types)
    read = (
        {}
        if settings.types
        else read_sentences(nlp, "dualner", paths, settings.limit, progress=True)
    )
    scores = {
        name: {lang: f1(own, reader) for lang, own in read.items()}
        for name, reader in READERS.items()
    }
    targets = [lang for lang in found if lang not in settings.source.split(",")] or found
    rows = []
    for name, own in scores.items() if read else ():
        mean = np.mean([own[lang] for lang in targets])
        rows.append([name, *(f"{own[lang]:.2f}" for lang in found), f"{mean:.2f}"])
    aligns = ["l", *"r" * (len(found) + 1)]
    if rows:
        msg.table(rows, header=["F1", *found, "targets"], divider=True, aligns=aligns)
    seconds: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    if settings.repeats:
        docs = read_docs(paths[found[0]], nlp.vocab, settings.limit)
        sentences = [[token.text for token in doc] for doc in docs]
        if settings.words:
            row = [word for sentence in sentences for word in sentence]
            sentences = [row[at : at + settings.words] for at in range(0, len(row), settings.words)]
        jobs = time_jobs(nlp, sentences)
        memory = {name: peak_memory(job) for name, job in jobs.items() if name != BASE}
        seconds = common.interleaved(jobs, settings.repeats, warm_up=False)
        common.table(seconds, base=BASE)
        rows = [[name, f"{peak:.0f}"] for name, peak in memory.items()]
        msg.table(rows, header=["", "MB at most"], divider=True, aligns=["l", "r"])
    common.save(
        settings.output,
        model=model.name,
        limit=settings.limit,
        f1=scores,
        seconds=seconds,
        megabytes=memory,
    )


def copy_types(pipe: DualNer, n_types: int) -> None:
    """Give a trained component more types, as copies of its own that are found as good as never.

    Its entities stay those that it found, each with a calibration of the usual size.
    """
    known = pipe.scheme
    scheme = LabelScheme(tuple(f"{i:03}" for i in range(n_types)))
    heads = heads_module(pipe.model)
    trained: dict[str, Any] = {
        name: layer for name, layer in heads.named_children() if name != "dropout"
    }
    heads.build(trained["tag"].in_features, scheme)
    of_type = np.arange(n_types) % known.n_types
    bounds = np.concatenate([[0], of_type + 1])
    tags = np.concatenate([[0], np.stack((2 * of_type + 1, 2 * of_type + 2), 1).ravel()])
    for name, old in trained.items():
        new, rows = getattr(heads, name), tags if name == "tag" else bounds
        copies = np.arange(len(rows)) >= len(old.bias)
        with torch.no_grad():
            new.weight.copy_(old.weight[rows])
            new.bias.copy_(old.bias[rows] - 20.0 * torch.from_numpy(copies))
    pipe.cfg["labels"] = list(scheme.types)
    pipe.model.set_dim("nO", scheme.n_tags + 2 * scheme.n_bounds, force=True)
    n_features = 4 * (scheme.n_tags + 2 * scheme.n_bounds) + 1
    shapes = ((n_features,), (n_features,), (HIDDEN, n_features), (HIDDEN,), (HIDDEN,), (1,))
    for decode in DECODINGS:
        pipe.set_calibration(decode, 1.5, Calibrator(*(torch.ones(shape) for shape in shapes)))


def peak_memory(job: common.Prepared) -> float:
    """Megabytes that a job takes at most above what is taken before it."""
    gc.collect()
    before = resident()
    with Peak() as peak:
        job()
    return peak.most - before


def f1(sentences: Sentences, reader: Reader) -> float:
    """Entity F1 in percent."""
    found = reader(sentences.logits, sentences.layout)
    mine, gold = (
        set(zip(*(values.tolist() for values in spans), strict=True))
        for spans in (found, sentences.gold)
    )
    return 200 * len(mine & gold) / max(len(mine) + len(gold), 1)


def time_jobs(nlp: Language, sentences: list[list[str]]) -> dict[str, common.Prepared]:
    """What the component does in batches of 1,000: predict, then annotate by each setting.

    Apart, as the second is less than what the first takes more or less from one time to the next.
    """
    pipe = find_component(nlp, "dualner")
    docs = [Doc(nlp.vocab, words=words) for words in sentences]
    batches = [docs[at : at + 1000] for at in range(0, len(docs), 1000)]
    scores = [pipe.predict(batch) for batch in batches]

    def predict() -> None:
        for batch in batches:
            pipe.predict(batch)

    def job(decode: str, key: str | None) -> common.Prepared:
        def run() -> None:
            pipe.cfg.update(decode=decode, spans_key=key)
            for batch, logits in zip(batches, scores, strict=True):
                pipe.set_annotations(batch, logits)

        return run

    return {BASE: predict} | {
        f"{decode}, {name}": job(decode, key)
        for decode in DECODINGS
        for name, key in (("no confidence", None), ("confidence", "dualner"))
    }


if __name__ == "__main__":
    typer.run(main)
