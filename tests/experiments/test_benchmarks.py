"""Each benchmark runs on the data and encoder that the repository carries, and writes its JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
import srsly
from helpers.corpus import write_corpus
from helpers.tiny import ROOT
from spacy.language import Language

from experiments.reliability.processes import Command
from spacy_dualner.data.docbin import DocBinWriter, corpus_path

pytestmark = pytest.mark.slow


def said(name: str, tmp_path: Path, *arguments: str | Path) -> str:
    """Run a benchmark from the top of the repository. Returns what it printed."""
    words = (f"experiments.benchmarks.{name}", *arguments)
    # Memory is that of a process which has done nothing before.
    warm = name != "memory"
    with Command(ROOT, tmp_path / "said", *words, warm_all=warm) as benchmark:
        assert benchmark.wait() == 0, benchmark.read()
        return benchmark.read()[0]


def run(name: str, tmp_path: Path, *arguments: str) -> dict:
    """As `said`. Returns what it wrote."""
    output = tmp_path / "results.json"
    said(name, tmp_path, *arguments, "--output", output)
    results = srsly.read_json(output)
    assert results["versions"]["torch"] and results["threads"] == 1
    return results


SMALL = ["--shape", "1x32", "--repeats", "1"]


def test_inference(tmp_path: Path) -> None:
    results = run("inference", tmp_path, *SMALL, "--limit", "30", "--peers", "tok2vec,hf64")
    assert results["sentences"] == 30
    seconds = results["seconds"]
    for name in ("bare encoder", "dualner", "dualner, raw text", "Hugging Face pipeline, batch 64"):
        assert len(seconds[name]) == 1 and seconds[name][0] > 0


def test_scaling(tmp_path: Path) -> None:
    results = run("scaling", tmp_path, *SMALL, "--limit", "30", "--sizes", "20,40")
    assert set(results["seconds_per_word"]) == {
        "20 sentences",
        "40 sentences",
        "40 sentences, sorted",
    }


def test_training(tmp_path: Path) -> None:
    jobs = "trainer,stage1,stage1-frozen,stage2,stage2-frozen"
    options = ["--limit", "40", "--batch-size", "8", "--jobs", jobs]
    results = run("training", tmp_path, *SMALL, *options)
    assert results["steps"] == 5
    stages = {"stage 1", "stage 1, frozen", "stage 2", "stage 2, frozen"}
    assert set(results["seconds"]) == {"Hugging Face Trainer", *stages}
    for stage in ("stage 1", "stage 2"):
        shares = results["shares"][stage]
        assert sum(shares.values()) == pytest.approx(100)
        assert min(shares.values()) > 0 and len(shares) >= 6


def test_memory(tmp_path: Path) -> None:
    options = ["--sentences", "1000", "--steps", "2", "--shape", "1x32"]
    options += ["--cases", "convert,pipe,blank,teach"]
    results = run("memory", tmp_path, *options)["results"]
    assert set(results) == {
        "convert",
        "nlp.pipe, nlp.memory_zone()",
        "the same without dualner",
        "teach",
    }
    assert 0 < results["teach"]["bytes of arrays a token"] < 100


def test_loading_takes_little_more_than_the_weights(tmp_path: Path) -> None:
    """Five times the weights as Thinc and spaCy do it, one copy within the other."""
    options = ["--cases", "load", "--shape", "1x256", "--vocabulary", "150000"]
    results = run("memory", tmp_path, *options)["results"]["load and save"]
    assert results["MB of weights"] > 150
    assert results["times the weights to load and save"] < 2.5


def test_sameness(tmp_path: Path, trained_nlp: Language) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    options = ["--limit", "3", "--calls", "20", "--processes", "1"]
    results = run("sameness", tmp_path, str(tmp_path / "model"), *options)
    assert results["texts"] == 21 and results["entities"] > 20
    assert results["worst"]["texts"] == 0 and results["worst"]["score"] < 1e-4


def test_shrinking(tmp_path: Path) -> None:
    options = ["--vocabulary", "5000", "--shape", "1x32", "--limit", "10", "--langs", "en,de"]
    results = run("shrinking", tmp_path, *options)
    assert results["after"]["bytes"] < results["before"]["bytes"] / 2
    assert results["before"]["subwords"] == 5000


def test_decoding(tmp_path: Path, trained_nlp: Language) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    corpus = write_corpus(tmp_path / "corpus", ["en", "de"])
    arguments = [str(tmp_path / "model"), "--corpus", str(corpus), "--repeats", "1"]
    results = run("decoding", tmp_path, *arguments)
    # The pipeline knows the English sentences by heart.
    assert {name: scores["en"] for name, scores in results["f1"].items()} == {
        name: 100 for heads in ("span", "tag", "joint") for name in (heads, f"{heads}, best path")
    }
    assert len(results["seconds"]["joint, confidence"]) == 1
    more = run("decoding", tmp_path, *arguments, "--types", "66", "--words", "20")
    assert not any(more["f1"].values()) and more["megabytes"]["joint, confidence"] < 200


def test_int8(tmp_path: Path, trained_nlp: Language) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    corpus = write_corpus(tmp_path / "corpus", ["en", "de"])
    arguments = [str(tmp_path / "model"), "--corpus", str(corpus), "--split", "test"]
    results = run("int8", tmp_path, *arguments, "--langs", "en")
    kinds = {"float32", "bfloat16", "int8", "int8, by row"}
    assert set(results["seconds"]) == set(results["f1"]) == kinds
    # The pipeline knows these sentences by heart.
    assert results["f1"]["float32"] == results["equal"]["float32"] == 100


def test_templates(tmp_path: Path, trained_nlp: Language) -> None:
    """Names that the pipeline knows, after a word that it does not."""
    trained_nlp.to_disk(tmp_path / "model")
    names = [(["Anna", "Smith"], "PER"), (["Acme", "Corp"], "ORG"), (["Berlin"], "LOC")]
    for split in ("dev", "unlabelled"):
        path = corpus_path(tmp_path / "corpus", split, "de")
        with DocBinWriter(path, "de", labelled=split == "dev") as writer:
            for words, kind in 5 * names:
                tags = ["O", f"B-{kind}", *[f"I-{kind}"] * (len(words) - 1)]
                writer.add(["WEITERLEITUNG", *words], tags if split == "dev" else [])
    corpus = str(tmp_path / "corpus")
    found = run("templates", tmp_path, str(tmp_path / "model"), "--corpus", corpus)["languages"]
    assert len(found["de"]["templates"]) == 1 and found["de"]["share"] == 1.0
    f1 = found["de"]["f1"]
    assert f1["as_is"] <= f1["cut"] < f1["unread"]


def test_tokenizer(tmp_path: Path) -> None:
    results = run("tokenizer", tmp_path, "--limit", "50", "--repeats", "1")
    assert results["ratio"] > 0


def test_annotation(tmp_path: Path, trained_nlp: Language) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    options = ["--cases", "repeated", "--megabytes", "0.02"]
    results = run("annotation", tmp_path, str(tmp_path / "model"), *options)["results"]
    assert results["repeated words"]["MB at most"] > 0


def test_selection(tmp_path: Path, trained_nlp: Language) -> None:
    """Two ways to choose, of two languages, and what is there already is not done again."""
    trained_nlp.to_disk(tmp_path / "model")
    corpus = write_corpus(tmp_path / "corpus", copies=4)
    rows, figure = tmp_path / "rows.jsonl", tmp_path / "few.svg"
    options = ("--langs", "en,de", "--pool", "20", "--dev", "5", "--seeds", "1", "--sizes")
    for sizes in ("2", "2,4"):
        said("selection", tmp_path, tmp_path / "model", corpus, rows, *options, sizes)
    done = [tuple(row[key] for key in ("lang", "n", "way")) for row in srsly.read_jsonl(rows)]
    assert len(done) == len(set(done)) == 8
    assert all(0 <= row["f1"]["span"] <= 100 for row in srsly.read_jsonl(rows))
    printed = said("selection_report", tmp_path, rows, "--figure", figure)
    assert "(4, 'de')" in printed and "| all |       4 |" in printed
    assert "annotated sentences" in figure.read_text(encoding="utf-8")
