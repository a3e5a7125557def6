"""Commands that begin at once: forked from a process that has imported what takes seconds."""

from __future__ import annotations

import multiprocessing.context
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from typing import Self

WARM = get_context("forkserver")
"""In place of `spawn`, from a process that has done what is in `warm.py`."""
WARM.set_forkserver_preload(["experiments.reliability.warm"])

ROOT = Path(__file__).parents[2]


def begin_server() -> str:
    """Address of the process that commands are forked from; begun where it is not there."""
    forkserver.ensure_running()
    return forkserver._forkserver._forkserver_address  # type: ignore[attr-defined]


def use_server(address: str) -> None:
    """Fork from a process that another one has begun, and which ends with that."""
    own: Any = forkserver._forkserver  # type: ignore[attr-defined]
    tracker = resource_tracker._resource_tracker
    own._forkserver_address, own.ensure_running = address, tracker.ensure_running
    if own._forkserver_alive_fd is None:
        # Its place is taken in what is sent there.
        own._forkserver_alive_fd = os.open(os.devnull, os.O_RDONLY)


Hook = Callable[[int], object]
"""Called in each process of a command before anything else, with the command's process id."""


class Command:
    """`python -m MODULE ARGUMENTS` as from a terminal: in a process group of its own.

    What is left of the group is killed at the end of a `with` block.

    where (Path): The working folder.
    output (Path): A folder, for the files `out` and `err`.
    module (str): The module.
    arguments (object): Its arguments.
    environment (Optional[Mapping[str, str]]): What it has besides this process's.
    hook (Optional[Hook]): Called in its processes, as far as they are forked.
    warm_all (bool): Whether the processes that it begins are forked as well.
    """

    pid: Any

    def __init__(
        self,
        where: Path,
        output: Path,
        module: str,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        hook: Hook | None = None,
        warm_all: bool = False,
    ) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self._files = [output / "out", output / "err"]
        words = [module, *map(str, arguments)]
        # What it begins anew, as Ray does, is of the same sources.
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._begin(words, where, own | dict(environment or {}), hook, warm_all)
        self._processes = psutil.Process(self.pid)

    def _begin(
        self,
        words: list[str],
        where: Path,
        environment: Mapping[str, str],
        hook: Hook | None,
        warm_all: bool,
    ) -> None:
        server = begin_server() if warm_all else ""
        arguments = (words, where, self._files, environment, hook, server)
        self._process: Any = WARM.Process(target=_run, args=arguments)
        self._process.start()
        self.pid = self._process.pid

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
            assert not self.ends_within(0), self.read()
            assert time.monotonic() < end
            time.sleep(0.01)

    def stop(self, number: int, *, group: bool = False) -> int:
        """Send it a signal, or all of its group, as a terminal does. Returns its exit status.

        No process that it began outlives it.
        """
        family = self.children()
        if group:
            os.killpg(self.pid, number)
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
        return int(self._process.exitcode)

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends before so many seconds are over."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def read(self) -> tuple[str, str]:
        """What it wrote to standard output and standard error."""
        out, err = (path.read_text("utf8") if path.exists() else "" for path in self._files)
        return out, err


class NewCommand(Command):
    """A command in a process that is begun as a shell does, which takes seconds."""

    def _begin(
        self,
        words: list[str],
        where: Path,
        environment: Mapping[str, str],
        hook: Hook | None,
        warm_all: bool,
    ) -> None:
        out, err = (path.open("ab") for path in self._files)
        self._popen = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=where,
            env={**os.environ, **environment},
            stdout=out,
            stderr=err,
            process_group=0,
            # Begun in the background, this process ignores Ctrl-C, and so would its own.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        out.close()
        err.close()
        self.pid = self._popen.pid

    def __exit__(self, *error: object) -> None:
        if self._popen.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def wait(self, seconds: float = 600) -> int:
        """Its exit status; that of a signal is below zero."""
        assert self.ends_within(seconds), self.read()
        return self._popen.wait()

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends before so many seconds are over."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        return self._popen.returncode is not None


class _WarmContext(ForkServerContext):
    """What commands that were forked themselves use in place of `spawn`."""


class _Warm(ForkServerProcess):
    """As if it were spawned: with the group, output and blocked signals of what begins it."""

    def start(self) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._given = os.getpid(), mask, os.environ.copy(), _files, _hook
        super().start()

    def run(self) -> None:
        pid, mask, environment, files, hook = self._given
        os.setpgid(0, pid)
        _write_to(files)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.update(environment)
        tempfile.tempdir = environment.get("TMPDIR")
        if hook is not None:
            hook(pid)
        super().run()


_WarmContext.Process = _Warm  # type: ignore[assignment]
_files: list[Path] = []
_hook: Hook | None = None


def _write_to(files: list[Path]) -> None:
    for number, path in enumerate(files, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)


def _run(
    words: list[str],
    where: Path,
    files: list[Path],
    environment: Mapping[str, str],
    hook: Hook | None,
    server: str,
) -> None:
    import torch

    global _files, _hook
    os.setpgid(0, 0)
    os.chdir(where)
    os.environ.update(environment)
    # Python's own way to find it leaves a file of four bytes where it is killed in that moment.
    tempfile.tempdir = environment.get("TMPDIR")
    torch.set_num_threads(1)
    tracker = resource_tracker._resource_tracker
    tracker._fd = tracker._pid = None  # type: ignore[attr-defined]
    if server:
        use_server(server)
        contexts = multiprocessing.context._concrete_contexts  # type: ignore[attr-defined]
        contexts["spawn"] = _WarmContext()
    # As in a shell; what it leaks is said in its own standard error. The process that it is forked
    # from may have begun in a block of `deaf_to_interrupts`.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _write_to(files)
    _files, _hook = files, hook
    if hook is not None:
        hook(os.getpid())
    sys.argv = words
    # What Python itself calls for -m: in `__main__`, where processes that it begins look for names.
    try:
        runpy._run_module_as_main(words[0])  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        # What nobody has caught, Python ends by in this way.
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
