"""Modules that were elsewhere in version 0.1.0: their old names warn, and give those of today."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MOVED = {
    "annotation.loop": "annotation.annotate",
    "calibration": "evaluation",
    "calibration.calibrate": "evaluation.calibrate",
    "card": "packaging.card",
    "confidence": "decoding.confidence",
    "conversions": "labels.conversions",
    "lattice": "decoding.lattice",
    "losses": "training.losses",
    "raw_text": "evaluation.raw_text",
    "regulariser": "teaching.regulariser",
    "shrinking": "packaging.shrinking",
    "sources": "evaluation.sources",
    "teaching.loop": "teaching.teach",
}


class _Moved(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        known = package == __package__ and name in _MOVED
        return ModuleSpec(fullname, self) if known else None

    def exec_module(self, module: ModuleType) -> None:
        new = f"{__package__}.{_MOVED[module.__name__.partition('.')[2]]}"
        message = f"{module.__name__} is {new} now"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = import_module(new)


def find_moved() -> None:
    """Have Python find them."""
    # First: within a folder that moved, Python would find its modules under their old names.
    sys.meta_path.insert(0, _Moved())
