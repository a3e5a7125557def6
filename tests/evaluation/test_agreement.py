"""Precision without annotations: a power of the heads' agreement, and entities that come to it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
import torch
from helpers.corpus import entities, run_cli, write_corpus
from helpers.tiny import SENTENCES, train_nlp

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.agreement import agreement_power, shift_to
from spacy_dualner.evaluation.calibrate import calibrate, fit
from spacy_dualner.evaluation.calibrate_settings import CalibrateSettings
from spacy_dualner.evaluation.reliability import log_loss, measure
from spacy_dualner.evaluation.sentences import Sentences
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE


def test_the_power_is_that_of_the_annotated_text() -> None:
    assert 0.9 ** agreement_power([0.9], [0.8]) == pytest.approx(0.8)
    powers = agreement_power([0.9, 0.5], [0.9**3, 0.5**3])
    assert powers == pytest.approx(3)


@pytest.mark.parametrize(("agreement", "precision"), [(1.0, 0.7), (0.0, 0.0), (0.5, 1.0)])
def test_a_power_is_finite(agreement: float, precision: float) -> None:
    assert np.isfinite(agreement_power([agreement], [precision]))


@pytest.mark.parametrize("precision", [0.0, 0.2, 0.9, 1.0])
def test_entities_come_to_a_precision(precision: float) -> None:
    log_odds = np.array([-11.0, 0.5, 3.0, 11.0])
    found = shift_to(log_odds, precision)
    assert found.mean() == pytest.approx(np.clip(precision, 0.01, 0.99))
    assert (np.diff(found) > 0).all()
    steps = np.diff(np.log(found / (1 - found)))
    np.testing.assert_allclose(steps, np.diff(log_odds), rtol=1e-6)


def test_nothing_found_is_nothing_to_shift() -> None:
    assert len(shift_to(np.zeros(0), 0.5)) == 0


def test_log_loss_of_what_is_probable() -> None:
    """That of an entity that is right in three of four cases, and wrong in one."""
    sure = np.full(4, 0.6)
    of_cases = log_loss(sure, np.array([True, True, True, False]))
    assert log_loss(sure[:1], np.array([0.75])) == pytest.approx(of_cases)


# Fits, with heads made up: the harder a language, the more noise is added to what is right


def make_sentences(n: int, noise: float, seed: int, annotated: bool = True) -> Sentences:
    """Three words each, every other one an entity of one of three types.

    noise (float): Of all heads, and again of each kind of heads by itself.
    """
    rng = torch.Generator().manual_seed(seed)
    layout = Layout([3] * n)
    type_ = torch.randint(1, 4, (3 * n,), generator=rng)
    type_[1::2] = 0
    tag = torch.where(type_ > 0, 2 * type_ - 1, 0)
    word, scores = torch.arange(3 * n), torch.zeros(3 * n, 15)
    for column in (tag, 7 + type_, 11 + type_):
        scores[word, column] = 4.0
    of_all, of_tag, of_bounds = torch.randn(3, 3 * n, 4, generator=rng) * noise
    for own, columns in (
        (of_tag, [0, 1, 3, 5]),
        (of_bounds, [7, 8, 9, 10]),
        (of_bounds, [11, 12, 13, 14]),
    ):
        scores[:, columns] += of_all + own
    gold = tag if annotated else torch.full_like(tag, IGNORE)
    return Sentences(scores, layout, layout.spread(gold))


def test_agreement_is_f1_of_the_heads() -> None:
    sentences = make_sentences(300, 1.4, seed=1)
    found = {
        decode: set(zip(*(v.tolist() for v in sentences.read(decode).spans), strict=True))
        for decode in ("span", "tag")
    }
    shared = len(found["span"] & found["tag"])
    expected = 2 * shared / (len(found["span"]) + len(found["tag"]))
    assert sentences.agreement == pytest.approx(expected)
    assert 0.5 < expected < 0.9
    assert make_sentences(300, 0.1, seed=1).agreement == 1.0
    nothing = Sentences(torch.zeros(0, 15), Layout([]), torch.zeros(0, dtype=torch.long))
    assert nothing.agreement == 0.0


@pytest.mark.slow
def test_a_harder_language_gets_less_confidence() -> None:
    """It is wrong more often than the source language tells, and its labels are not looked at."""
    source = make_sentences(800, 1.4, seed=1)
    raw = make_sentences(800, 3.0, seed=2, annotated=False)
    assert not len(raw.judge("span").right)
    test = make_sentences(800, 3.0, seed=3).judge("span")
    fits = [fit([source], unlabelled, "span", "network") for unlabelled in ([], [raw])]
    alone, both = (measure(test.confidences(fitted), test.right) for fitted in fits)
    power = fits[1].power
    assert power is not None and both["confidence"] == pytest.approx(raw.agreement**power, abs=0.03)
    assert alone["confidence"] > both["confidence"] + 0.1 > both["right"] + 0.2
    assert both["ece"] < 0.75 * alone["ece"]


# The command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with `model` and `corpus`: annotated en, raw de and sw, test text of both."""
    folder = tmp_path_factory.mktemp("agreement")
    nlp = train_nlp(encoder_path, steps=30)
    nlp.config["corpora"]["train"] = {"@readers": "spacy-dualner.Corpus.v1", "langs": "en"}
    nlp.to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"], copies=12, dev=["en"])
    return folder


