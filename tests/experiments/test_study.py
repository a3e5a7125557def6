"""Studies: the matrix of runs, their corpora, and the command as a user runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
import torch
from filelock import FileLock
from helpers.commands import small_files_for_others
from helpers.corpus import run_cli, sentences_of, stage1_config, stage2_config, write_corpus
from helpers.docs import check_line
from helpers.experiments import run_experiments
from helpers.tiny import ROOT, SENTENCES
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Config, ConfigValidationError

from experiments.__main__ import REPORT, STUDY
from experiments.reliability.points import Points
from experiments.reliability.processes import WARM, Command
from experiments.study.corpora import corpus_folder, prepare_corpus, prepare_share
from experiments.study.entity_vectors import entity_vectors
from experiments.study.grid import Cell, Run, plan
from experiments.study.methods import METHODS
from experiments.study.scheduler import run_studies
from experiments.study.schema import Study, load_study
from experiments.study.worker import work
from spacy_dualner.data.docbin import DocBinWriter, corpus_path, read_docs
from spacy_dualner.errors import DualNerError
from spacy_dualner.scorer import entity_scores


@pytest.fixture(scope="module", autouse=True)
def warm_runs() -> Iterator[None]:
    """Runs of the studies in this process begin at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.study.scheduler.get_context", lambda _: WARM)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with a corpus of three languages, a preset, and `study.cfg`."""
    folder = tmp_path_factory.mktemp("study")
    corpus = write_corpus(folder / "corpus", ("en", "de", "sw"), copies=4)
    one = stage1_config(encoder_path, corpus, training__max_epochs=8, training__eval_frequency=20)
    two = stage2_config(folder / "none", corpus)
    (folder / "preset").mkdir()
    one.to_disk(folder / "preset" / "stage1.cfg", interpolate=False)
    two.to_disk(folder / "preset" / "stage2.cfg", interpolate=False)
    write_study(folder, encoder_path)
    return folder


def write_study(folder: Path, encoder: Path) -> None:
    config = {
        "study": {"title": "A study", "methods": ["MLT", "DualNER"], "seeds": [0]},
        "data": {
            "corpus": str(folder / "corpus"),
            "source": "en",
            "targets": "de,sw",
            "source_limit": 16,
            "unlabelled_limit": 8,
            "picture": "en,de",
        },
        "backbones": {"tiny": {"preset": str(folder / "preset"), "encoder": str(encoder)}},
    }
    Config(config).to_disk(folder / "study.cfg")


def study_of(base: Path, **overrides: Any) -> Study:
    """The study with settings replaced; `__` in a name stands for a dot."""
    values = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_study(base / "study.cfg", values)


def plan_of(base: Path, results: Path, *studies: Study) -> dict[str, Run]:
    data = prepare_corpus(studies[0].data, results)
    return {run.cell.key: run for run in plan(studies, results, data)}


# The matrix


def test_runs_are_shared_between_rows_and_studies(base: Path, tmp_path: Path) -> None:
    one = study_of(base, study__methods=["CLA", "DualNER", "selfKL"], study__seeds=[0, 1])
    two = study_of(base, study__methods=["MLT", "DualNER"], study__shares=[50, 100])
    runs = plan_of(base, tmp_path, one, two)
    assert list(runs) == [
        *(f"tiny-{name}-100-0" for name in ("CLA", "MLT", "DualNER", "selfKL")),
        *(f"tiny-{name}-100-1" for name in ("CLA", "MLT", "DualNER", "selfKL")),
        "tiny-MLT-50-0",
        "tiny-DualNER-50-0",
    ]
    assert runs["tiny-selfKL-100-1"].stage1 == "tiny-MLT-100-1"
    assert runs["tiny-CLA-100-0"].stage1 is None
    pictured = [key for key, run in runs.items() if run.picture]
    assert pictured == ["tiny-MLT-100-0", "tiny-DualNER-100-0"]


