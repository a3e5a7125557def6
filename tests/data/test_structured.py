"""Plain text is told from other things that lie in files called .txt."""

from __future__ import annotations

import gzip

import pytest
from helpers.forms import put, read_archive
from helpers.panx import PANX, words_of

from spacy_dualner.data.convert import convert
from spacy_dualner.data.structured import structure_of
from spacy_dualner.errors import DataError


@pytest.mark.parametrize(
    ("lines", "structure"),
    [
        (['{"text": "a", "label": []}'], "JSON lines"),
        (["", ' {"text": "a"}', "", '{"text": "b", "spans": []}'], "JSON lines"),
        (["{", '  "data": {"text": "a"}', "}"], "JSON"),
        (['[{"text": "a"},', ' {"text": "b"}]'], "JSON"),
        (["[", "  {", '    "text": "a"'], "JSON"),
        (['<?xml version="1.0"?>', "<s>a</s>"], "XML"),
        (["<s id='1'>", "<w>a</w>", "</s>", "x"], "XML"),
        (["<!DOCTYPE html>", "text"], "XML"),
        (["id,text", '1,"a, b"', "2,c"], "comma-separated values"),
        (['"id";"text"', '1;"a"'], "comma-separated values"),
        (["id\ttext", "1\ta b", "2\tc"], "tab-separated values"),
        (["1\tEin Satz.", "2\tNoch\teiner.", "3\tUnd."], "tab-separated values"),
        (["# text = a", "1\t" + "x\t" * 8 + "_"], "CoNLL-U without"),
        (["version https://git-lfs.github.com/spec/v1", "oid sha256:0"], "a git-lfs pointer"),
        (["Anna|PER sings|O", "x|O"], "token|tag pairs"),
    ],
)
def test_what_is_no_text_is_named(lines, structure) -> None:
    assert structure_of(lines).startswith(structure)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["", " "],
        ["Ja, gut.", "Nein, schlecht."],
        ["Anna, Berta", "Cilli, Dora"],
        ["{{Vorlage}} ist Text", "[[Bonn]] auch", "{ und das"],
        ["[1] Fußnote", "[2] noch eine"],
        ["<3 das", "a < b", "<unk> und mehr", "kein Element"],
        ["<doc id=1>", "Ein Satz.", "Noch einer.", "</doc>"],
        ["Ein\tTabulator", "keiner", "und keiner"],
        ["Ein\tTabulator in der einzigen Zeile"],
        ["a|b oder c", "nichts"],
        ["a|bc|d " * 40 + "|"],  # told in linear time
    ],
)
def test_text_is_text(lines) -> None:
    assert structure_of(lines) == ""


@pytest.mark.shared
def test_real_sentences_are_text() -> None:
    if not PANX.is_dir():
        pytest.skip(f"needs the PAN-X archives in {PANX.parent.name}/{PANX.name}")
    for path in sorted(PANX.glob("*.tar.gz"))[:12]:
        for sentences in read_archive(path, 400).values():
            lines = [" ".join(words) for words, _ in sentences]
            for start in range(0, len(lines), 20):
                assert structure_of(lines[start : start + 20]) == "", path.name


def test_text_is_taken_as_it_stands_where_that_is_said(tmp_path) -> None:
    data = put(tmp_path / "data", {"en.txt": '{"text": "Anna"}\n'})
    with pytest.raises(DataError, match=r"en.txt: JSON lines, not text"):
        convert(data, tmp_path / "corpus")
    counts = convert(data, tmp_path / "corpus", form="text")
    assert counts["en", "unlabelled"].sentences == 1
    with pytest.raises(DataError, match=r"en.txt: JSON lines, not text"):
        convert(data / "en.txt", tmp_path / "corpus", langs=["en"])


@pytest.mark.parametrize(
    ("name", "content", "split"),
    [
        ("train-en.conll", "Anna B-PER\nx O\n", "train"),
        ("en.train.tsv", "Anna\tB-PER\n", "train"),
        ("en/dev.conllu", "1\tAnna\tB-PER\n", "dev"),
        ("en.txt", "Anna x\n", "unlabelled"),
        ("train-de-en.txt", "Anna x\n", "translated"),
    ],
)
def test_every_file_of_lines_may_be_compressed(tmp_path, name, content, split) -> None:
    path = put(tmp_path / "data", {f"{name}.gz": gzip.compress(content.encode())})
    assert ("en", split) in convert(path, tmp_path / "corpus")
    assert words_of(tmp_path / "corpus" / split / "en.spacy")[0].startswith("Anna")


def test_a_cut_compressed_file_is_named(tmp_path) -> None:
    whole = gzip.compress("".join(f"w{i * 7919 % 9973} O\n" for i in range(20_000)).encode())
    data = put(tmp_path / "data", {"train-en.conll.gz": whole[: len(whole) // 2]})
    with pytest.raises(ValueError, match=r"train-en.conll.gz: not a whole gzip file"):
        convert(data, tmp_path / "corpus", form="conll")
    assert not list((tmp_path / "corpus").rglob("*.spacy"))
