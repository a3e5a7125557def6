"""Decodings of one pipeline against each other: entity F1 per language, and the time each takes.

python -m benchmarks.decoding training/stage2/model-best --corpus corpus --limit 2000
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor
from wasabi import msg

from benchmarks import common
from spacy_dualner.calibration.calibrate import AnnotatedSentences, languages, read_sentences
from spacy_dualner.conversions import Spans, tags_to_spans
from spacy_dualner.data.docbin import corpus_path, read_docs
from spacy_dualner.decoding import DECODINGS, read_spans
from spacy_dualner.lattice import best_tags, make_lattice
from spacy_dualner.layout import Layout
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


def main(
    model: Path = typer.Argument(..., help="Folder of a pipeline"),
    corpus: Path = typer.Option(Path("corpus"), "--corpus", help="Corpus made by convert"),
    langs: str = typer.Option("", "--langs", help="Languages; all that have the split if empty"),
    source: str = typer.Option("en", "--source", help="Languages left out of the mean"),
    split: str = typer.Option("test", "--split", help="Annotated part of the corpus"),
    limit: int = common.Limit,
    repeats: int = typer.Option(3, "--repeats", help="Timed rounds; 0 for scores alone"),
    gpu_id: int = common.Gpu,
    output: Path | None = common.Output,
) -> None:
    """Score each decoding on each language, then time each on the first one."""
    common.use_gpu(gpu_id)
    nlp = spacy.load(model)
    found = langs.split(",") if langs else languages(corpus, split)
    paths = {lang: corpus_path(corpus, split, lang) for lang in found}
    read = read_sentences(nlp, "dualner", paths, limit, progress=True)
    scores = {
        name: {lang: f1(own, reader) for lang, own in read.items()}
        for name, reader in READERS.items()
    }
    targets = [lang for lang in found if lang not in source.split(",")] or found
    rows = []
    for name, own in scores.items():
        mean = np.mean([own[lang] for lang in targets])
        rows.append([name, *(f"{own[lang]:.2f}" for lang in found), f"{mean:.2f}"])
    aligns = ["l", *"r" * (len(found) + 1)]
    msg.table(rows, header=["F1", *found, "targets"], divider=True, aligns=aligns)
    seconds = {}
    if repeats:
        docs = read_docs(paths[found[0]], nlp.vocab, limit)
        sentences = [[token.text for token in doc] for doc in docs]
        seconds = common.interleaved(time_jobs(nlp, sentences), repeats)
        common.table(seconds, base=BASE)
    common.save(output, model=model.name, limit=limit, f1=scores, seconds=seconds)


def f1(sentences: AnnotatedSentences, reader: Reader) -> float:
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
