"""What the commands share: devices, options that are lists or settings, presets."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from ..errors import DataError, DualNerError, readable

if TYPE_CHECKING:
    from thinc.api import Config

PRESET_FILE = "preset.cfg"
# Of many faults the first are printed.
_N_PRINTED = 10


def use_device(gpu_id: int) -> None:
    """Compute on a GPU, or below 0 on the CPU. Raises DualNerError where it cannot be used."""
    from spacy.cli._util import setup_gpu

    check_gpu(gpu_id)
    try:
        setup_gpu(gpu_id)
    except (ValueError, RuntimeError) as error:
        raise _no_gpu(str(error)) from error


def check_gpu(gpu_id: int) -> None:
    """Raise DualNerError where this process, or one that it starts, cannot use a GPU."""
    if gpu_id < 0:
        return
    from thinc.util import has_gpu

    if platform.system() != "Darwin" and not find_spec("cupy"):
        raise _no_gpu("CuPy is not installed: pip install 'cupy-cuda12x[ctk]'")
    if not has_gpu:
        raise _no_gpu("none is found, or CuPy lacks CUDA's libraries")


def _no_gpu(why: str) -> DualNerError:
    return DualNerError(f"No GPU can be used ({why}). Leave --gpu-id out for the CPU.")


def write_results(path: Path | None, results: dict[str, Any], what: str) -> None:
    """Write a command's results to the JSON file that was asked for, if any, and say so."""
    from ..data.outputs import write_json

    if path is not None:
        write_json(path, results)
        msg.good(f"{what} written to {path}")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], n_names: int = 1) -> None:
    """Print a table of numbers, after some columns of names."""
    aligns = ["l"] * n_names + ["r"] * (len(header) - n_names)
    msg.table(rows, header=header, divider=True, aligns=aligns)


def parse_overrides(ctx: typer.Context, options: list[str]) -> dict[str, Any]:
    """Settings of a config that options replace, as in `spacy train`: --section.key VALUE.

    options (List[str]): All that are not the command's own; one that names no setting is an error.
    """
    from spacy.cli._util import parse_config_overrides

    is_value = False
    for option in options:
        name = option.partition("=")[0]
        if not option.startswith("-") and not is_value:
            ctx.fail(f"Got unexpected extra argument ({option})")
        if option.startswith("--" if is_value else "-") and "." not in name:
            own = [known for parameter in ctx.command.params for known in parameter.opts]
            close = get_close_matches(name, own)
            hint = f" (Possible options: {', '.join(close)})" if close else ""
            ctx.fail(f"No such option: {name}{hint}")
        is_value = option.startswith("--") and name == option
    return parse_config_overrides(list(options))


def warn_of_first() -> Callable[[DataError], None]:
    """What prints faults as they are met, of many the first."""
    numbers = count()

    def warn(fault: DataError) -> None:
        if next(numbers) < _N_PRINTED:
            msg.warn(str(fault))

    return warn


def split_list(value: str) -> list[str]:
    """The parts of a comma-separated option, without repeats: `"de, es"` is `["de", "es"]`."""
    parts = (part.strip() for part in value.split(","))
    return list(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True)
class PresetData:
    """The `[data]` section of a preset; what it leaves out is empty."""

    path: str = ""  # the folder of the source data
    translated: str = ""  # the folder of translations of the source text
    source: tuple[str, ...] = ()  # the annotated languages
    targets: tuple[str, ...] = ()  # the languages without annotations
    test_limit: int = 0  # first N test sentences of each language; 0 for all


def read_preset(folder: str) -> PresetData:
    """Read the data section of the `preset.cfg` in a folder; empty for no preset.

    Raises DataError where there is no such file, or it is malformed.
    """
    if not folder:
        return PresetData()
    path, sections = preset_sections(folder)
    data = sections.get("data", {})
    limit = data.get("test_limit") or 0
    if type(limit) is not int or limit < 0:
        raise DataError(path, "[data] test_limit is no number from 0 on. Mend it.")
    source, targets = (
        tuple(lang.partition(":")[0] for lang in preset_languages(path, data, key))
        for key in ("source", "targets")
    )
    path_of_data, translated = (str(data.get(key) or "") for key in ("path", "translated"))
    return PresetData(path_of_data, translated, source, targets, limit)


def preset_sections(folder: str) -> tuple[Path, dict[str, Any]]:
    """The `preset.cfg` in a folder, and all its sections.

    Raises DataError where there is no such file, or it is malformed.
    """
    path = Path(folder) / PRESET_FILE
    if not path.is_file():
        raise DataError(path, "no such file. Give a folder that holds it with --preset.")
    return path, read_config(path)


def read_config(path: Path, **how: Any) -> Config:
    """Read a config as `Config.from_disk`. Raises DataError where it is none."""
    from thinc.api import Config

    with readable(path, "not a config file", "Mend it."):
        return Config().from_disk(path, **how)


def preset_languages(path: Path, data: dict[str, Any], key: str) -> list[str]:
    """The languages at a key of a preset's `[data]`: text such as `"de, es:100"`, or a list.

    Raises DataError where they are neither.
    """
    value = data.get(key) or ""
    if isinstance(value, list) and all(isinstance(lang, str) for lang in value):
        value = ",".join(value)
    if not isinstance(value, str):
        raise DataError(
            path, f'[data] {key} is no language and no list of them, as in ["de", "es"].'
        )
    return split_list(value)
