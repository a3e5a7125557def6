"""Translated text: sentence i stays the translation of source sentence i."""

from __future__ import annotations

import pytest
from helpers.forms import put
from helpers.panx import files, words_of
from hypothesis import given
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.text import read_translations
from spacy_dualner.errors import DataError

tokens = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\0\t\r ", exclude_categories=["Z", "Cc"])
    | st.sampled_from("\u200b:#"),
    min_size=1,
    max_size=5,
)


@given(
    st.lists(st.lists(tokens, min_size=1, max_size=5), min_size=1, max_size=5), st.integers(0, 3)
)
def test_line_by_line(tmp_path_factory, sentences, blanks) -> None:
    path = tmp_path_factory.mktemp("translated") / "de.txt"
    path.write_text("x\n" + "\n".join(map(" ".join, sentences)) + "\n" * blanks, encoding="utf-8")
    assert list(read_translations(path, "de")) == [["x"], *sentences]
    if len(sentences) > 1:
        lines = path.read_text(encoding="utf-8").split("\n")
        path.write_text("\n".join([*lines[:2], " \u3000", *lines[2:]]), encoding="utf-8")
        with pytest.raises(DataError, match=r"de.txt:3: a blank line has no words"):
            list(read_translations(path, "de"))


@pytest.mark.parametrize(
    ("lang", "line", "words"),
    [
        ("de", "Herr  Dr. Müller-Lüdenscheidt :", ["Herr", "Dr.", "Müller-Lüdenscheidt", ":"]),
        ("fr", " 10\u00a0000 € \r", ["10\u00a0000", "€"]),
        ("de", "a \u3000 b", ["a", "b"]),
        ("zh", "李民基 Eternal\u30002009年", list("李民基Eternal2009年")),
        ("ja", "３ 月", ["３", "月"]),
        ("th", "กข ค", ["ก", "ข", "ค"]),
    ],
)
def test_words(tmp_path, lang, line, words) -> None:
    path = tmp_path / f"{lang}.txt"
    path.write_text(f"{line}\n", encoding="utf-8", newline="")
    assert list(read_translations(path, lang)) == [words]


def test_a_file_of_columns_is_refused(tmp_path) -> None:
    data = put(tmp_path / "data", {"de.txt": "Ein Satz\nBonn\tB-LOC\n"})
    with pytest.raises(DataError, match=r"de.txt:2: a tab in a line of plain text.*--form"):
        convert(data, tmp_path / "corpus", form="translated")


def test_the_first_of_several_blank_lines_is_named(tmp_path) -> None:
    data = put(tmp_path / "data", {"de.txt": "a\n\n\nb\n\n"})
    with pytest.raises(DataError, match=r"de.txt:2: a blank line"):
        convert(data, tmp_path / "corpus", form="translated")
    assert not (tmp_path / "corpus").exists()


def test_translations_lie_apart_without_labels(tmp_path) -> None:
    lines = [f"Satz {i}" for i in range(9)]
    data = put(
        tmp_path / "data", {"train-en-de.tsv": "\n".join(lines), "train-en-zh.tsv": "一二\n"}
    )
    counts = convert(data, tmp_path / "corpus", limits={"train": 5, "unlabelled": 2})
    assert list(counts) == [("de", "translated"), ("zh", "translated")]
    assert files(tmp_path / "corpus") == ["translated/de.spacy", "translated/zh.spacy"]
    assert words_of(tmp_path / "corpus/translated/de.spacy") == lines[:5]
    for doc in read_docs(tmp_path / "corpus/translated/zh.spacy", Vocab()):
        assert doc.user_data == {"lang": "zh"}
        assert not doc.has_annotation("ENT_IOB")


def test_one_file(tmp_path) -> None:
    data = put(tmp_path, {"output.txt": "Ein Satz\n"})
    counts = convert(data / "output.txt", tmp_path / "corpus", form="translated", langs=["de"])
    assert list(counts) == [("de", "translated")]
