"""Stage 2 from end to end on a tiny corpus: what it picks, writes, logs and survives."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import torch
from helpers.commands import limit_files
from helpers.corpus import (
    entities,
    files_holding,
    make_other_nlp,
    run_cli,
    stage2_config,
    write_corpus,
)
from helpers.pipeline import same, weights
from helpers.teaching import (
    Interrupted,
    before_step,
    interrupt_at,
    last_student,
    note_batches,
    start,
)
from helpers.tiny import train_nlp
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from experiments.reliability.processes import Command
from spacy_dualner.component import DualNer
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.encoder.encode import bf16_pays
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.scores import evaluate
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.development import Development
from spacy_dualner.teaching.teach import Teaching, teach

FILES = ["model-best"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with a weak stage-1 `model` and a `corpus` in en, de and sw."""
    folder = tmp_path_factory.mktemp("teaching")
    nlp = train_nlp(encoder_path, steps=12)
    nlp.add_pipe("sentencizer", first=True)
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "DAY", "pattern": "Monday"}])
    nlp.to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"])
    return folder


def run(folder: Path, output: Path, *, resume: bool = False, **overrides: Any) -> Language:
    """Teach and load what was written."""
    config = stage2_config(folder / "model", folder / "corpus", **overrides)
    return spacy.load(teach(resolve_config(config), output, resume=resume))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# What comes out


def test_words_of_the_text_stay_out_of_the_pipeline(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder, tmp_path / "out", corpora__target__langs="sw")
    corpus = read_docs(folder / "corpus/unlabelled/sw.spacy", Vocab())
    assert "sevilsw" in {token.text for doc in corpus for token in doc}
    assert "sevilsw" not in nlp.vocab.strings


def test_writes_a_pipeline_that_loads(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder, tmp_path / "out")
    assert names(tmp_path / "out") == FILES
    assert nlp.pipe_names == ["sentencizer", "dualner", "entity_ruler"]
    assert nlp.get_pipe("dualner").labels == ("LOC", "ORG", "PER")
    assert evaluate(tmp_path / "out" / "model-best", folder / "corpus", ["de"])


def test_no_path_of_the_machine_is_left(folder: Path, tmp_path: Path, encoder_path: Path) -> None:
    nlp = run(folder, tmp_path / "out", teaching__max_epochs=1)
    assert str(encoder_path) not in nlp.config.to_str()
    assert files_holding(tmp_path / "out" / "model-best", str(encoder_path)) == []
    assert files_holding(tmp_path / "out" / "model-best", str(folder)) == []


def test_teaching_helps(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder, tmp_path / "out", teaching__max_epochs=15)
    before, after = (
        evaluate(path, folder / "corpus", ["en", "de"])["mean"]["span"]["f"]
        for path in (folder / "model", tmp_path / "out" / "model-best")
    )
    assert after > before
    assert nlp.meta["performance"]["select"] == pytest.approx(after / 100)


def test_nothing_better_returns_stage_1_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nlp = run(folder, tmp_path / "out", teaching__optimizer__learn_rate=1e-12)
    assert same(weights(nlp), weights(spacy.load(folder / "model")))
    assert "stage 2 returns stage 1" in " ".join(capsys.readouterr().out.split())