def command(folder: Path, out: Path, *options: Any) -> tuple[dict[str, Any], str]:
    """What `calibrate` says, with all of the training text to fit on."""
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", out, "-c", folder / "corpus", "--langs", "en",
        "--split", "train", "--output", out.with_suffix(".json"), *options,
    )  # fmt: skip
    assert status == 0, said
    return srsly.read_json(out.with_suffix(".json")), said


def test_languages_without_annotations_are_taken_by_default(folder: Path, tmp_path: Path) -> None:
    found, said = command(folder, tmp_path / "out", "--unlabelled-limit", 20)
    assert found["unlabelled"] == {"split": "unlabelled", "languages": ["de", "sw"], "limit": 20}
    assert sorted(found["agreement"]) == ["de", "en", "sw"]
    assert "Without annotations: de, sw" in said
    alone, said = command(folder, tmp_path / "alone", "--unlabelled-split", "none")
    assert alone["unlabelled"]["languages"] == [] and "Without annotations" not in said
    nlp, other = (spacy.load(tmp_path / name) for name in ("out", "alone"))
    assert entities(nlp) == entities(other)


def test_unlabelled_languages_can_be_named(folder: Path, tmp_path: Path) -> None:
    found, _ = command(folder, tmp_path / "out", "--unlabelled-langs", "en,de")
    assert found["unlabelled"]["languages"] == ["de"]


def test_annotations_of_unlabelled_text_are_ignored(folder: Path, tmp_path: Path) -> None:
    """Those of types that the pipeline does not know as well."""
    corpus = tmp_path / "corpus"
    shutil.copytree(folder / "corpus", corpus)
    with DocBinWriter(corpus_path(corpus, "other", "de"), "de", labelled=True) as writer:
        for words, _ in SENTENCES:
            writer.add(words, ["B-MISC", *"O" * (len(words) - 1)])
    settings = {"langs": ["en"], "method": "temperature"}
    unlabelled = CalibrateSettings(unlabelled_split="other", **settings)
    found = calibrate(folder / "model", tmp_path / "out", corpus, unlabelled)
    assert found["unlabelled"]["languages"] == ["de"]
    annotated = CalibrateSettings(test_split="other", **settings)
    with pytest.raises(DualNerError, match="it cannot find MISC"):
        calibrate(folder / "model", tmp_path / "out", corpus, annotated)


@pytest.mark.parametrize("n_others", [0, 4])
def test_too_few_entities_for_a_network(
    folder: Path, tmp_path: Path, n_others: int, recwarn: pytest.WarningsRecorder
) -> None:
    """Two in all, one right; or but one in the sentences that are not held out."""
    words, tags = SENTENCES[0]
    with DocBinWriter(corpus_path(tmp_path / "corpus", "dev", "en"), "en", labelled=True) as writer:
        for _ in range(n_others):
            writer.add(["nothing"], ["O"])
        writer.add(words, [*tags[:2], *"O" * (len(words) - 2)])
    found = calibrate(folder / "model", tmp_path / "out", tmp_path / "corpus")
    for own in found["decodings"].values():
        assert not own["network"] and np.isfinite([*own["held_out_log_loss"].values()]).all()
    assert not recwarn


def test_the_mean_of_targets(folder: Path, tmp_path: Path) -> None:
    found, said = command(folder, tmp_path / "out", "--method", "temperature")
    for own in found["decodings"].values():
        for when in ("before", "after"):
            eces = [own[when]["languages"][lang]["ece"] for lang in ("de", "sw")]
            assert own[when]["mean_targets"]["ece"] == pytest.approx(np.mean(eces))
    assert "mean of targets" in said
