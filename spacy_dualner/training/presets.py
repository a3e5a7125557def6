"""Presets: folders that hold the configs of both stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thinc.api import Config

from .corpus import parse_langs

STAGES = ("stage1.cfg", "stage2.cfg")
"""The configs of a preset, for `spacy train` and for `teach`: the paper's."""


def find_preset(preset: Path) -> Path:
    """The folder of a preset, which is a folder or the name of one that this package carries."""
    known = _carried() / preset
    return known if len(preset.parts) == 1 and known.is_dir() and not preset.is_dir() else preset


def preset_names() -> list[str]:
    """Names of the presets that come with this package, sorted."""
    return sorted(path.parent.name for path in _carried().glob(f"*/{STAGES[0]}"))


def _carried() -> Path:
    """Their folder: within the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    within = package / "configs"
    return within if within.is_dir() else package.parent / "configs"


def recipe_file(recipe: str) -> str:
    """The config of stage 2: `stage2-NAME.cfg`, or `stage2.cfg` for the paper's recipe."""
    return f"stage2-{recipe}.cfg" if recipe else STAGES[1]


def recipes(preset: Path) -> list[str]:
    """Names of the recipes of stage 2 that a preset has beside the paper's, sorted."""
    return sorted(path.stem.removeprefix("stage2-") for path in preset.glob(recipe_file("*")))


def overridden(config: Config, values: Mapping[str, Any]) -> Config:
    """A config with other values in it; `[teaching.teacher]` is added where it was left out.

    Raises ConfigValidationError for a section that is not there.
    """
    config = config.copy()
    if "teaching" in config and any(key.startswith("teaching.teacher.") for key in values):
        config["teaching"].setdefault("teacher", {})
    return Config().from_str(config_text(config), interpolate=False, overrides=dict(values))


def config_text(config: Config) -> str:
    """A config as text that reads the same whether variables are filled in at once or later.

    `to_str` writes $ as $$, which is two of them to whoever fills in variables later, as
    `spacy train` does. JSON's own escape is one to all.
    """
    lines = config.to_str(interpolate=False).split("\n")
    # Values with variables in them are no JSON.
    return "\n".join(li if "${" in li else li.replace("$$", r"\u0024") for li in lines)


def interpolated(config: Config) -> Config:
    """A config whose variables are filled in, also within longer text with $ in their values."""
    return Config().from_str(config_text(config))


def stage_settings(
    source: str,
    targets: str,
    *,
    encoder: str,
    seed: int,
    dev_limit: int = 0,
    unlabelled_limit: int = 0,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of both stages that are a run's and not a preset's.

    source (str): Annotated languages, as `training.corpus.Corpus` takes them (`en,de:100`).
    RETURNS (Tuple[Dict[str, Any], Dict[str, Any]]): Dotted names and values, in `STAGES`' order.
    """
    # A limit of a source language is of its training text alone.
    every = ",".join(dict.fromkeys([*parse_langs(source), *parse_langs(targets)]))
    common = {
        "corpora.dev.langs": every,
        "corpora.dev.limit": dev_limit,
        "system.seed": seed,
    }
    stage1 = {"paths.encoder": encoder, "corpora.train.langs": source}
    stage2 = {
        "corpora.source.langs": source,
        "corpora.target.langs": targets,
        "corpora.target.limit": unlabelled_limit,
    }
    return stage1 | common, stage2 | common
