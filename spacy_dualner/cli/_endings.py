"""How every command ends: what a user can mend is said in one line, and told by the exit status."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup
from wasabi import msg

from ..errors import DualNerError

_FAILED = 1
_AGAIN = "Interrupted. Each output is whole, or as it was: begin again."
# Those that end a program, as a shell counts them.
_OF_SIGNALS = 128


class Commands(TyperGroup):
    """The group of all commands: each is called through it, so that none can forget how to end."""

    def invoke(self, ctx: Any) -> Any:
        """Call the command that was named."""
        with clear_endings():
            return super().invoke(ctx)


class Stopped(KeyboardInterrupt):
    """A signal other than Ctrl-C asks for the end; its number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def clear_endings() -> Iterator[None]:
    """End a command with a line in place of a traceback where the user can do something about it.

    The status is 1 after an error and 128 more than the signal where one ended the command: 130
    for Ctrl-C, 143 for SIGTERM, 141 where nobody reads what is printed. Other errors are faults of
    this package, and keep their traceback.
    """
    _print_anything()
    status = 0
    with _as_interrupts(signal.SIGTERM, signal.SIGHUP):
        try:
            yield
            _flush()
        except (typer.Exit, SystemExit):
            _fail("", None)
            raise
        except DualNerError as error:
            status = _fail(str(error), error)
        except OSError as error:
            status = _fail(_explained(error), error)
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            said = str(error) or _AGAIN
            status = _fail(said, error, _OF_SIGNALS + number)
    if status:
        raise typer.Exit(status)


def _explained(error: OSError) -> str:
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        # One for each file that could not be copied.
        return f"{error.args[0][0][-1]}. Check the path, its permissions and the space left."
    # spaCy's own OSErrors, as for a missing pipeline, carry no number and say what to do.
    remedy = ". Check the path, its permissions and the space left." if error.errno else ""
    return f"{error}{remedy}"


def _fail(message: str, cause: BaseException | None, status: int = _FAILED) -> int:
    """Print a message, on standard error where standard output cannot take it."""
    try:
        if message:
            msg.fail(message)
        _flush()
    except OSError as error:
        # Else Python tries once more at its end, and says so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(cause, BrokenPipeError) and isinstance(error, BrokenPipeError):
            return _OF_SIGNALS + signal.SIGPIPE
        print(message or _explained(error), file=sys.stderr)
    return status


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _print_anything() -> None:
    """What an output cannot show, as ASCII cannot show ü, is printed as a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


@contextmanager
def _as_interrupts(*numbers: int) -> Iterator[None]:
    """Let these signals unwind the block as Ctrl-C does, unless they are ignored, as by nohup."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, stop)
                    stack.callback(signal.signal, number, signal.SIG_DFL)
        yield


@contextmanager
def going_on(remedy: str) -> Iterator[None]:
    """Where the block is interrupted, have the command say how to go on, unless it does already."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.args = error.args or (f"Interrupted. {remedy}",)
        raise
