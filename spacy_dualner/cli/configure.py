"""The command `configure`: a preset and a few choices become the configs of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from ..errors import DataError, DualNerError
from . import dualner_cli
from ._options import option, with_settings
from ._util import PRESET_FILE, preset_languages, read_config

# What tells each file from any other.
_SECTIONS = ("[data]", "[training]", "[teaching]")


@dataclass(frozen=True)
class Choices:
    """What is set in place of a preset's `[data]`."""

    encoder: str = option("", "Hub name or folder of the encoder")
    path: str = option("", "Folder or file of annotated data", option="data")
    source: str = option("", "Annotated languages, as in en")
    targets: str = option("", "Languages without annotations")
    unlabelled_limit: str = option("", "Unlabelled sentences per language")
    dev_limit: str = option("", "Development sentences per language")
    test_limit: str = option("", "Test sentences per language")
    seed: str = option("", "Random seed of both stages")


KEYS = tuple(field.name for field in fields(Choices))


@dualner_cli.command("configure")
@with_settings()
def configure_cli(
    preset: Path = typer.Argument(..., metavar="PRESET", help="Name of a preset, or its folder"),
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Folder for the configs"),
    choices: Choices = Choices(),
    recipe: str = typer.Option("", help="Of stage 2: plus for stage2-plus.cfg; empty: the paper's"),
) -> None:
    """Write the configs of a run: a preset's, with what is given here in place. Empty options
    leave the preset's setting.

    \b
    Examples:
      python -m spacy dualner configure xlmr-base training/config --targets de,sw --seed 1
      python -m spacy dualner configure e5-small training/config --recipe plus
    """
    given = {key: value for key, value in asdict(choices).items() if value}
    configure(preset, output, given, recipe)
    msg.good(f"Configs written to {output}")


def configure(preset: Path, output: Path, choices: dict[str, str], recipe: str = "") -> None:
    """Write `preset.cfg`, `stage1.cfg` and `stage2.cfg` of a run.

    preset (Path): Folder with the three files to begin from, or a carried preset's name.
    choices (Dict[str, str]): Settings that replace those of the preset's `[data]` section.
    recipe (str): Of stage 2: NAME for the preset's `stage2-NAME.cfg`, empty for `stage2.cfg`.
    Raises DataError where the preset lacks a file, or a number is none; DualNerError where the
    output is the preset, or holds such files of something else, or a choice is a variable.
    """
    from weasel.util import get_checksum

    from ..data.outputs import check_file, write_text
    from ..training import presets

    preset = presets.find_preset(preset)
    files = (PRESET_FILE, *presets.STAGES)
    for name in files:
        if not (preset / name).is_file():
            carried = ", ".join(presets.preset_names())
            message = f"no such file. Name a folder that holds it, or {carried}."
            raise DataError(preset / name, message)
    stages = (presets.STAGES[0], presets.recipe_file(recipe))
    if not (preset / stages[1]).is_file():
        recipes = presets.recipes(preset)
        known = ", ".join(recipes) or "none but the paper's, which needs no --recipe"
        raise DataError(preset / stages[1], f"no such recipe. There is {known}.")
    if output.resolve() == preset.resolve():
        raise DualNerError(f"{output} is the preset itself. Name another OUTPUT.")
    for name, section in zip(files, _SECTIONS, strict=True):
        check_file(output / name, "config of a run", partial(_holds, section))
    settings = read_config(preset / PRESET_FILE, interpolate=False)
    data: dict[str, Any] = settings.get("data", {})
    absent = [key for key in KEYS if key not in data]
    if absent:
        raise DataError(preset / PRESET_FILE, f"[data] lacks {', '.join(absent)}. Add it.")
    for key, value in choices.items():
        if "${" in value:
            raise DualNerError(
                f"{key} is '{value}', and a config takes ${{ for a variable. Give it another name."
            )
        if isinstance(data[key], int):
            if not value.isdecimal():
                raise DataError(preset / PRESET_FILE, f"{key} is no number: '{value}'.")
            data[key] = int(value)
        else:
            data[key] = value
    for key in ("source", "targets"):
        data[key] = ",".join(preset_languages(preset / PRESET_FILE, data, key))
    # Known archives let a project skip the conversion until one of them changes.
    path = data["path"]
    data["checksum"] = get_checksum(path) if path and Path(path).exists() else ""
    rest = {key: data[key] for key in ("encoder", "seed", "dev_limit", "unlabelled_limit")}
    overrides = presets.stage_settings(data["source"], data["targets"], **rest)
    write_text(output / PRESET_FILE, presets.config_text(settings) + "\n")
    for name, file, values in zip(presets.STAGES, stages, overrides, strict=True):
        config = read_config(preset / file, interpolate=False, overrides=values)
        write_text(output / name, presets.config_text(config) + "\n")


def _holds(section: str, text: str) -> bool:
    return section in text.splitlines()
