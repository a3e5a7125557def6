"""Fit a temperature and a network to entities of which it is known whether they are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from ..decoding.confidence import Calibrator
from .reliability import Bools, Floats, log_loss

HIDDEN = 128
EPOCHS = 60
BATCH_SIZE = 256


@dataclass
class Fit:
    """A fitted calibration."""

    temperature: float = 1.0  # divides the heads' log scores
    calibrator: Calibrator | None = None  # the network, if it is used
    # Log loss of either on every fifth sentence, when fitted on the others.
    held_out: dict[str, float] = field(default_factory=dict)
    # Of the heads' agreement, that gives the precision in a text without annotations.
    power: float | None = None
    n_found: int = 0  # annotated text's entities that the decoding finds
    n_right: int = 0  # those of them that are right


def fit_temperature(confidence_at: Callable[[float], Floats], right: Bools) -> float:
    """The temperature, 1/8 to 32, whose confidences have the least log loss.

    It is 1 where all entities are right, or none: then nothing tells how sure to be, and the least
    loss is at 0 or without end.
    """
    if right.all() or not right.any():
        return 1.0
    found = minimize_scalar(
        lambda power: log_loss(confidence_at(2.0**power), right),
        bounds=(-3, 5),
        method="bounded",
        options={"xatol": 0.02},
    )
    return float(2.0**found.x)


def fit_calibrator(features: Tensor, right: Tensor, seed: int = 0) -> Calibrator:
    """Train a network to tell right entities from wrong ones.

    features (Floats2d): `[entities, features]`, from `confidence.features`.
    right (Floats1d): 1 for right entities, 0 for wrong ones, or how probably each is right.
    """
    mean, scale = features.mean(0), features.std(0).clamp(min=1e-6)
    inputs = (features - mean) / scale
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = nn.Linear(inputs.shape[1], HIDDEN, dtype=inputs.dtype)
        output = nn.Linear(HIDDEN, 1, dtype=inputs.dtype)
        network = nn.Sequential(hidden, nn.ReLU(), nn.Dropout(0.2), output)
        steps = EPOCHS * -(-len(inputs) // BATCH_SIZE)
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(inputs)).split(BATCH_SIZE):
                loss = F.binary_cross_entropy_with_logits(
                    network(inputs[batch])[:, 0], right[batch]
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    weights = (hidden.weight, hidden.bias, output.weight[0], output.bias)
    return Calibrator(mean, scale, *(weight.detach() for weight in weights))
