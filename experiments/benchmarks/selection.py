"""What `select` gains over chance: few sentences chosen in each way, annotated, and trained on.

    python -m experiments.benchmarks.selection training/stage1/model-best corpus out.jsonl \
        --langs tr,ar,hi
    python -m experiments.benchmarks.selection_report out.jsonl few.svg

For each language and seed, sentences are drawn from its training text as a pool, their annotation
hidden. Of these so many are chosen by each way, their annotation is shown, and the pipeline is
trained on them alone from where it was: the same steps, rates and seed for each way. It is scored
on development sentences. A row of the output is one training; those that are there are not redone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import srsly
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import xp2torch

from spacy_dualner.annotation.shortlist import Shortlist
from spacy_dualner.cli._options import with_settings
from spacy_dualner.data.docbin import corpus_path, read_docs
from spacy_dualner.decoding.confidence import doubts
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.evaluation.sentences import Sentences
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.words import DocWords
from spacy_dualner.pipeline import find_component, load_pipeline, predict_words
from spacy_dualner.training.batching import make_batcher
from spacy_dualner.training.optimizer import AdamW, warmup_linear

NAME = "dualner"
BATCH = 16
RATE = 1.5e-4
# Longer sentences would take most of the time.
MAX_WORDS = 20
MAX_READ = 12_000


@dataclass(frozen=True)
class Settings:
    """What is chosen from, and how much.

    langs (str): Languages, with commas between them.
    ways (str): Of random, select and most, with commas between them.
    sizes (str): Sentences to choose, with commas between them.
    seeds (int): Pools and trainings of each.
    pool (int): Sentences to choose from.
    dev (int): Sentences to score on.
    """

    langs: str = "tr,ar,hi"
    ways: str = "random,select"
    sizes: str = "100,50,200"
    seeds: int = 3
    pool: int = 1000
    dev: int = 700


@with_settings()
def main(
    settings: Settings,
    model: Path = typer.Argument(..., help="Folder of a pipeline, zero-shot in the languages"),
    corpus: Path = typer.Argument(..., help="Corpus folder with train and dev of the languages"),
    output: Path = typer.Argument(..., help="JSON lines to write, or to go on with"),
) -> None:
    """Choose, train and score."""
    ways, sizes = settings.ways.split(","), settings.sizes.split(",")
    done = set()
    if output.exists():
        done = {tuple(r[k] for k in ("lang", "seed", "n", "way")) for r in srsly.read_jsonl(output)}
    nlp = load_pipeline(model)
    start = find_component(nlp, NAME).to_bytes()
    for seed in range(settings.seeds):
        for lang in settings.langs.split(","):
            runs = [(int(n), way) for n in sizes for way in ways]
            runs = [(n, way) for n, way in runs if (lang, seed, n, way) not in done]
            if not runs:
                continue
            find_component(nlp, NAME).from_bytes(start)
            pool = sample(nlp, corpus_path(corpus, "train", lang), settings.pool, seed)
            texts = {doc.text for doc in pool}
            dev = [
                doc
                for doc in read_short(nlp, corpus_path(corpus, "dev", lang))
                if doc.text not in texts
            ][: settings.dev]
            order = {way: WAYS[way](nlp, pool, seed) for way in ways}
            before = score(nlp, dev)
            for n, way in runs:
                chosen = order[way](n)
                find_component(nlp, NAME).from_bytes(start)
                train(nlp, [pool[i] for i in chosen], seed)
                row = {"lang": lang, "seed": seed, "n": n, "way": way, "before": before}
                row |= {"f1": score(nlp, dev), "words": sum(len(pool[i]) for i in chosen)}
                row |= {"entities": sum(len(pool[i].ents) for i in chosen)}
                with output.open("a", encoding="utf-8") as file:
                    file.write(srsly.json_dumps(row) + "\n")


def read_short(nlp: Language, path: Path) -> Iterator[Doc]:
    """The first sentences of a corpus file, without the long ones."""
    return (doc for doc in read_docs(path, nlp.vocab, MAX_READ) if 0 < len(doc) <= MAX_WORDS)


def sample(nlp: Language, path: Path, n: int, seed: int) -> list[Doc]:
    """Some of the sentences of a corpus file."""
    return random.Random(seed).sample(list(read_short(nlp, path)), n)


Chooser = Callable[[int], Sequence[int]]


def by_chance(nlp: Language, pool: Sequence[Doc], seed: int) -> Chooser:
    """Any sentences."""
    order = random.Random(1000 + seed).sample(range(len(pool)), len(pool))
    return lambda n: order[:n]


def by_select(nlp: Language, pool: Sequence[Doc], seed: int) -> Chooser:
    """Those that the command `select` takes."""
    docs, shares = predicted(nlp, pool)

    def choose(n: int) -> list[int]:
        shortlist = Shortlist(n, seed)
        for doc, doubt in zip(docs, shares, strict=True):
            shortlist.add(doc, doubt, b"%d" % doc.user_data["number"])
        return [int(number) for _, number in shortlist.chosen()]

    return choose


def by_doubt(nlp: Language, pool: Sequence[Doc], seed: int) -> Chooser:
    """The most doubtful ones."""
    order = np.argsort(-np.array(predicted(nlp, pool)[1]), kind="stable").tolist()
    return lambda n: order[:n]


WAYS = {"random": by_chance, "select": by_select, "most": by_doubt}


def predicted(nlp: Language, pool: Sequence[Doc]) -> tuple[list[Doc], list[float]]:
    """What `select` sees of the sentences: found entities, and doubts."""
    pipe = find_component(nlp, NAME)
    docs, scores = predict_words(nlp, NAME, pool)
    pipe.set_annotations(docs, scores)
    for number, doc in enumerate(docs):
        doc.user_data["number"] = number
    words = DocWords(docs)
    logits = words.of_tokens(xp2torch(scores))
    return docs, doubts(logits, Layout(words.lengths), pipe.cfg["decode"]).tolist()


def freeze(nlp: Language) -> None:
    """Leave the embeddings and the lower half of the encoder as they are, which saves time."""
    encoder = encoder_shim(find_component(nlp, NAME).model.get_ref("tok2vec"))._model
    layers = encoder.encoder.layer
    for module in (encoder.embeddings, *layers[: len(layers) // 2]):
        module.requires_grad_(False)


def train(nlp: Language, docs: Sequence[Doc], seed: int) -> None:
    """Train on a few sentences, as `spacy train` would."""
    fix_random_seed(seed)
    freeze(nlp)
    # 20 for 50 sentences, 40 for 200: six epochs of few sentences, three of many.
    n_steps = round((8 * len(docs)) ** 0.5)
    rates = (
        RATE * warmup_linear(step, max(1, n_steps // 8), n_steps) for step in range(n_steps + 1)
    )
    sgd = AdamW(rates, heads_factor=5.0)
    examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
    batches = make_batcher(BATCH)
    step = 0
    while step < n_steps:
        for batch in batches(examples):
            if step < n_steps:
                nlp.update(batch, sgd=sgd, drop=0.1)
                sgd.step_schedules()
            step += 1


def score(nlp: Language, docs: Sequence[Doc]) -> dict[str, float]:
    """F1 in percent of the two decodings that read the start and end heads."""
    sentences = Sentences.predict(nlp, NAME, docs)
    f1 = {}
    for decode in ("span", "joint"):
        right = sentences.judge(decode).right
        f1[decode] = 200 * float(right.sum()) / max(1, len(right) + len(sentences.gold.start))
    return f1


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
