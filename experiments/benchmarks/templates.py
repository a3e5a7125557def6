"""What a teacher does not read, language by language, and what that is worth.

    python -m experiments.benchmarks.templates STAGE1 --corpus corpus --limit 400

Beginnings are found in unlabelled sentences. F1 of the span heads is on annotated ones: as they are
read, with the words of beginnings cut off what is found, and with those words not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spacy
import torch
import typer
from numpy.typing import NDArray
from wasabi import msg

from experiments.benchmarks import common
from spacy_dualner.cli._options import with_settings
from spacy_dualner.data.docbin import corpus_path, languages, read_docs
from spacy_dualner.data.names import UNLABELLED
from spacy_dualner.decoding.read import read_spans
from spacy_dualner.encoder.arrays import ArraysBuilder, SentenceArrays
from spacy_dualner.encoder.windows import make_blocks
from spacy_dualner.labels.conversions import Spans, tags_to_spans
from spacy_dualner.labels.layout import Layout
from spacy_dualner.teaching.network import Recogniser
from spacy_dualner.teaching.templates import (
    Template,
    find_templates,
    template_words,
    with_unread,
    without_words,
    word_keys,
)


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    corpus: Path = common.Corpus
    langs: str = typer.Option("", "--langs", help="Languages; all with unlabelled text if empty")
    share: float = typer.Option(0.02, "--share", help="As teaching.teacher.templates")
    unlabelled: int = typer.Option(500, "--unlabelled", help="First N unlabelled sentences")
    split: str = typer.Option("dev", "--split", help="Annotated part of the corpus")
    limit: int = common.Limit
    gpu_id: int = common.Gpu
    output: Path | None = common.Output


@with_settings()
def main(
    settings: Settings, model: Path = typer.Argument(..., help="Folder of a stage-1 pipeline")
) -> None:
    """Print a row for each language."""
    common.use_gpu(settings.gpu_id)
    recogniser = Recogniser(spacy.load(model), "dualner")
    recogniser.network.eval()
    rows, results = [], {}
    for lang in (
        settings.langs.split(",") if settings.langs else languages(settings.corpus, [UNLABELLED])
    ):
        text = _read(
            recogniser, corpus_path(settings.corpus, UNLABELLED, lang), settings.unlabelled
        )
        tokenizer = recogniser.words.tokenizer
        sentences = np.arange(len(text))
        own = (recogniser.network, text, sentences, recogniser.shape, settings.share, tokenizer)
        templates = find_templates(*own)
        names = [template.text for template in templates]
        dev = _read(recogniser, corpus_path(settings.corpus, settings.split, lang), settings.limit)
        unread = _same_beginnings(text, templates, dev)
        scores = _scores(recogniser, dev, unread)
        lines = np.add.reduceat(unread, dev.word_bounds[:-1]) > 0
        results[lang] = {"templates": names, "share": float(lines.mean()), "f1": scores}
        cells = [f"{100 * lines.mean():.0f}%", *(f"{value:.1f}" for value in scores.values())]
        rows.append([lang, *cells, ", ".join(names)])
    header = ("", "lines", "as it is", "cut off", "not read", "beginnings")
    msg.table(rows, header=header, divider=True, aligns=("l", *"rrrr", "l"))
    common.save(settings.output, languages=results)


def _read(recogniser: Recogniser, path: Path, limit: int) -> SentenceArrays:
    builder = ArraysBuilder(recogniser.words, recogniser.scheme)
    builder.add(read_docs(path, spacy.blank("xx").vocab, limit), labelled=True)
    return builder.build()


def _same_beginnings(
    text: SentenceArrays, templates: list[Template], dev: SentenceArrays
) -> NDArray[np.bool_]:
    """The words of the templates of one text at the beginnings of another's sentences."""
    known = [
        _first_keys(text, template.sentences[:1])[0][: template.n_words] for template in templates
    ]
    begins = _first_keys(dev, np.arange(len(dev)))
    same = [
        Template(
            np.array(
                [i for i, own in enumerate(begins) if own[: len(keys)] == keys], dtype=np.int64
            ),
            len(keys),
            "",
        )
        for keys in known
    ]
    return template_words(dev, same)


def _first_keys(corpus: SentenceArrays, sentences: NDArray) -> list[list[int]]:
    batch, _ = corpus.select(sentences)
    keys = word_keys(batch)
    return [own.tolist() for own in np.split(keys, np.cumsum(batch.sentence_lengths)[:-1])]


def _scores(
    recogniser: Recogniser, dev: SentenceArrays, unread: NDArray[np.bool_]
) -> dict[str, float]:
    """F1 in percent, in the order of the table."""
    batch, tags = dev.select(np.arange(len(dev)))
    layout = Layout(batch.sentence_lengths)
    gold = _set(tags_to_spans(layout.spread(torch.from_numpy(tags))))

    def found(read: NDArray[np.bool_]) -> set[tuple[int, ...]]:
        rest = without_words(batch, ~read)
        with torch.no_grad():
            logits = recogniser.network(make_blocks(rest, recogniser.shape), int(read.sum()))[1]
        return _set(read_spans(with_unread(logits.cpu(), ~read), layout, "span"))

    everything = found(np.ones(len(unread), dtype=bool))
    row = layout.spread(torch.from_numpy(unread).long()).tolist()
    cut: set[tuple[int, ...]] = set()
    for start, end, kind in everything:
        while start <= end and row[start] == 1:
            start += 1
        if start <= end:
            cut.add((start, end, kind))
    names = ("as_is", "cut", "unread")
    return dict(
        zip(names, (_f1(own, gold) for own in (everything, cut, found(~unread))), strict=True)
    )


def _set(spans: Spans) -> set[tuple[int, ...]]:
    return set(zip(*(column.tolist() for column in spans), strict=True))


def _f1(found: set[tuple[int, ...]], gold: set[tuple[int, ...]]) -> float:
    return 200 * len(found & gold) / max(1, len(found) + len(gold))


if __name__ == "__main__":
    typer.run(main)
