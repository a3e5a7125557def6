"""The steps of stage 1: warm-up and decay, and which of them `spacy train` evaluates."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest
import spacy
import srsly
from helpers.corpus import entities, stage1_config
from helpers.corpus import write_corpus as write_splits
from helpers.tiny import SENTENCES
from hypothesis import given
from hypothesis import strategies as st
from spacy.cli.train import train
from spacy.tokens import Doc
from spacy.util import registry

from spacy_dualner.data.docbin import DocBinWriter
from spacy_dualner.training.batching import make_batcher
from spacy_dualner.training.corpus import Corpus
from spacy_dualner.training.optimizer import AdamW, warmup_epochs, warmup_linear
from spacy_dualner.training.steps import (
    count_steps,
    evaluated_steps,
    fitted_interval,
    fitted_warmup,
)


def test_warmup_rises_and_falls_in_straight_lines() -> None:
    rates = [warmup_linear(step, 4, 12) for step in range(14)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:] == pytest.approx([1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0, 0])
    assert warmup_linear(0, 0, 10) == 1.0


def write_corpus(folder: Path, sizes: dict[str, int]) -> Path:
    """German in shards of three sentences, other languages in one file each."""
    for lang, size in sizes.items():
        shards = 3 if lang == "de" else 100
        path = folder / f"{lang}.spacy"
        with DocBinWriter(path, lang, labelled=True, shard_size=shards) as writer:
            for _ in range(size):
                writer.add(*SENTENCES[0])
        assert path.is_dir() == (lang == "de")
    return folder


@pytest.mark.parametrize(
    ("settings", "sentences"), [({}, 12), ({"langs": "de"}, 7), ({"langs": "en,de:4"}, 9)]
)
def test_warmup_counts_the_steps_of_the_corpus(tmp_path, settings, sentences) -> None:
    corpus = Corpus(write_corpus(tmp_path / "train", {"en": 5, "de": 7}), **settings)
    epochs, size = 3, 4
    rates = registry.schedules.get("spacy-dualner.warmup_epochs.v1")(0.1, 2, epochs, size, corpus)
    random.seed(0)
    nlp = spacy.blank("xx")
    total = sum(len(list(make_batcher(size)(corpus(nlp)))) for _ in range(epochs))
    assert total == epochs * -(-sentences // size)
    rates = list(islice(rates, total + 2))
    warmup = fitted_warmup(2, total)
    assert rates == [0.1 * warmup_linear(step, warmup, total) for step in range(total + 2)]
    assert rates[total - 1] > 0 == rates[total] == rates[total + 1]


def test_the_optimizer_takes_the_schedule(tmp_path) -> None:
    corpus = Corpus(write_corpus(tmp_path / "train", {"en": 8}))
    optimizer = AdamW(warmup_epochs(0.1, 2, 2, 2, corpus))
    rates = []
    for _ in range(8):
        rates.append(optimizer.learn_rate)
        optimizer.step_schedules()
    assert rates == pytest.approx([0.05, 0.1, *(0.1 * n / 6 for n in range(6, 0, -1))])


def test_warmup_takes_a_quarter_at_most() -> None:
    """The paper's 300 of 1,256 steps, and what the presets have at full size, are not touched."""
    assert [fitted_warmup(*x) for x in ((300, 1256), (100, 939), (30, 256))] == [300, 100, 30]
    assert [fitted_warmup(100, total) for total in (0, 1, 6, 48)] == [0, 0, 2, 12]


def test_unbounded_training_keeps_its_rate(tmp_path: Path) -> None:
    """`max_epochs = 0` was a rate of 0."""
    corpus = Corpus(write_corpus(tmp_path / "train", {"en": 8}))
    rates = list(islice(warmup_epochs(0.1, 2, 0, 2, corpus), 100))
    assert rates == [0.05] + [0.1] * 99
    bounded = list(islice(warmup_epochs(0.1, 0, 0, 2, corpus, max_steps=9), 11))
    assert bounded == pytest.approx([0.01 * n for n in range(10, -1, -1)])


# Which steps are evaluated


