"""spaCy's own commands, as a user gives them, on a pipeline with this component."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from helpers.corpus import entities, run_cli
from helpers.pipeline import time_limit, write_docs
from helpers.tiny import SENTENCES
from spacy import displacy
from spacy.tokens import Doc, DocBin

pytestmark = pytest.mark.slow

TEXTS = [" ".join(words) for words, _ in SENTENCES]
BARE = """
[nlp]
lang = "xx"
pipeline = ["dualner"]

[components]

[components.dualner]
factory = "dualner"
"""


@pytest.fixture(scope="module")
def folder(trained_folder: Path) -> Path:
    """With `docs.spacy`."""
    write_docs(trained_folder / "docs.spacy")
    return trained_folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return folder / "out" / "model-best"


# From a bare config to a pipeline, with spaCy's own reader, batcher and optimizer


def test_a_bare_config_is_filled_checked_and_trained(
    folder: Path, encoder_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "bare.cfg").write_text(BARE)
    config = tmp_path / "filled.cfg"
    status, _ = run_cli("init", "fill-config", tmp_path / "bare.cfg", config)
    assert status == 0
    filled = spacy.util.load_config(config)["components"]["dualner"]
    assert filled["decode"] == "span" and filled["overwrite"] is True
    assert filled["scorer"] == {"@scorers": "spacy-dualner.scorer.v1"}
    assert filled["model"]["@architectures"] == "spacy-dualner.DualNer.v1"
    assert filled["model"]["tok2vec"]["@architectures"] == "spacy-dualner.Transformer.v1"
    weights = spacy.util.load_config(config)["training"]["score_weights"]
    assert weights == {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    overrides = [
        *("--components.dualner.model.tok2vec.name", encoder_path),
        *("--paths.train", folder / "docs.spacy"),
        *("--paths.dev", folder / "docs.spacy"),
        *("--training.max_steps", 80),
        *("--training.eval_frequency", 80),
        *("--training.optimizer.learn_rate", 0.003),
    ]
    status, output = run_cli("debug", "config", config, *overrides)
    assert status == 0 and "Config is valid" in output
    status, output = run_cli("debug", "data", config, *overrides[:6])
    assert "Training pipeline: dualner" in output and "5 training docs" in output
    status, _ = run_cli("init", "labels", config, tmp_path / "labels", *overrides[:6])
    assert status == 0
    assert srsly.read_json(tmp_path / "labels" / "dualner.json") == ["LOC", "ORG", "PER"]
    status, output = run_cli("train", config, "--output", tmp_path / "out", *overrides)
    assert status == 0 and "LOSS DUALNER" in output
    assert spacy.load(tmp_path / "out" / "model-best").meta["performance"]["ents_f"] > 0.5


def test_debug_config_shows_registered_functions(folder: Path, tmp_path: Path) -> None:
    run_cli("init", "fill-config", folder / "stage1.cfg", tmp_path / "filled.cfg")
    status, output = run_cli("debug", "config", tmp_path / "filled.cfg", "--show-functions")
    assert status == 0
    assert "spacy-dualner.DualNer.v1" in output or "spacy-dualner.AdamW.v1" in output


def test_training_twice_gives_the_same(folder: Path, model: Path, tmp_path: Path) -> None:
    status, _ = run_cli("train", folder / "stage1.cfg", "--output", tmp_path)
    assert status == 0
    for name in ("dualner/cfg", "dualner/model"):
        assert (tmp_path / "model-best" / name).read_bytes() == (model / name).read_bytes()


# evaluate


@pytest.mark.parametrize("command", [["evaluate"], ["benchmark", "accuracy"]])
def test_evaluate_prints_and_writes_scores(
    folder: Path, model: Path, tmp_path: Path, command: list[str]
) -> None:
    scores = tmp_path / "scores.json"
    status, output = run_cli(*command, model, folder / "docs.spacy", "--output", scores)
    assert status == 0
    assert "NER F 100.00" in output and "PER 100.00 100.00 100.00" in output
    assert srsly.read_json(scores)["ents_f"] == 1.0
    assert set(srsly.read_json(scores)["ents_per_type"]) == {"LOC", "ORG", "PER"}


def test_evaluate_per_component(folder: Path, model: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    options = ["--per-component", "--output", scores]
    status, _ = run_cli("evaluate", model, folder / "docs.spacy", *options)
    assert status == 0
    assert srsly.read_json(scores)["dualner"]["ents_f"] == 1.0


@pytest.mark.filterwarnings("ignore:.*W006")
def test_evaluate_with_pictures(folder: Path, model: Path, tmp_path: Path) -> None:
    """spaCy's command draws the entities of its own `ner` alone; displaCy draws those of ours."""
    status, _ = run_cli("evaluate", model, folder / "docs.spacy", "--displacy-path", tmp_path)
    assert status == 0
    html = displacy.render(list(spacy.load(model).pipe(TEXTS)), style="ent", page=True)
    for text in ("Anna Smith", "Berlin", "Acme Corp"):
        assert html.index("<mark") < html.index(text) < html.rindex("</mark>")
    assert html.count("<mark") == sum(tag[0] == "B" for _, tags in SENTENCES for tag in tags)
    assert all(f">{label}</span>" in html for label in ("LOC", "ORG", "PER"))


