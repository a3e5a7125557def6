"""The blocks of `[teaching]`: left out, given, overridden and wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers_corpus import MINI, run_cli
from pydantic import BaseModel
from thinc.api import Config, ConfigValidationError

from experiments.study.grid import plan
from experiments.study.schema import load_study
from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.config import TeachingConfig, resolve_config
from spacy_dualner.teaching.settings import ConfigSchemaTeaching, SamplingSettings
from spacy_dualner.training.batching import POOL
from spacy_dualner.training.presets import BLOCKS, overridden

NESTED = {
    name: field.annotation
    for name, field in ConfigSchemaTeaching.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


def preset() -> Config:
    return Config().from_disk(MINI / "stage2.cfg", interpolate=False)


def resolved(**settings: Any) -> TeachingConfig:
    """The mini preset with settings of `[teaching]`; `__` in a name stands for a dot."""
    values = {f"teaching.{name.replace('__', '.')}": value for name, value in settings.items()}
    return resolve_config(overridden(preset(), values))


# Blocks


def test_blocks_may_be_left_out() -> None:
    assert set(NESTED) == set(BLOCKS)
    assert not set(BLOCKS) & set(preset()["teaching"])
    settings = resolved().settings
    for name, schema in NESTED.items():
        assert getattr(settings, name) == schema()
    assert SamplingSettings().pool == POOL


def test_each_setting_of_a_block_may_be_overridden_alone() -> None:
    settings = resolved(teacher__rounds=3, noise__mask=0.1, sampling__pool=1).settings
    assert settings.teacher.rounds == 3 and settings.teacher.update == "best"
    assert settings.noise.mask == 0.1 and settings.noise.switch == 0.0
    assert settings.sampling.pool == 1


def test_a_block_that_is_there_keeps_its_other_settings() -> None:
    config = preset()
    config["teaching"]["teacher"] = {"update": "always", "decay": 0.9}
    config = overridden(config, {"teaching.teacher.decay": 0.99})
    assert config["teaching"]["teacher"] == {"update": "always", "decay": 0.99}


def test_a_config_is_not_changed_by_overrides() -> None:
    config = preset()
    overridden(config, {"teaching.teacher.rounds": 2})
    assert config == preset()


@pytest.mark.parametrize(
    "name", ["teacher.rounds", "corpora.other.langs", "teaching.teechers.rounds", "noise.mask"]
)
def test_other_sections_that_are_missing_are_errors(name: str) -> None:
    with pytest.raises(ConfigValidationError, match="not a section"):
        overridden(preset(), {name: 1})


def test_without_teaching_there_is_no_block_of_it() -> None:
    with pytest.raises(ConfigValidationError, match="not a section"):
        overridden(Config({"training": {}}), {"teaching.teacher.rounds": 1})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("teacher.decay", "much", ["decay"]),
        ("noise.maks", 0.1, ["maks"]),
        ("pseudo_labels.threshold", 0.9, ["pseudo_labels.threshold", "confidence"]),
        ("teachers.update", "latest", ["teachers"]),
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
    settings = ["--teaching.teacher.update", "latest", "--paths.model", tmp_path / "nowhere"]
    status, output = run_cli(*arguments, *settings)
    assert status == 1 and "nowhere" in output


def test_methods_and_backbones_of_a_study_override_blocks(tmp_path: Path) -> None:
    config = {
        "study": {"title": "A study", "methods": ["soft"], "seeds": [0]},
        "data": {"corpus": "corpus", "source": "en", "targets": "de"},
        "backbones": {
            "mini": {
                "preset": str(MINI),
                "encoder": "none",
                "stage2": {"teaching.sampling.pool": 7},
            }
        },
        "methods": {"soft": {"base": "DualNER", "settings": {"teaching.pseudo_labels.soft": True}}},
    }
    Config(config).to_disk(tmp_path / "study.cfg")
    _, run = plan([load_study(tmp_path / "study.cfg")], tmp_path / "results", {})
    settings = resolve_config(Config().from_str(run.config)).settings
    assert settings.pseudo_labels.soft and settings.sampling.pool == 7


# Wrong settings


@pytest.mark.parametrize("block", BLOCKS)
def test_an_unknown_setting_is_named(block: str) -> None:
    with pytest.raises(ConfigValidationError, match="nonsense"):
        resolved(**{f"{block}__nonsense": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("teacher__update", "sometimes"),
        ("teacher__decay", 1.0),
        ("teacher__decay", "0.9"),
        ("teacher__rounds", 0),
        ("teacher__rounds", 1.5),
        ("pseudo_labels__heads", "both"),
        ("pseudo_labels__soft", "yes"),
        ("pseudo_labels__confidence", "sentence"),
        ("pseudo_labels__threshold", 1.1),
        ("pseudo_labels__quota", 0.0),
        ("pseudo_labels__balance", 1.5),
        ("pseudo_labels__empty", -1.0),
        ("regulariser__kind", "set"),
        ("regulariser__memory", -1),
        ("regulariser__between_langs", 1),
        ("noise__mask", 1.0),
        ("noise__split", None),
        ("sampling__temperature", 0.0),
        ("sampling__source_share", 1.0),
        ("sampling__pool", 0),
    ],
)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigValidationError, match=name.partition("__")[2]):
        resolved(**{name: value})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"method": "selfkl", "pseudo_labels__soft": True}, r"pseudo_labels\.soft.*method.*dual"),
        ({"method": "filter", "pseudo_labels__quota": 0.5}, r"pseudo_labels\.quota.*method.*dual"),
        ({"method": "filter", "noise__consistency": 1.0}, r"noise\.consistency.*method.*selfkl"),
        ({"method": "filter", "noise__switch": 0.5}, r"noise\.switch.*method"),
        ({"method": "filter", "sampling__source_share": 0.5}, r"sampling\.source_share.*method"),
        ({"pseudo_labels__threshold": 0.9}, r"pseudo_labels\.threshold.*confidence.*word.*entity"),
        (
            {"pseudo_labels__threshold": 0.9, "pseudo_labels__confidence": "agreement"},
            r"pseudo_labels\.threshold.*confidence",
        ),
        (
            {"regulariser__between_langs": True, "regulariser__kind": "means"},
            r"regulariser\.between_langs.*regulariser\.kind.*pairs",
        ),
        (
            {"regulariser__normalise": True, "regulariser__kind": "contrastive"},
            r"regulariser\.normalise.*regulariser\.kind.*pairs",
        ),
        (
            {"mse_norm": "set", "regulariser__kind": "contrastive"},
            r"mse_norm.*regulariser\.kind.*pairs",
        ),
        ({"alpha": 0.0, "regulariser__kind": "means"}, r"regulariser\.kind.*alpha above 0"),
        ({"alpha": 0.0, "regulariser__memory": 100}, r"regulariser\.memory.*alpha above 0"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DualNerError, match=said):
        resolved(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"pseudo_labels__threshold": 0.9, "pseudo_labels__confidence": "word"},
        {"pseudo_labels__threshold": 0.9, "pseudo_labels__confidence": "entity"},
        {"method": "selfkl", "noise__switch": 0.5, "sampling__source_share": 0.5},
        {"method": "selfkl", "pseudo_labels__soft": False, "pseudo_labels__quota": 1},
        {"method": "filter", "sampling__temperature": 2.0, "sampling__pool": 1},
        {"method": "filter", "noise__mask": 0.0, "teacher__update": "always"},
        {"teacher__decay": 0.9},
        {"alpha": 0.0},
    ],
)
def test_others_are_not(settings: dict[str, Any]) -> None:
    """Defaults in words, too."""
    resolved(**settings)
