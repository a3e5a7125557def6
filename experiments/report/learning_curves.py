"""Scores on the development sets over the steps of training."""

from __future__ import annotations

import pandas as pd

from spacy_dualner.errors import DataError
from spacy_dualner.training.history import read_history

from .results import Results


def learning_curves(results: Results, backbone: str) -> pd.DataFrame:
    """The curves of the first seed of each method.

    results (Results): The study.
    backbone (str): One of its backbones.
    RETURNS (DataFrame): A row an evaluation and language: `method`, `stage`, `step`, `language`,
        `f1`, and in stage 2 `agreement`: F1 of the span heads' entities against the tag head's.
        The untrained model of stage 1 is left out. Empty where no run has a history.
    RAISES (DataError): If a history is malformed.
    """
    rows = []
    for method in results.methods(backbone):
        for _, run in results.find(backbone, method).head(1).iterrows():
            path = run.folder / "history.jsonl"
            stage = 2 if isinstance(run.stage1, str) else 1
            try:
                for line in read_history(path):
                    if stage == 1 and not line["step"]:
                        continue
                    agreement = line.get("agreement") or {}
                    for lang, f1 in line["f1"].items():
                        place = (method, stage, int(line["step"]), lang)
                        rows.append((*place, f1, agreement.get(lang)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                message = f"not the history of a run ({error!r}). Remove the file."
                raise DataError(path, message) from None
    columns = ["method", "stage", "step", "language", "f1", "agreement"]
    return pd.DataFrame(rows, columns=columns).astype({"f1": float, "agreement": float})
