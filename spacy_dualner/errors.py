"""Errors that a user can mend: each says what is wrong, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ENAMETOOLONG
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# What a message quotes from a file may be longer, and the remedy stands at its end.
_HEAD, _TAIL = 1_000, 500
_LINE_END = re.compile(r"\s*[\r\n]+\s*")


class DualNerError(ValueError):
    """Base of all errors about the user's input. The command line prints it without a traceback.

    message (str): What is wrong and what to do about it. However it quotes what is damaged, it
        becomes one line that can be printed, and is shortened in its middle.
    """

    def __init__(self, message: str = "") -> None:
        line = _LINE_END.sub(" ", message.strip())
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        shown = f"{line[:_HEAD]} ... {line[-_TAIL:]}"
        super().__init__(line if len(line) <= len(shown) else shown)


class DataError(DualNerError):
    """A data file that cannot be read as the form it is said to be in.

    path (Path): The file, or `archive.tar.gz:member` for a file within an archive.
    message (str): What is wrong and what to do about it.
    line (int): The line's number, from 1; None where the fault is not in one line.
    text (str): The offending line.
    """

    def __init__(
        self,
        path: str | Path,
        message: str,
        *,
        line: int | None = None,
        text: str | None = None,
    ) -> None:
        where = f"{path}:{line}" if line is not None else str(path)
        quoted = f" Line: {text!r}." if text is not None else ""
        super().__init__(f"{where}: {message}{quoted}")
        self.path = str(path)
        self.message = message
        self.line = line
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process whole."""
        return partial(type(self), line=self.line, text=self.text), (self.path, self.message)


@contextmanager
def readable(path: str | Path, fault: str, remedy: str) -> Iterator[None]:
    """Name a file whatever fails in the block that reads it: libraries share no base for errors.

    path (Union[str, Path]): The file.
    fault (str): What is wrong with it then: `not a journal of annotate`.
    remedy (str): What to do about it.
    Raises DataError for all errors but our own, and those of the disk.
    """
    try:
        yield
    except DualNerError:
        raise
    except Exception as error:
        # A place or a name that cannot be is the file's fault, and no disk's.
        if isinstance(error, OSError) and error.errno not in (None, EINVAL, ENAMETOOLONG):
            raise
        said = f"{type(error).__name__}: {error}".removesuffix(".")
        raise DataError(path, f"{fault} ({said}). {remedy}") from error


def need(what: str, extra: str, *modules: str, instead: str = "") -> None:
    """Check that packages are installed.

    what (str): What needs them, with its verb: `The report needs`.
    extra (str): The extra of this package that brings them.
    Raises DualNerError where one is missing.
    """
    missing = [module for module in modules if not _is_there(module)]
    if missing:
        raise DualNerError(
            f"{what} {' and '.join(missing)}, not installed here. Install with: "
            f'pip install "spacy-dualner[{extra}]"{instead}.'
        ) from None


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
