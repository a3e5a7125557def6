"""spaCy's own commands on a pipeline with this component, and the help of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from helpers.commands import COMMANDS
from helpers.corpus import entities, files_holding, run_cli
from helpers.tiny import SENTENCES, make_examples
from spacy.cli import app
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.tokens import DocBin
from spacy.util import load_model_from_config
from typer.main import get_command

from spacy_dualner.cli import dualner_cli


@pytest.fixture(scope="module")
def folder(trained_folder: Path) -> Path:
    return trained_folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return folder / "out" / "model-best"


# train


def test_train_learns(model: Path) -> None:
    nlp = spacy.load(model)
    assert nlp.meta["performance"]["ents_f"] > 0.8
    assert nlp.meta["performance"]["ents_f_mean"] == nlp.meta["performance"]["ents_f"]
    assert set(nlp.meta["performance"]["ents_per_type"]) == {"LOC", "ORG", "PER"}
    assert any(entities(nlp))


def test_train_leaves_no_path(folder: Path, model: Path, encoder_path: Path) -> None:
    """The preset's `before_to_disk` cleans config and files of what `train` writes."""
    for path in (model, folder / "out" / "model-last"):
        config = spacy.load(path).config.to_str()
        assert str(encoder_path) not in config and str(folder) not in config
        assert files_holding(path, str(folder)) == []


def test_train_leaves_no_path_of_the_encoder_in_files(model: Path, encoder_path: Path) -> None:
    assert files_holding(model, str(encoder_path)) == []


def test_train_keeps_the_best_by_the_mean_of_languages(model: Path) -> None:
    weights = spacy.load(model).config["training"]["score_weights"]
    assert weights["ents_f_mean"] == 1.0 and weights["ents_f"] == 0.0


def test_train_accumulates_gradients(folder: Path, tmp_path: Path) -> None:
    overrides = {"training.accumulate_gradient": 2, "training.max_epochs": 2}
    train(folder / "stage1.cfg", tmp_path, use_gpu=-1, overrides=overrides)
    assert (tmp_path / "model-last").is_dir()


@pytest.mark.parametrize(
    "overrides",
    [
        {"components.dualner.span_loss": 0.0, "components.dualner.decode": "tag"},
        {"components.dualner.tag_loss": 0.0},
        {"components.dualner.model.tok2vec.pooling": "mean"},
        {"components.dualner.model.tok2vec.mixed_precision": False},
    ],
)
def test_train_variants(folder: Path, tmp_path: Path, overrides: dict) -> None:
    train(
        folder / "stage1.cfg",
        tmp_path,
        use_gpu=-1,
        overrides={**overrides, "training.max_epochs": 12},
    )
    assert spacy.load(tmp_path / "model-best").meta["performance"]["ents_f"] > 0.2


def test_train_without_the_encoder_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    status, output = run_train(folder, tmp_path, "--paths.encoder", str(tmp_path / "gone"))
    assert status != 0
    assert "gone" in output and "components.dualner.model.tok2vec.name" in output


def run_train(folder: Path, output: Path, *overrides: str) -> tuple[int, str]:
    """`spacy train` in-process; an error's text counts as output."""
    try:
        return run_cli("train", folder / "stage1.cfg", "--output", output, *overrides)
    except Exception as error:
        return 1, str(error)


def test_train_with_a_missing_corpus_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    status, output = run_train(folder, tmp_path, "--corpora.train.langs", "tlh")
    assert status != 0
    assert "tlh" in output and "dualner convert" in output


def test_training_goes_on_from_a_trained_pipeline(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    """`source = ...` in a config: what was learned is still there after a step at rate 0."""
    config = spacy.util.load_config(folder / "stage1.cfg")
    config["components"]["dualner"] = {"source": str(model)}
    config["training"]["optimizer"]["learn_rate"] = 0.0
    config["training"]["max_epochs"] = 1
    config.to_disk(tmp_path / "on.cfg")
    train(tmp_path / "on.cfg", tmp_path / "out", use_gpu=-1)
    assert entities(spacy.load(tmp_path / "out" / "model-last")) == entities(spacy.load(model))


def test_a_trained_pipeline_can_be_trained_on_in_python(model: Path) -> None:
    """spaCy makes the optimizer from the saved config, where no corpus is at hand."""
    nlp = spacy.load(model)
    assert nlp.update(make_examples(nlp), sgd=nlp.resume_training(), losses={})["dualner"] > 0
    nlp = spacy.load(model)
    assert nlp.update(make_examples(nlp), losses={})["dualner"] > 0


# Other commands of spaCy


def test_init_labels_and_labels_read_back(folder: Path, tmp_path: Path) -> None:
    status, _ = run_cli("init", "labels", folder / "stage1.cfg", tmp_path)
    assert status == 0
    assert srsly.read_json(tmp_path / "dualner.json") == ["LOC", "ORG", "PER"]
    config = spacy.util.load_config(folder / "stage1.cfg")
    (tmp_path / "dualner.json").write_text('["CITY", "LOC", "ORG", "PER"]')
    reader = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "dualner.json")}
    config["initialize"]["components"] = {"dualner": {"labels": reader}}
    config["training"]["max_epochs"] = 1
    config.to_disk(tmp_path / "labels.cfg")
    train(tmp_path / "labels.cfg", tmp_path / "out", use_gpu=-1)
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.get_pipe("dualner").labels == ("CITY", "LOC", "ORG", "PER")


@pytest.fixture(scope="module")
def filled(folder: Path) -> Path:
    """The config after `init fill-config`, which the debugging commands ask for."""
    fill_config(folder / "filled.cfg", folder / "stage1.cfg", silent=True)
    return folder / "filled.cfg"


