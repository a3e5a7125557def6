"""Kinds of mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_results import ResultsFolder
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.entities import Entities, EntityStore, Gold
from experiments.report.examples import BROKEN, FIXED, direction, find_examples
from experiments.report.mistakes import Mistakes, find_mistakes
from experiments.report.results import read_results


def entities(rows) -> Entities:
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def gold(*rows) -> Gold:
    return Gold(10, entities(rows))


@pytest.mark.parametrize(
    ("true", "found", "counted"),
    [
        ([(0, 1, 2, 0)], [(0, 1, 2, 0)], Mistakes(correct=1)),
        ([(0, 1, 2, 0)], [(0, 1, 2, 1)], Mistakes(type=1)),
        ([(0, 1, 2, 0)], [(0, 2, 4, 0)], Mistakes(boundary=1)),
        ([(0, 1, 2, 0)], [(0, 2, 4, 1)], Mistakes(both=1)),
        ([(0, 1, 2, 0)], [(0, 3, 4, 0)], Mistakes(spurious=1, missed=1)),
        # The same words of another sentence are other words.
        ([(0, 1, 2, 0)], [(1, 1, 2, 0)], Mistakes(spurious=1, missed=1)),
        ([], [(3, 0, 0, 2)], Mistakes(spurious=1)),
        ([(3, 0, 0, 2)], [], Mistakes(missed=1)),
        # One long prediction over two entities pairs with one of them, here that of its type.
        ([(0, 0, 1, 0), (0, 2, 3, 1)], [(0, 0, 3, 1)], Mistakes(boundary=1, missed=1)),
        # Two predictions in one entity: one pairs with it.
        ([(0, 0, 3, 0)], [(0, 0, 1, 0), (0, 2, 3, 0)], Mistakes(boundary=1, spurious=1)),
        # The closest kind comes first, whatever the order.
        ([(0, 0, 3, 0)], [(0, 0, 1, 1), (0, 2, 3, 0)], Mistakes(boundary=1, spurious=1)),
    ],
)
def test_kinds(true, found, counted) -> None:
    assert find_mistakes(gold(*true), entities(found)) == counted


@st.composite
def sentences(draw) -> Entities:
    """Entities of some sentences that do not overlap."""
    rows = []
    for number in range(3):
        cuts = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
        for first, stop in zip(cuts[::2], cuts[1::2], strict=False):
            rows.append((number, first, stop - 1, draw(st.integers(0, 2))))
    return entities(rows)


@given(sentences(), sentences())
def test_each_entity_is_counted_once(true: Entities, found: Entities) -> None:
    counted = find_mistakes(Gold(3, true), found)
    assert counted.gold == len(true)
    assert counted.predicted == len(found)
    same = set(map(tuple, true.tolist())) & set(map(tuple, found.tolist()))
    assert counted.correct == len(same)
    back = find_mistakes(Gold(3, found), true)
    assert (back.correct, back.type) == (counted.correct, counted.type)


def test_examples(tmp_path: Path) -> None:
    """Each method is right where the other is wrong: in the sentences told to be so."""
    results = ResultsFolder(tmp_path, ["en", "de", "ar", "zh"])
    predictions = {}
    for method, wrong in (("MLT", {1, 3}), ("DualNER", {5})):
        predictions[method] = {
            place: [[] if i in wrong else e for i, (_, e) in enumerate(own)]
            for place, own in results.gold.items()
        }
        results.add_run(method, predictions=predictions[method])
    read = read_results(results.write())
    store = EntityStore(read)
    for lang in ("de", "ar", "zh"):
        own = results.gold["test", lang]
        found = find_examples(store, *read.runs, lang)
        expected = {(FIXED, i) for i in (1, 3) if own[i][1]} | {(BROKEN, 5)}
        assert {(example.kind, example.number) for example in found} == expected
        for example in found:
            before, after = example.lines[1:]
            assert [line.who for line in example.lines] == ["gold", "MLT", "DualNER"]
            n_gold = len(own[example.number][1])
            right, without = (after, before) if example.kind == FIXED else (before, after)
            assert right.html.count("<mark") == n_gold == example.lines[0].html.count("<mark")
            assert "<mark" not in without.html
            assert example.direction == ("rtl" if lang == "ar" else "ltr")
            text = ("" if lang == "zh" else " ").join(own[example.number][0])
            shown = without.html.partition(">")[2].rpartition("<")[0]
            assert shown.replace("&lt;", "<").replace("&amp;", "&").replace("&gt;", ">") == text


def test_direction() -> None:
    assert [direction(lang) for lang in ("ar", "he", "ur", "de", "xx", "jv")] == [
        *["rtl"] * 3,
        *["ltr"] * 3,
    ]
