"""Tables: what is marked, and that their files parse back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from helpers_results import ResultsFolder
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.entities import EntityStore
from experiments.report.measures import Measured
from experiments.report.results import read_results
from experiments.report.score_tables import blocks, comparisons, mark, table1, table2
from experiments.report.tables import (
    Cell,
    Row,
    Table,
    decimal,
    latex,
    number,
    p_value,
    to_csv,
    to_latex,
    to_markdown,
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = ResultsFolder(tmp_path_factory.mktemp("results"))
    for seed in range(2):
        for method in ("CLA", "SPAN", "MLT", "selfKL", "DualNER"):
            folder.add_run(method, backbone="XLM-R-base", seed=seed)
    folder.add_run("my_own", backbone="XLM-R-base", quality=0.7)
    folder.skip("TRG_Trans", "there are no translations", backbone="XLM-R-base")
    results = read_results(folder.write())
    return Measured.of(results, EntityStore(results), 200)


def marks(*columns: list[float | None], names: list[str] | None = None) -> list[list[tuple]]:
    """The marks of a table with these columns, row by row."""
    names = names or ["CLA", "SPAN", "MLT"]
    rows = [
        Row("", name, [number(column[i]) for column in columns]) for i, name in enumerate(names)
    ]
    return [[cell.marks for cell in row.cells] for row in mark(rows)]


def test_the_best_of_each_column_is_marked() -> None:
    assert marks([1.0, 2.0, 3.0], [9.0, 2.0, 3.0]) == [
        [(), ("best", "better")],
        [("better",), ()],
        [("best",), ()],
    ]


def test_what_looks_the_same_is_marked_the_same() -> None:
    assert marks([50.02, 49.98, 50.0]) == [[("best", "better")], [("best", "better")], [("best",)]]


def test_marks_where_figures_are_missing() -> None:
    assert marks([None, 5.0, 4.0]) == [[()], [("best",)], [()]]
    assert marks([None, None, None]) == [[()]] * 3
    assert marks([3.0, 4.0], names=["MLT", "DualNER"]) == [[()], [("best",)]]


@pytest.mark.parametrize(
    ("n_langs", "parts"),
    [
        (1, [range(0, 3)]),
        (20, [range(0, 22)]),
        (21, [range(0, 10), range(10, 23)]),
        (40, [range(0, 20), range(20, 42)]),
        (41, [range(0, 13), range(13, 27), range(27, 43)]),
    ],
)
def test_many_languages_stand_in_blocks(n_langs: int, parts: list[range]) -> None:
    assert blocks(n_langs, 2) == parts


def test_table1(measured: Measured) -> None:
    table = table1(measured, "XLM-R-base")
    results = measured.results
    assert table.columns == ["en", "de", "ar", "zh", "sw", "mean", "mean of targets"]
    own = {row.name: row.cells for row in table.rows if row.group == "This study"}
    theirs = {row.name: row.cells for row in table.rows if row.group == "The paper, XLM-R-base"}
    assert list(own) == [
        *("CLA", "SPAN", "MLT", "FILTER", "DualNER +TRG_Trans", "DualNER +TRG_Gold"),
        *("DualNER w/ selfKL", "my_own"),
    ]
    runs = results.find("XLM-R-base", "DualNER")
    german = [run.f1["test"]["de"] for run in runs]
    assert own["DualNER +TRG_Gold"][1].value == pytest.approx(sum(german) / 2)
    assert own["DualNER +TRG_Gold"][1].deviation == pytest.approx(
        abs(german[0] - german[1]) / 2**0.5
    )
    assert own["my_own"][1].deviation is None
    assert all(cell.value is None for cell in own["FILTER"])
    assert [cell.text for cell in theirs["MLT"]][:5] == ["82.9", "73.6", "79.3", "28.4", "67.6"]
    assert theirs["MLT"][6].value == pytest.approx((73.6 + 79.3 + 28.4 + 67.6) / 4)
    assert "best" in theirs["MLT"][2].marks  # as printed, and marked as in the paper
    assert "DualNER +TRG_Trans (XLM-R-base): there are no translations." in table.notes
    assert "FILTER (XLM-R-base): not run." in table.notes


def test_printed_figures_keep_their_places(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path, ["en", "th", "fr"])
    folder.add_run("CLA", backbone="InfoXLM-large")
    folder.add_run("CLA", backbone="mini")
    results = read_results(folder.write())
    measured = Measured.of(results, EntityStore(results), 100)
    rows = {(r.group, r.name): r.cells for r in table1(measured, "InfoXLM-large").rows}
    assert [c.text for c in rows["The paper, InfoXLM-large", "CLA"]][:3] == ["84.5", "0.01", "80.1"]
    assert {row.group for row in table1(measured, "mini").rows} == {""}


def test_table2(measured: Measured) -> None:
    table = table2(measured, 200)
    rows = {row.name: dict(zip(table.columns, row.cells, strict=True)) for row in table.rows}
    assert list(rows)[:5] == [
        *("MLT", "DualNER +TRG_Gold", "DualNER w/o J_mse", "DualNER w/ selfKL"),
        "DualNER w/o TRG",
    ]
    assert rows["DualNER w/ selfKL"]["paper (dev, all)"].text == "65.18 ± 0.65"
    assert rows["DualNER w/ selfKL"]["difference (paper)"].text == "−3.46"
    assert rows["CLA"]["paper (dev, all)"].value is None
    means = {name: cells["dev, all languages"].value for name, cells in rows.items()}
    assert rows["MLT"]["difference (dev, all)"].value == pytest.approx(
        means["MLT"] - means["DualNER +TRG_Gold"]
    )
    assert rows["MLT"]["p (test, targets)"].value == pytest.approx(2 / 201)
    assert rows["DualNER w/o J_mse"]["dev, all languages"].text == "–"
    assert rows["DualNER +TRG_Gold"]["test, targets"].marks == ("best",)


def test_all_comparisons(measured: Measured) -> None:
    table = comparisons(measured, 200)
    names = {row.name for row in table.rows}
    assert {"DualNER − my_own", "MLT − CLA", "MLT − SPAN"} < names
    assert not any("FILTER" in name for name in names)
    for row in table.rows:
        difference, low, high = (cell.value for cell in row.cells[:3])
        assert low < difference < high


def test_csv_parses_back(measured: Measured) -> None:
    table = table1(measured, "XLM-R-base")
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(lines) == len(table.rows)
    for line, row in zip(lines, table.rows, strict=True):
        assert (line["group"], line["Method"]) == (row.group, row.name)
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.value is None:
                assert line[column] == ""
            else:
                assert float(line[column]) == pytest.approx(cell.value, abs=1e-6)
            if cell.deviation is not None:
                assert float(line[f"{column} deviation"]) == pytest.approx(cell.deviation, abs=1e-6)


def test_markdown() -> None:
    rows = [Row("one", "a_b", [number(1.0), Cell("x|y")]), Row("two", "c", [number(2.0), Cell("")])]
    table = Table("t", "T*", ["p", "q"], mark(rows, [0]), notes=["not_e"])
    assert to_markdown(table).splitlines() == [
        "**T\\***",
        "",
        "| Method | p | q |",
        "| --- | ---: | ---: |",
        "| *one* |  |  |",
        "| a\\_b | 1.0 | x\\|y |",
        "| *two* |  |  |",
        "| c | **2.0** |  |",
        "",
        "not\\_e",
    ]


def test_latex() -> None:
    rows = [Row("50% & more", "CLA", [number(1.0)]), Row("50% & more", "SPAN", [number(-2.0)])]
    text = to_latex(Table("t_1", "Mean ± deviation", ["F_1"], mark(rows), notes=["p < 0.1"]))
    assert r"CLA & \cellcolor[gray]{0.9}\textbf{1.0} \\" in text
    assert r"SPAN & $-$2.0 \\" in text
    assert r"\multicolumn{2}{l}{\textit{50\% \& more}} \\" in text
    assert r"Method & F\_1 \\" in text
    assert r"\caption{Mean $\pm$ deviation. p $<$ 0.1}" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_a_table_in_blocks_repeats_its_names() -> None:
    table = Table("t", "T", ["a", "b"], [Row("", "row", [number(1.0), number(2.0)])],
                  blocks=[range(1), range(1, 2)])  # fmt: skip
    assert to_markdown(table).count("| row |") == 2
    assert to_latex(table).count(r"row & ") == 2
    assert len(to_csv(table).splitlines()) == 2


@given(st.text())
def test_latex_escapes_are_complete(text: str) -> None:
    """Nothing that LaTeX would act on is left but what the escapes themselves bring."""
    out = latex(text)
    for escape in (r"\textasciitilde{}", r"\textasciicircum{}", r"\textbackslash{}"):
        out = out.replace(escape, "")
    for escape in ("$<$", "$>$", r"$\pm$", "$-$", *(f"\\{c}" for c in "&%$#_{}")):
        out = out.replace(escape, "")
    assert not set(out) & set("&%$#_{}~^\\<>±−")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text_survives_the_csv(texts: list[str]) -> None:
    rows = [Row("", f"row {i}", [Cell(text)]) for i, text in enumerate(texts)]
    parsed = list(csv.reader(io.StringIO(to_csv(Table("t", "T", ["a"], rows)), newline="")))
    assert parsed[0] == ["Method", "a"]
    shown = ["" if text == "–" else text.replace("−", "-").replace("\r", " ") for text in texts]
    assert [line[1] for line in parsed[1:]] == shown


def test_numbers_as_people_read_them() -> None:
    assert decimal(-0.04) == "0.0"
    assert decimal(-1.25, 2, signed=True) == "−1.25"
    assert decimal(0.04, signed=True) == "0.0"
    assert decimal(0.06, signed=True) == "+0.1"
    assert number(1.0, 0.25, digits=2, spread=True).text == "1.00 ± 0.25"
    assert number(1.0, 0.25, seeds=3).tooltip == "1.00 ± 0.25 over 3 seeds"
    assert number(1.0, seeds=1).tooltip == "1.00, one seed"
    assert number(None).tooltip == number(1.0).tooltip == ""
    assert [p_value(p).text for p in (None, 0.0004, 0.0123)] == ["–", "< 0.001", "0.012"]
