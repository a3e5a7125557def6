"""Where it ends: one Doc of a million words, 200 entity types, 100 languages in one `teach`.

python -m experiments.benchmarks.capacity --words 1000000 --types 200 --langs 100
"""

from __future__ import annotations

import itertools
import multiprocessing
import string
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from wasabi import msg

from experiments.benchmarks import common, peers
from experiments.benchmarks.memory import Peak, sentences
from spacy_dualner.cli._options import with_settings
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.pipeline import find_component
from spacy_dualner.teaching.teach import teach

Measures = dict[str, float]
CASES = "doc,types,langs"
BATCH = 64


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    cases: str = typer.Option(CASES, help="Which to run")
    words: int = typer.Option(1_000_000, help="Words of one Doc")
    types: int = typer.Option(200, help="Entity types")
    langs: int = typer.Option(100, help="Languages of one teach, at most 676")
    n: int = typer.Option(4000, "--sentences", help="Sentences of types, and of all languages")
    encoder: Path = common.Encoder
    shape: str = typer.Option("2x128", "--shape", help="LAYERSxWIDTH of the encoder")
    output: Path | None = common.Output


@with_settings()
def main(settings: Settings) -> None:
    """Measure each case, and one a tenth or less of its size, in a process of its own."""
    results: dict[str, Measures] = {}
    with common.encoder_folder(settings.encoder, settings.shape) as folder:
        for case in settings.cases.split(","):
            for function, *arguments in jobs(case, settings):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    name = " ".join(map(str, (function.__name__, *arguments)))
                    results[name] = pool.apply(function, (folder, *arguments))
                msg.info(f"{name}: " + ", ".join(f"{k} {v:,.4g}" for k, v in results[name].items()))
    common.save(settings.output, shape=settings.shape, results=results)


def jobs(case: str, settings: Settings) -> list[tuple]:
    """Functions and their arguments after the encoder's folder."""
    words, n = settings.words, settings.n
    cases: dict[str, list[tuple]] = {
        "doc": [
            (one_doc, size, decode)
            for decode in ("span", "joint")
            for size in (words // 100, words // 10, words)
        ],
        "types": [(many_types, size, n) for size in (3, settings.types)],
        "langs": [(many_languages, size, n) for size in (1, settings.langs)],
    }
    return cases[case]


@contextmanager
def measured(found: Measures, name: str) -> Iterator[None]:
    """Note processor seconds, and megabytes beyond those before."""
    begin, peak = time.process_time(), Peak()
    with peak:
        before = peak.most
        yield
    found[f"{name}, CPU s"] = time.process_time() - begin
    found[f"{name}, MB more"] = peak.most - before


def one_doc(folder: Path, n: int, decode: str) -> Measures:
    """One Doc of n words, and the same words in Docs of eight."""
    torch.set_num_threads(1)
    nlp = peers.dualner_nlp({"name": str(folder), "mixed_precision": True})
    find_component(nlp, "dualner").cfg["decode"] = decode
    words = list(sentences(n // 8, new=0))
    peers.pipe_words(nlp, words[:100], 100)
    found: Measures = {}
    with measured(found, "Docs of 8 words"):
        peers.pipe_words(nlp, words, 1000)
    doc = Doc(nlp.vocab, words=list(itertools.chain(*words)))
    with measured(found, "one Doc"):
        nlp(doc)
    return found | {"entities": len(doc.ents)}


def typed_sentences(nlp: Language, n_types: int, n: int) -> list[Example]:
    """Each with an entity whose type its first word tells."""
    letters = [a + b for a, b in itertools.product(string.ascii_lowercase, repeat=2)]
    made = []
    for number, words in enumerate(sentences(n, new=0)):
        kind = number % n_types
        words[3:5] = [letters[kind % 676].upper(), f"{letters[kind // 26]}x"]
        doc = Doc(nlp.vocab, words=words)
        doc.ents = [Span(doc, 3, 5, label=f"TYPE{kind}")]
        made.append(Example(Doc(nlp.vocab, words=words), doc))
    return made


def many_types(folder: Path, n_types: int, n: int) -> Measures:
    """Train on sentences of so many types, find them again, save and load."""
    torch.set_num_threads(1)
    nlp = spacy.blank("xx")
    config = {"model": {"tok2vec": {"name": str(folder)}}, "decode": "joint"}
    nlp.add_pipe("dualner", config=config)
    examples, found = typed_sentences(nlp, n_types, n), dict[str, float]()
    with peers.quiet_loading():
        optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 1e-3
    with measured(found, "an epoch of training"):
        for _ in range(5):
            for batch in minibatch(examples, BATCH):
                nlp.update(batch, sgd=optimizer)
    found["an epoch of training, CPU s"] /= 5
    texts = [[token.text for token in example.reference] for example in examples]
    with measured(found, "joint decoding with confidence and the encoder"):
        peers.pipe_words(nlp, texts, 1000)
    found["F1"] = nlp.evaluate(examples)["ents_f"]
    found["types found"] = len({e.label_ for x in examples for e in nlp(x.predicted.copy()).ents})
    with tempfile.TemporaryDirectory() as temp:
        nlp.to_disk(temp)
        again = spacy.load(temp)
    labels = find_component(nlp, "dualner").labels
    if find_component(again, "dualner").labels != labels or len(labels) != n_types:
        raise AssertionError("a loaded pipeline has other types")
    return found


def many_languages(folder: Path, n_langs: int, n: int) -> Measures:
    """An epoch of `teach` over n sentences of so many languages together."""
    torch.set_num_threads(1)
    codes = itertools.islice(itertools.product(string.ascii_lowercase, repeat=2), n_langs)
    found: Measures = {}
    with tempfile.TemporaryDirectory() as temp:
        corpus = Path(temp) / "corpus"
        peers.dualner_nlp({"name": str(folder)}).to_disk(Path(temp) / "model")
        with DocBinWriter(corpus_path(corpus, "train", "en"), "en", labelled=True) as writer:
            for words in sentences(1000):
                writer.add(words, ["B-PER", *["O"] * (len(words) - 1)])
        for lang in map("".join, codes):
            path = corpus_path(corpus, "unlabelled", lang)
            with DocBinWriter(path, lang, labelled=False) as writer:
                for words in sentences(n // n_langs):
                    writer.add(words)
        config = common.teaching_config(Path(temp), max_epochs=1, held_back=10)
        with measured(found, "an epoch of teach"):
            teach(config, Path(temp) / "out")
    return found


if __name__ == "__main__":
    typer.run(main)
