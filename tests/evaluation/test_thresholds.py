"""The command `threshold`: of each type the lowest confidence above which enough is right."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from helpers.corpus import run_cli
from helpers.noisy import write_noisy
from helpers.tiny import train_nlp
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import corpus_path, read_docs
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.fingerprint import fingerprint, sentence_hashes, share_known
from spacy_dualner.evaluation.text_settings import TextSettings
from spacy_dualner.evaluation.thresholds import find_thresholds, lowest_threshold

# One threshold


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans())),
       st.sampled_from([0.3, 0.5, 0.8, 1.0]))  # fmt: skip
def test_the_lowest_threshold(entities: list[tuple[float, bool]], precision: float) -> None:
    """Against every threshold there is, tried one by one."""
    sure = np.array([own for own, _ in entities], dtype=np.float64)
    right = np.array([own for _, own in entities], dtype=bool)
    holding = [
        least for least in sorted({*sure}) if right[sure >= least].mean() >= precision
    ]  # fmt: skip
    found = lowest_threshold(sure, right, precision)
    if not holding:
        assert found is None
        return
    assert found is not None
    assert ((sure >= found) == (sure >= holding[0])).all()
    # As far from those that it drops as from those that it keeps.
    dropped = sure[sure < found]
    assert found == (pytest.approx((dropped.max() + holding[0]) / 2) if len(dropped) else 0.0)


# What text is known


@pytest.mark.parametrize("n", [300, 20_000])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_text_that_is_known(n: int, share: float) -> None:
    vocab = spacy.blank("xx").vocab
    known = [Doc(vocab, words=["sentence", str(i)]) for i in range(n)]
    other = [Doc(vocab, words=["sentence", str(int(i + (1 - share) * n)), "\n"]) for i in range(n)]
    estimate = share_known(sentence_hashes(other), fingerprint(known))
    # Of some hundred sentences 512 are looked at.
    assert estimate == pytest.approx(share, abs=0.1 if 0 < share < 1 else 0)
    assert share_known(sentence_hashes(known), "") == 0.0


# The command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with `model`, the same `calibrated` on the German dev text, and `corpus`."""
    folder = tmp_path_factory.mktemp("thresholds")
    train_nlp(encoder_path, steps=30).to_disk(folder / "model")
    for i, (split, lang) in enumerate((s, la) for s in ("dev", "test") for la in ("en", "de")):
        write_noisy(corpus_path(folder / "corpus", split, lang), lang, 100, seed=i)
    status, said = run_cli(
        "dualner", "calibrate", folder / "model", folder / "calibrated", "-c", folder / "corpus",
        "--langs", "de", "--method", "temperature",
    )  # fmt: skip
    assert status == 0, said
    return folder


def judged(model: Path, corpus: Path, lang: str) -> list[tuple[str, bool]]:
    """Type of each entity that a pipeline reports, and whether it is right."""
    nlp = spacy.load(model)
    found = []
    for gold in read_docs(corpus_path(corpus, "dev", lang), nlp.vocab):
        expected = {(ent.start, ent.end, ent.label_) for ent in gold.ents}
        doc = nlp(Doc(nlp.vocab, words=[token.text for token in gold]))
        found += [(e.label_, (e.start, e.end, e.label_) in expected) for e in doc.ents]
    return found


def test_the_stored_thresholds_hold_what_is_printed(folder: Path, tmp_path: Path) -> None:
    """Counted anew with the pipeline that is written."""
    status, said = run_cli(
        "dualner", "threshold", folder / "model", folder / "corpus", "--precision", 0.7,
        "--langs", "en", "--output", tmp_path / "sure",
    )  # fmt: skip
    assert status == 0, said
    result = find_thresholds(folder / "model", folder / "corpus", 0.7, TextSettings(["en"]))
    assert set(result.table) == {"LOC", "ORG", "PER"} > set(result.short)
    for nlp in (spacy.load(tmp_path / "sure"), spacy.load(tmp_path / "sure").from_bytes(
        spacy.load(tmp_path / "sure").to_bytes()
    )):  # fmt: skip
        assert nlp.get_pipe("dualner").cfg["threshold"] == result.table
        assert nlp.get_pipe_config("dualner")["threshold"] == result.table
    found = judged(tmp_path / "sure", folder / "corpus", "en")
    nlp = spacy.blank("xx")
    gold = [e.label_ for doc in read_docs(folder / "corpus/dev/en.spacy", nlp.vocab)
            for e in doc.ents]  # fmt: skip
    for type_, own in result.types.items():
        right = [is_right for label, is_right in found if label == type_]
        assert (own.right, own.reported) == (sum(right), len(right))
        assert own.annotated == gold.count(type_)
        if type_ in result.short:
            assert result.table[type_] == 1.0
            continue
        precision, recall = own.precision, own.recall
        assert precision is not None and recall is not None and 0 < result.table[type_] < 1
        assert precision.value == sum(right) / len(right) >= 0.7
        assert precision.low < precision.value < precision.high
        assert recall.value == sum(right) / gold.count(type_)
        assert f"{type_} {result.table[type_]:.3f} {precision.value:.3f}" in said
    assert 0 < len(found) < len(judged(folder / "model", folder / "corpus", "en"))
    assert result.every.reported == len(found)