# apply


@pytest.mark.parametrize("n_process", [1, 2])
def test_apply(model: Path, tmp_path: Path, n_process: int) -> None:
    """From JSONL, text and DocBin files in one folder."""
    given = tmp_path / "given"
    given.mkdir()
    srsly.write_jsonl(given / "a.jsonl", [{"text": text} for text in TEXTS])
    (given / "b.txt").write_text(TEXTS[0])
    nlp = spacy.load(model)
    DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(given / "c.spacy")
    options = ["--n-process", n_process, "--batch-size", 3]
    with time_limit(60):
        status, _ = run_cli("apply", model, given, tmp_path / "found.spacy", *options)
    assert status == 0
    docs = list(DocBin().from_disk(tmp_path / "found.spacy").get_docs(spacy.blank("xx").vocab))
    assert sorted(doc.text for doc in docs) == sorted([*TEXTS, *TEXTS, TEXTS[0]])
    expected = {text: ents_of(nlp(text)) for text in TEXTS}
    assert any(expected.values())
    for doc in docs:
        assert ents_of(doc) == expected[doc.text]


def ents_of(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


# package


LOAD = """
import json, sys
import xx_tiny
assert not [name for name in sys.modules if name.startswith("spacy_dualner.cli")]
nlp = xx_tiny.load()
docs = nlp.pipe(json.loads(sys.argv[1]))
print(json.dumps([[[ent.text, ent.label_] for ent in doc.ents] for doc in docs]))
"""


def test_a_wheel_installs_and_loads(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a fresh process, from the installed files alone."""
    # Building in an isolated environment would reach for the network: spaCy then builds here.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    options = ["--name", "tiny", "--version", "1.2.3", "--build", "wheel"]
    status, _ = run_cli("package", model, tmp_path, *options)
    assert status == 0
    (wheel,) = tmp_path.glob("xx_tiny-1.2.3/dist/*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", tmp_path / "site", wheel], check=True, timeout=120)
    paths = [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, srsly.json_dumps(TEXTS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = srsly.json_loads(done.stdout.splitlines()[-1])
    assert found == [list(map(list, ents_of(doc))) for doc in spacy.load(model).pipe(TEXTS)]
    assert any(found)


# assemble, benchmark speed


def test_assemble_from_a_source_under_a_new_name(model: Path, tmp_path: Path) -> None:
    (tmp_path / "assemble.cfg").write_text(
        BARE.replace('["dualner"]', '["names"]').replace("components.dualner", "components.names")
        .replace('factory = "dualner"', f'source = "{model}"\ncomponent = "dualner"')
    )  # fmt: skip
    status, _ = run_cli("assemble", tmp_path / "assemble.cfg", tmp_path / "out")
    assert status == 0
    nlp = spacy.load(tmp_path / "out")
    assert nlp.pipe_names == ["names"] and nlp.get_pipe("names").name == "names"
    assert entities(nlp) == entities(spacy.load(model))


def test_benchmark_speed_prints_words_a_second(folder: Path, model: Path) -> None:
    options = ["--batches", 30, "--warmup", 0, "--batch-size", 5]
    status, output = run_cli("benchmark", "speed", model, folder / "docs.spacy", *options)
    assert status == 0
    assert "Mean:" in output and "words/s" in output
