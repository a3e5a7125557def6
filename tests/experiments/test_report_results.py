"""Reading a results folder, its entities, and the paper's figures."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHARED
from helpers_results import LANGS, ResultsFolder

from experiments.report.entities import EntityStore, is_in, micro_f1
from experiments.report.paper import paper, table1, table1_mean, table2
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
    assert [run.seed for run in results.find("mini", "MLT")] == [0, 1]
    assert results.find("mini", "TRG_Trans") == []
    assert results.reason("mini", "TRG_Trans").startswith("there are no translations")
    assert results.reason("mini", "SPAN") == "not run"
    run = results.find("mini", "DualNER")[0]
    assert results.stage1(run) == results.find("mini", "MLT")[0]
    line = next(json.loads(t) for t in (folder / "results.jsonl").open() if "DualNER" in t)
    recorded = line["scores"]["test"]
    assert run.mean("test", results.langs) == pytest.approx(recorded["mean"]["f"])
    assert run.mean("test", results.targets) == pytest.approx(recorded["mean_targets"]["f"])
    assert run.mean("test", ["de", "fr"]) is None


@pytest.mark.parametrize("split", ["test", "dev"])
def test_f1_of_the_predictions_is_seqevals(folder: Path, split: str) -> None:
    """Types are numbered otherwise in the predictions than in the order they occur in gold."""
    results = read_results(folder)
    store = EntityStore(results)
    for run in results.runs:
        for lang in LANGS:
            counts = store.counts(run, split, lang)
            assert counts is not None
            assert micro_f1(counts) == pytest.approx(run.f1[split][lang])
            assert 0 < micro_f1(counts) < 100


def test_without_entities_f1_is_0(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path, ["en", "de"])
    nothing = {place: [[] for _ in gold] for place, gold in results.gold.items()}
    results.add_run("MLT", predictions=nothing)
    read = read_results(results.write())
    counts = EntityStore(read).counts(read.runs[0], "test", "de")
    assert counts is not None
    assert micro_f1(counts) == 0
    assert counts.gold.sum() > 0


def test_membership_of_rows() -> None:
    rng = np.random.default_rng(0)
    rows, others = (rng.integers(0, 4, size=(n, 3)) for n in (50, 20))
    known = set(map(tuple, others.tolist()))
    assert is_in(rows, others).tolist() == [tuple(row) in known for row in rows.tolist()]
    assert is_in(rows, others[:0]).tolist() == [False] * 50
    assert is_in(rows[:0], others).tolist() == []


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
        EntityStore(read).predicted(read.runs[0], "test", "de")


def test_the_papers_tables_have_all_languages_and_rows() -> None:
    for backbone, n_rows in (("XLM-R-base", 6), ("InfoXLM-large", 5)):
        rows = table1(backbone)
        assert len(rows) == n_rows
        for row in rows.values():
            assert len(row) == 40
            assert {"hi", "jv"} < set(row) and not {"hl", "lv"} & set(row)
    assert table1("mini") == {}
    assert table1("XLM-R-base")["DualNER"]["de"] == 81.9
    assert table1("XLM-R-base")["MLT"]["ar"] == 79.3
    assert table1("XLM-R-base")["CLA"]["th"] == 0.04
    assert table1("XLM-R-base")["FILTER"]["jv"] == 61.8
    assert table1("InfoXLM-large")["TRG_Trans"]["ja"] == 52.8
    assert "FILTER" not in table1("InfoXLM-large")
    assert table2()["DualNER"] == (68.64, 0.06)
    assert table2()["no-target"] == (62.17, 0.52)
    assert table1_mean("XLM-R-base", "DualNER", ["de", "fr", "xx"]) == statistics.mean([81.9, 81.8])
    assert table1_mean("XLM-R-base", "selfKL", ["de"]) is None


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
    for mean, deviation in table2().values():
        assert f"{mean:.2f}±{deviation:.2f}" in text
    plain = " ".join(text.replace("*", "").split())
    for claim in paper()["claims"].values():
        # Formulas are written differently: the beginning of each claim has none.
        assert claim["text"][:30] in plain


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
    store = EntityStore(results)
    gold = store.gold("test", "en")
    assert gold is not None and gold.n_sentences == 3
    rows = [[*row[:3], store.types[row[3]]] for row in gold.entities.tolist()]
    assert rows == [[0, 0, 1, "PER"], [2, 1, 1, "LOC"]]
