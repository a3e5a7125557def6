"""How the methods of a study are named and ordered on the page."""

from __future__ import annotations

from collections.abc import Iterable

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

ABOUT = {
    "CLA": "tag head alone, trained on the annotated source (stage 1)",
    "SPAN": "start and end heads alone, trained on the annotated source (stage 1)",
    "MLT": "all heads together, trained on the annotated source: the model after stage 1",
    "FILTER": "paired source and translation, fused in the middle layers, with self-teaching",
    "TRG_Trans": "dual teaching on translations of the source text",
    "DualNER": "dual teaching on unlabelled text of the target languages",
    "no-regulariser": "DualNER without the entity-aware regularisation of equation 9",
    "selfKL": "each head taught by its own distribution (KL) instead of by the other head",
    "no-target": "DualNER with the source text alone in stage 2",
}

PAPER_ROWS = ("CLA", "SPAN", "MLT", "FILTER", "TRG_Trans", "DualNER")
"""The rows of the paper's Table 1; a study may hold more."""


def label(method: str) -> str:
    """The paper's name of a method, or the user's own."""
    return LABELS.get(method, method)


def short_label(method: str) -> str:
    """The same where the paper says just DualNER, or the context does."""
    return "DualNER" if method == "DualNER" else label(method).removeprefix("DualNER ")


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods without repeats: the paper's in the page's order, then others as they come."""
    given = dict.fromkeys(methods)
    return [*(m for m in LABELS if m in given), *(m for m in given if m not in LABELS)]
