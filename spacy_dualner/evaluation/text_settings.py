"""Which text of a corpus a command reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TextSettings:
    """Which annotated text a command reads, and by which component.

    langs (Sequence[str]): Languages, as in en,de; all that are there if empty.
    split (str): Part of the corpus.
    limit (int): First N sentences of each language; 0 for all.
    component (str): Name of the dualner component.
    """

    langs: Sequence[str] = ()
    split: str = "dev"
    limit: int = field(default=0, metadata={"min": 0})
    component: str = "dualner"