def test_languages_are_together_and_each(folder: Path) -> None:
    both = find_thresholds(folder / "model", folder / "corpus", 0.7)
    assert set(both.languages) == {"de", "en"}
    for name in ("right", "reported", "annotated"):
        total = getattr(both.every, name)
        assert sum(getattr(own, name) for own in both.languages.values()) == total
        assert sum(getattr(own, name) for own in both.types.values()) == total
    _, said = run_cli("dualner", "threshold", folder / "model", folder / "corpus/dev/de.spacy")
    assert f"{sum(own.annotated for lang, own in both.languages.items() if lang == 'de'):,}" in said


def test_a_file_may_be_named_as_a_type_is(folder: Path, tmp_path: Path) -> None:
    file = shutil.copy(folder / "corpus/dev/de.spacy", tmp_path / "PER.spacy")
    named = find_thresholds(folder / "model", Path(file), 0.7)
    assert (
        named.types == find_thresholds(folder / "model", folder / "corpus/dev/de.spacy", 0.7).types
    )


@pytest.mark.parametrize(
    ("model", "options", "known"),
    [
        ("calibrated", ["--langs", "de"], True),
        ("calibrated", ["--langs", "de", "--limit", 40], True),
        ("calibrated", ["--langs", "de,en"], True),
        ("calibrated", ["--langs", "de", "--split", "test"], False),
        ("model", ["--langs", "de"], False),
    ],
)
def test_text_of_the_calibration_is_said(
    folder: Path, model: str, options: list[Any], known: bool
) -> None:
    status, said = run_cli("dualner", "threshold", folder / model, folder / "corpus", *options)
    assert status == 0
    assert ("is what confidences were calibrated on" in said) == known
    if known:
        assert "About 100% of this text" in said or "en" in options[1]


def test_what_cannot_be_held_and_what_is_not_there(folder: Path, tmp_path: Path) -> None:
    """No PER is right, LOC is not found."""
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("dualner").cfg["threshold"] = {"LOC": 0.25}
    nlp.to_disk(tmp_path / "model")
    docs = [doc for doc in read_docs(folder / "corpus/dev/en.spacy", nlp.vocab)
            if "LOC" not in {e.label_ for e in nlp(doc.text).ents}]  # fmt: skip
    for doc in docs:
        doc.set_ents([e for e in doc.ents if e.label_ == "ORG"])
    spacy.tokens.DocBin(docs=docs).to_disk(tmp_path / "xy.spacy")
    status, said = run_cli(
        "dualner", "threshold", tmp_path / "model", tmp_path / "xy.spacy", "-o", tmp_path / "out",
        "--precision", 0.6,
    )  # fmt: skip
    assert status == 0, said
    assert "No threshold holds a precision of 0.6 for PER" in said and "PER none" in said
    table = srsly.read_json(tmp_path / "out" / "dualner" / "cfg")["threshold"]
    assert table["PER"] == 1.0 and 0 <= table["ORG"] < 1
    if "threshold as it was" in said:
        assert table["LOC"] == 0.25


def test_a_type_whose_name_no_config_can_hold(folder: Path, tmp_path: Path) -> None:
    """The component knows its threshold, and the pipeline can be loaded."""
    nlp = spacy.load(folder / "model")
    nlp.get_pipe("dualner").add_label("dbo:Person")
    nlp.to_disk(tmp_path / "model")
    out = tmp_path / "out"
    found = find_thresholds(tmp_path / "model", folder / "corpus/dev/en.spacy", 0.7, output=out)
    threshold = spacy.load(out).get_pipe("dualner").cfg["threshold"]
    assert threshold == pytest.approx(found.table)
    assert "dbo:Person" in found.table


def test_types_that_the_pipeline_does_not_know_are_said(folder: Path, tmp_path: Path) -> None:
    """They are missed entities, as in the scores of `evaluate`."""
    doc = Doc(Vocab(), words=["Berlin", "fell"], ents=["B-LOC", "B-EVENT"])
    DocBin(docs=[doc]).to_disk(tmp_path / "xy.spacy")
    with pytest.warns(UserWarning, match="it cannot find EVENT"):
        found = find_thresholds(folder / "model", tmp_path / "xy.spacy", 0.7)
    assert found.every.annotated == 2


@pytest.mark.parametrize(
    ("precision", "options", "said"),
    [
        (0.0, {}, "A precision of 0 cannot be held"),
        (90.0, {}, "A precision of 90 cannot be held. Give a share, as in 0.9."),
        (0.9, {"split": "train"}, "holds no text in train.*--split"),
        (0.9, {"langs": ["xy"]}, "No text of 'xy'"),
        (0.9, {"component": "ner"}, "no dualner component 'ner'"),
    ],
)
def test_wrong_input_is_a_clear_error(
    folder: Path, tmp_path: Path, precision: float, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DualNerError, match=said):
        find_thresholds(
            folder / "model", folder / "corpus", precision, TextSettings(**options),
            output=tmp_path / "out",
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
