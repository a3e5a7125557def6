"""What the commands share: errors without a traceback, options that are lists, presets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from ..errors import DataError, DualNerError

PRESET_FILE = "preset.cfg"


@contextmanager
def clear_errors() -> Iterator[None]:
    """Print an error that the user can mend, instead of a traceback, and exit with status 1."""
    try:
        yield
    except DualNerError as error:
        msg.fail(str(error))
    except OSError as error:
        # spaCy's own OSErrors, as for a missing pipeline, carry no number and say what to do.
        remedy = ". Check the path, its permissions and the space left." if error.errno else ""
        msg.fail(f"{error}{remedy}")
    else:
        return
    raise typer.Exit(1)


def split_list(value: str) -> list[str]:
    """The parts of a comma-separated option, without repeats: `"de, es"` is `["de", "es"]`."""
    parts = (part.strip() for part in value.split(","))
    return list(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True)
class PresetData:
    """The `[data]` section of a preset; what it leaves out is empty.

    path (str): The folder of the source data.
    translated (str): The folder of translations of the source text.
    source (List[str]): The annotated languages.
    targets (List[str]): The languages without annotations.
    test_limit (int): First N test sentences of each language; 0 for all.
    """

    path: str = ""
    translated: str = ""
    source: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    test_limit: int = 0


def read_preset(folder: str) -> PresetData:
    """Read the data section of a preset.

    folder (str): A folder that holds `preset.cfg`; empty for no preset.
    RETURNS (PresetData): Its settings.
    RAISES (DataError): If there is no such file, or it is malformed.
    """
    if not folder:
        return PresetData()
    path, sections = preset_sections(folder)
    data = sections.get("data", {})
    return PresetData(
        path=str(data.get("path") or ""),
        translated=str(data.get("translated") or ""),
        source=_languages(path, "source", data.get("source")),
        targets=_languages(path, "targets", data.get("targets")),
        test_limit=int(data.get("test_limit") or 0),
    )


def preset_sections(folder: str) -> tuple[Path, dict[str, Any]]:
    """Read all sections of a preset.

    folder (str): A folder that holds `preset.cfg`.
    RETURNS (Tuple[Path, Dict[str, Any]]): That file, and its sections.
    RAISES (DataError): If there is no such file, or it is malformed.
    """
    from thinc.api import Config

    path = Path(folder) / PRESET_FILE
    if not path.is_file():
        raise DataError(path, "no such file. Give a folder that holds it with --preset.")
    try:
        return path, Config().from_disk(path)
    except ValueError as error:
        raise DataError(path, f"not a config file ({error}). Mend it.") from error


def _languages(path: Path, key: str, value: object) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return tuple(lang.partition(":")[0] for lang in split_list(value or ""))
    if isinstance(value, list) and all(isinstance(lang, str) for lang in value):
        return tuple(value)
    raise DataError(path, f'[data] {key} is no language and no list of them, as in ["de", "es"].')
