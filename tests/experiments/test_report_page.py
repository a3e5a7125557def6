"""`python -m experiments report`: the page, its files, and what a browser makes of it."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers import results as helpers_results
from helpers.browser import browser, opens_alone, readable, scrolls_in_boxes, show  # noqa: F401
from helpers.experiments import run_experiments
from helpers.results import ResultsFolder, write_study

RESAMPLES = ("--resamples", 200)

HEADINGS = [
    "Summary",
    "Table 1: F1 of each language",
    "Table 2: ablation study",
    "Figure 2: entity vectors in different languages",
    "Figure 3: effect of the size of the source corpus",
    "Training curves",
    "Mistakes",
]


OLD = "An earlier page, made with: python -m experiments report results report"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    return write_study(folder)


@pytest.fixture(scope="module")
def report(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a whole study, in a folder that held other files."""
    output = tmp_path_factory.mktemp("report")
    (output / "notes.txt").write_text("mine")
    (output / "index.html").write_text(OLD)
    status, said = run_experiments("report", study, output, *RESAMPLES)
    assert status == 0, said
    assert "Report written to" in said
    return output


def page_of(results: ResultsFolder, output: Path) -> str:
    """The page on a results folder."""
    status, said = run_experiments("report", results.write(), output, *RESAMPLES)
    assert status == 0, said
    return (output / "index.html").read_text(encoding="utf-8")


def test_the_files(report: Path) -> None:
    assert (report / "notes.txt").read_text() == "mine"
    names = {path.name for path in report.iterdir()}
    for table in ("table1-mini", "table1-XLM-R-base", "table2", "significance", "mistakes-mini"):
        assert {f"{table}.{ending}" for ending in ("csv", "md", "tex")} <= names
    for figure in ("figure2-mini", "figure3-mini", "training-mini", "methods-mini"):
        assert {f"{figure}.csv", f"{figure}.svg"} <= names
    assert not any(name.startswith(".") for name in names)
    for path in report.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_the_data_of_figure_3(report: Path) -> None:
    lines = list(csv.DictReader(io.StringIO((report / "figure3-mini.csv").read_text())))
    shares = {(line["method"], line["share"]) for line in lines}
    assert shares == {(m, s) for m in ("MLT", "DualNER") for s in ("5", "20", "60", "100")}
    assert {line["measure"] for line in lines} == {"mean", "mean of targets"}


def test_one_self_contained_page(report: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 3_000_000
    assert "<script" not in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == HEADINGS
    # Links may lead elsewhere; nothing is loaded from there.
    for attribute, value in re.findall(r'\b(src|href|xlink:href)="([^"]*)"', page):
        if attribute == "src":
            assert value.startswith("data:"), value
        else:
            there = (report / value).is_file()
            assert there or value.startswith(("#", "https://aclanthology.org/")), value
    assert "url(http" not in page and "@import" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)', page):
        assert target in ids, target
    assert len(re.findall(r'<img [^>]*alt="[^"]+"', page)) == page.count("<img") >= 6
    assert "{{" not in page and "None" not in page and not re.findall(r">\s*nan", page)


def test_what_the_page_says(report: Path) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "there are no translations of the source text" in page
    assert "4,000 source, 1,000 unlabelled, 40 dev, all test" in page
    assert re.search(r"Difference \+[\d.]+, 95% interval", page)
    assert "DualNER is above in 4 of 4 languages." in page
    assert re.search(r"python -m experiments report \S+ \S+ --resamples 200", page)


def test_entity_types_are_text_not_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = ("<script>alert(1)</script>", "A&B $x$", "per")
    monkeypatch.setattr(helpers_results, "TYPES", types)
    results = ResultsFolder(tmp_path / "results", ["en", "de"])
    for method in ("MLT", "DualNER"):
        results.add_run(method, vectors=True)
    output = tmp_path / "out"
    page = page_of(results, output)
    assert "<script" not in page
    for path in output.glob("*.svg"):
        ElementTree.parse(path)
    drawn = "".join(path.read_text() for path in output.glob("*.svg"))
    assert "<script" not in drawn and "A&amp;B $x$<" in drawn


