"""The block `[teaching.teacher]`: left out, given, overridden and wrong; settings that are idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.corpus import MINI, run_cli
from thinc.api import Config, ConfigValidationError

from experiments.study.grid import plan
from experiments.study.schema import load_study
from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.config import TeachingConfig, resolve_config
from spacy_dualner.teaching.settings import TeacherSettings
from spacy_dualner.training.presets import overridden


def preset() -> Config:
    return Config().from_disk(MINI / "stage2.cfg", interpolate=False)


def resolved(**settings: Any) -> TeachingConfig:
    """The mini preset with settings of `[teaching]`; `__` in a name stands for a dot."""
    values = {f"teaching.{name.replace('__', '.')}": value for name, value in settings.items()}
    return resolve_config(overridden(preset(), values))


# The block


def test_the_block_may_be_left_out() -> None:
    assert "teacher" not in preset()["teaching"]
    assert resolved().settings.teacher == TeacherSettings(templates=0.0)


def test_a_setting_of_it_may_be_overridden() -> None:
    assert resolved(teacher__templates=0.02).settings.teacher.templates == 0.02


def test_a_config_is_not_changed_by_overrides() -> None:
    config = preset()
    overridden(config, {"teaching.teacher.templates": 0.1})
    assert config == preset()


@pytest.mark.parametrize(
    "name",
    ["teacher.templates", "corpora.other.langs", "teaching.teechers.x", "teaching.noise.mask"],
)
def test_other_sections_that_are_missing_are_errors(name: str) -> None:
    with pytest.raises(ConfigValidationError, match="not a section"):
        overridden(preset(), {name: 1})


def test_without_teaching_there_is_no_block_of_it() -> None:
    with pytest.raises(ConfigValidationError, match="not a section"):
        overridden(Config({"training": {}}), {"teaching.teacher.templates": 0.1})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("teacher.templates", "much", ["templates"]),
        ("teacher.templtes", 0.1, ["templtes"]),
        ("teacher.update", "latest", ["update"]),
        ("teachers.templates", 0.9, ["teachers"]),
    ],
)
def test_the_command_line_names_what_is_wrong(tmp_path: Path, name, value, said) -> None:
    preset().to_disk(tmp_path / "stage2.cfg")
    arguments = ["dualner", "teach", tmp_path / "stage2.cfg", "--output", tmp_path / "out"]
    status, output = run_cli(*arguments, f"--teaching.{name}", value)
    assert status == 1
    assert all(word in output for word in said)
    assert "Traceback" not in output


def test_the_command_line_overrides_a_block_that_is_left_out(tmp_path: Path) -> None:
    """Right settings get as far as the model, which is not there."""
    preset().to_disk(tmp_path / "stage2.cfg")
    arguments = ["dualner", "teach", tmp_path / "stage2.cfg", "--output", tmp_path / "out"]
    settings = ["--teaching.teacher.templates", 0.1, "--paths.model", tmp_path / "nowhere"]
    status, output = run_cli(*arguments, *settings)
    assert status == 1 and "nowhere" in output


def test_methods_and_backbones_of_a_study_override_blocks(tmp_path: Path) -> None:
    config = {
        "study": {"title": "A study", "methods": ["own"], "seeds": [0]},
        "data": {"corpus": "corpus", "source": "en", "targets": "de"},
        "backbones": {
            "mini": {
                "preset": str(MINI),
                "encoder": "none",
                "stage2": {"teaching.mse_norm": "set"},
            }
        },
        "methods": {"own": {"base": "DualNER", "settings": {"teaching.teacher.templates": 0.1}}},
    }
    Config(config).to_disk(tmp_path / "study.cfg")
    _, run = plan([load_study(tmp_path / "study.cfg")], tmp_path / "results", {})
    settings = resolve_config(Config().from_str(run.config)).settings
    assert settings.teacher.templates == 0.1 and settings.mse_norm == "set"


# Wrong settings


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigValidationError, match="nonsense"):
        resolved(teacher__nonsense=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("teacher__templates", "0.1"),
        ("teacher__templates", 1.1),
        ("teacher__templates", -0.1),
        ("teacher__templates", None),
        ("mse_norm", "mean"),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigValidationError, match=name.rpartition("__")[2]):
        resolved(**{name: value})


def test_a_setting_that_would_do_nothing_is_refused() -> None:
    """Under FILTER the teacher reads translations with the sentences that they are of."""
    with pytest.raises(DualNerError, match=r"teacher\.templates.*method.*selfkl"):
        resolved(method="filter", teacher__templates=0.02)


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "filter", "teacher__templates": 0.0},
        {"method": "selfkl", "teacher__templates": 0.02},
        {"alpha": 0.0},
    ],
)
def test_others_are_not(settings: dict[str, Any]) -> None:
    """Defaults in words, too."""
    resolved(**settings)