def test_the_best_student_is_what_is_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the last one; and an equal score does not replace it."""
    given = iter([0.3, 0.2, 0.6, 0.6, 0.5, 0.1, 0.2, 0.3, 0.4])
    students: list[dict[str, torch.Tensor]] = []

    def score(
        self: Development, network: torch.nn.Module, *_: int
    ) -> tuple[float, dict[str, float]]:
        students.append({k: v.clone() for k, v in network.state_dict().items()})
        return next(given), dict.fromkeys(self.columns, 0.0)

    monkeypatch.setattr(Development, "score", score)
    run(folder, tmp_path / "out", teaching__max_epochs=3)
    written = spacy.load(tmp_path / "out" / "model-best").get_pipe("dualner")
    heads = written.model.get_ref("heads").shims[0]._model.state_dict()
    matching = [
        i
        for i, student in enumerate(students)
        if all(torch.equal(student[f"heads.{key}"], value) for key, value in heads.items())
    ]
    assert matching == [2]
    assert len(students) == 7


def test_the_best_student_becomes_the_teacher(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter([0.3, 0.4, 0.2])
    monkeypatch.setattr(
        Development, "score", lambda self, *_: (next(given), dict.fromkeys(self.columns, 0.0))
    )
    teaching = start(folder, tmp_path, teaching__max_epochs=1)
    first = {k: v.clone() for k, v in teaching.teacher.network.state_dict().items()}
    teaching.run(resume=False)
    assert not same(first, dict(teaching.teacher.network.state_dict()))
    assert teaching.teacher.step == 2 and teaching.teacher.score == 0.4


def test_teacher_has_neither_dropout_nor_gradient(folder: Path, tmp_path: Path) -> None:
    teaching = start(folder, tmp_path, teaching__dropout=0.3)
    teaching.step.take(teaching.data.trained_on[:5], 1.0)
    assert not any(m.training for m in teaching.teacher.network.modules())
    assert not any(p.requires_grad for p in teaching.teacher.network.parameters())
    assert teaching.network.heads.dropout.p == 0.3
    assert all(m.training for m in teaching.network.modules())


def test_other_components_are_carried_over(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder, tmp_path / "out", teaching__max_epochs=1)
    before = spacy.load(folder / "model")
    for name in ("sentencizer", "entity_ruler"):
        assert nlp.get_pipe_config(name) == before.get_pipe_config(name)
    assert nlp.get_pipe("sentencizer").punct_chars == before.get_pipe("sentencizer").punct_chars
    assert nlp.get_pipe("entity_ruler").patterns == before.get_pipe("entity_ruler").patterns
    doc = nlp("Anna left on Monday. Peter stays.")
    assert ("Monday", "DAY") in [(e.text, e.label_) for e in doc.ents]
    assert len(list(doc.sents)) == 2


def test_runs_are_repeatable(folder: Path, tmp_path: Path) -> None:
    first = run(folder, tmp_path / "one", teaching__max_epochs=4)
    again = run(folder, tmp_path / "two", teaching__max_epochs=4)
    other = run(folder, tmp_path / "three", teaching__max_epochs=4, system__seed=1)
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_a_new_run_replaces_the_last_ones_pipeline(folder: Path, tmp_path: Path) -> None:
    stale = tmp_path / "out" / "model-best" / "README.md"
    stale.parent.mkdir(parents=True)
    for name in ("config.cfg", "meta.json", stale.name):
        (stale.parent / name).write_text("old")
    run(folder, tmp_path / "out", teaching__max_epochs=1)
    assert (stale.parent / "dualner").is_dir() and not stale.exists()


# Choices


def test_select_by_source_needs_only_its_development_set(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teaching = start(
        folder,
        tmp_path,
        teaching__select="source",
        corpora__target__langs="de,sw",
        corpora__dev__langs="en",
    )
    assert list(teaching.development.columns.values()) == ["en"]
    score, scores = teaching.development.score(teaching.network)
    assert score == scores["ents_f_en"]
    teaching.run(resume=False)


def test_select_by_source_ignores_other_languages(folder: Path, tmp_path: Path) -> None:
    teaching = start(folder, tmp_path, teaching__select="source", corpora__dev__langs="en,de")
    score, scores = teaching.development.score(teaching.network)
    assert scores["ents_f_en"] != scores["ents_f_de"]
    assert score == scores["ents_f_en"]


def test_select_by_mean(folder: Path, tmp_path: Path) -> None:
    teaching = start(folder, tmp_path)
    score, scores = teaching.development.score(teaching.network)
    assert score == pytest.approx((scores["ents_f_en"] + scores["ents_f_de"]) / 2)
    evaluated = evaluate(folder / "model", folder / "corpus", ["en", "de"], split="dev")
    assert score == pytest.approx(evaluated["mean"]["span"]["f"] / 100)


def without(section: str, config: Any) -> Any:
    """A config with `target = null` or `dev = null`."""
    config["corpora"][section] = None
    return config


def test_select_by_agreement_needs_no_labels(folder: Path, tmp_path: Path) -> None:
    config = stage2_config(
        folder / "model",
        folder / "corpus",
        teaching__select="agreement",
        teaching__held_back=3,
        corpora__target__langs="de,sw",
    )
    teaching = Teaching(resolve_config(without("dev", config)), tmp_path)
    assert list(teaching.development.columns.values()) == ["agree_de", "agree_sw"]
    # Ten source sentences, and seven of ten in each target language.
    assert len(teaching.data.trained_on) == 10 + 2 * 7
    score, scores = teaching.development.score(teaching.network)
    assert score == pytest.approx(sum(scores.values()) / 2)
    teaching.run(resume=False)
    assert names(tmp_path) == FILES


def test_agreement_does_not_hold_back_all_target_text(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten sentences a language, 300 to be held back: half is left to train on, and it is said."""
    teaching = start(folder, tmp_path, teaching__select="agreement", teaching__held_back=300)
    n_target, n_held_back = teaching.data.n_target, len(teaching.data.held_back)
    assert n_target == n_held_back > 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"target: {n_target} (" in said
    assert f", {n_held_back} more held back" in said


