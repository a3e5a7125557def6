"""Errors that a user can mend: each says what is wrong, where, and what to do."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


class DualNerError(ValueError):
    """Base of all errors about the user's input. The command line prints it without a traceback."""


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


def need(what: str, extra: str, *modules: str, instead: str = "") -> None:
    """Check that packages are installed.

    what (str): What needs them, with its verb: `The report needs`.
    extra (str): The extra of this package that brings them.
    modules (str): Their names, as they are imported.
    instead (str): What else can be done, if anything.
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
