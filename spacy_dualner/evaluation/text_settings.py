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


@dataclass(frozen=True)
class InspectSettings:
    """Which text `inspect` reads, and what it shows.

    langs (Sequence[str]): Languages, as in en,de; all that are there if empty.
    split (str): Part of the corpus.
    limit (int): First N sentences of each language; 0 for all.
    examples (int): Most examples of each kind of mistake, or of each type in text without labels.
    figures (bool): Whether to draw what confidences are worth, which needs the extra report.
    """

    langs: Sequence[str] = ()
    split: str = "dev"
    limit: int = field(default=0, metadata={"min": 0})
    examples: int = field(default=20, metadata={"min": 0})
    figures: bool = field(default=True, metadata={"option": "figures/--no-figures"})
