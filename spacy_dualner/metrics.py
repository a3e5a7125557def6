"""Entity scores by seqeval, in percent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Scores = dict[str, float]


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Precision, recall and F1 of entities.

    gold (Sequence[Sequence[str]]): BIO tags of each sentence.
    predicted (Sequence[Sequence[str]]): Likewise.
    RETURNS (Dict[str, Any]): `p`, `r`, `f` in percent over all entities, and `per_type` with the
        same of each type. Without any entity, all are 0.
    """
    from seqeval.metrics import classification_report  # imports scikit-learn: slow, so only here

    gold, predicted = [list(tags) for tags in gold], [list(tags) for tags in predicted]
    if not any(tag != "O" for tags in (*gold, *predicted) for tag in tags):
        return {"p": 0.0, "r": 0.0, "f": 0.0, "per_type": {}}
    report = classification_report(gold, predicted, output_dict=True, zero_division=0)
    rows = {
        name: {
            "p": 100 * float(row["precision"]),
            "r": 100 * float(row["recall"]),
            "f": 100 * float(row["f1-score"]),
        }
        for name, row in report.items()
    }
    average = rows["micro avg"]
    per_type = {name: row for name, row in rows.items() if not name.endswith(" avg")}
    return {**average, "per_type": per_type}


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """The mean of `p`, `r` and `f` over languages, of which there has to be one."""
    scores = list(scores)
    return {key: sum(s[key] for s in scores) / len(scores) for key in ("p", "r", "f")}
