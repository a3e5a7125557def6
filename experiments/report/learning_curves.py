"""Scores on the development sets over the steps of training."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from spacy_dualner.errors import DataError
from spacy_dualner.training.history import read_history

from .results import Results


def learning_curves(results: Results, backbone: str) -> pd.DataFrame:
    """The curves of all runs of one backbone.

    results (Results): The study.
    backbone (str): One of its backbones.
    RETURNS (DataFrame): A row an evaluation and language: `method`, `seed`, `stage`, `step`,
        `language`, `f1`, and in stage 2 `agreement`: F1 of the span heads' entities against the
        tag head's. The untrained model of stage 1 is left out. Empty where no run has a history.
    RAISES (DataError): If a history is malformed.
    """
    rows = []
    for method in results.methods(backbone):
        for _, run in results.find(backbone, method).iterrows():
            path = run.folder / "history.jsonl"
            stage = 2 if isinstance(run.stage1, str) else 1
            try:
                for line in read_history(path):
                    if stage == 1 and not line["step"]:
                        continue
                    agreement = line.get("agreement") or {}
                    for lang, f1 in line["f1"].items():
                        place = (method, run.seed, stage, int(line["step"]), lang)
                        rows.append((*place, f1, agreement.get(lang)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                message = f"not the history of a run ({error!r}). Remove the file."
                raise DataError(path, message) from None
    columns = ["method", "seed", "stage", "step", "language", "f1", "agreement"]
    return pd.DataFrame(rows, columns=columns).astype({"f1": float, "agreement": float})


def picked(curves: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """What each way to pick the best step of stage 2 would have picked in the same runs.

    curves (DataFrame): As `learning_curves` returns.
    targets (Sequence[str]): The target languages.
    RETURNS (DataFrame): A row a method and seed: the F1 that the ways of `teaching.select` reach,
        `mean`, `agreement` and `source`, mean of the targets on the development sets; without
        those that not every run has the scores for.
    """
    own, keys = curves[curves.stage == 2], ["method", "seed", "step"]
    is_target = own.language.isin(targets)
    target, source = (own[kind].groupby(keys) for kind in (is_target, ~is_target))
    scores = {
        "mean": own.groupby(keys).f1.mean(),
        "agreement": target.agreement.mean(),
        "source": source.f1.mean(),
    }
    known = pd.DataFrame(scores).dropna(axis=1)
    best = known.groupby(["method", "seed"]).idxmax()
    return best.apply(lambda places: places.map(target.f1.mean()))
