"""The command `calibrate`: a copy of a pipeline whose confidences fit annotated text."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from helpers.corpus import entities, run_cli, stage2_config, write_corpus
from helpers.noisy import write_noisy
from helpers.tiny import SENTENCES, train_nlp
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_dualner.data.docbin import DocBinWriter, corpus_path, read_docs
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.calibrate import calibrate, measures
from spacy_dualner.evaluation.calibrate_settings import CalibrateSettings
from spacy_dualner.evaluation.fitting import Fit
from spacy_dualner.evaluation.reliability import measure
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import teach


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with `model`, taught on English, and `corpus` in en and de."""
    folder = tmp_path_factory.mktemp("calibrate")
    nlp = train_nlp(encoder_path, steps=30)
    nlp.config["corpora"]["train"] = {"@readers": "spacy-dualner.Corpus.v1", "langs": "en"}
    nlp.to_disk(folder / "model")
    for i, (split, lang) in enumerate((s, la) for s in ("dev", "test") for la in ("en", "de")):
        write_noisy(corpus_path(folder / "corpus", split, lang), lang, 150, seed=i)
    return folder


@pytest.fixture(scope="module")
def calibrated(folder: Path) -> dict[str, Any]:
    """What the command says; the pipeline is in `folder / "calibrated"`."""
    return calibrate(folder / "model", folder / "calibrated", folder / "corpus")