@pytest.mark.parametrize("select,said", [("mean", "corpora.dev"), ("source", "corpora.dev")])
def test_nothing_to_select_by_is_a_clear_error(folder: Path, tmp_path: Path, select, said) -> None:
    config = stage2_config(folder / "model", folder / "corpus", teaching__select=select)
    with pytest.raises(DualNerError, match=said):
        Teaching(resolve_config(without("dev", config)), tmp_path)


def test_agreement_without_target_text_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    config = stage2_config(folder / "model", folder / "corpus", teaching__select="agreement")
    with pytest.raises(DualNerError, match=r"corpora\.target"):
        Teaching(resolve_config(without("target", config)), tmp_path)


def test_source_selection_without_source_development_is_a_clear_error(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(DualNerError, match="source language"):
        start(folder, tmp_path, teaching__select="source", corpora__dev__langs="de")


def test_without_target_text(folder: Path, tmp_path: Path) -> None:
    config = stage2_config(folder / "model", folder / "corpus")
    teaching = Teaching(resolve_config(without("target", config)), tmp_path)
    assert len(teaching.data.trained_on) == teaching.data.n_source == 10
    teaching.run(resume=False)
    assert names(tmp_path) == FILES


@pytest.fixture(scope="module")
def plain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The last student of the default settings, without dropout."""
    return last_student(start(folder, tmp_path_factory.mktemp("plain"), teaching__dropout=0.0))


@pytest.mark.parametrize(
    "settings",
    [
        {"teaching__alpha": 0.0},
        {"teaching__method": "selfkl"},
        {"teaching__mse_norm": "set"},
        {"teaching__accumulate_gradient": 2},
        {"teaching__batch_size": 64},
        {"teaching__eval_frequency": 1000},
        {"teaching__warmup_steps": 0},
    ],
)
def test_variants_differ(
    folder: Path, tmp_path: Path, plain: dict[str, torch.Tensor], settings: dict[str, Any]
) -> None:
    """Each setting runs and acts: the last student is another one than the default's."""
    teaching = start(folder, tmp_path, teaching__dropout=0.0, **settings)
    student = last_student(teaching)
    assert all(torch.isfinite(v).all() for v in student.values())
    if "teaching__eval_frequency" in settings:
        assert teaching.n_steps == teaching.schedule.total
    else:
        assert not same(student, plain)


def test_several_sources_with_limits(folder: Path, tmp_path: Path) -> None:
    teaching = start(
        folder, tmp_path, corpora__source__langs="en,de:3", corpora__target__langs="sw"
    )
    assert teaching.data.n_source == 10 + 3
    assert teaching.data.source_langs == ["en", "de"]
    teaching.run(resume=False)


def test_a_limit_that_is_no_number_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match="many"):
        start(folder, tmp_path, corpora__source__langs="en:many")