def test_debug_config(filled: Path) -> None:
    status, output = run_cli("debug", "config", filled)
    assert status == 0
    assert "Config is valid" in output


def test_debug_config_names_a_wrong_setting(filled: Path) -> None:
    status, output = run_cli("debug", "config", filled, "--components.dualner.decoding", "span")
    assert status == 1
    assert "decoding" in output


def test_debug_data(filled: Path) -> None:
    status, output = run_cli("debug", "data", filled)
    assert status in (0, 1)  # 1 where it finds the corpus small
    assert "Corpus is loadable" in output and "Training pipeline: dualner" in output


def test_evaluate(folder: Path, model: Path, tmp_path: Path) -> None:
    """spaCy's own `evaluate` says the same as ours."""
    corpus = folder / "corpus" / "test" / "en.spacy"
    status, _ = run_cli("evaluate", model, corpus, "--output", tmp_path / "theirs.json")
    assert status == 0
    status, _ = run_cli(
        "dualner", "evaluate", model, folder / "corpus", "-l", "en", "-o", tmp_path / "ours.json"
    )
    assert status == 0
    ours = srsly.read_json(tmp_path / "ours.json")["languages"]["en"]["span"]
    theirs = srsly.read_json(tmp_path / "theirs.json")
    for key in ("p", "r", "f"):
        assert ours[key] == pytest.approx(100 * theirs[f"ents_{key}"])


@pytest.mark.parametrize("interpolate", [True, False])
def test_assemble(folder: Path, model: Path, tmp_path: Path, interpolate: bool) -> None:
    config = spacy.util.load_config(folder / "stage1.cfg", interpolate=interpolate)
    config["components"]["dualner"] = {"source": str(model)}
    config.to_disk(tmp_path / "assemble.cfg")
    status, _ = run_cli("assemble", tmp_path / "assemble.cfg", tmp_path / "out")
    assert status == 0
    assert entities(spacy.load(tmp_path / "out")) == entities(spacy.load(model))


def test_apply(model: Path, tmp_path: Path) -> None:
    texts = [" ".join(words) for words, _ in SENTENCES]
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in texts])
    status, _ = run_cli("apply", model, tmp_path / "texts.jsonl", tmp_path / "found.spacy")
    assert status == 0
    nlp = spacy.load(model)
    docs = list(DocBin().from_disk(tmp_path / "found.spacy").get_docs(nlp.vocab))
    assert len(docs) == 5
    found = [[e.text for e in doc.ents] for doc in docs]
    assert found == [[e.text for e in doc.ents] for doc in nlp.pipe(texts)]
    assert any(found)


def test_benchmark_speed(folder: Path, model: Path) -> None:
    corpus = folder / "corpus" / "test" / "en.spacy"
    arguments = ["--batches", "30", "--warmup", "1", "--batch-size", "2"]
    status, _ = run_cli("benchmark", "speed", model, corpus, *arguments)
    assert status == 0


def test_package(model: Path, tmp_path: Path) -> None:
    status, _ = run_cli(
        "package", model, tmp_path, "--name", "tiny", "--version", "1.2.3", "--build", "none"
    )
    assert status == 0
    package = tmp_path / "xx_tiny-1.2.3"
    nlp = spacy.load(package / "xx_tiny" / "xx_tiny-1.2.3")
    assert entities(nlp) == entities(spacy.load(model))
    requirements = srsly.read_json(package / "meta.json")["requirements"]
    assert any(line.startswith("spacy-dualner>=") for line in requirements)


# Help


@pytest.mark.slow
def test_help_as_a_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spacy", "dualner", "--help"],
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0
    for name in COMMANDS:
        assert name in done.stdout
    assert not done.stderr


def test_commands_import_what_is_slow_when_they_are_called() -> None:
    """Every `python -m spacy` imports them, and `fetch` sets what the hub's library reads once.

    spaCy itself imports torch, if it is there: the package and its commands do not need it.
    """
    code = """
import sys
import spacy_dualner
print({"spacy", "torch"} & {*sys.modules})
sys.modules["torch"] = None
import spacy_dualner.cli
print({"huggingface_hub", "transformers"} & {*sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["set()", "set()"], done.stderr


def test_the_commands() -> None:
    named = {"annotate", "calibrate", "card", "compare", "configure", "convert", "evaluate"}
    named |= {"fetch", "from-hf", "inspect", "shrink", "sources", "teach", "threshold"}
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str) -> None:
    status, output = run_cli("dualner", command, "--help")
    assert status == 0
    assert "Examples" in output
    assert f"python -m spacy dualner {command}" in output
    if command in ("teach", "evaluate", "annotate"):
        assert "--gpu-id" in output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_described(command: str) -> None:
    """Also those that are fields of a dataclass, whose docstring describes them."""
    options = get_command(dualner_cli).commands[command].params
    assert [option.name for option in options if not option.help] == []


def test_no_command_prints_help() -> None:
    _, output = run_cli("dualner")
    assert "Usage" in output and "teach" in output


def test_the_group_is_spacys() -> None:
    assert "dualner" in [group.name or group.typer_instance.info.name
                         for group in app.registered_groups]  # fmt: skip


def test_the_config_of_a_saved_pipeline_is_loadable(model: Path) -> None:
    """As `spacy init fill-config` and `assemble` do."""
    config = spacy.util.load_config(model / "config.cfg")
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.pipe_names == ["dualner"]
    assert json.dumps(nlp.config["components"])