@pytest.mark.parametrize("section", ["methods.strong.settings", "backbones.tiny.stage1"])
def test_one_name_is_one_thing(base: Path, tmp_path: Path, section: str) -> None:
    """In all the studies that are run at once."""
    strong = {"base": "MLT", "settings": {"training.max_epochs": 5}}
    config = Config().from_disk(base / "study.cfg") | {"methods": {"strong": strong}}
    config["study"]["methods"] = ["strong"]
    config["backbones"]["tiny"]["stage1"] = {"training.dropout": 0.0}
    studies = []
    for value in (1, 2):
        path = tmp_path / f"{value}.cfg"
        Config(config).to_disk(path)
        studies.append(load_study(path, {section: {"training.max_steps": value}}))
    with pytest.raises(DualNerError, match="tiny-strong-100-0 has other settings in 'A study'"):
        plan_of(base, tmp_path / "out", *studies)
    assert len(plan_of(base, tmp_path / "out", studies[0], studies[0])) == 1


def test_methods_are_settings(base: Path, tmp_path: Path) -> None:
    study = study_of(base, study__methods=[name for name in METHODS if name != "TRG_Trans"])
    configs = {
        run.cell.method: Config().from_str(run.config)
        for run in plan_of(base, tmp_path, study).values()
    }
    assert configs["CLA"]["components"]["dualner"]["span_loss"] == 0
    assert configs["CLA"]["components"]["dualner"]["decode"] == "tag"
    assert configs["SPAN"]["components"]["dualner"]["tag_loss"] == 0
    assert configs["MLT"]["components"]["dualner"]["tag_loss"] == 1
    assert configs["DualNER"]["teaching"]["alpha"] == 0.5
    assert configs["no-regulariser"]["teaching"]["alpha"] == 0
    assert configs["selfKL"]["teaching"]["method"] == "selfkl"
    assert configs["no-target"]["corpora"]["target"] is None
    assert configs["DualNER"]["corpora"]["target"]["langs"] == "de,sw"
    for config in configs.values():
        assert config["corpora"]["dev"]["langs"] == "en,de,sw"


def test_seed_reaches_both_stages(base: Path, tmp_path: Path) -> None:
    runs = plan_of(base, tmp_path, study_of(base, study__seeds=[3]))
    for run, section in zip(runs.values(), ("training", "teaching"), strict=True):
        assert Config().from_str(run.config)[section]["seed"] == 3


def test_the_rest_of_the_source_is_unlabelled_text(base: Path, tmp_path: Path) -> None:
    runs = plan_of(base, tmp_path, study_of(base, study__shares=[25]))
    one, two = (Config().from_str(run.config)["corpora"] for run in runs.values())
    folder = corpus_folder(tmp_path, 25)
    assert Path(one["train"]["path"]) == folder / "train"
    assert Path(two["source"]["path"]) == folder / "train"
    assert Path(two["target"]["path"]) == folder / "unlabelled"
    assert two["target"]["langs"] == "en,de,sw"


def test_settings_of_a_backbone_and_methods_of_ones_own(base: Path, tmp_path: Path) -> None:
    config = Config().from_disk(base / "study.cfg")
    config["backbones"]["tiny"]["stage1"] = {"training.max_epochs": 7}
    config["backbones"]["tiny"]["stage2"] = {"teaching": {"max_epochs": 9}}
    config["methods"] = {"strong": {"base": "DualNER", "settings": {"teaching.alpha": 2.0}}}
    config["study"]["methods"] = ["strong"]
    config.to_disk(tmp_path / "own.cfg")
    one, two = plan_of(base, tmp_path, load_study(tmp_path / "own.cfg")).values()
    assert Config().from_str(one.config)["training"]["max_epochs"] == 7
    assert Config().from_str(two.config)["teaching"]["max_epochs"] == 9
    assert Config().from_str(two.config)["teaching"]["alpha"] == 2.0


