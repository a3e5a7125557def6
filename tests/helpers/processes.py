"""Processes that begin at once: forked from one that has imported what takes seconds to import."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

if TYPE_CHECKING:
    from typing import Self

WARM = get_context("forkserver")
"""In place of `spawn`, with the modules below imported already."""
WARM.set_forkserver_preload(
    ["spacy.cli", "spacy_dualner.cli", "spacy_dualner.component", "spacy_dualner.teaching.teach"]
)


class Command:
    """`python -m MODULE ARGUMENTS` as from a terminal: in a process group of its own.

    What is left of the group is killed at the end of a `with` block.

    where (Path): The working folder.
    output (Path): A folder, for the files `out` and `err`.
    module (str): The module.
    arguments (object): Its arguments.
    """

    def __init__(self, where: Path, output: Path, module: str, *arguments: object) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self._files = [output / "out", output / "err"]
        words = [module, *map(str, arguments)]
        self._process = WARM.Process(target=_run, args=(words, where, self._files))
        self._process.start()
        self._processes = psutil.Process(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.is_alive():
            for process in (*self.children(), self._process):
                process.kill()
        self._process.join()

    def children(self) -> list[psutil.Process]:
        """The processes that it began, and those that they began."""
        return self._processes.children(recursive=True)

    def until(self, ready: Callable[[], bool], seconds: float = 300) -> None:
        """Wait for something to happen while it runs."""
        end = time.monotonic() + seconds
        while not ready():
            assert self._process.is_alive(), self.read()
            assert time.monotonic() < end
            time.sleep(0.01)

    def stop(self, number: int, *, group: bool = False) -> int:
        """Send it a signal, or all of its group, as a terminal does. Returns its exit status.

        No process that it began outlives it.
        """
        family = self.children()
        if group:
            os.killpg(self._processes.pid, number)
        else:
            self._processes.send_signal(number)
        status = self.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive
        return status

    def wait(self, seconds: float = 600) -> int:
        """Its exit status; that of a signal is below zero."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, self.read()
        return self._process.exitcode

    def read(self) -> tuple[str, str]:
        """What it wrote to standard output and standard error."""
        out, err = (path.read_text("utf8") if path.exists() else "" for path in self._files)
        return out, err


def _run(words: list[str], where: Path, files: list[Path]) -> None:
    os.setsid()
    os.chdir(where)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    for number, path in enumerate(files, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    # As in a shell; what it leaks is said in its own standard error.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tracker = resource_tracker._resource_tracker
    tracker._fd = tracker._pid = None  # type: ignore[attr-defined]
    sys.argv = words
    # What Python itself calls for -m: in `__main__`, where processes that it begins look for names.
    runpy._run_module_as_main(words[0])  # type: ignore[attr-defined]
