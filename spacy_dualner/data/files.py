"""Small files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import srsly


def write_text(path: Path, text: str) -> None:
    """Write a text file aside, then put it in place. A device or a pipe is written to as it is.

    path (Path): The file; its folder is made.
    text (str): The content.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file aside, then put it in place."""
    write_text(path, srsly.json_dumps(value, indent=2) + "\n")