def test_a_method_begins_from_a_stage_1_of_its_own(base: Path, tmp_path: Path) -> None:
    config = Config().from_disk(base / "study.cfg")
    config["methods"] = {
        "wide": {"base": "MLT", "settings": {"training.max_epochs": 7}},
        "strong": {"base": "DualNER", "stage1": "wide", "settings": {"teaching.alpha": 2.0}},
        "stronger": {"base": "strong", "settings": {"teaching.alpha": 3.0}},
    }
    config["study"]["methods"] = ["DualNER", "strong", "stronger"]
    config.to_disk(tmp_path / "own.cfg")
    runs = plan_of(base, tmp_path, load_study(tmp_path / "own.cfg"))
    begins = {run.cell.method: run.stage1 for run in runs.values()}
    assert begins == {
        "MLT": None,
        "DualNER": "tiny-MLT-100-0",
        "wide": None,
        "strong": "tiny-wide-100-0",
        "stronger": "tiny-wide-100-0",
    }
    for stage1 in ("DualNER", "nothing"):
        config["methods"]["strong"]["stage1"] = stage1
        config.to_disk(tmp_path / "wrong.cfg")
        with pytest.raises(DualNerError, match=stage1):
            load_study(tmp_path / "wrong.cfg")


def test_a_fingerprint_is_of_what_decides_the_scores(base: Path, tmp_path: Path) -> None:
    def fingerprints(results: Path, **overrides: Any) -> list[str]:
        runs = plan_of(base, results, study_of(base, **overrides))
        return [run.fingerprint for run in runs.values()]

    here = fingerprints(tmp_path / "a")
    assert fingerprints(tmp_path / "b") == here
    assert fingerprints(tmp_path / "a", study__title="Another") == here
    seeds = fingerprints(tmp_path / "a", study__seeds=[1])
    limits = fingerprints(tmp_path / "c", data__source_limit=15)
    assert not {*here} & {*seeds, *limits}


def test_translated_text(base: Path, tmp_path: Path) -> None:
    study = study_of(base, study__methods=["TRG_Trans"])
    _, run = plan_of(base, tmp_path / "without", study).values()
    assert "no translations" in run.skipped
    with_text = tmp_path / "corpus"
    for split in ("train", "dev", "test", "unlabelled"):
        os.makedirs(with_text, exist_ok=True)
        os.symlink(base / "corpus" / split, with_text / split)
    path = corpus_path(with_text, "translated", "sw")
    with DocBinWriter(path, "sw", labelled=False) as writer:
        for words, _ in sentences_of("sw") * 4:
            writer.add(words)
    study = study_of(base, study__methods=["TRG_Trans"], data__corpus=str(with_text))
    _, run = plan_of(base, tmp_path / "with", study).values()
    target = Config().from_str(run.config)["corpora"]["target"]
    assert not run.skipped
    assert target["langs"] == "sw" and Path(target["path"]).name == "translated"
    kept = list(read_docs(corpus_path(target["path"], "", "sw"), Vocab()))
    assert len(kept) == 16  # of the source sentences that are used
    study = study_of(base, study__methods=["TRG_Trans"], study__shares=[50])
    _, run = plan_of(base, tmp_path / "share", study).values()
    assert "not of a share" in run.skipped


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"study__methods": ["MLP"]}, ["MLP", "DualNER"]),
        ({"study__shares": [0]}, ["shares", "1 to 100"]),
        ({"backbones__tiny__preset": "nowhere"}, ["nowhere", "backbones.tiny"]),
    ],
)
def test_a_wrong_study_is_a_clear_error(base: Path, overrides: dict, words: list[str]) -> None:
    with pytest.raises(DualNerError) as caught:
        study_of(base, **overrides)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("name", ["study.cfg", "stage2.cfg"])
def test_a_damaged_config_is_named(base: Path, tmp_path: Path, name: str) -> None:
    """The study's, or a preset's."""
    preset = shutil.copytree(base / "preset", tmp_path / "preset")
    shutil.copy(base / "study.cfg", tmp_path)
    for path in tmp_path.rglob(name):
        path.write_bytes(b"[study]\n\xff")
    arguments = ["--backbones.tiny.preset", preset, "--output", tmp_path / "out"]
    status, said = run_experiments("study", tmp_path / "study.cfg", *arguments)
    assert status == 1 and f"{name}: not a config file" in said and not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["full", "small", "demo"])
