"""Presets by their names: in a checkout and from a wheel, in any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers.corpus import MINI, run_cli
from helpers.tiny import ROOT
from thinc.api import Config


def test_a_preset_by_its_name_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli("dualner", "configure", "mini", "by-name", "--seed", "3")[0] == 0
    assert run_cli("dualner", "configure", MINI, "by-folder", "--seed", "3")[0] == 0
    for name in ("preset.cfg", "stage1.cfg", "stage2.cfg"):
        text = (tmp_path / "by-name" / name).read_text()
        assert text == (tmp_path / "by-folder" / name).read_text()
    # A folder of this name goes before.
    (tmp_path / "mini").mkdir()
    status, output = run_cli("dualner", "configure", "mini", "new")
    assert status == 1 and "mini/preset.cfg: no such file" in output


@pytest.mark.slow
def test_presets_travel_in_the_wheel(tmp_path: Path) -> None:
    """Also by way of an sdist."""
    source = tmp_path / "source"
    for name in ("spacy_dualner", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--no-isolation", source]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "site")
    code = "import sys; from spacy_dualner.cli import configure as c; from pathlib import Path\n"
    code += "print(c.__file__); c.configure(Path('e5-small'), Path('out'), {})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    for name in ("stage1", "stage2"):
        preset = Config().from_disk(ROOT / "configs" / "e5-small" / f"{name}.cfg")
        assert Config().from_disk(tmp_path / "out" / f"{name}.cfg") == preset
