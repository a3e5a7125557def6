"""The names of the commands, and all that stands in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from spacy_dualner.cli import dualner_cli

COMMANDS = sorted(
    info.name for info in dualner_cli.registered_commands if info.name is not None
)  # fmt: skip


def tree(root: Path) -> dict[str, str]:
    """All files, folders and links below a folder, with what is in them."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        else:
            found[name] = path.read_bytes().hex() if path.is_file() else "folder"
    return found
