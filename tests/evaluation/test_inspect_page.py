"""The command `inspect`: the page, and what a browser makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from helpers.browser import browser, opens_alone, readable, scrolls_in_boxes, show  # noqa: F401
from helpers.corpus import run_cli
from helpers.noisy import write_noisy
from helpers.pages import read_page, tables_of, text_of
from helpers.tiny import SENTENCES, make_examples, train_nlp
from spacy.tokens import Doc, DocBin, Span

from spacy_dualner.data.docbin import read_docs
from spacy_dualner.evaluation.examples import is_from_right
from spacy_dualner.evaluation.scores import evaluate_docs

HEADINGS = ["Scores", "Mistakes", "Confidence", "Examples"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A folder with the pipelines `model` and `plain` (spaCy's ner), and `corpus` in en and de."""
    folder = tmp_path_factory.mktemp("inspect")
    train_nlp(encoder_path, steps=30).to_disk(folder / "model")
    for seed, lang in enumerate(("en", "de")):
        write_noisy(folder / "corpus" / "dev" / f"{lang}.spacy", lang, 60, seed)
    (folder / "raw").mkdir()
    texts = [" ".join(words) for words, _ in SENTENCES]
    nlp = spacy.blank("xx")
    DocBin(docs=list(nlp.pipe(texts))).to_disk(folder / "raw" / "sw.spacy")
    nlp.add_pipe("ner")
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    for _ in range(30):
        nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.to_disk(folder / "plain")
    return folder


def inspect(folder: Path, *arguments: str | Path | int, name: str = "page.html") -> Path:
    """Run the command. The page."""
    model, corpus, *options = arguments
    status, said = run_cli(
        "dualner", "inspect", folder / model, folder / corpus, folder / name, *options
    )
    assert status == 0, said
    return folder / name


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    return inspect(folder, "model", "corpus")


def test_the_scores_are_those_of_evaluate(folder: Path, page: Path) -> None:
    shown = tables_of(page)[
        "Precision, recall and F1 of whole entities, F1 of each type, in percent"
    ]
    nlp = spacy.load(folder / "model")
    for lang in ("en", "de"):
        docs = list(read_docs(folder / "corpus" / "dev" / f"{lang}.spacy", nlp.vocab))
        scores = evaluate_docs(nlp, docs)
        expected = {key.upper(): scores["span"][key] for key in "pr"} | {"F1": scores["span"]["f"]}
        expected |= {type_: own["f"] for type_, own in scores["per_type"]["span"].items()}
        assert shown[lang] == {name: f"{value:.1f}" for name, value in expected.items()}
    mean = (float(shown["en"]["F1"]) + float(shown["de"]["F1"])) / 2
    assert float(shown["mean"]["F1"]) == pytest.approx(mean, abs=0.11)


def test_each_entity_is_counted_once(folder: Path, page: Path) -> None:
    shown = tables_of(page)
    kinds, types = (
        shown[name]
        for name in ("Entities by kind of mistake", "Entities by annotated and found type")
    )
    nlp = spacy.load(folder / "model")
    for lang in ("en", "de"):
        docs = list(read_docs(folder / "corpus" / "dev" / f"{lang}.spacy", nlp.vocab))
        n_gold = sum(len(doc.ents) for doc in docs)
        assert sum(map(int, kinds[lang].values())) - int(kinds[lang]["spurious"]) == n_gold
    for kind in ("spurious", "missed"):
        line = (
            types["spurious"] if kind == "spurious" else {t: r["missed"] for t, r in types.items()}
        )
        total = sum(int(kinds[lang][kind]) for lang in kinds)
        assert sum(int(cell) for cell in line.values() if cell) == total > 0


def test_examples_are_few_and_the_least_sure_first(folder: Path, page: Path) -> None:
    few = inspect(folder, "model", "corpus", "--examples", 3, "--limit", 50, name="few.html")
    assert few.stat().st_size < page.stat().st_size < 1_000_000
    for group in read_page(few).iter("details"):
        examples = group.findall(".//div[@class='example']")
        assert 0 < len(examples) <= 3
        marks = [own.find(".//dd[2]//mark[@class='entity this']") for own in examples]
        sure = [float(text_of(mark).split()[-1]) for mark in marks if mark is not None]
        assert sure == sorted(sure)
        assert bool(sure) != text_of(group.find("summary")).startswith("Missed")
    assert {line.get("lang") for line in read_page(few).iter("dd")} == {"en", "de"}


