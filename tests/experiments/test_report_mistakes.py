"""Kinds of mistakes."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.predictions import COLUMNS, mistakes


def entities(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("true", "found", "counted"),
    [
        ([(0, 1, 2, 0)], [(0, 1, 2, 0)], {"correct": 1}),
        ([(0, 1, 2, 0)], [(0, 1, 2, 1)], {"type": 1}),
        ([(0, 1, 2, 0)], [(0, 2, 4, 0)], {"boundary": 1}),
        ([(0, 1, 2, 0)], [(0, 2, 4, 1)], {"boundary and type": 1}),
        ([(0, 1, 2, 0)], [(0, 3, 4, 0)], {"spurious": 1, "missed": 1}),
        # The same words of another sentence are other words.
        ([(0, 1, 2, 0)], [(1, 1, 2, 0)], {"spurious": 1, "missed": 1}),
        ([], [(3, 0, 0, 2)], {"spurious": 1}),
        ([(3, 0, 0, 2)], [], {"missed": 1}),
        # One long prediction over two entities pairs with one of them, here that of its type.
        ([(0, 0, 1, 0), (0, 2, 3, 1)], [(0, 0, 3, 1)], {"boundary": 1, "missed": 1}),
        # Two predictions in one entity: one pairs with it.
        ([(0, 0, 3, 0)], [(0, 0, 1, 0), (0, 2, 3, 0)], {"boundary": 1, "spurious": 1}),
        # The closest kind comes first, whatever the order.
        ([(0, 0, 3, 0)], [(0, 0, 1, 1), (0, 2, 3, 0)], {"boundary": 1, "spurious": 1}),
    ],
)
def test_kinds(true, found, counted) -> None:
    counts = mistakes(entities(true), entities(found))
    assert counts[counts > 0].to_dict() == counted


@st.composite
def sentences(draw) -> pd.DataFrame:
    """Entities of some sentences that do not overlap."""
    rows = []
    for number in range(3):
        cuts = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
        for first, stop in zip(cuts[::2], cuts[1::2], strict=False):
            rows.append((number, first, stop - 1, draw(st.integers(0, 2))))
    return entities(rows)


@given(sentences(), sentences())
def test_each_entity_is_counted_once(true: pd.DataFrame, found: pd.DataFrame) -> None:
    counted = mistakes(true, found)
    assert counted.drop("spurious").sum() == len(true)
    assert counted.drop("missed").sum() == len(found)
    same = {*true.itertuples(index=False, name=None)} & {*found.itertuples(index=False, name=None)}
    assert counted["correct"] == len(same)
    back = mistakes(found, true)
    assert (back["correct"], back["type"]) == (counted["correct"], counted["type"])
