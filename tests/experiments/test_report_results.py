"""Reading a results folder, its entities, and the paper's figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.results import LANGS, ResultsFolder
from helpers.tiny import SHARED

from experiments.report.predictions import Predictions
from experiments.report.published import paper, table1, table2
from experiments.report.results import read_results
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = ResultsFolder(tmp_path_factory.mktemp("results"))
    for seed in (1, 0):
        results.add_run("MLT", seed=seed)
    results.add_run("DualNER")
    results.add_run("mine", quality=0.5)
    results.skip("TRG_Trans", "there are no translations of the source text")
    return results.write()


def test_what_is_read(folder: Path) -> None:
    results = read_results(folder)
    assert results.backbones == ["mini"]
    assert results.langs == list(LANGS)
    assert results.targets == ["de", "ar", "zh", "sw"]
    # In the paper's order, then the user's own.
    assert results.methods("mini") == ["MLT", "TRG_Trans", "DualNER", "mine"]
    assert results.find("mini", "MLT").seed.tolist() == [0, 1]
    assert results.find("mini", "TRG_Trans").empty
    assert results.reason("mini", "TRG_Trans").startswith("there are no translations")
    assert results.reason("mini", "SPAN") == "not run"
    runs = results.find("mini", "DualNER")
    assert runs.stage1.tolist() == results.find("mini", "MLT").index[:1].tolist()
    line = next(json.loads(t) for t in (folder / "results.jsonl").open() if "DualNER" in t)
    recorded = line["scores"]["test"]
    f1 = results.f1(runs.index, "test").iloc[0]
    assert f1["de"] == pytest.approx(recorded["languages"]["de"]["f"])
    assert f1["mean"] == pytest.approx(recorded["mean"]["f"])
    assert f1["mean of targets"] == pytest.approx(recorded["mean_targets"]["f"])


def test_a_mean_is_of_all_languages(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path, ["en", "de", "sw"])
    results.add_run("MLT")
    del results.add_run("DualNER")["scores"]["test"]["languages"]["de"]
    read = read_results(results.write())
    assert read.f1(read.runs.index, "test")["mean"].notna().tolist() == [True, False]


@pytest.mark.parametrize("split", ["test", "dev"])
def test_f1_of_the_predictions_is_seqevals(folder: Path, split: str) -> None:
    """Types are numbered otherwise in the predictions than in the order they occur in gold."""
    results = read_results(folder)
    predictions = Predictions(results)
    for key in results.runs.index:
        for lang in LANGS:
            counts = predictions.counts(key, split, lang)
            assert counts is not None
            f1 = 200 * counts.right.sum() / (counts.predicted + counts.gold).sum()
            assert f1 == pytest.approx(results.scores.loc[key, (split, lang)])
            assert 0 < f1 < 100


def test_where_nothing_is_found_nothing_counts(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path, ["en", "de"])
    nothing = {place: [[] for _ in gold] for place, gold in results.gold.items()}
    results.add_run("MLT", predictions=nothing)
    read = read_results(results.write())
    counts = Predictions(read).counts(read.runs.index[0], "test", "de")
    assert counts is not None
    assert counts.right.sum() == counts.predicted.sum() == 0 < counts.gold.sum()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda folder: (folder / "results.jsonl").unlink(), "results.jsonl: no such file"),
        (lambda folder: (folder / "results.jsonl").write_text(""), "no finished run"),
        (lambda folder: (folder / "results.jsonl").write_text('{"a": 1}'), "jsonl:1: not a result"),
        (lambda folder: (folder / "results.jsonl").write_text("{"), "jsonl:1: not a result"),
        (lambda folder: (folder / "study.json").write_text("["), "study.json: not JSON of a study"),
    ],
)
def test_a_folder_without_results_is_one_clear_error(tmp_path, spoil, fault) -> None:
    results = ResultsFolder(tmp_path, ["en", "de"])
    results.add_run("MLT")
    spoil(results.write())
    with pytest.raises(DataError, match=fault) as caught:
        read_results(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_results(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04 broken"])
def test_broken_predictions_are_named(tmp_path: Path, content: bytes) -> None:
    results = ResultsFolder(tmp_path, ["en", "de"])
    line = results.add_run("MLT")
    (tmp_path / line["folder"] / "predictions.npz").write_bytes(content)
    read = read_results(results.write())
    with pytest.raises(DataError, match=r"predictions\.npz"):
        Predictions(read).predicted(read.runs.index[0], "test", "de")


def test_the_papers_tables_have_all_languages_and_rows() -> None:
    for backbone, n_rows in (("XLM-R-base", 6), ("InfoXLM-large", 5)):
        rows = table1(backbone)
        assert rows.shape == (n_rows, 40) and rows.notna().all(axis=None)
        assert {"hi", "jv"} < set(rows) and not {"hl", "lv"} & set(rows)
    assert table1("mini").empty
    assert table1("XLM-R-base")["de"]["DualNER"] == 81.9
    assert table1("XLM-R-base")["ar"]["MLT"] == 79.3
    assert table1("XLM-R-base")["th"]["CLA"] == 0.04
    assert table1("XLM-R-base")["jv"]["FILTER"] == 61.8
    assert table1("InfoXLM-large")["ja"]["TRG_Trans"] == 52.8
    assert "FILTER" not in table1("InfoXLM-large").index
    assert table2().loc["DualNER"].tolist() == [68.64, 0.06]
    assert table2().loc["no-target"].tolist() == [62.17, 0.52]


@pytest.mark.skipif(not (SHARED / "paper.txt").is_file(), reason="no shared/paper.txt here")
def test_the_papers_figures_are_those_of_its_text() -> None:
    text = (SHARED / "paper.txt").read_text(encoding="utf-8")
    printed = [
        [cell.strip() for cell in line.strip("|").split("|")][1:]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    for rows in paper()["table1"]["backbones"].values():
        for row in rows.values():
            for half in (row[:20], row[20:]):
                assert half in [_numbers(cells) for cells in printed]
    for half in (paper()["table1"]["languages"][:20], paper()["table1"]["languages"][20:]):
        assert printed.count(half) == 2
    for mean, deviation in table2().to_numpy():
        assert f"{mean:.2f}±{deviation:.2f}" in text


def _numbers(cells: list[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def test_gold_entities_of_a_study_count_words(tmp_path: Path) -> None:
    path = corpus_path(tmp_path / "corpus", "test", "en")
    with DocBinWriter(path, "en", labelled=True) as writer:
        writer.add(["\u3000", "Anna", " ", "Smith", "\n", "left"],
                   ["B-PER", "I-PER", "I-PER", "I-PER", "I-PER", "O"])  # fmt: skip
        writer.add([" "], ["B-PER"])
        writer.add(["in", " ", "Rome"], ["O", "O", "B-LOC"])

    class Folder:
        def corpus(self, split: str, lang: str) -> Path:
            return corpus_path(tmp_path / "corpus", split, lang)

    results: Any = Folder()
    gold = Predictions(results).gold("test", "en")
    assert gold is not None
    assert gold.n_sentences == 3
    assert gold.entities.to_numpy().tolist() == [[0, 0, 1, "PER"], [2, 1, 1, "LOC"]]
