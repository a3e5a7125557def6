"""What each way to pick a step of stage 2 would have picked."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from experiments.report import figures
from experiments.report.learning_curves import picked

STEPS = {  # en, de and sw by step; agreement of de and sw
    0: ((90, 50, 30), (60, 60)),
    100: ((80, 60, 40), (90, 70)),
    200: ((70, 70, 50), (70, 80)),
}


def test_what_picks_a_step() -> None:
    curves = pd.DataFrame(
        ("DualNER", seed, 2, step, lang, f1, agreement)
        for seed in (0, 1)
        for step, (f1s, agreements) in STEPS.items()
        for lang, f1, agreement in zip(("en", "de", "sw"), f1s, (99, *agreements), strict=True)
    ).set_axis(["method", "seed", "stage", "step", "language", "f1", "agreement"], axis=1)
    stage1 = curves.assign(method="MLT", stage=1, agreement=float("nan"))
    found = picked(pd.concat([stage1, curves]), ["de", "sw"])
    # `mean` takes the last step, where all languages together are best; the heads agree most at
    # 100, as en does not count; en is best at 0.
    assert found.loc[("DualNER", 1)].to_dict() == pytest.approx(
        {"mean": 60.0, "agreement": 50.0, "source": 40.0}
    )
    assert len(found) == 2 and len(picked(stage1, ["de", "sw"])) == 0


def test_a_curve_goes_through_its_own_points_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods need not be scored at the same steps."""
    steps = {"MLT": [0, 100, 200], "CLA": [0, 10, 200]}
    rows = [
        {"stage": 1, "method": method, "step": step, "language": "de", "f1": step / 2}
        for method, own in steps.items()
        for step in own
    ]
    drawing = Figure()
    monkeypatch.setattr(figures, "_figure", lambda _n, _t, _d, draw, _h: draw(drawing))
    figures.methods("methods", "Methods", pd.DataFrame(rows))
    lines = {line.get_label(): line.get_xydata().tolist() for line in drawing.axes[0].lines}
    expected = {method: [[step, step / 2] for step in own] for method, own in steps.items()}
    assert lines == expected
