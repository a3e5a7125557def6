"""What `shrink` keeps, and how much that may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ShrinkSettings:
    """What `shrink` keeps, and how much that may cost.

    langs (Sequence[str]): Languages, as in de,es; all that the corpus has if empty.
    splits (Sequence[str]): Parts of the corpus whose sub-words stay.
    eval_split (str): Annotated part of the corpus on which both pipelines are scored.
    limit (int): First N sentences of each language are scored; 0 for all.
    tolerance (float): Points of F1 that the mean over the languages may lose.
    component (str): Name of the dualner component.
    """

    langs: Sequence[str] = ()
    splits: Sequence[str] = ("train", "unlabelled")
    eval_split: str = "test"
    limit: int = field(default=0, metadata={"min": 0})
    tolerance: float = 0.1
    component: str = "dualner"
