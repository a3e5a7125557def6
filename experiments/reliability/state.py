"""What is on disk, and which processes run: before a kill, after it, and in the end."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

Tree = Mapping[str, str]
"""The names below a folder, and a digest of what is in each file."""

# What differs between runs, where a form has it.
_TIMES = {"seconds", "machine"}
_UNTOLD = ("log.txt", ".lock")


def tree(root: Path, *, timeless: bool = False) -> Tree:
    """All that is in a folder; links to what was given aside.

    timeless (bool): Whether the times in JSON are left out, and logs, which hold some, not read.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            continue
        found[name] = "folder" if path.is_dir() else _digest(path, timeless)
    return found


def _digest(path: Path, timeless: bool) -> str:
    content = path.read_bytes()
    if timeless and path.name in _UNTOLD:
        content = b""
    if path.suffix == ".json" or (timeless and path.suffix == ".jsonl"):
        # What is cut short stays as it is. The order of entity types in spaCy's scores is that of a
        # set, which is another in each process.
        with suppress(ValueError):
            values = [content] if path.suffix == ".json" else content.splitlines()
            told = [json.loads(value) for value in values]
            told = [_without_times(value) for value in told] if timeless else told
            content = json.dumps(told, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in _TIMES}
    return value


def units(patterns: Sequence[str], *trees: Tree) -> list[str]:
    """The outputs, files or folders, that are in any of some trees."""
    names = {name for tree in trees for name in tree}
    return sorted(name for name in names if _fits(name, patterns))


def part(tree: Tree, unit: str) -> Tree:
    """What a tree holds of an output; empty where it is not there."""
    return {n: d for n, d in tree.items() if n == unit or n.startswith(f"{unit}/")}


def besides(now: Tree, known: Sequence[Tree], may_stay: Sequence[str]) -> list[str]:
    """What is there that no finished run leaves, but for what a run goes on from."""
    names = [name for name in now if not any(name in tree for tree in known)]
    inside = [str(parent) for name in names for parent in Path(name).parents]
    stays = [name for name in [*names, *inside] if _fits(name, may_stay)]
    return [n for n in names if not any(n == s or n.startswith(f"{s}/") for s in stays)]


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(name.count("/") == p.count("/") and fnmatch(name, p) for p in patterns)


def processes(group: int, folder: Path) -> list[int]:
    """The processes of a group, and those at work in a folder; dead ones aside."""
    return [
        pid
        for pid, of_group, where in _running()
        if pid != os.getpid() and (of_group == group or where.startswith(f"{folder}{os.sep}"))
    ]


def wait_for_end(group: int, folder: Path, seconds: float = 30) -> list[int]:
    """Those that are left after some seconds."""
    end = time.monotonic() + seconds
    while (left := processes(group, folder)) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def _running() -> Iterator[tuple[int, int, str]]:
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        with suppress(OSError):
            state, _, group, *_ = (path / "stat").read_text().rpartition(")")[2].split()
            if state != "Z":
                yield int(path.name), int(group), os.readlink(path / "cwd")