def test_a_missing_corpus_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match=r"tlh.*convert"):
        start(folder, tmp_path, corpora__target__langs="tlh")


def test_target_text_without_a_sentence_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    """It would be a run without target text, which nobody has asked for."""
    corpus = shutil.copytree(folder / "corpus", tmp_path / "corpus")
    DocBin(store_user_data=True).to_disk(corpus / "unlabelled" / "de.spacy")
    with pytest.raises(DualNerError, match=r"corpora\.target holds no sentence.*null"):
        start(folder, tmp_path / "out", paths__corpus=str(corpus))


def test_optional_development_languages_may_be_missing(folder: Path, tmp_path: Path) -> None:
    teaching = start(folder, tmp_path, corpora__dev__langs="en,tlh")
    assert list(teaching.development.columns.values()) == ["en"]


@pytest.mark.parametrize("key", ["tag_loss", "span_loss"])
def test_one_kind_of_heads_is_refused(
    folder: Path, tmp_path: Path, encoder_path: Path, key: str
) -> None:
    train_nlp(encoder_path, steps=1, **{key: 0.0}).to_disk(tmp_path / "model")
    config = stage2_config(tmp_path / "model", folder / "corpus")
    with pytest.raises(DualNerError, match="both kinds of heads"):
        teach(resolve_config(config), tmp_path / "out")


@pytest.mark.parametrize("kind", ["cnn", "listener"])
def test_other_encoders_are_refused(
    folder: Path, tmp_path: Path, encoder_path: Path, kind: str
) -> None:
    nlp = make_other_nlp(kind, encoder_path)
    nlp.get_pipe("dualner").add_label("LOC")
    nlp.initialize()
    nlp.to_disk(tmp_path / "model")
    config = stage2_config(tmp_path / "model", folder / "corpus")
    with pytest.raises(DualNerError, match=r"@architectures = \"spacy-dualner\.Transformer\.v1\""):
        teach(resolve_config(config), tmp_path / "out")


def test_a_wrong_component_name_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match="no dualner component 'sentencizer'"):
        start(folder, tmp_path, teaching__component="sentencizer")


def test_an_untrained_pipeline_is_a_clear_error(
    folder: Path, tmp_path: Path, encoder_path: Path
) -> None:
    from helpers.tiny import make_nlp

    make_nlp(encoder_path).to_disk(tmp_path / "model")
    config = stage2_config(tmp_path / "model", folder / "corpus")
    with pytest.raises(DualNerError):
        teach(resolve_config(config), tmp_path / "out")


@pytest.mark.skipif(not bf16_pays(torch.device("cpu")), reason="no bfloat16 arithmetic here")
def test_precision_may_change_between_runs_of_one_process(folder: Path, tmp_path: Path) -> None:
    for mixed in (False, True, False):
        teaching = start(folder, tmp_path, teaching__mixed_precision=mixed)
        assert teaching.accelerator.mixed_precision == ("bf16" if mixed else "no")


# Steps


def first_gradient(teaching: Teaching) -> dict[str, torch.Tensor]:
    """The gradient that the first optimizer step sees."""
    seen: dict[str, torch.Tensor] = {}

    def step(*args: Any, **kwargs: Any) -> None:
        seen.update({k: p.grad.clone() for k, p in teaching.network.named_parameters()})

    teaching.step.optimizer.step = step
    teaching.config.optimizer.grad_clip = 0.0
    for module in teaching.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):  # of the attention
            module.dropout_prob = 0.0
    mixed = [0, 1, 2, 10, 11, 14, 3]
    teaching.step.take(teaching.data.trained_on[mixed], 1.0)
    return seen


