"""What `calibrate` fits and measures on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

_LIMIT = {"min": 0}


@dataclass(frozen=True)
class CalibrateSettings:
    """What `calibrate` fits and measures on.

    langs (Sequence[str]): Annotated languages to fit on, as in en,de; all that are there if empty.
    split (str): Annotated part of the corpus to fit on.
    limit (int): First N sentences of each of these languages; 0 for all.
    unlabelled_langs (Sequence[str]): Languages to fit on without annotations; others if empty.
    unlabelled_split (str): Part of the corpus to fit on without annotations; need not be there.
    unlabelled_limit (int): First N sentences of each of its languages; 0 for all.
    test_langs (Sequence[str]): Languages to measure on; all that are there if empty.
    test_split (str): Annotated part of the corpus to measure on; need not be there.
    test_limit (int): First N sentences of each of its languages; 0 for all.
    method (str): temperature, network, or auto: what held-out text favours.
    decode (str): Decoding that the copy is set to, as in joint; the pipeline's own if empty.
    component (str): Name of the dualner component.
    seed (int): Random seed of the network.
    """

    langs: Sequence[str] = ()
    split: str = "dev"
    limit: int = field(default=0, metadata=_LIMIT)
    unlabelled_langs: Sequence[str] = ()
    unlabelled_split: str = "unlabelled"
    unlabelled_limit: int = field(default=500, metadata=_LIMIT)
    test_langs: Sequence[str] = ()
    test_split: str = "test"
    test_limit: int = field(default=0, metadata=_LIMIT)
    method: str = "auto"
    decode: str = ""
    component: str = "dualner"
    seed: int = 0
