"""Annotated text with other entity types than the pipeline's is refused, or at least named."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import spacy
from helpers.corpus import sentences_of, stage2_config, write_corpus
from helpers.tiny import train_nlp

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.calibrate import calibrate
from spacy_dualner.evaluation.calibrate_settings import CalibrateSettings
from spacy_dualner.evaluation.scores import evaluate
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import Teaching
from spacy_dualner.training.corpus import Corpus

OTHER = {"PER": "PERSON", "LOC": "PLACE", "ORG": "COMPANY"}
BOTH = r"COMPANY, PERSON, PLACE, the pipeline knows LOC, ORG, PER"


def write_types(root: Path, split: str, mapping: dict[str, str]) -> None:
    """English with other types; without those that are mapped to nothing."""
    with DocBinWriter(corpus_path(root, split, "en"), "en", labelled=True) as writer:
        for words, tags in sentences_of("en"):
            new = [mapping.get(tag[2:], tag[2:]) for tag in tags]
            writer.add(words, [tag[:2] + n if n else "O" for tag, n in zip(tags, new, strict=True)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A stage-1 `model`, its `corpus`, and others: of `other` types, a `part` of them, `bare`."""
    folder = tmp_path_factory.mktemp("types")
    train_nlp(encoder_path, steps=2).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de"])
    for name, mapping in (
        ("other", OTHER),
        ("more", {"PER": "PERSON"}),
        ("part", {"PER": ""}),
        ("bare", dict.fromkeys(OTHER, "")),
    ):
        for split in ("train", "dev", "test"):
            write_types(folder / name, split, mapping)
    return folder


@pytest.mark.parametrize("reader", ["source", "dev"])
@pytest.mark.parametrize("name", ["other", "more"])
def test_teach_refuses_types_that_the_pipeline_does_not_know(
    folder: Path, tmp_path: Path, reader: str, name: str
) -> None:
    split = "train" if reader == "source" else "dev"
    path = {f"corpora__{reader}__path": str(folder / name / split)}
    langs = {"corpora__dev__langs": "en"}
    config = stage2_config(folder / "model", folder / "corpus", **path, **langs)
    found = BOTH if name == "other" else "LOC, ORG, PERSON, the pipeline knows LOC, ORG, PER"
    with pytest.raises(DualNerError, match=rf"corpora\.{reader} has .* {found}.*--map"):
        Teaching(resolve_config(config), tmp_path)


def test_teach_takes_fewer_types(folder: Path, tmp_path: Path) -> None:
    path = str(folder / "part" / "train")
    config = stage2_config(folder / "model", folder / "corpus", corpora__source__path=path)
    assert Teaching(resolve_config(config), tmp_path).data.n_source == 5


@pytest.mark.parametrize("select", ["mean", "source"])
def test_teach_refuses_development_text_without_entities(
    folder: Path, tmp_path: Path, select: str
) -> None:
    """Every student scored 0.00 on it, and stage 1 was returned."""
    settings = {
        "teaching__select": select,
        "corpora__dev__path": str(folder / "bare" / "dev"),
        "corpora__dev__langs": "en",
    }
    config = stage2_config(folder / "model", folder / "corpus", **settings)
    with pytest.raises(DualNerError, match=r"no annotated entity in .* en\. .*'agreement'"):
        Teaching(resolve_config(config), tmp_path)


def test_calibrate_refuses_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match=BOTH):
        calibrate(folder / "model", tmp_path / "out", folder / "other", CalibrateSettings(["en"]))
    assert not (tmp_path / "out").exists()


def test_evaluate_counts_them_as_missed_and_says_so(folder: Path) -> None:
    with pytest.warns(UserWarning, match=BOTH):
        evaluate(folder / "model", folder / "other", ["en"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        evaluate(folder / "model", folder / "part", ["en"])


def test_stage_1_of_a_sourced_component(folder: Path) -> None:
    """A component that knows no type of the corpus cannot learn from it, and is not trained."""
    nlp = spacy.load(folder / "model")
    with pytest.raises(DualNerError, match=BOTH):
        list(Corpus(folder / "other" / "train")(nlp))
    with pytest.warns(UserWarning, match="cannot find PERSON"):
        list(Corpus(folder / "more" / "train")(nlp))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert len(list(Corpus(folder / "part" / "train")(nlp))) == 5
        assert len(list(Corpus(folder / "other" / "train")(spacy.blank("xx")))) == 5
