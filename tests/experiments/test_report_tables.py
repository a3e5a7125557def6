"""Tables: what is marked, and that their files parse back."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from helpers.results import ResultsFolder

from experiments.report.bootstrap import Bootstrap
from experiments.report.predictions import Predictions
from experiments.report.results import SPLITS, read_results
from experiments.report.score_tables import ScoreTables
from experiments.report.tables import Table, best, number


def tables_of(folder: ResultsFolder) -> ScoreTables:
    results = read_results(folder.write())
    bootstraps = {split: Bootstrap(Predictions(results), split, 200) for split in SPLITS}
    return ScoreTables(results, bootstraps, 200)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ScoreTables:
    folder = ResultsFolder(tmp_path_factory.mktemp("results"))
    for seed in range(2):
        for method in ("CLA", "SPAN", "MLT", "selfKL", "DualNER"):
            folder.add_run(method, backbone="XLM-R-base", seed=seed)
    folder.add_run("my_own", backbone="XLM-R-base", quality=0.7)
    folder.skip("TRG_Trans", "there are no translations", backbone="XLM-R-base")
    return tables_of(folder)


def test_the_best_of_each_column_and_group_is_marked_as_it_looks() -> None:
    index = pd.MultiIndex.from_product([["ours", "theirs"], ["MLT", "DualNER"]])
    values = pd.DataFrame({"a": [50.02, 49.98, 1.0, 2.0], "b": [None, 5.0, None, None]}, index)
    assert best(values).to_numpy().tolist() == [
        [True, False],
        [True, True],
        [False, False],
        [True, False],
    ]


def test_table1(tables: ScoreTables) -> None:
    table = tables.table1("XLM-R-base")
    assert list(table.shown) == ["en", "de", "ar", "zh", "sw", "mean", "mean of targets"]
    own, theirs = (table.numbers.loc[g] for g in ("This study", "The paper, XLM-R-base"))
    assert list(own.index) == [
        *("CLA", "SPAN", "MLT", "FILTER", "DualNER +TRG_Trans", "DualNER +TRG_Gold"),
        *("DualNER w/ selfKL", "my_own"),
    ]
    runs = tables.results.find("XLM-R-base", "DualNER")
    german = tables.results.scores.loc[runs.index, ("test", "de")].tolist()
    row = own.loc["DualNER +TRG_Gold"]
    assert row["de"] == pytest.approx(sum(german) / 2)
    assert row["de deviation"] == pytest.approx(abs(german[0] - german[1]) / 2**0.5)
    assert own.loc["my_own", ["de", "de deviation"]].isna().tolist() == [False, True]
    assert own.loc["FILTER"].isna().all()
    printed = theirs.loc["MLT"]
    assert printed[["en", "de", "ar", "zh", "sw"]].tolist() == [82.9, 73.6, 79.3, 28.4, 67.6]
    assert printed["mean of targets"] == pytest.approx((73.6 + 79.3 + 28.4 + 67.6) / 4)
    assert table.bold is not None
    assert table.bold.loc[("The paper, XLM-R-base", "MLT"), "ar"]
    assert "DualNER +TRG_Trans (XLM-R-base): there are no translations." in table.notes
    assert "FILTER (XLM-R-base): not run." in table.notes


def test_what_differs_from_mlt_is_starred(tables: ScoreTables) -> None:
    shown = tables.table1("XLM-R-base").shown
    for method, name in (("DualNER", "DualNER +TRG_Gold"), ("CLA", "CLA")):
        for lang in ("de", "ar"):
            runs = (tables.results.find("XLM-R-base", m) for m in (method, "MLT"))
            found = tables.bootstraps["test"].compare(*runs, [lang])
            assert found is not None
            assert shown.loc[("This study", name), lang].endswith("†") == (found.p < 0.05)
    assert shown.loc[("This study", "DualNER +TRG_Gold"), "mean"].endswith("†")
    assert not shown.loc[("This study", "MLT")].str.contains("†").any()


def test_only_the_papers_backbones_stand_beside_the_paper(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, ["en", "th", "fr"])
    folder.add_run("CLA", backbone="InfoXLM-large")
    folder.add_run("CLA", backbone="mini")
    tables = tables_of(folder)
    paper = tables.table1("InfoXLM-large").shown.loc[("The paper, InfoXLM-large", "CLA")]
    assert paper[["en", "fr"]].tolist() == ["84.5", "80.1"]
    assert set(tables.table1("mini").shown.index.get_level_values(0)) == {"This study"}


def test_table2(tables: ScoreTables) -> None:
    table = tables.table2()
    values, shown = (frame.loc["XLM-R-base"] for frame in (table.numbers, table.shown))
    assert list(values.index)[:5] == [
        *("MLT", "DualNER +TRG_Gold", "DualNER w/o J_mse", "DualNER w/ selfKL"),
        "DualNER w/o TRG",
    ]
    assert shown["paper"]["DualNER w/ selfKL"] == "65.18 ± 0.65"
    assert shown["paper"]["CLA"] == "–"
    assert shown["dev, mean"]["DualNER w/o J_mse"] == "–"
    assert shown["dev, mean"]["my_own"].startswith(f"{values['dev, mean']['my_own']:.2f}")
    assert " ± " in shown["dev, mean"]["MLT"]
    assert shown["test, mean of targets"]["MLT"].endswith("†")
    assert not shown["test, mean of targets"]["DualNER +TRG_Gold"].endswith("†")
    assert table.bold is not None
    assert table.bold.loc[("XLM-R-base", "DualNER +TRG_Gold"), "test, mean of targets"]


def test_all_comparisons(tables: ScoreTables) -> None:
    values = next(tables.comparisons()).numbers
    names = set(values.index.get_level_values(1))
    assert {"DualNER - my_own", "MLT - CLA", "MLT - SPAN"} < names
    assert not any("FILTER" in name for name in names)
    assert (values["95% from"] < values.difference).all()
    assert (values.difference < values["95% to"]).all()


def test_csv_holds_the_numbers_in_full(tables: ScoreTables) -> None:
    table = tables.table1("XLM-R-base")
    parsed = pd.read_csv(io.StringIO(table.files()["csv"]), index_col=[0, 1])
    pd.testing.assert_frame_equal(parsed, table.numbers, atol=1e-6)


def hostile(n_columns: int = 2) -> Table:
    index = pd.MultiIndex.from_tuples([("50% & <b>", "a_b|c")], names=["Group", "Method"])
    shown = pd.DataFrame([["1.0†", "x|y"][:n_columns] or []], index, ["p#", "q"][:n_columns])
    return Table("t_1", "Title", shown, shown, shown == "1.0†", ["A note."])


def test_markdown() -> None:
    lines = hostile().files()["md"].splitlines()
    assert lines[0] == "**Title**" and lines[-1] == "A note."
    cells = [cell.strip() for cell in lines[4].strip("|").split(" | ")]
    assert cells == ["50% & <b>", r"a_b\|c", "**1.0†**", r"x\|y"]


def test_latex() -> None:
    text = hostile().files()["tex"]
    assert r"50\% \& <b> & a\_b|c & \bfseries 1.0† & x|y \\" in text
    assert r"p\# & q" in text and r"\caption{Title. A note.}" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_html_is_escaped() -> None:
    html = hostile().html()
    assert "<b>" not in html and "50% &amp; &lt;b&gt;" in html
    assert "font-weight: bold" in html


@pytest.mark.parametrize(
    ("n_langs", "widths"), [(5, [7]), (20, [22]), (21, [12, 11]), (40, [21, 21])]
)
def test_many_languages_stand_in_parts(n_langs: int, widths: list[int]) -> None:
    columns = [f"l{i}" for i in range(n_langs)] + ["mean", "mean of targets"]
    shown = pd.DataFrame("1.0", pd.MultiIndex.from_tuples([("g", "m")]), columns)
    files = Table("t", "T", shown, shown).files()
    heads = [
        line for line in files["md"].splitlines() if line.startswith("|") and "l1 " in line + " "
    ]
    assert files["md"].count("| g ") == files["tex"].count("g & m") == len(widths)
    assert heads and heads[0].count("|") - 3 == widths[0]


def test_numbers_as_people_read_them() -> None:
    assert number("{:+.2f}", -1.25) == "-1.25"
    assert number("{:.2f} ± {:.2f}", 1.0, 0.25) == "1.00 ± 0.25"
    assert number("{:.2f} ± {:.2f}", 1.0, float("nan")) == "1.00"
    assert number("{:.1f}", None) == number("{:.1f}", float("nan")) == number("{:.1f}") == "–"
