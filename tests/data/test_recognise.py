"""What a file's name and its first lines tell about its form, language and split."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from helpers.forms import plain, put, write
from helpers.panx import TRAIN, pack, raw
from spacy.tokens import DocBin

from spacy_dualner.data.convert import convert
from spacy_dualner.data.forms import FORMS, recognise_form
from spacy_dualner.data.names import split_files, translation_files
from spacy_dualner.errors import DataError

TSV = "Bonn\tB-LOC\nliegt\tO\n\nda\tO\n"
CONLL = "Bonn NN B-LOC\nliegt VB O\n"
CONLLU = "# text = Bonn liegt\n# id = 1\n# by = me\n1\tBonn\tB-LOC\n2\tliegt\tO\n"
RAW = "de:Bonn\tB-LOC\nde:liegt\tO\n"
NAME = "# text = Ana\n1\tAna\tAna\tPROPN\t_\t_\t0\troot\t_\tname=B-PER|SpaceAfter=No\n"
JSON = '{"text": "Anna sings", "topic": "art"}\n{"text": "Bonn"}\n'
DOCCANO = '{"text": "Anna sings", "label": [[0, 4, "PER"]]}\n{"text": "Bonn", "label": []}\n'
PRODIGY = '{"text": "Anna", "spans": [], "answer": "accept"}\n{"text": "x", "_input_hash": 1}\n'
STUDIO = '[{"id": 1, "annotations": [], "data": {"text": "Anna"}}]'
ENTS = '{"text": "Anna", "ents": []}\n'
IOB = "Anna|NNP|B-PER sings|V|O\n"
TEXT = "Bonn liegt da.\nEin O\n"


@pytest.mark.parametrize(
    ("contents", "form"),
    [
        ({"de.tar.gz": b""}, "raw"),
        ({"de.tar.gz": b"", "README.txt": TEXT, "MANIFEST.tsv": TSV, "notes.conll": CONLL}, "raw"),
        ({"de/train": RAW, "de/dev": RAW}, "raw"),
        ({"train-de.tsv": TSV, "test-de.tsv": "Bonn\n\nda\n"}, "tsv"),
        ({"de/train": TSV}, "tsv"),
        ({"train.txt": TSV, "dev.txt": TSV}, "tsv"),
        ({"de/train.txt": TSV, "de/valid.txt": ""}, "tsv"),
        ({"de_train.conll": TSV.replace("da\tO", "a\tb\tO")}, "tsv"),
        ({"train-de.tsv": TSV + "kaputt\n"}, "tsv"),
        ({"train-de.tsv": "#\tO\n" * 9}, "tsv"),
        ({"de.train": CONLL, "de.testa": CONLL}, "conll"),
        ({"de/train.tsv": CONLL}, "conll"),
        ({"train-de.tsv": CONLL.replace(" ", "\t")}, "conll"),
        ({"train-de.tsv": f"-DOCSTART-\tO\n\n{TSV}"}, "conll"),
        ({"train-de.conll": "# O\n" * 9}, "conll"),
        ({"train.conll": CONLL}, "conll"),
        ({"train-de.conllu": CONLLU}, "conllu"),
        ({"de_gsd-ud-train.iob2": CONLLU.replace("\n1", "\n1-2\tx\t_\n1")}, "conllu"),
        ({"train-de.tsv": "1990\tO\n1991\tO\n"}, "tsv"),
        ({"PAN-X.de/train-00000-of-00001.parquet": b""}, "hub"),
        ({"train-de.tsv": TSV.replace("\n", "\t\n")}, "conll"),
        ({"train-en.iob": IOB, "dev-en.iob": "x|O\n"}, "iob"),
        ({"train-en.bio": IOB}, "iob"),
        ({"train-en.iob.gz": gzip.compress(IOB.encode())}, "iob"),
        ({"en-ud-train.conllu": NAME}, "conllu"),
        ({"train-en.conll": "# id 5f7e\tdomain=en\nBonn _ _ B-LOC\n"}, "conll"),
        ({"train-en.jsonl": DOCCANO}, "doccano"),
        ({"en/train.txt": DOCCANO}, "doccano"),
        ({"train-en.jsonl": DOCCANO, "train-de.json": JSON}, "doccano"),
        ({"train-en.jsonl.gz": gzip.compress(PRODIGY.encode())}, "prodigy"),
        ({"train-en.json": STUDIO}, "label-studio"),
        ({"train-en.jsonl": ENTS, "dev-en.jsonl": ENTS}, "annotate"),
        ({"dev-en.spacy": DocBin().to_bytes()}, "spacy"),
        ({"dataset_dict.json": "{}", "train/state.json": "{}"}, "hub"),
        ({"en/validation.parquet": b""}, "hub"),
        ({"de.txt": TEXT, "zh.txt": ""}, "text"),
        (
            {"train-en-de.tsv": TEXT, "train-en-zh.tsv": "大家好\n", "dev-de-en.tsv": TEXT},
            "translated",
        ),
    ],
)
def test_forms_are_recognised(tmp_path, contents, form) -> None:
    assert recognise_form(put(tmp_path, contents)) == form
    assert FORMS[form].find(tmp_path)


@pytest.mark.parametrize(
    ("contents", "fault"),
    [
        ({}, "holds nothing of a known form"),
        ({"README.md": TEXT, "train.bak": TSV, "de.json": "{}"}, "holds nothing of a known form"),
        ({"test-de.tsv": "Bonn\n"}, r"holds nothing of a known form \(.*\), but test-de.tsv"),
        ({"en/train.conll": "Bonn,B-LOC\n"}, r"form \(.*\), but en/train.conll, without tags."),
        ({"news.conll": CONLL}, r"but news.conll. Call files by part and language, as train-en.c"),
        *(
            ({"train-en.conll": f"anna {tag}\nx O\n"}, f"train-en.conll:1: unknown tag '{tag}'")
            for tag in ["B-", "B", "b-per", "B_PER", "PER-B", "PER", "\u041e"]
        ),
        ({"train-en.conll": "# by me\n\na b-per\n"}, "train-en.conll:3: unknown tag 'b-per'"),
        ({"train-en.tsv": "a\tb-per\nb\tb-loc\n"}, "train-en.tsv:1: unknown tag 'b-per'"),
        (
            {"en-ud-train.conllu": NAME.replace("name=", "ner=")},
            "en-ud-train.conllu: CoNLL-U without a tag in its third",
        ),
        ({"en.txt": DOCCANO}, "en.txt: looks like the form doccano, .* Call it train-en.txt"),
        (
            {"train-en.jsonl": DOCCANO, "train-de.conll": CONLL},
            r"holds train-de.conll \(conll\) and train-en.jsonl \(doccano\)",
        ),
        (
            {"train-en.jsonl": '{"text": "a", "label": [], "ents": []}\n'},
            r"train-en.jsonl \(doccano\) and train-en.jsonl \(annotate\). Choose",
        ),
        ({"train-en.jsonl": JSON}, "train-en.jsonl: JSON lines, which is not read.*docs/data"),
        ({"train-en.txt": JSON}, "train-en.txt: JSON lines, which is not read"),
        ({"en.txt": JSON}, "en.txt: JSON lines, not text.*`--form text`"),
        ({"train-en-de.txt": JSON}, "train-en-de.txt: JSON lines, not text.*--form translated`"),
        (
            {"train-de.tsv": TSV, "train-en.conll": CONLL},
            r"holds train-de.tsv \(tsv\) and train-en.conll \(conll\). Choose .* --form",
        ),
        ({"de.tar.gz": b"", "fr.txt": TEXT}, r"holds de.tar.gz \(raw\) and fr.txt \(text\)"),
        (
            {"train-en.tsv": TSV, "train-en-de.tsv": TEXT},
            r"train-en.tsv \(tsv\) and train-en-de.tsv \(translated\)",
        ),
        ({"de.txt": TSV}, "de.txt: looks like the form tsv, .* Call it train-de.txt"),
        ({"pt-br.txt": TEXT}, "pt-br.txt: plain text, or translations by its name"),
        (
            {"train-de.tsv": TSV, "de.train": TSV},
            "train-de.tsv: the train set of de, as is .*de.train",
        ),
        ({"de.txt": TEXT, "de.txt.gz": b""}, "de.txt.gz: text of de, as is .*de.txt. Move one of"),
        ({"train-de.tsv": b"M\xfcnchen\tO\n"}, "train-de.tsv:1: not valid UTF-8"),
    ],
)
def test_what_is_not_clear_is_an_error(tmp_path, contents, fault) -> None:
    with pytest.raises(DataError, match=fault):
        recognise_form(put(tmp_path, contents))


def test_a_chosen_form_overrides(tmp_path) -> None:
    put(tmp_path, {"train-de.tsv": TSV, "train-en.conll": CONLL, "pt-br.txt": TEXT})
    assert ("de", "train") in convert(tmp_path, tmp_path / "a", form="conll")
    assert list(convert(tmp_path, tmp_path / "b", form="text")) == [("pt-br", "unlabelled")]
    assert ("br", "translated") in convert(
        tmp_path, tmp_path / "c", form="translated", langs=["br"]
    )


def test_one_file_of_text(tmp_path) -> None:
    put(tmp_path, {"news.txt": TEXT, "news": TEXT, "data.txt": TSV})
    assert recognise_form(tmp_path / "news.txt") == "text"
    with pytest.raises(DataError, match=r"news: its lines have no tags.* choose `--form text`"):
        recognise_form(tmp_path / "news")


@pytest.mark.parametrize(
    ("name", "content", "form", "split"),
    [
        ("news.conll", CONLL, "conll", "train"),
        ("news", CONLL, "conll", "train"),
        ("data.txt", TSV, "tsv", "train"),
        ("dev.tsv", TSV, "tsv", "dev"),
        ("test-de.conllu", CONLLU, "conllu", "test"),
        ("news.conll.gz", gzip.compress(CONLL.encode(), mtime=0), "conll", "train"),
    ],
)
def test_one_file_of_columns(tmp_path, name, content, form, split) -> None:
    """A name that tells no split is that of training text."""
    path = put(tmp_path, {name: content}) / name
    assert recognise_form(path) == form
    counts = convert(path, tmp_path / "corpus", langs=["de"], types=["all"])
    assert set(counts) == {("de", split), *([("de", "unlabelled")] if split == "train" else [])}
    assert all(count.sentences for count in counts.values())


def test_one_file_of_columns_without_known_tags(tmp_path) -> None:
    put(tmp_path, {"train-de.conll": "Bonn CITY\n\n", "news.json": JSON})
    with pytest.raises(DataError, match=r"train-de.conll:1: .*CITY"):
        recognise_form(tmp_path / "train-de.conll")
    with pytest.raises(DataError, match=r"news.json: JSON lines, which is not read"):
        recognise_form(tmp_path / "news.json")


@pytest.mark.parametrize(
    ("name", "lang", "split"),
    [
        ("train-de.tsv", "de", "train"),
        ("dev_de.conll", "de", "dev"),
        ("test.de.txt", "de", "test"),
        ("de-train.IOB2", "de", "train"),
        ("eng.testa", "eng", "dev"),
        ("eng.testb", "eng", "test"),
        ("zh-min-nan_valid.bio", "zh-min-nan", "dev"),
        ("de/train", "de", "train"),
        ("de/validation.txt", "de", "dev"),
        ("DE-German/de-test.conll", "de", "test"),
        ("train.conll", "", "train"),
    ],
)
def test_names_of_files(tmp_path, name, lang, split) -> None:
    put(tmp_path, {name: ""})
    assert split_files(tmp_path) == {lang: [tmp_path / name]}


@pytest.mark.parametrize(
    "name",
    [
        "train.bak",
        "de/train.csv",
        "train-de.tsv~",
        ".train-de.tsv.swp",
        "train-dev.tsv",
        "train-German.tsv",
        "retrain-de.tsv",
        "de.tsv",
        "data/train.tsv",
        "de/old/train.tsv",
    ],
)
def test_other_names_are_passed_over(tmp_path, name) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert split_files(tmp_path) == {}


def test_splits_come_in_order(tmp_path) -> None:
    put(tmp_path, dict.fromkeys(["test-sw.tsv", "train-sw.tsv", "sw/dev", "train-de.tsv"], ""))
    found = split_files(tmp_path)
    assert [path.name for path in found["sw"]] == ["train-sw.tsv", "dev", "test-sw.tsv"]
    assert list(found) == ["de", "sw"]


def test_files_that_name_no_language(tmp_path) -> None:
    put(tmp_path / "data", {"train.txt": TSV, "valid.txt": TSV})
    counts = convert(tmp_path / "data", tmp_path / "corpus", langs=["en"])
    assert list(counts) == [("en", "train"), ("en", "dev"), ("en", "unlabelled")]
    for langs in ([], ["en", "de"], ["../en"]):
        with pytest.raises(DataError, match=r"data: names no language.*`--langs de`"):
            convert(tmp_path / "data", tmp_path / "corpus", langs=langs)
    put(tmp_path / "data", {"de/train.txt": TSV})
    with pytest.raises(DataError, match=r"data: holds train.txt, valid.txt, which no name gives"):
        convert(tmp_path / "data", tmp_path / "corpus", langs=["de"])


def test_files_of_translations(tmp_path) -> None:
    names = ["de.txt", "en-sw.txt", "train-fr.tsv", "train-en-zh.tsv"]
    others = ["dev-de-en.tsv", "test-sw-en.tsv", "en.conll", "README.txt", "dev.txt"]
    put(tmp_path, dict.fromkeys(names + others, "a\n"))
    found = translation_files(tmp_path)
    assert {lang: path.name for lang, path in found.items()} == dict(
        zip(["de", "fr", "sw", "zh"], [names[0], names[2], names[1], names[3]], strict=True)
    )
    put(tmp_path, {"en-de.tsv": "a\n"})
    with pytest.raises(DataError, match=r"en-de.tsv: a translation into de, as is .*de.txt"):
        translation_files(tmp_path)


def test_archives_and_folders_of_one_form(tmp_path) -> None:
    pack(tmp_path / "de.tar.gz", {"train": raw("de", TRAIN)})
    write("tsv", tmp_path / "sw", "sw", {"train": plain(TRAIN)})
    with pytest.raises(DataError, match=r"de.tar.gz \(raw\) and sw/train-sw.tsv \(tsv\)"):
        recognise_form(tmp_path)
    Path(tmp_path / "sw" / "train-sw.tsv").unlink()
    assert recognise_form(put(tmp_path, {"sw/train": RAW.replace("de:", "sw:")})) == "raw"
