"""The scripts in `examples/` and `scripts/`, and what docs/python.md says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest
import spacy
from helpers.tiny import ROOT
from spacy.language import Language


@pytest.mark.slow
def test_python_alone(tmp_path: Path) -> None:
    script = ROOT / "examples" / "python_alone.py"
    encoder = ROOT / "assets" / "demo" / "encoder"
    done = subprocess.run(
        [sys.executable, script, encoder, tmp_path / "pipeline"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *epochs, first, second = done.stdout.splitlines()
    assert float(epochs[-1].split()[-1]) < float(epochs[0].split()[-1]) / 2
    assert first == "Anna Smith has left Rome. [('Anna Smith', 'PER'), ('Rome', 'LOC')]"
    assert second == "Model Berlin is sold in Rome. [('Model Berlin', 'PRODUCT'), ('Rome', 'LOC')]"


def test_the_environment_of_the_smoke_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees this one's packages."""
    make_environment = run_path(str(ROOT / "scripts" / "smoke_test.py"))["make_environment"]
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", lambda *_, **__: None)
        python = make_environment(tmp_path / "env", [])
    code = "from importlib.util import find_spec; print(find_spec('spacy').origin)"
    assert subprocess.check_output([python, "-I", "-c", code], text=True).strip() == spacy.__file__


RULED, FOUND = "RULED", "PER"


@pytest.mark.parametrize(
    ("place", "overwrite", "overwrite_ents", "winner"),
    [
        ("before", False, False, RULED),
        ("before", False, True, RULED),
        ("before", True, False, FOUND),
        ("before", True, True, FOUND),
        ("after", False, False, FOUND),
        ("after", True, False, FOUND),
        ("after", False, True, RULED),
        ("after", True, True, RULED),
    ],
)
def test_who_wins_where_ruler_and_model_disagree(
    place: str, overwrite: bool, overwrite_ents: bool, winner: str, own: Language
) -> None:
    own.get_pipe("dualner").cfg["overwrite"] = overwrite
    ruler = own.add_pipe(
        "entity_ruler", config={"overwrite_ents": overwrite_ents}, **{place: "dualner"}
    )
    ruler.add_patterns([{"label": RULED, "pattern": "Anna"}])
    found = {ent.label_ for ent in own("Anna Smith lives in Berlin.").ents}
    assert (RULED in found, FOUND in found) == (winner == RULED, winner == FOUND)