@given(
    sentences=st.integers(1, 1_000_000),
    epochs=st.integers(1, 10),
    size=st.sampled_from([32, 64, 128]),
    asked=st.sampled_from([1, 60, 250, 469, 100_000]),
)
def test_each_epoch_and_the_end_are_evaluated(
    sentences: int, epochs: int, size: int, asked: int
) -> None:
    per_epoch = -(-sentences // size)
    total = epochs * per_epoch
    interval = fitted_interval(total, min(asked, per_epoch))
    # As spaCy's loop does it.
    evaluated = [step for step in range(total) if step % interval == 0]
    assert max(interval, 1) <= min(asked, per_epoch)
    for epoch in range(epochs):
        after = [step for step in evaluated if step >= epoch * per_epoch]
        assert after and after[0] < (epoch + 1) * per_epoch
    assert evaluated[-1] + 1 == evaluated_steps(total, interval)
    assert total - evaluated_steps(total, interval) < max(2, len(evaluated) - 1)


@pytest.mark.parametrize(
    ("sentences", "evaluated"),
    [(100, [0, 1, 2, 3, 4, 5]), (1000, [0, 15, 30, 45]), (20_000, [0, 312, 624, 936])],
)
def test_what_mini_evaluates(sentences: int, evaluated: list[int]) -> None:
    per_epoch = -(-sentences // 64)
    interval = fitted_interval(3 * per_epoch, min(469, per_epoch))
    assert list(range(0, 3 * per_epoch, interval)) == evaluated


def test_the_rate_is_0_after_the_last_evaluation(tmp_path: Path) -> None:
    corpus = Corpus(write_corpus(tmp_path / "train", {"en": 32}))
    steps = count_steps(corpus, 2, 3)
    assert steps == (48, 16) and fitted_interval(48, 16) == 15
    rates = list(islice(warmup_epochs(0.1, 100, 3, 2, corpus, eval_frequency=15), 48))
    assert rates[11] == 0.1 and rates[45] > 0 == rates[46] == rates[47]
    unfitted = list(islice(warmup_epochs(0.1, 100, 3, 2, corpus, eval_frequency=469), 48))
    assert unfitted[47] > 0


def test_spacy_train_keeps_a_trained_model_of_a_small_corpus(
    encoder_path: Path, tmp_path: Path
) -> None:
    """With an interval longer than the run, only the first step was evaluated, and kept."""
    corpus = write_splits(tmp_path / "corpus", ("en",), copies=4)
    log = tmp_path / "log.jsonl"
    config = stage1_config(
        encoder_path,
        corpus,
        corpora__dev__langs="en",
        training__max_epochs=20,
        training__eval_frequency=469,
        training__optimizer__learn_rate__warmup_steps=100,
        training__logger__output_file=str(log),
    )
    config.to_disk(tmp_path / "stage1.cfg", interpolate=False)
    train(tmp_path / "stage1.cfg", tmp_path)
    rows = list(srsly.read_jsonl(log))
    assert [row["step"] for row in rows] == list(range(0, 79, 3))
    best, last = (spacy.load(tmp_path / name) for name in ("model-best", "model-last"))
    assert best.config["training"]["eval_frequency"] == 3
    assert rows[-1]["score"] > 0.9 > 0.5 > rows[0]["score"]
    assert best.meta["performance"]["ents_f_mean"] == max(row["score"] for row in rows)
    assert entities(last) == entities(best)


def test_a_run_of_few_steps_gets_more_epochs(encoder_path: Path, tmp_path: Path) -> None:
    """Two epochs are eight steps; it ends with the last of so many epochs that there are 50."""
    corpus = write_splits(tmp_path / "corpus", ("en",), copies=4)
    log = tmp_path / "log.jsonl"
    config = stage1_config(
        encoder_path,
        corpus,
        corpora__dev__langs="en",
        training__max_epochs=2,
        training__eval_frequency=469,
        training__logger__output_file=str(log),
        initialize__after_init__min_steps=50,
    )
    config.to_disk(tmp_path / "stage1.cfg", interpolate=False)
    with pytest.warns(UserWarning, match="2 epochs .* are 8 steps: .* raised to 13"):
        train(tmp_path / "stage1.cfg", tmp_path)
    # Of 52 steps; not after each epoch of four.
    assert [row["step"] for row in srsly.read_jsonl(log)] == [0, 17, 34, 51]
    assert spacy.load(tmp_path / "model-best").config["training"]["max_epochs"] == 13
    overridden = {"training.max_steps": 5, "training.logger.output_file": None}
    train(tmp_path / "stage1.cfg", tmp_path / "bounded", overrides=overridden)
    config = spacy.load(tmp_path / "bounded" / "model-last").config
    assert config["training"]["max_epochs"] == 2


def test_a_pipeline_without_its_corpus_initialises(encoder_path: Path, tmp_path: Path) -> None:
    """The callback stays in the config of the trained pipeline."""
    config = stage1_config(encoder_path, tmp_path / "corpus")
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    docs = [Doc(nlp.vocab, words=words, ents=tags) for words, tags in SENTENCES]
    nlp.initialize(lambda: [spacy.training.Example(doc.copy(), doc) for doc in docs])
    assert nlp.config["training"]["eval_frequency"] == 4