@pytest.mark.parametrize("pieces", [2, 3, 7])
@pytest.mark.parametrize("method", ["dual", "selfkl"])
def test_pieces_give_the_gradient_of_the_whole(
    folder: Path, tmp_path: Path, pieces: int, method: str
) -> None:
    """J_src and J_trg are means over the words of the whole batch."""
    settings = {
        "teaching__alpha": 0.0,
        "teaching__dropout": 0.0,
        "teaching__method": method,
    }
    whole = first_gradient(start(folder, tmp_path, **settings))
    cut = first_gradient(start(folder, tmp_path, **settings, teaching__accumulate_gradient=pieces))
    assert max(float(g.abs().max()) for g in whole.values()) > 1e-3
    for key, gradient in whole.items():
        torch.testing.assert_close(cut[key], gradient, atol=1e-5, rtol=1e-3)


def test_the_learning_rate_rises_and_falls(folder: Path, tmp_path: Path) -> None:
    teaching = start(folder, tmp_path, teaching__warmup_steps=2)
    rates: list[float] = []
    optimizer = teaching.step.optimizer
    step = optimizer.step

    def recording(*args: Any, **kwargs: Any) -> Any:
        rates.append(optimizer.param_groups[0]["lr"])
        return step(*args, **kwargs)

    optimizer.step = recording
    teaching.run(resume=False)
    assert len(rates) == 8
    assert rates[:2] == pytest.approx([0.0005, 0.001])
    assert rates[2:] == sorted(rates[2:], reverse=True) and rates[-1] > 0


def test_a_small_corpus_warms_up_and_is_evaluated_in_time(folder: Path, tmp_path: Path) -> None:
    """Settings for more steps than there are: a quarter warms up, each epoch is evaluated."""
    log = tmp_path / "log.jsonl"
    teaching = start(
        folder,
        tmp_path,
        teaching__warmup_steps=300,
        teaching__eval_frequency=250,
        teaching__max_epochs=3,
        teaching__logger__output_file=str(log),
    )
    teaching.run(resume=False)
    schedule = teaching.schedule
    assert (schedule.epoch, schedule.total, schedule.warmup) == (4, 12, 3)
    assert [row["step"] for row in srsly.read_jsonl(log)] == [0, 4, 8, 12]
    record = spacy.load(tmp_path / "model-best").meta["dualner"]
    assert (record["steps"], record["warmup_steps"]) == (12, 3)


def test_every_sentence_is_seen_once_an_epoch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = note_batches(monkeypatch)
    start(folder, tmp_path).run(resume=False)
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20))
    assert seen[:20] != seen[20:]


# The log


