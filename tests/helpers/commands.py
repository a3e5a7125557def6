"""The names of the commands, and all that stands in a folder."""

from __future__ import annotations

import os
import resource
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


def small_files_for_others(pid: int) -> None:
    """As on a full disk, but for what is said, in the processes that a command begins: a `Hook`."""
    if os.getpid() != pid:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
