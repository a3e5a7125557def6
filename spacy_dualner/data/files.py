"""Small files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import srsly


def write_text(path: Path, text: str) -> None:
    """Write a text file aside, then put it in place.

    path (Path): The file; its folder is made.
    text (str): The content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file aside, then put it in place."""
    write_text(path, srsly.json_dumps(value, indent=2) + "\n")