@pytest.mark.parametrize("name", ["table1", "table2", "figure3"])
def test_the_studies_that_come_with_the_project(
    file: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = load_study(ROOT / "experiments" / "configs" / file / f"{name}.cfg")
    others = load_study(ROOT / "experiments" / "configs" / file / "table2.cfg")
    assert study.data == others.data
    if file == "full":
        assert len(study.data.target_langs) == 39
        assert study.seeds == ([0, 1, 2] if name == "table2" else [0])


def test_the_study_of_sources_takes_one_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = ROOT / "experiments" / "configs" / "sources" / "stage1.cfg"
    one, four = (load_study(path, {"data.source": s}).data for s in ("de", "en,de,ru,ar"))
    # Of languages that are source and target, each is there once.
    assert len(one.langs) == len(four.langs) == 31
    assert (one.source_langs, four.source_langs) == (["de"], ["en", "de", "ru", "ar"])


# Corpora


def test_a_share_parts_the_source_text(base: Path, tmp_path: Path) -> None:
    data = study_of(base, data__source_limit=20).data
    prepare_corpus(data, tmp_path)
    parts: dict[int, list[int]] = {}
    for share in (25, 50):
        prepare_share(data, tmp_path, share)
        folder = corpus_folder(tmp_path, share)
        sizes = [
            len(list(read_docs(corpus_path(folder, split, "en"), Vocab())))
            for split in ("train", "unlabelled")
        ]
        parts[share] = sizes
        rest = list(read_docs(corpus_path(folder, "unlabelled", "en"), Vocab()))
        assert not any(doc.has_annotation("ENT_IOB") for doc in rest)
        target = list(read_docs(corpus_path(folder, "unlabelled", "de"), Vocab()))
        assert len(target) == 8
    assert parts == {25: [5, 15], 50: [10, 10]}


def test_limits(base: Path, tmp_path: Path) -> None:
    data = study_of(base).data
    prepare_corpus(data, tmp_path)
    train = list(read_docs(corpus_path(tmp_path / "corpus", "train", "en"), Vocab()))
    assert len(train) == 16
    assert [t.text for t in train[0]] == SENTENCES[0][0]
    assert train[0].ents[0].label_ == "PER"


@pytest.mark.parametrize(("select", "test", "left"), [(2, 0, 3), (2, 2, 2), (5, 0, 5), (9, 3, 5)])
def test_sentences_that_picked_nothing_are_tested_on(
    base: Path, tmp_path: Path, select: int, test: int, left: int
) -> None:
    """Where test sets have no labels; a language with no more of them has all of them tested."""
    limits = {"data__select_limit": select, "data__test_limit": test}
    prepare_corpus(study_of(base, data__test_from="dev", **limits).data, tmp_path)
    dev, tested = (
        [doc.text for doc in read_docs(corpus_path(tmp_path / "corpus", split, "de"), Vocab())]
        for split in ("dev", "test")
    )
    assert len(dev) == 5
    assert tested == (dev[select : select + left] if select < 5 else dev)


def test_other_data_are_refused(base: Path, tmp_path: Path) -> None:
    prepare_corpus(study_of(base).data, tmp_path)
    prepare_corpus(study_of(base).data, tmp_path)
    with pytest.raises(DualNerError, match="other data"):
        prepare_corpus(study_of(base, data__dev_limit=3).data, tmp_path)


def test_a_missing_corpus_is_a_clear_error(base: Path, tmp_path: Path) -> None:
    study = study_of(base, data__targets="de,tlh")
    with pytest.raises(DualNerError, match=r"tlh\.spacy.*convert"):
        prepare_corpus(study.data, tmp_path)


# Entity vectors


def test_entity_vectors_are_those_of_the_first_and_last_word(trained_nlp: Language) -> None:
    docs = [Doc(trained_nlp.vocab, words=words) for words, _ in SENTENCES]
    found = entity_vectors(trained_nlp, {"en": docs})
    ends = [(doc, ent) for doc in trained_nlp.pipe(docs) for ent in doc.ents]
    assert found["texts"].tolist() == [ent.text for _, ent in ends]
    assert found["types"].tolist() == [ent.label_ for _, ent in ends]
    assert set(found["langs"].tolist()) == {"en"}
    vectors = trained_nlp.get_pipe("dualner").model.get_ref("tok2vec").predict(docs)  # type: ignore[attr-defined]
    for row, (doc, ent) in zip(found["vectors"], ends, strict=True):
        own = vectors[docs.index(doc)]
        expected = np.concatenate([own[ent.start], own[ent.end - 1]])
        np.testing.assert_allclose(row, expected, atol=2e-3, rtol=2e-3)


def test_no_entities_no_vectors(trained_nlp: Language) -> None:
    found = entity_vectors(trained_nlp, {"en": [Doc(trained_nlp.vocab, words=["here"])]})
    assert found["vectors"].shape[0] == 0 and len(found["langs"]) == 0


# The command


def test_no_folder_that_is_in_use(base: Path, tmp_path: Path) -> None:
    """Its corpus has the name that everybody's has."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "notes.txt").write_text("mine")
    with pytest.raises(DualNerError, match=r"other files \(corpus\)"):
        run_studies([study_of(base)], tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["corpus", "notes.txt"]


@pytest.mark.parametrize("text", [STUDY, REPORT])
def test_examples_of_help_parse(text: str) -> None:
    examples = [line for line in text.splitlines() if line.startswith("  python")]
    assert len(examples) >= 2
    for line in examples:
        check_line(line)


@pytest.mark.parametrize("option", ["--job", "--job=2.5", "--Jobs", "-x"])
def test_a_mistyped_option(base: Path, tmp_path: Path, option: str) -> None:
    status, said = run_experiments("study", base / "study.cfg", "-o", tmp_path / "out", option, "2")
    assert status == 2 and f"no such option: {option}" in said
    assert not (tmp_path / "out").exists()


def test_a_gpu_that_is_not_there(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_dualner.cli._util.find_spec", lambda name: None)
    arguments = ["study", base / "study.cfg", "--output", tmp_path / "out", "--gpu-id", 0]
    status, said = run_experiments(*arguments)
    assert status == 1 and "Leave --gpu-id out for the CPU." in said
    assert not (tmp_path / "out").exists()


ARGUMENTS = ["--study.methods", '["MLT", "DualNER"]', "--study.shares", "[50, 100]"]


def command(base: Path, results: Path) -> list[str]:
    return ["study", str(base / "study.cfg"), "--output", str(results)]


def run_study(base: Path, results: Path, *options: str) -> str:
    status, printed = run_experiments(*command(base, results), *ARGUMENTS, *options)
    assert status == 0, printed
    return printed


@pytest.fixture(scope="module")
def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Results of the command, and what it printed."""
    results = tmp_path_factory.mktemp("results")
    return results, run_study(base, results)


def lines_of(results: Path) -> list[dict[str, Any]]:
    """The results, times aside."""
    lines: list[dict[str, Any]] = list(srsly.read_jsonl(results / "results.jsonl"))
    for line in lines:
        del line["seconds"]
    return lines


@pytest.mark.slow
def test_a_line_a_run(undisturbed: tuple[Path, str]) -> None:
    results, printed = undisturbed
    assert re.findall(r"\[./.\]", printed) == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert [line["key"] for line in lines_of(results)] == [
        "tiny-MLT-50-0",
        "tiny-DualNER-50-0",
        "tiny-MLT-100-0",
        "tiny-DualNER-100-0",
    ]


@pytest.mark.slow
def test_results_hold_scores_predictions_and_history(undisturbed: tuple[Path, str]) -> None:
    results, _ = undisturbed
    for line in lines_of(results):
        folder = results / line["folder"]
        found = np.load(folder / "predictions.npz")
        for split in ("dev", "test"):
            for lang in ("en", "de", "sw"):
                docs = list(read_docs(corpus_path(results / "corpus", split, lang), Vocab()))
                gold = [[f"{t.ent_iob_}-{t.ent_type_}".rstrip("-") for t in doc] for doc in docs]
                tags = [["O"] * len(doc) for doc in docs]
                for sentence, first, last, kind in found[f"{split}.{lang}"].tolist():
                    name = found["types"][kind]
                    tags[sentence][first : last + 1] = [f"I-{name}"] * (last + 1 - first)
                    tags[sentence][first] = f"B-{name}"
                scores = line["scores"][split]["languages"][lang]
                assert entity_scores(gold, tags)["f"] == pytest.approx(scores["f"])
        history = list(srsly.read_jsonl(folder / "history.jsonl"))
        assert set(history[0]["f1"]) == {"en", "de", "sw"}
        assert (set(history[0]["agreement"]) == {"en", "de", "sw"}) == (line["method"] != "MLT")
        assert line["best_step"] in [entry["step"] for entry in history]
        best = max(entry["score"] for entry in history)
        mean = line["scores"]["dev"]["mean"]["f"]
        assert best == pytest.approx(mean / 100, abs=1e-6)
        assert (folder / "entities.npz").exists() == (line["share"] == 100)
        # Pipelines that nothing begins from are not kept.
        assert (folder / "model-best").exists() == (line["method"] == "MLT")


@pytest.mark.slow
def test_scores_are_those_of_evaluate(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    results, _ = undisturbed
    line = next(line for line in lines_of(results) if line["key"] == "tiny-MLT-100-0")
    model = results / line["folder"] / "model-best"
    status, _ = run_cli(
        "dualner", "evaluate", model, results / "corpus", "-o", tmp_path / "scores.json"
    )
    assert status == 0
    scores = srsly.read_json(tmp_path / "scores.json")
    for lang in ("en", "de", "sw"):
        ours = line["scores"]["test"]["languages"][lang]["f"]
        assert ours == pytest.approx(scores["languages"][lang]["span"]["f"])
    assert line["scores"]["test"]["mean_targets"]["f"] == pytest.approx(
        scores["mean_targets"]["span"]["f"]
    )
    assert spacy.load(model).meta["lang"] == "xx"


@pytest.mark.slow
def test_what_is_done_is_not_done_again(base: Path, undisturbed: tuple[Path, str]) -> None:
    results, _ = undisturbed
    before = (results / "results.jsonl").read_bytes()
    status, printed = run_experiments(*command(base, results), *ARGUMENTS)
    assert status == 0
    assert (results / "results.jsonl").read_bytes() == before
    # As a second process would be told
    with FileLock(results / ".lock"):
        status, printed = run_experiments(*command(base, results), *ARGUMENTS)
    assert status == 1 and "being written by another run" in printed


@pytest.mark.slow
def test_other_settings_are_refused(base: Path, undisturbed: tuple[Path, str]) -> None:
    results, _ = undisturbed
    config = Config().from_disk(base / "study.cfg")
    config["backbones"]["tiny"]["stage1"] = {"training.max_epochs": 7}
    config.to_disk(base / "other.cfg")
    arguments = [str(base / "other.cfg"), "--output", str(results)]
    status, printed = run_experiments("study", *arguments)
    assert status == 1 and "other settings" in printed


@pytest.mark.slow
def test_a_pipeline_that_another_study_may_begin_from_is_kept(base: Path, tmp_path: Path) -> None:
    """Also where no row of this one does; others go."""
    methods = ["--study.methods", '["CLA", "MLT"]']
    assert run_experiments(*command(base, tmp_path), "--jobs", "2", *methods)[0] == 0
    kept = [path.parent.name for path in tmp_path.glob("runs/*/model-best")]
    assert kept == ["tiny-MLT-100-0"]


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_results(
    base: Path, undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    results = tmp_path / "results"
    for wanted in ("runs/tiny-MLT-50-0/history.jsonl", "runs/tiny-DualNER-50-0/checkpoint.pt"):
        arguments = ("experiments", *command(base, results), *ARGUMENTS)
        with Command(ROOT, tmp_path / "said", *arguments, warm_all=True) as study:
            study.until((results / wanted).exists)
            assert study.stop(signal.SIGKILL) == -signal.SIGKILL
    # Nor does it matter how many run at once.
    printed = run_study(base, results, "--jobs", "2")
    assert lines_of(results) == lines_of(undisturbed[0])
    assert "done before" in printed


@pytest.mark.parametrize("kill_at", ["corpus", "corpus.json"])
def test_killed_while_it_begins_it_goes_on(base: Path, tmp_path: Path, kill_at: str) -> None:
    """The corpus and the note on it come one after the other; a kill may come between."""
    study, results = study_of(base), tmp_path / "out"
    pid = os.fork()
    if not pid:
        try:
            Points(tmp_path, at=f"leader 1 os.rename {kill_at}")(os.getpid())
            run_studies([study], results)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.study.scheduler._done", lambda *_: (run for run in ()))
        assert run_studies([study], results) == []
    assert srsly.read_json(results / "corpus.json") and (results / "corpus" / "train").is_dir()


def test_a_run_that_fails_is_named(base: Path, tmp_path: Path, encoder_path: Path) -> None:
    broken = tmp_path / "encoder"
    broken.mkdir()
    arguments = ["--backbones.tiny.encoder", str(broken), "--study.methods", '["MLT"]']
    status, printed = run_experiments(*command(base, tmp_path / "out"), *arguments)
    assert status == 1
    assert "failed: see" in printed and "tiny-MLT-100-0" in printed
    assert "model.tok2vec.name" in (tmp_path / "out/runs/tiny-MLT-100-0/log.txt").read_text()


def test_a_setting_that_stage_2_refuses_is_said_in_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    """spaCy's error begins with empty lines."""

    def refuse(*_: object) -> None:
        raise ConfigValidationError(errors=[{"loc": ("alhpa",), "msg": "not permitted"}])

    monkeypatch.setattr("experiments.study.worker._work", refuse)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    run: Any = SimpleNamespace(cell=Cell("tiny", "DualNER", 100, 0))
    with pytest.raises(ConfigValidationError):
        work(run, torch.get_num_threads(), -1)
    said = "tiny-DualNER-100-0: Config validation error alhpa not permitted\n"
    assert capfd.readouterr().err == said


@pytest.mark.slow
def test_a_run_that_is_made_again_and_fails_is_named(base: Path, tmp_path: Path) -> None:
    """Its earlier result is of a pipeline that is gone, and nothing begins from that."""
    one, two = ("--study.methods", '["MLT"]'), ("--study.methods", '["MLT", "DualNER"]')
    assert run_experiments(*command(base, tmp_path), *one)[0] == 0
    run = tmp_path / "runs" / "tiny-MLT-100-0"
    shutil.rmtree(run / "model-best")
    (run / "stage1.cfg").unlink()
    (run / "stage1.cfg").mkdir()
    status, printed = run_experiments(*command(base, tmp_path), *two)
    assert status == 1
    assert "2 runs failed: tiny-MLT-100-0, tiny-DualNER-100-0" in printed
    assert "not run: it begins from tiny-MLT-100-0" in printed
    assert srsly.read_json(run / "run.json") and not list(
        srsly.read_jsonl(tmp_path / "results.jsonl")
    )


def test_a_run_that_cannot_write_its_log_says_why(base: Path, tmp_path: Path) -> None:
    words, hook = command(base, tmp_path / "out"), small_files_for_others
    with Command(ROOT, tmp_path / "said", "experiments", *words, hook=hook, warm_all=True) as study:
        assert study.wait() == 1
        out, err = study.read()
    assert "tiny-MLT-100-0: [Errno 27] File too large" in err and "Traceback" not in err
    assert "failed: see" in out