def annotate(nlp: Language, corpus: Path, lang: str) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of the entities in the test text, and whether they are right."""
    sure, right = [], []
    golds = list(read_docs(corpus_path(corpus, "test", lang), nlp.vocab))
    docs = [Doc(nlp.vocab, words=[token.text for token in gold]) for gold in golds]
    for gold, doc in zip(golds, nlp.pipe(docs, batch_size=7), strict=True):
        expected = {(ent.start, ent.end, ent.label_) for ent in gold.ents}
        group = doc.spans["dualner"]
        assert [(s.start, s.end) for s in group] == [(e.start, e.end) for e in doc.ents]
        sure += group.attrs["scores"]
        right += [(ent.start, ent.end, ent.label_) in expected for ent in doc.ents]
    return np.array(sure), np.array(right)


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_the_measures_are_those_of_the_pipelines(
    folder: Path, calibrated: dict[str, Any], decode: str
) -> None:
    """Each pipeline, loaded anew, gives what the command says."""
    for when, name in (("before", "model"), ("after", "calibrated")):
        nlp = spacy.load(folder / name)
        nlp.get_pipe("dualner").cfg["decode"] = decode
        for lang in ("en", "de"):
            expected = measure(*annotate(nlp, folder / "corpus", lang))
            got = calibrated["decodings"][decode][when]["languages"][lang]
            assert got["n"] == expected["n"] > 50
            for key in ("right", "confidence", "log_loss"):
                assert got[key] == pytest.approx(expected[key], abs=1e-4)
            # Confidences that are all but equal may change places.
            assert got["auroc"] == pytest.approx(expected["auroc"], abs=5e-3)


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_confidences_become_true(calibrated: dict[str, Any], decode: str) -> None:
    """A quarter of the entities is wrong whatever a pipeline does, and it learns to say so."""
    own = calibrated["decodings"][decode]
    before, after = own["before"]["all"], own["after"]["all"]
    assert before["confidence"] - before["right"] > 0.1
    assert abs(after["confidence"] - after["right"]) < 0.06
    assert after["ece"] < before["ece"] / 2
    assert after["log_loss"] < before["log_loss"]
    assert own["temperature"] > 1


def test_the_same_entities_are_found(folder: Path, calibrated: dict[str, Any]) -> None:
    before, after = (spacy.load(folder / name) for name in ("model", "calibrated"))
    assert entities(after) == entities(before)
    assert calibrated["targets"] == ["de"]


@pytest.mark.parametrize("way", ["disk", "bytes"])
def test_a_calibration_is_stored(
    folder: Path, calibrated: dict[str, Any], tmp_path: Path, way: str
) -> None:
    nlp = spacy.load(folder / "calibrated")
    text = " ".join(SENTENCES[0][0])
    expected = nlp(text).spans["dualner"].attrs["scores"]
    assert expected != spacy.load(folder / "model")(text).spans["dualner"].attrs["scores"]
    if way == "disk":
        nlp.to_disk(tmp_path / "again")
        again = spacy.load(tmp_path / "again")
    else:
        again = spacy.load(folder / "model").from_bytes(nlp.to_bytes())
    assert again(text).spans["dualner"].attrs["scores"] == expected


@pytest.mark.parametrize("method", ["temperature", "network"])
def test_method(folder: Path, tmp_path: Path, method: str) -> None:
    corpus = folder / "corpus"
    results = calibrate(
        folder / "model", tmp_path / "out", corpus, CalibrateSettings(["en"], method=method)
    )
    assert results["fit"]["languages"] == ["en"]
    for own in results["decodings"].values():
        assert own["network"] == (method == "network")
    pipe = spacy.load(tmp_path / "out").get_pipe("dualner")
    temperatures = {d: own["temperature"] for d, own in results["decodings"].items()}
    assert pipe.cfg["temperature"] == pytest.approx(temperatures)


def test_without_a_mistake_there_is_nothing_to_fit(folder: Path, tmp_path: Path) -> None:
    """The least loss would be at confidences of 1, in every language."""
    nlp = spacy.load(folder / "model")
    docs = list(read_docs(corpus_path(folder / "corpus", "dev", "en"), nlp.vocab))
    found = nlp.pipe(Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs)
    path = corpus_path(tmp_path / "corpus", "dev", "en")
    path.parent.mkdir(parents=True)
    DocBin(docs=found).to_disk(path)
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", tmp_path / "out", "-c", tmp_path / "corpus"
    )
    assert status == 0, said
    assert re.search(r"span: (\d+) of \1 entities found are right: nothing to fit", said)
    assert spacy.load(tmp_path / "out").get_pipe("dualner").cfg["temperature"]["span"] == 1.0


def test_decode_of_the_copy(folder: Path, tmp_path: Path) -> None:
    """The config says what the component does, for whoever reads it (the card, for one)."""
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", tmp_path / "out", "-c", folder / "corpus",
        "--langs", "en", "--decode", "joint", "--method", "temperature",
    )  # fmt: skip
    assert status == 0, said
    nlp = spacy.load(tmp_path / "out")
    pipe, config = nlp.get_pipe("dualner"), nlp.get_pipe_config("dualner")
    assert pipe.cfg["decode"] == config["decode"] == "joint"
    assert pipe.cfg["temperature"] == pytest.approx(config["temperature"])
    assert spacy.load(folder / "model").get_pipe("dualner").cfg["decode"] == "span"


def test_languages_and_limit_of_a_preset(folder: Path, tmp_path: Path) -> None:
    """Languages that have no annotated text are left out."""
    preset = '[data]\nsource = "en"\ntargets = "de,sw"\ntest_limit = 20\n'
    (tmp_path / "preset.cfg").write_text(preset)
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", tmp_path / "out", "-c", folder / "corpus",
        "--preset", tmp_path, "--method", "temperature", "--output", tmp_path / "scores.json",
    )  # fmt: skip
    assert status == 0, said
    results = srsly.read_json(tmp_path / "scores.json")
    assert results["fit"]["languages"] == ["en", "de"]
    assert results["test"] == {"split": "test", "languages": ["en", "de"], "limit": 20}


def test_teaching_forgets_a_calibration(
    folder: Path, calibrated: dict[str, Any], tmp_path: Path
) -> None:
    write_corpus(tmp_path / "corpus")
    config = stage2_config(folder / "calibrated", tmp_path / "corpus", teaching__max_epochs=1)
    pipe = spacy.load(teach(resolve_config(config), tmp_path / "out")).get_pipe("dualner")
    assert pipe.cfg["temperature"] == {"span": 1.0, "tag": 1.0, "joint": 1.0}
    assert not pipe.model.attrs["calibrators"]


def test_the_command(folder: Path, tmp_path: Path) -> None:
    output, diagram = tmp_path / "scores.json", tmp_path / "reliability.svg"
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", tmp_path / "out", "-c", folder / "corpus",
        "--langs", "en", "--limit", 60, "--output", output, "--diagram", diagram,
    )  # fmt: skip
    assert status == 0, said
    assert "span: temperature" in said and "ECE before" in said
    results = srsly.read_json(output)
    assert results["fit"] == {
        "split": "dev",
        "languages": ["en"],
        "limit": 60,
        "entities": results["fit"]["entities"],
    }
    bins = results["decodings"]["span"]["after"]["targets"]["bins"]
    assert sum(b["n"] for b in bins) == results["decodings"]["span"]["after"]["targets"]["n"]
    svg = diagram.read_text()
    assert svg.startswith("<?xml") and "expected calibration" in svg.lower()
    assert "<text" in svg and "before: error" in svg


def test_a_language_in_which_nothing_is_found_is_no_part_of_the_mean() -> None:
    """Else its error counts as 0."""

    def judged(*right: bool) -> Any:
        sure = np.full(len(right), 0.8)
        return SimpleNamespace(right=np.array(right, bool), confidences=lambda _: sure)

    own = measures({"de": judged(True, False), "sw": judged()}, ["de", "sw"], Fit())
    assert own["mean_targets"]["ece"] == own["languages"]["de"]["ece"] > 0


@pytest.mark.parametrize("test_split", ["later", "bare"])
def test_without_test_text_it_still_fits(folder: Path, tmp_path: Path, test_split: str) -> None:
    """Where there is none, or none of it is annotated."""
    with DocBinWriter(corpus_path(folder / "corpus", "bare", "de"), "de", labelled=False) as writer:
        writer.add(SENTENCES[0][0])
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", tmp_path / "out", "-c", folder / "corpus",
        "--langs", "en", "--test-split", test_split,
    )  # fmt: skip
    assert status == 0, said
    assert "No annotated text to measure on" in said and "mean of targets" not in said
    assert spacy.load(tmp_path / "out").get_pipe("dualner").cfg["temperature"]["span"] != 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "isotonic"}, "Choose one of: auto, temperature, network"),
        ({"decode": "viterbi"}, "Choose one of: span, tag, joint"),
        ({"split": "train"}, "No annotated entity"),
        ({"langs": ["xy"]}, "xy.spacy"),
        ({"component": "ner"}, "no dualner component 'ner'"),
    ],
)
def test_wrong_input_is_a_clear_error(
    folder: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DualNerError, match=said):
        calibrate(
            folder / "model", tmp_path / "out", folder / "corpus", CalibrateSettings(**options)
        )
    assert not (tmp_path / "out").exists()


def test_it_does_not_write_over_its_own_pipeline(folder: Path) -> None:
    with pytest.raises(DualNerError, match="lie in one another"):
        calibrate(folder / "model", folder / "model", folder / "corpus")


def test_no_path_of_the_encoder_stays(
    folder: Path, calibrated: dict[str, Any], encoder_path: Path
) -> None:
    assert str(encoder_path) not in (folder / "calibrated" / "config.cfg").read_text()
