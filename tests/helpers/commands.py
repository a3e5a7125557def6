"""The names of the commands, and all that stands in a folder."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from spacy_dualner.cli import dualner_cli

COMMANDS = sorted(info.name for info in dualner_cli.registered_commands if info.name)


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


def limit_files(size: int) -> int:
    """No file of this process grows beyond so many bytes, as on a full disk. The limit before."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    return before


def small_files_for_others(pid: int) -> None:
    """As on a full disk, but for what is said, in the processes that a command begins: a `Hook`."""
    if os.getpid() != pid:
        limit_files(200)