def test_text_without_annotations(folder: Path) -> None:
    """What is found, by confidence; no score of what nobody knows."""
    page = inspect(folder, "model", "raw/sw.spacy", name="raw.html")
    shown = tables_of(page)
    assert shown.keys() == {"Entities by language", "Entities by confidence"}
    nlp = spacy.load(folder / "model")
    scores = {"LOC": [], "ORG": [], "PER": []}
    for doc in read_docs(folder / "raw" / "sw.spacy", nlp.vocab):
        doc = nlp(doc.text)
        group = doc.spans["dualner"]
        for span, sure in zip(group, group.attrs["scores"], strict=True):
            scores[span.label_].append(sure)
    for type_, own in scores.items():
        assert shown["Entities by language"]["sw"][type_] == str(len(own))
        above = sum(sure >= 0.9 for sure in own)
        assert shown["Entities by confidence"]["0.9 to 1.0"][type_] == str(above)
    assert {text_of(term) for term in read_page(page).iter("dt")} == {"sw, found"}
    headings = [text_of(heading) for heading in read_page(page).iter("h2")]
    assert headings == ["Found in text without annotations", "Examples"]


@pytest.mark.parametrize("corpus", ["corpus", "raw/sw.spacy"])
def test_a_pipeline_without_confidences(folder: Path, corpus: str) -> None:
    page = inspect(folder, "plain", corpus, name="plain.html")
    text = page.read_text()
    assert "This pipeline says no confidences" in text
    assert "<h2>Confidence</h2>" not in text and "Entities by confidence" not in text
    assert "<img" not in text and "inf" not in {*re.findall(r"\w+", text)}
    assert "least sure" not in text and 'class="entity this"' in text


def test_a_component_after_it_that_merges_tokens(folder: Path, page: Path, tmp_path: Path) -> None:
    """Entities are compared by their characters."""
    nlp = spacy.load(folder / "model")
    nlp.add_pipe("merge_entities")
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "corpus").symlink_to(folder / "corpus")
    merged = inspect(tmp_path, "model", "corpus")
    assert tables_of(merged) == tables_of(page)


def odd(folder: Path, words: list[str], entity: tuple[int, int, str], lang: str) -> Path:
    """A page of one sentence, in a text that the pipeline has no idea of."""
    nlp = spacy.load(folder / "model")
    doc = Doc(nlp.vocab, words=words, user_data={"lang": lang})
    doc.has_unknown_spaces = True
    doc.set_ents([Span(doc, entity[0], entity[1], label=entity[2])])
    DocBin(docs=[doc], store_user_data=True).to_disk(folder / f"{lang}.spacy")
    return inspect(folder, "model", f"{lang}.spacy", "--no-figures", name=f"{lang}.html")


def test_white_space_in_an_entity_is_no_mistake(folder: Path) -> None:
    """In no table of the page, as in the scores of `evaluate`."""
    words = SENTENCES[0][0]
    page = odd(folder, [*words[:2], "\n", *words[2:]], (0, 3, "PER"), "nl")
    scores, kinds, _ = tables_of(page).values()
    assert scores["nl"]["PER"] == "100.0" and kinds["nl"]["correct"] == "1"


def test_types_and_text_are_text_not_markup(folder: Path) -> None:
    words = ["<script>alert(1)</script>", "&", "<b>", "$x$"]
    page = odd(folder, words, (0, 2, "<img src=x>{0}"), "xy")
    text = page.read_text()
    assert "<script" not in text and "<img" not in text and "<b>" not in text
    mark = read_page(page).find(".//mark")
    assert text_of(mark).split() == [*words[:2], "<img", "src=x>{0}"]


def test_long_text_is_cut(folder: Path) -> None:
    words = ["left", *["word"] * 5000, "Anna", *["word"] * 5000, "right"]
    page = odd(folder, words, (5001, 9000, "PER"), "la")
    assert page.stat().st_size < 100_000
    text = " ".join(text_of(read_page(page).find(".//dd")).split())
    assert text.startswith("… word") and text.endswith("word PER …")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna in Berlin", False),
        ("سافر أحمد إلى Berlin", True),
        ("东京 2020", False),
        ("12", False),
    ],
)
def test_what_is_written_from_the_right(text: str, expected: bool) -> None:
    assert is_from_right(text) == expected


