"""What each way to pick a step of stage 2 would have picked."""

from __future__ import annotations

import pandas as pd
import pytest

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
