"""Packages that not every use needs: where one is missing, that is said before any work is done."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import DualNerError


def need(what: str, extra: str, *modules: str, instead: str = "") -> None:
    """Check that packages are installed.

    what (str): What needs them, with its verb: `The report needs`.
    extra (str): The extra of this package that brings them.
    modules (str): Their names, as they are imported.
    instead (str): What else can be done, if anything.
    Raises DualNerError where one is missing.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise DualNerError(
            f"{what} {' and '.join(missing)}, not installed here. Install with: "
            f'pip install "spacy-dualner[{extra}]"{instead}.'
        )