def test_the_log_has_a_row_per_evaluation_and_a_column_per_language(
    folder: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    config = stage2_config(folder / "model", folder / "corpus", corpora__dev__langs="en,de,sw")
    config["teaching"]["logger"]["output_file"] = str(log)
    config["teaching"]["logger"]["console_output"] = False
    teach(resolve_config(config), tmp_path / "out")
    rows = list(srsly.read_jsonl(log))
    assert [row["step"] for row in rows] == [0, 2, 4, 6, 8]
    assert [row["epoch"] for row in rows] == [0, 0, 1, 1, 2]
    for row in rows:
        assert list(row["scores"]) == ["en", "de", "sw"]
        # The logger writes scores in percent, and the one that selects as it is.
        assert 100 * row["score"] == pytest.approx(sum(row["scores"].values()) / 3)
        assert set(row["losses"]) == {"dualner"}
    assert all(row["losses"]["dualner"] > 0 for row in rows[1:])


def test_the_table_on_the_console(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    (header,) = [line.split() for line in lines if line.startswith("E ")]
    assert header == ["E", "#", "LOSS", "DUALNER", "EN", "DE", "SCORE"]
    rows = [line.split() for line in lines if line.split() and line.split()[0] in "012"]
    assert [row[1] for row in rows] == ["0", "2", "4", "6", "8"]


# Interruptions


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of the run that `LONG` describes."""
    output = tmp_path_factory.mktemp("undisturbed")
    return {k: v.clone() for k, v in weights(run(folder, output, **LONG)).items()}


LONG: dict[str, Any] = {"teaching__max_epochs": 6, "teaching__eval_frequency": 3}


@pytest.mark.parametrize("at", [0, 3, 10, 23])
def test_an_interrupted_run_resumes_to_the_same_weights(
    folder: Path, tmp_path: Path, undisturbed, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, at)
    with pytest.raises(Interrupted):
        run(folder, tmp_path, **LONG)
    assert names(tmp_path) == (["checkpoint.pt"] if at >= 3 else [])
    monkeypatch.undo()
    torch.manual_seed(99)
    assert same(weights(run(folder, tmp_path, resume=True, **LONG)), undisturbed)
    assert names(tmp_path) == FILES


def test_interrupted_twice(
    folder: Path, tmp_path: Path, undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, resume in ((7, False), (14, True)):
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            interrupt_at(patch, at)
            run(folder, tmp_path, resume=resume, **LONG)
    assert same(weights(run(folder, tmp_path, resume=True, **LONG)), undisturbed)


def test_interrupted_while_the_pipeline_is_written(
    folder: Path, tmp_path: Path, undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: DualNer, path: Path, **kwargs: Any) -> None:
        raise Interrupted

    monkeypatch.setattr(DualNer, "to_disk", failing)
    with pytest.raises(Interrupted):
        run(folder, tmp_path, **LONG)
    assert "model-best" not in names(tmp_path) and "checkpoint.pt" in names(tmp_path)
    monkeypatch.undo()
    assert same(weights(run(folder, tmp_path, resume=True, **LONG)), undisturbed)
    assert names(tmp_path) == FILES


def test_resume_without_checkpoint_starts_anew(
    folder: Path, tmp_path: Path, undisturbed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert same(weights(run(folder, tmp_path, resume=True, **LONG)), undisturbed)
    assert "No checkpoint" in capsys.readouterr().out


@pytest.mark.parametrize(
    "other",
    [
        {"teaching__alpha": 0.25},
        {"system__seed": 5},
        {"corpora__target__langs": "sw"},
        {"teaching__optimizer__learn_rate": 0.002},
    ],
)
def test_another_config_is_not_resumed(
    folder: Path, tmp_path: Path, other, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, 5)
    with pytest.raises(Interrupted):
        run(folder, tmp_path, **LONG)
    with pytest.raises(DualNerError, match="another config"):
        run(folder, tmp_path, resume=True, **{**LONG, **other})
    assert names(tmp_path) == ["checkpoint.pt"]


@pytest.mark.parametrize("split", ["train", "unlabelled", "dev"])
def test_another_text_is_not_resumed(
    folder: Path, tmp_path: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As large as before."""
    corpus = shutil.copytree(folder / "corpus", tmp_path / "corpus")
    overrides = {**LONG, "paths__corpus": str(corpus)}
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        with pytest.raises(Interrupted):
            run(folder, tmp_path / "out", **overrides)
    path = corpus / split / f"{'en' if split == 'train' else 'de'}.spacy"
    docs = list(read_docs(path, Vocab()))
    attrs = [] if split == "unlabelled" else ["ENT_IOB", "ENT_TYPE"]
    DocBin(docs=docs[::-1], attrs=attrs, store_user_data=True).to_disk(path)
    with pytest.raises(DualNerError, match="another config or corpus"):
        run(folder, tmp_path / "out", resume=True, **overrides)
    assert names(tmp_path / "out") == ["checkpoint.pt"]


def test_a_broken_checkpoint_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DualNerError, match="not a checkpoint"):
        run(folder, tmp_path, resume=True, **LONG)


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """No file may grow beyond 20 kB, as if the disk were full."""
    before = limit_files(20_000)
    yield
    limit_files(before)


def test_a_full_disk_is_a_clear_error(folder: Path, tmp_path: Path, file_size_limit) -> None:
    with pytest.raises(DualNerError, match=r"could not be written.*none before.*--resume"):
        run(folder, tmp_path, **LONG)
    assert names(tmp_path) == []


@pytest.mark.parametrize("broken", ["torch.save", "os.fsync", "os.replace"])
def test_a_failing_write_leaves_the_last_checkpoint(
    folder: Path, tmp_path: Path, undisturbed, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[bytes] = []
    save = torch.save

    def no_room(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save_half(state: Any, file: Any) -> None:
        save({"half": torch.zeros(100)}, file)
        no_room()

    def fill_the_disk() -> None:
        before.append((tmp_path / "checkpoint.pt").read_bytes())
        module, name = broken.split(".")
        double = save_half if broken == "torch.save" else no_room
        monkeypatch.setattr(sys.modules[module], name, double)

    before_step(monkeypatch, 7, fill_the_disk)
    with pytest.raises(DualNerError, match=r"No space left.*last complete one stays.*--resume"):
        run(folder, tmp_path, **LONG)
    monkeypatch.undo()
    assert names(tmp_path) == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before[0]
    assert same(weights(run(folder, tmp_path, resume=True, **LONG)), undisturbed)


# The command line


def arguments_of(folder: Path, config_path: Path) -> list[str]:
    stage2_config(folder / "model", folder / "corpus", **LONG).to_disk(config_path)
    return ["dualner", "teach", str(config_path), "--output"]


def test_the_command(folder: Path, tmp_path: Path) -> None:
    arguments = arguments_of(folder, tmp_path / "stage2.cfg")
    overrides = ["--teaching.max_epochs", "1", "--corpora.target.langs", "de,sw"]
    status, output = run_cli(*arguments, tmp_path / "out", *overrides)
    assert status == 0
    assert "target: 20 (de, sw), 6 steps in 1 epochs" in output
    assert "Saved pipeline to" in output
    assert any(entities(spacy.load(tmp_path / "out" / "model-best"))) is not None


@pytest.mark.parametrize(
    "overrides,said",
    [
        (["--paths.model", "nowhere"], ["nowhere"]),
        (["--teaching.mehtod", "dual"], ["mehtod"]),
        (["--teaching.method", "triple"], ["method"]),
        (["--teaching.alpha", "much"], ["alpha"]),
        (["--corpora.target.langs", "tlh"], ["tlh", "convert"]),
        (["--corpora.source.langs", "en:x"], ["en:x"]),
        (["--teaching.optimizer.@optimizers", "Adam.v1"], []),
    ],
)
def test_wrong_settings_are_clear_errors(folder: Path, tmp_path: Path, overrides, said) -> None:
    arguments = arguments_of(folder, tmp_path / "stage2.cfg")
    status, output = run_cli(*arguments, tmp_path / "out", *overrides)
    assert status == 1
    for words in said:
        assert words in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_killed_processes_resume_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    """kill -9, then SIGTERM, at random moments after the first checkpoint, then to the end."""
    arguments = arguments_of(folder, tmp_path / "stage2.cfg")
    # Long enough to be met while it runs.
    more = ["--teaching.max_epochs", "40", "--teaching.eval_frequency", "20"]
    more += ["--teaching.mixed_precision", "true"]
    rng = random.Random(0)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    resume: list[str] = []
    # The second is heard, and a shell's way of telling it is an exit status.
    for number, ended in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        words = ("spacy", *arguments, tmp_path / "killed", *more, *resume)
        with Command(tmp_path, tmp_path / "said", *words) as teach:
            teach.until(
                lambda before=before: checkpoint.exists() and checkpoint.stat().st_mtime_ns > before
            )
            time.sleep(rng.uniform(0, 0.3))
            assert teach.stop(number) == ended, teach.read()
        resume = ["--resume"]
    status, printed = run_cli(*arguments, tmp_path / "killed", *more, *resume)
    assert status == 0, printed
    assert "Resumed at step" in printed
    assert names(tmp_path / "killed") == FILES
    assert run_cli(*arguments, tmp_path / "whole", *more)[0] == 0
    whole, killed = (spacy.load(tmp_path / name / "model-best") for name in ("whole", "killed"))
    assert same(weights(whole), weights(killed))