def test_a_language_that_is_written_from_the_right(folder: Path) -> None:
    """Also where a sentence has more Latin letters. In other files, those sentences alone."""
    nlp = spacy.blank("xx")
    names = [["Río", "Guadalquivir", "الوادي"], ["سافر", "أحمد", "إلى", "القاهرة", "والجيزة"]]
    docs = [Doc(nlp.vocab, words=own, ents=["B-LOC", *"O" * (len(own) - 1)]) for own in names]
    latin = Doc(nlp.vocab, words=["and", "much", "more"] * 9)
    DocBin(docs=docs).to_disk(folder / "fa.spacy")
    DocBin(docs=[*docs, latin]).to_disk(folder / "aa.spacy")
    for lang in ("fa", "aa"):
        page = inspect(folder, "model", f"{lang}.spacy", "--no-figures", name=f"{lang}.html")
        lines = [(line.find("div"), text_of(line)) for line in read_page(page).iter("dd")]
        styles = [(div.get("style", ""), text) for div, text in lines if div is not None]
        first = [style for style, text in styles if "Guadalquivir" in text]
        second = [style for style, text in styles if "القاهرة" in text]
        assert all(("rtl" in style) == (lang == "fa") for style in first) and len(first) >= 2
        assert all("rtl" in style for style in second) and len(second) >= 2


def test_a_missing_library_is_named_before_the_work(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_dualner.errors.find_spec", lambda name: None)
    status, said = run_cli("dualner", "inspect", "gone", folder / "corpus", tmp_path / "page.html")
    assert status == 1
    assert 'pip install "spacy-dualner[report]", or add --no-figures' in said
    page = inspect(folder, "model", "corpus", "--no-figures", name="bare.html")
    assert "Left out with --no-figures" in page.read_text()


def test_text_of_the_calibration_is_said(folder: Path, page: Path) -> None:
    status, _ = run_cli(
        "dualner", "calibrate", folder / "model", folder / "calibrated", "-c", folder / "corpus",
        "--langs", "de", "--method", "temperature",
    )  # fmt: skip
    assert status == 0
    again = inspect(folder, "calibrated", "corpus", "--no-figures", "-l", "de", name="cal.html")
    assert "is what confidences were calibrated on" in again.read_text()
    assert "calibrated on" not in page.read_text()


# In a browser


@pytest.mark.slow
def test_it_opens_without_a_word_and_without_the_network(browser: Any, page: Path) -> None:
    opens_alone(browser, page)
    headings = browser.execute_script(
        "return [...document.querySelectorAll('h2')].map(h => h.innerText)"
    )
    assert headings == HEADINGS
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('img')].map(i => [i.naturalWidth, i.naturalHeight])"
    )
    assert len(sizes) == 2 and all(width > 400 and height > 300 for width, height in sizes)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(browser: Any, page: Path, scheme: str) -> None:
    show(browser, page, scheme)
    assert readable(browser, scheme) > 300
    outline, text = browser.execute_script(
        "const mark = document.querySelector('mark.this');"
        "return [getComputedStyle(mark).outlineColor, getComputedStyle(document.body).color]"
    )
    assert outline == text


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
def test_wide_things_scroll_in_their_own_box(browser: Any, page: Path, width: int) -> None:
    show(browser, page, width=width)
    assert scrolls_in_boxes(browser) > 0 or width > 400


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lang", "words", "before"),
    [
        ("ar", ["سافر", "أحمد", "إلى", "القاهرة", "."], lambda mark, rest: mark["right"] > rest),
        ("en", ["Alas", "Ahmed", "went", "to", "Cairo"], lambda mark, rest: mark["left"] < rest),
    ],
)
def test_the_label_follows_its_words(
    browser: Any,
    folder: Path,
    lang: str,
    words: list[str],
    before: Callable[[dict[str, float], float], bool],
) -> None:
    """To the left of them in a text that is read from right to left."""
    show(browser, odd(folder, words, (1, 2, "PER"), lang))
    mark, label, line = browser.execute_script(
        "const mark = document.querySelector('mark.this'), at = e => e.getBoundingClientRect();"
        "return [at(mark.firstElementChild), at(mark.lastElementChild), at(mark.parentElement)]"
    )
    assert before(mark, label["right"] if lang == "ar" else label["left"])
    assert (label["right"] <= mark["left"]) == (lang == "ar")
    assert line["left"] <= mark["left"] and mark["right"] <= line["right"]


@pytest.mark.slow
def test_characters_without_spaces(browser: Any, folder: Path) -> None:
    page = odd(folder, ["我", "在", "东", "京", "工", "作", "。"], (2, 4, "LOC"), "zh")
    show(browser, page)
    text, lang = browser.execute_script(
        "const line = document.querySelector('dd'); return [line.textContent, line.lang]"
    )
    assert re.sub(r"\s*LOC\s*", "|", text).strip() == "我在东京|工作。" and lang == "zh"
