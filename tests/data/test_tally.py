"""Every line is counted, and what looks wrong is said with its file and line."""

from __future__ import annotations

import pytest
from helpers.forms import FORMS, plain, put, write
from helpers.panx import TRAIN, run, words_of

from spacy_dualner.data.convert import convert
from spacy_dualner.data.tally import LONG_SENTENCE, Tally
from spacy_dualner.errors import DataError


def tally_of(source, output, **options) -> Tally:
    tally = Tally()
    convert(source, output, tally=tally, **options)
    return tally


def warnings(tally: Tally) -> str:
    return "\n".join(text for file in tally.files for text in file.warnings())


@pytest.mark.parametrize("form", [*FORMS, "text", "translated"])
def test_lines_in_and_out_add_up(tmp_path, form) -> None:
    if form == "hub":
        pytest.importorskip("pyarrow", reason="needs the extra `hub`")
    sentences = plain(TRAIN)
    if form in FORMS:
        write(form, tmp_path / "data", "de", {"train": sentences, "dev": sentences[:1]})
    else:
        put(tmp_path / "data", {"de.txt": "\n".join(" ".join(words) for words, _ in sentences)})
    tally = tally_of(tmp_path / "data", tmp_path / "corpus", form=form)
    train = tally.files[0]
    assert train.sentences == 3
    assert train.used == (3 if form in ("hub", "text", "translated") else 7)
    for file in tally.files:
        assert file.read == file.used + sum(file.left_out.values())
    assert train.repaired == (2 if form in FORMS else 0)
    assert warnings(tally) == ""


def test_what_is_left_out_is_said(tmp_path) -> None:
    lines = ["-DOCSTART- O", "", "# by me", "a B-LOC", "b O", "", "", "# id 7", "c I-LOC", ""]
    data = put(tmp_path / "data", {"train-de.conll": "\n".join(lines), "dev-de.conll": "\n\n"})
    status, output = run(data, tmp_path / "corpus")
    assert status == 0
    assert "train-de.conll: left out: 1 -DOCSTART-, 2 comment" in output
    assert "train-de.conll: entities that begin with I- or the like, written B-: 1" in output
    assert "dev-de.conll: holds no sentences" in output
    counts = "(3 used, 1 -DOCSTART-, 5 blank, 2 comment), in sentences: 2"
    assert f"Read lines: 11 in 2 files {counts}" in output


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("train-de.conll", "x O\n\n" + "w O\n" * (LONG_SENTENCE + 1), 3),
        ("de.txt", "x\n" + "w " * (LONG_SENTENCE + 1), 2),
        ("train-en-de.txt", "x\n" + "w " * (LONG_SENTENCE + 1), 2),
    ],
)
def test_a_sentence_without_an_end_is_said(tmp_path, name, content, line) -> None:
    data = put(tmp_path / "data", {name: content})
    status, output = run(data, tmp_path / "corpus")
    assert status == 0
    assert f"{name}:{line}: one sentence of {LONG_SENTENCE + 1:,} words." in output.replace(
        "\u00a0", " "
    )
    put(data, {name: content.removesuffix("w O\n").removesuffix("w ")})
    assert "one sentence of" not in run(data, tmp_path / "corpus")[1]


def test_annotated_text_without_an_entity_is_said(tmp_path) -> None:
    content = {"train-de.tsv": "a\tB-LOC\n", "dev-de.tsv": "a\tO\n"}
    status, output = run(put(tmp_path / "data", content), tmp_path / "corpus")
    assert status == 0
    assert "Tags, but no entity: de dev." in output
    assert "de train." not in output


def test_files_that_were_put_together_are_said(tmp_path) -> None:
    data = put(tmp_path / "data", {"train-de.tsv": "\ufeffa\tO\n\n\ufeffb\tB-LOC\n"})
    tally = tally_of(data, tmp_path / "corpus")
    said = "lines after the first that begin with a byte order mark (U+FEFF): 1."
    assert f"train-de.tsv: {said}" in warnings(tally)
    iob = put(tmp_path / "iob", {"train-de.iob": "\ufeffa|O\n\ufeffb|O\n"})
    assert f"train-de.iob: {said}" in warnings(tally_of(iob, tmp_path / "corpus"))
    text = put(tmp_path / "text", {"de.txt": "\ufeffEins\n\ufeffZwei drei\n"})
    assert f"de.txt: {said}" in warnings(tally_of(text, tmp_path / "corpus"))
    assert words_of(tmp_path / "corpus/unlabelled/de.spacy") == ["Eins", "Zwei drei"]


def test_languages_that_differ_in_case_only(tmp_path) -> None:
    data = put(tmp_path / "data", {"train-de.tsv": "a\tB-LOC\n", "dev-DE.tsv": "a\tB-LOC\n"})
    with pytest.raises(DataError, match="holds data of DE and of de, which are one language"):
        convert(data, tmp_path / "corpus")


def test_files_that_are_passed_over_are_said(panx, tmp_path) -> None:
    (panx / "news-sw.tar").touch()
    (panx / "README.md").touch()
    status, output = run(panx, tmp_path / "a")
    assert status == 0
    assert f"Not read in {panx}: README.md, news-sw.tar" in output.replace("- ", "-")
    assert "Not read" not in run(panx, tmp_path / "b", "--langs", "de")[1]


def test_limits_count_what_was_read(tmp_path) -> None:
    data = put(tmp_path / "data", {"train-de.tsv": "a\tB-LOC\n\n" * 9})
    limits = {"train": 2, "unlabelled": 4}
    (file,) = tally_of(data, tmp_path / "corpus", limits=limits).files
    assert (file.sentences, file.used) == (4, 4)
    assert file.read == file.used + sum(file.left_out.values())


def test_columns_without_blank_lines_are_said(tmp_path) -> None:
    """A sentence may have so many words; that it is the file's only one tells."""
    many = "Anna B-PER\n" * 300
    files = {"train-de.conll": many, "train-en.conll": many + "\nb O\n", "dev-de.conll": many[:-99]}
    data = put(tmp_path / "data", {**files, "dev-en.conll": many[: len(many) // 2]})
    _, output = run(data, tmp_path / "corpus")
    said = " ".join(output.split())
    assert "train-de.conll: one sentence of 300 words. Put a blank line" in said
    assert "dev-de.conll: one sentence of 291 words" in said
    assert said.count("one sentence of") == 2
