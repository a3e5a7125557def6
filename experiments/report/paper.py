"""The paper's own figures, as printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import srsly

MAIN_BACKBONE = "XLM-R-base"
"""The backbone of the paper's Table 2 and Figure 3."""


@cache
def paper() -> dict[str, Any]:
    """The content of paper.json."""
    return srsly.read_json(Path(__file__).parent / "paper.json")


@cache
def table1(backbone: str) -> dict[str, dict[str, float]]:
    """Test F1 by method and language; empty for a backbone that the paper does not have.

    The paper prints `hl` and `lv` for hi and jv.
    """
    read_as = paper()["read_as"]
    langs = [read_as.get(lang, lang) for lang in paper()["table1"]["languages"]]
    rows = paper()["table1"]["backbones"].get(backbone, {})
    return {method: dict(zip(langs, row, strict=True)) for method, row in rows.items()}


def table1_mean(backbone: str, method: str, langs: Sequence[str]) -> float | None:
    """Mean of a row over those of the languages that the paper has."""
    row = table1(backbone).get(method, {})
    values = [row[lang] for lang in langs if lang in row]
    return statistics.fmean(values) if values else None


def table2() -> dict[str, tuple[float, float]]:
    """Mean and standard deviation by method: development sets of 40 languages, 3 seeds."""
    return {method: (mean, sd) for method, (mean, sd) in paper()["table2"]["rows"].items()}


def claim(name: str) -> dict[str, str]:
    """`section` and `text` of a finding."""
    return paper()["claims"][name]
