"""The methods that the paper compares, as settings of the two stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spacy_dualner.data.names import TRANSLATED, UNLABELLED


@dataclass(frozen=True)
class Method:
    """A row of the paper's tables.

    settings (Mapping[str, Any]): Settings of its last stage that are not the preset's, by dotted
        name.
    stage1 (Optional[str]): For a method with a stage 2, the method whose model that begins from.
    text (str): The part of the corpus that stage 2 takes target text from.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    stage1: str | None = None
    text: str = UNLABELLED


METHODS: dict[str, Method] = {
    "CLA": Method({"components.dualner.span_loss": 0.0, "components.dualner.decode": "tag"}),
    "SPAN": Method({"components.dualner.tag_loss": 0.0}),
    "MLT": Method(),
    "FILTER": Method(
        {"teaching.method": "filter", "teaching.alpha": 0.0}, stage1="MLT", text=TRANSLATED
    ),
    "TRG_Trans": Method(stage1="MLT", text=TRANSLATED),
    "DualNER": Method(stage1="MLT"),
    "no-regulariser": Method({"teaching.alpha": 0.0}, "MLT"),
    "selfKL": Method({"teaching.method": "selfkl"}, "MLT"),
    "no-target": Method({"corpora.target": None}, "MLT"),
}
"""By name: CLA, SPAN and MLT are stage 1; DualNER is the paper's DualNER + TRG_Gold."""
