"""The paper's own scores as printed, and how it names the methods."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import srsly

MAIN_BACKBONE = "XLM-R-base"
"""The backbone of the paper's Table 2 and Figure 3."""

LABELS = {
    "CLA": "CLA",
    "SPAN": "SPAN",
    "MLT": "MLT",
    "FILTER": "FILTER",
    "TRG_Trans": "DualNER +TRG_Trans",
    "DualNER": "DualNER +TRG_Gold",
    "no-regulariser": "DualNER w/o J_mse",
    "selfKL": "DualNER w/ selfKL",
    "no-target": "DualNER w/o TRG",
}
"""By name in the results: the name in the paper's tables, in the order of the page."""

TABLE_1 = ("CLA", "SPAN", "MLT", "FILTER", "TRG_Trans", "DualNER")
TABLE_2 = ("MLT", "DualNER", "no-regulariser", "selfKL", "no-target")
"""The rows of the paper's tables; a study may hold more."""


def label(method: str) -> str:
    """The paper's name of a method, or the user's own."""
    return LABELS.get(method, method)


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods without repeats: the paper's in the page's order, then others as they come."""
    given = dict.fromkeys(methods)
    return [*(m for m in LABELS if m in given), *(m for m in given if m not in LABELS)]


@cache
def paper() -> dict[str, Any]:
    """The content of paper.json."""
    return srsly.read_json(Path(__file__).parent / "paper.json")


def table1(backbone: str) -> pd.DataFrame:
    """Test F1, a row a method, a column a language; empty for a backbone that it does not have.

    The paper prints `hl` and `lv` for hi and jv.
    """
    printed = paper()["table1"]
    langs = [paper()["read_as"].get(lang, lang) for lang in printed["languages"]]
    rows = printed["backbones"].get(backbone, {})
    return pd.DataFrame.from_dict(rows, orient="index", columns=langs, dtype=float)


def table2() -> pd.DataFrame:
    """`mean` and `deviation` by method: development sets of 40 languages, 3 seeds."""
    rows = paper()["table2"]["rows"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "deviation"])
