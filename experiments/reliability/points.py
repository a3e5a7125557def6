"""Every place where a command is about to change a file, or has written part of one."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Python's own events, https://docs.python.org/3/library/audit_events.html, each before it happens.
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
BALLAST = "ballast"
"""The file that fills a disk."""

# What differs from run to run in a name.
_RANDOM = re.compile(r"(?<=[._-])[a-z0-9_]{8}$|^tmp[a-z0-9_]{8}$|^[0-9a-f]{32}$")


@dataclass
class Points:
    """A hook for a command's processes: notes the points, and at one of them sends a signal.

    folder (Path): Changes in this folder count.
    log (Optional[Path]): Where each point is noted, such as `leader 3 open name`: in the command's
        first process the third file of this name is opened. In its other ones it is `other`.
    at (str): The point that sends the signal.
    inside (bool): Where the point is a file that is opened, send it after the first write to it.
    number (int): The signal; 0 for filling the disk that the folder is.
    group (bool): Whether all of the command's group get it, as from a terminal.
    """

    folder: Path
    log: Path | None = None
    at: str = ""
    inside: bool = False
    number: int = signal.SIGKILL
    group: bool = False

    def __call__(self, command: int) -> None:
        """Begin to listen in this process."""
        self._command = command
        self._role = "leader" if command == os.getpid() else "other"
        self._counts: Counter[str] = Counter()
        self._file = -1
        if self.log is not None:
            self._file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._prefix = f"{self.folder}{os.sep}"
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and event not in _CHANGES:
            return
        if event == "open" and not (arguments[2] or 0) & _WRITING:
            return
        if not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.fsdecode(arguments[1 if event == "os.rename" else 0])
        if event in ("os.remove", "os.rmdir") and arguments[-1] != -1:
            # In a folder that is open, as rmtree removes things.
            path = os.path.join(os.readlink(f"/proc/self/fd/{arguments[-1]}"), path)
        if not os.path.abspath(path).startswith(self._prefix):
            return
        if sys.getprofile() == self._after_write:  # torch writes from C++, which nobody hears
            sys.setprofile(None)
            self._send()
        kind = f"{event} {_RANDOM.sub('*', os.path.basename(path))}"
        self._counts[kind] += 1
        point = f"{self._role} {self._counts[kind]} {kind}"
        if self._file >= 0:
            os.write(self._file, f"{point}\n".encode())
        if self.at == point:
            if self.inside and event == "open":
                sys.setprofile(self._after_write)
            else:
                self._send()

    def _after_write(self, frame: Any, event: str, called: Any) -> None:
        if event == "c_return" and getattr(called, "__name__", "") == "write":
            sys.setprofile(None)
            self._send()

    def _send(self) -> None:
        self.at = ""
        if not self.number:
            disk = os.statvfs(self.folder)
            file = os.open(self.folder / BALLAST, os.O_WRONLY | os.O_CREAT)
            with suppress(OSError):  # it may be full already
                os.posix_fallocate(file, 0, disk.f_bavail * disk.f_frsize)
            os.close(file)
        elif self.group:
            os.killpg(self._command, self.number)
        else:
            os.kill(self._command, self.number)