def test_the_same_again(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results", ["en", "de"])
    for method in ("MLT", "DualNER"):
        results.add_run(method, vectors=True)
    one, two = (tmp_path / name for name in ("one", "two"))
    for output in (one, two):
        page_of(results, output)
    names = {path.name for path in one.iterdir()} - {"index.html"}  # names the output folder
    assert {"figure2-mini.svg", "training-mini.svg", "significance.csv"} <= names
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_one_run_alone(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results", ["en", "de"])
    results.add_run("MLT")
    page = page_of(results, tmp_path / "out")
    assert "mini: no headline" in page
    assert "mini: no runs with a smaller share of the source." in page
    assert "mini: there are no entity vectors, or too few." in page
    for heading in HEADINGS:
        assert f"<h2>{heading}</h2>" in page


def test_files_are_missing(tmp_path: Path) -> None:
    """Scores are in results.jsonl; the rest is shown where its files are."""
    results = ResultsFolder(tmp_path / "results", ["en", "de", "ar"])
    lines = [results.add_run(method) for method in ("CLA", "MLT", "DualNER")]
    for name in ("predictions.npz", "history.jsonl"):
        (results.folder / lines[1]["folder"] / name).unlink()
    shutil.rmtree(results.folder / "corpus" / "dev")
    (results.folder / "study.json").unlink()
    page = page_of(results, tmp_path / "out")
    assert "Predictions of mini-MLT-100-0 are missing" in page
    assert "Sentences of dev/en, dev/de, dev/ar are missing" in page
    table = (tmp_path / "out" / "table1-mini.csv").read_text()
    assert len(table.splitlines()) == 7


def test_names_of_ones_own(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path / "results", ["en", "de"])
    results.add_run("50%_<mine>", backbone="my backbone/1", quality=0.6)
    page = page_of(results, tmp_path / "out")
    assert "50%_&lt;mine&gt;" in page and "<mine>" not in page
    assert r"50\%\_<mine>" in (tmp_path / "out" / "table1-my-backbone-1.tex").read_text()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "results.jsonl").write_text(""), "no finished run"),
        (
            lambda folder: (folder / "runs/mini-MLT-100-0/history.jsonl").write_text("{}"),
            "not the history of a run",
        ),
        (
            lambda folder: (folder / "runs/mini-MLT-100-0/entities.npz").write_text("no"),
            "not the entity vectors of a run",
        ),
        (
            lambda folder: (folder / "corpus/test/de.spacy").write_text("no"),
            "not a DocBin file",
        ),
    ],
)
def test_errors_are_messages_and_nothing_is_lost(tmp_path, spoil, fault) -> None:
    results = ResultsFolder(tmp_path / "results", ["en", "de"])
    results.add_run("MLT")
    spoil(results.write())
    output = tmp_path / "out"
    output.mkdir()
    (output / "index.html").write_text(OLD)
    status, said = run_experiments("report", tmp_path / "results", output)
    assert status == 1
    assert fault in said
    assert (output / "index.html").read_text() == OLD


def test_it_replaces_reports_alone(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("important")
    status, said = run_experiments("report", tmp_path / "results", tmp_path)
    assert status == 1 and "is no report" in said
    assert page.read_text() == "important"


@pytest.mark.parametrize("package", ["matplotlib", "pandas", "tabulate"])
def test_a_missing_package_is_named(tmp_path, monkeypatch, package) -> None:
    results = ResultsFolder(tmp_path / "results", ["en", "de"])
    results.add_run("MLT")
    monkeypatch.setattr(
        "spacy_dualner.errors.find_spec", lambda name: None if name == package else object()
    )
    status, said = run_experiments("report", results.write(), tmp_path / "out")
    assert status == 1
    assert 'pip install "spacy-dualner[report]"' in said


# In a browser


@pytest.mark.slow
def test_it_opens_without_a_word_and_without_the_network(browser, report) -> None:
    opens_alone(browser, report / "index.html")
    headings = browser.execute_script(
        "return [...document.querySelectorAll('h2')].map(h => h.innerText)"
    )
    assert headings == HEADINGS
    for link in browser.execute_script(
        "return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))"
    ):
        assert browser.execute_script("return !!document.querySelector(arguments[0])", link), link


@pytest.mark.slow
def test_all_figures_are_drawn(browser, report) -> None:
    show(browser, report / "index.html")
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('img')].map(i => ["
        "  i.closest('figure').id, i.naturalWidth, i.naturalHeight])"
    )
    assert {name for name, *_ in sizes} >= {"figure2-mini", "figure3-mini", "training-mini"}
    for name, width, height in sizes:
        assert width > 600 and height > 150, name


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(browser, report, scheme) -> None:
    show(browser, report / "index.html", scheme)
    assert readable(browser, scheme) > 500


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
def test_wide_things_scroll_in_their_own_box(browser, report, width) -> None:
    show(browser, report / "index.html", width=width)
    assert scrolls_in_boxes(browser) > 0 or width > 400
