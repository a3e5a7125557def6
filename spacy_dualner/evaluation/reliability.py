"""How good confidences are: expected calibration error, AUROC, log loss, reliability."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_BINS = 15


class Bin(TypedDict):
    """Entities of like confidence."""

    n: int  # how many
    confidence: float  # their mean confidence
    right: float  # the share of them that is right


class Measures(TypedDict):
    """What is measured of the confidences of some entities."""

    n: int  # number of entities
    right: float  # share that is right (precision, 0 to 1)
    confidence: float  # mean confidence; above `right` is overconfident
    ece: float  # expected calibration error, 0 to 1
    # Probability that a right entity has more confidence than a wrong one; None for one kind alone.
    auroc: float | None
    log_loss: float  # mean negative log likelihood, in nats
    bins: list[Bin]  # from low to high confidence; empty bins are left out


def measure(confidence: Floats, right: Bools) -> Measures:
    """Measure confidences against what is right.

    RETURNS (Measures): The expected calibration error is over bins of equal width, the mean of
        `|confidence - right|` weighted by their entities.
    """
    bins = reliability(confidence, right)
    n = len(right)
    both = 0 < right.sum() < n
    return {
        "n": n,
        "right": float(right.mean()) if n else 0.0,
        "confidence": float(confidence.mean()) if n else 0.0,
        "ece": sum(b["n"] * abs(b["confidence"] - b["right"]) for b in bins) / max(n, 1),
        "auroc": float(roc_auc_score(right, confidence)) if both else None,
        "log_loss": log_loss(confidence, right),
        "bins": bins,
    }


def reliability(confidence: Floats, right: Bools, n_bins: int = N_BINS) -> list[Bin]:
    """Entities in bins of equal width, those without any left out."""
    number = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    counts = np.bincount(number, minlength=n_bins)
    sure = np.bincount(number, confidence, n_bins)
    good = np.bincount(number, right, n_bins)
    return [
        {"n": int(counts[i]), "confidence": sure[i] / counts[i], "right": good[i] / counts[i]}
        for i in np.flatnonzero(counts)
    ]


def log_loss(confidence: Floats, right: Bools | Floats) -> float:
    """Mean negative log likelihood, in nats, of what is right (or how probably); 0 for nothing."""
    if not len(right):
        return 0.0
    of_right, of_wrong = (np.log(chance.clip(1e-9)) for chance in (confidence, 1 - confidence))
    share = np.asarray(right, dtype=np.float64)
    return float(-(share * of_right + (1 - share) * of_wrong).mean())
