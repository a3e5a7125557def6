"""Confidences: what the component says, what the measures say of it, and the fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from spacy_dualner.decoding.confidence import Calibrator, confidences, features
from spacy_dualner.decoding.lattice import make_lattice, span_log_probs
from spacy_dualner.encoder.heads import split_logits
from spacy_dualner.evaluation.fitting import fit_calibrator, fit_temperature
from spacy_dualner.evaluation.reliability import measure, reliability
from spacy_dualner.labels.conversions import tags_to_spans
from spacy_dualner.labels.layout import Layout

LAYOUT = Layout([3, 2])


def some_logits() -> torch.Tensor:
    return torch.randn(5, 7, generator=torch.Generator().manual_seed(1))


def some_spans() -> tuple:
    tags = LAYOUT.spread(torch.tensor([1, 2, 0, 0, 1]))
    return tags_to_spans(tags)


def test_without_calibration_it_is_the_lattices_probability() -> None:
    logits, spans = some_logits(), some_spans()
    lattice = make_lattice(logits, LAYOUT, "span")
    sure = confidences(logits, LAYOUT, lattice, spans)
    torch.testing.assert_close(sure, span_log_probs(lattice, spans).exp())
    flat = confidences(logits, LAYOUT, lattice, spans, temperature=1e9)
    ways = [13, 5]  # of three words and of two, with one type
    torch.testing.assert_close(flat, torch.tensor([2 / ways[0], 2 / ways[1]]).double())


def test_features_are_the_heads_at_the_entitys_edges() -> None:
    logits, spans = some_logits(), some_spans()
    lattice = make_lattice(logits, LAYOUT, "joint")
    found = features(logits, LAYOUT, lattice, spans, 2.0)
    log_odds = confidences(logits, LAYOUT, lattice, spans, temperature=2.0).logit()
    torch.testing.assert_close(found[:, 0], log_odds.float())
    heads = torch.cat([head.log_softmax(-1) for head in split_logits(logits)], 1)
    nothing = torch.ones(7)
    words = [[nothing, heads[0], heads[1], heads[2]], [heads[3], heads[4], heads[4], nothing]]
    torch.testing.assert_close(found[:, 1:], torch.stack([torch.cat(row) for row in words]))


def test_a_certain_entity_has_finite_features() -> None:
    """And one that cannot be."""
    logits = torch.zeros(5, 7)
    logits[range(5), [1, 2, 0, 0, 0]] = 800.0
    found = features(logits, LAYOUT, make_lattice(logits, LAYOUT, "tag"), some_spans(), 1.0)
    assert found.isfinite().all()
    assert found[0, 0] > 15 and found[1, 0] == pytest.approx(-800)


def test_the_calibrator_is_a_network_with_one_hidden_layer() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    hidden, _, output = network
    weights = (hidden.weight, hidden.bias, output.weight[0], output.bias)
    mean, scale = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 1.0, 0.5])
    inputs = torch.randn(6, 3)
    expected = network((inputs - mean) / scale)[:, 0]
    torch.testing.assert_close(Calibrator(mean, scale, *weights).log_odds(inputs), expected)


# Measures


def test_expected_calibration_error_by_hand() -> None:
    """Two bins: 0.9 said and half right, 0.2 said and none right."""
    confidence = np.array([0.9, 0.9, 0.2, 0.2, 0.2, 0.2])
    right = np.array([True, False, False, False, False, False])
    found = measure(confidence, right)
    assert found["ece"] == pytest.approx((2 * 0.4 + 4 * 0.2) / 6)
    assert found["right"] == pytest.approx(1 / 6)
    assert found["confidence"] == pytest.approx(2.6 / 6)
    assert [(b["n"], round(b["confidence"], 6), b["right"]) for b in found["bins"]] == [
        (4, 0.2, 0.0),
        (2, 0.9, 0.5),
    ]
    assert found["auroc"] == pytest.approx(roc_auc_score(right, confidence))
    expected = -np.log([0.9, 0.1, 0.8, 0.8, 0.8, 0.8]).mean()
    assert found["log_loss"] == pytest.approx(expected)


def test_full_confidence_falls_into_the_last_bin() -> None:
    (only,) = reliability(np.array([1.0]), np.array([True]))
    assert only == {"n": 1, "confidence": 1.0, "right": 1.0}


@pytest.mark.parametrize("right", [[], [True, True], [False]])
def test_nothing_to_separate(right: list[bool]) -> None:
    found = measure(np.full(len(right), 0.5), np.array(right, dtype=bool))
    assert found["auroc"] is None
    assert found["n"] == len(right)


# Fits


def test_a_temperature_is_found_again() -> None:
    """Entities that are right as often as their log odds over 2.5 say."""
    rng = np.random.default_rng(0)
    odds = rng.normal(2, 4, size=20_000)
    right = rng.random(len(odds)) < 1 / (1 + np.exp(-odds / 2.5))
    found = fit_temperature(lambda t: 1 / (1 + np.exp(-odds / t)), right)
    assert found == pytest.approx(2.5, rel=0.05)


def test_without_entities_the_temperature_stays() -> None:
    assert fit_temperature(lambda t: np.zeros(0), np.zeros(0, dtype=bool)) == 1.0


@pytest.mark.slow
def test_the_network_learns_what_one_number_cannot() -> None:
    """Right where two features are of one sign: no single one tells."""
    inputs = torch.randn(4000, 6, generator=torch.Generator().manual_seed(0))
    right = (inputs[:, 1] * inputs[:, 2] > 0).float()
    calibrator = fit_calibrator(inputs[:3000], right[:3000])
    again = fit_calibrator(inputs[:3000], right[:3000])
    sure = calibrator.log_odds(inputs[3000:]).sigmoid().double().numpy()
    found = measure(sure, right[3000:].bool().numpy())
    assert found["auroc"] is not None and found["auroc"] > 0.97
    assert found["ece"] < 0.1
    assert all(torch.equal(a, b) for a, b in zip(calibrator, again, strict=True))


def test_a_fit_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    fit_calibrator(torch.randn(10, 2), torch.ones(10))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit_calibrator(torch.ones(10, 2), torch.ones(10))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.rand(1), expected)
