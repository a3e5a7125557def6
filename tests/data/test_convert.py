"""The conversion as a whole: what it writes, what it counts, and what it leaves on an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.panx import DEV, PANX, TRAIN, contents, files, pack, raw, tags_of, words_of
from hypothesis import given
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.errors import DataError, DualNerError


def test_each_split_and_the_unlabelled_text(panx, tmp_path) -> None:
    output = tmp_path / "corpus"
    counts = convert(panx, output)
    splits = ("train", "dev", "unlabelled"), ("train", "dev", "test", "unlabelled")
    keys = [("de", split) for split in splits[0]] + [("sw", split) for split in splits[1]]
    assert list(counts) == keys
    assert files(output) == sorted(f"{split}/{lang}.spacy" for lang, split in keys)
    train = counts["de", "train"]
    assert (train.sentences, train.tokens) == (3, 7)
    assert train.entities == {"PER": 1, "LOC": 2, "ORG": 1}
    assert not counts["de", "unlabelled"].entities
    docs = list(read_docs(output / "train" / "de.spacy", Vocab()))
    assert [tags_of(doc) for doc in docs] == [
        ["B-PER", "I-PER", "O", "B-LOC"],
        ["B-LOC", "B-ORG"],
        ["O"],
    ]
    assert {doc.user_data["lang"] for doc in docs} == {"de"}
    unlabelled = output / "unlabelled" / "de.spacy"
    assert words_of(unlabelled) == ["Anna Berg in Bonn", "Ulm SAP", "nichts"]
    assert all(t.ent_iob == 0 for doc in read_docs(unlabelled, Vocab()) for t in doc)


def test_chosen_languages_in_the_order_asked_for(panx, tmp_path) -> None:
    counts = convert(panx, tmp_path / "corpus", langs=["sw", "de", "sw"])
    assert list(dict.fromkeys(lang for lang, _ in counts)) == ["sw", "de"]
    assert {lang for lang, _ in convert(panx, tmp_path / "other", langs=["de"])} == {"de"}


@pytest.mark.parametrize("train", [0, 1, 2, 9])
@pytest.mark.parametrize("unlabelled", [0, 1, 2, 9])
def test_limits(panx, tmp_path, train, unlabelled) -> None:
    output = tmp_path / "corpus"
    counts = convert(panx, output, limits={"train": train, "unlabelled": unlabelled})
    assert counts["de", "train"].sentences == min(train or 3, 3)
    assert counts["de", "unlabelled"].sentences == min(unlabelled or 3, 3)
    assert words_of(output / "train" / "de.spacy")[0] == "Anna Berg in Bonn"
    assert counts["de", "dev"].sentences == 1


def test_other_types(panx, tmp_path) -> None:
    pack(panx / "de.tar.gz", {"train": raw("de", [[("a", "B-GEO-POL"), ("b", "I-GEO-POL")]])})
    counts = convert(panx, tmp_path, langs=["de"], types=["GEO-POL"])
    assert counts["de", "train"].entities == {"GEO-POL": 1}


def test_large_corpora_become_folders(panx, tmp_path) -> None:
    output = tmp_path / "corpus"
    convert(panx, output, langs=["de"], shard_size=2)
    assert files(output) == [
        "dev/de.spacy",
        *(f"{split}/de.spacy/0000{i}.spacy" for split in ("train", "unlabelled") for i in (0, 1)),
    ]
    convert(panx, output, langs=["de"])
    assert files(output) == ["dev/de.spacy", "train/de.spacy", "unlabelled/de.spacy"]


def test_an_error_in_one_language_leaves_its_files_and_those_of_others(panx, tmp_path) -> None:
    output = tmp_path / "corpus"
    convert(panx, output)
    before = contents(output)
    pack(panx / "de.tar.gz", {"train": raw("de", DEV), "dev": b"de:a\tO\nde:b\tX\n"})
    pack(panx / "sw.tar.gz", {"train": raw("sw", TRAIN)})
    with pytest.raises(DataError, match=r"de.tar.gz:dev:2: unknown tag 'X'"):
        convert(panx, output, langs=["sw", "de"], shard_size=1)
    after = contents(output)
    for name in ("train/de.spacy", "dev/de.spacy", "unlabelled/de.spacy"):
        assert after[name] == before[name]
    assert len(words_of(output / "train" / "sw.spacy")) == 3
    assert not list(output.rglob(".*"))


@given(data=st.data())
def test_a_truncated_archive_damages_nothing(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("panx")
    archive = pack(folder / "de.tar.gz", {"train": raw("de", TRAIN * 20), "dev": raw("de", DEV)})
    whole, output = archive.read_bytes(), folder / "corpus"
    if data.draw(st.booleans()):
        convert(folder, output, langs=["de"])
    before = contents(output)
    archive.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DataError, match=r"de.tar.gz: the archive is broken"):
        convert(folder, output, langs=["de"], shard_size=data.draw(st.sampled_from([7, 1000])))
    assert contents(output) == before
    assert not list(output.rglob(".*"))


def test_an_input_without_sentences_is_an_error(panx, tmp_path) -> None:
    pack(panx / "de.tar.gz", {"train": b"", "dev": b"\n\n"})
    with pytest.raises(DataError, match=r"panx: the files of de hold no sentences"):
        convert(panx, tmp_path / "corpus", langs=["de"])
    pack(panx / "de.tar.gz", {"train": b"", "dev": raw("de", DEV)})
    assert list(convert(panx, tmp_path / "corpus", langs=["de"])) == [("de", "dev")]


def test_wrong_inputs_are_named(panx, tmp_path) -> None:
    output, text = tmp_path / "corpus", tmp_path / "news.txt"
    text.write_text("Ein Satz.")
    parquet = tmp_path / "train.parquet"
    parquet.write_bytes(b"PAR1\xff")
    whole = pack(tmp_path / "panx_dataset.tar.gz", {"train": raw("de", TRAIN)})
    (tmp_path / "empty").mkdir()
    cases: list[tuple[Path, dict, str]] = [
        (panx, {"langs": ["fr", "de", "xx"]}, r"panx: no fr, xx here, only de, sw\."),
        (tmp_path / "nowhere", {}, "nowhere: no such file or folder"),
        (tmp_path / "nowhere", {"form": "raw"}, "nowhere: no such file or folder"),
        (panx / "de.tar.gz", {"form": "hub"}, r"de.tar.gz: not a folder"),
        (parquet, {}, r"train.parquet: not a folder. Give the folder of folders xx"),
        (whole, {}, r"panx_dataset.tar.gz: holds no xx.tar.gz archives"),
        (tmp_path / "empty", {}, "empty: holds nothing of a known form"),
        (tmp_path / "empty", {"form": "raw"}, "empty: holds no xx.tar.gz archives"),
        (panx, {"form": "text"}, "panx: holds no xx.txt files. Name its files so"),
        (panx, {"form": "csv"}, "Unknown form 'csv'. Known forms: raw, tsv, hub, conll"),
        (text, {"form": "text"}, "news.txt: names no language. Give the one"),
        (text, {"form": "text", "langs": ["de", "fr"]}, "names no language"),
        (text, {"form": "text", "langs": ["../de"]}, "names no language"),
    ]
    for source, settings, fault in cases:
        with pytest.raises(DualNerError, match=fault):
            convert(source, output, **settings)
    assert not output.exists()


def test_one_archive(panx, tmp_path) -> None:
    """It is read as it is among others."""
    convert(panx, tmp_path / "all")
    assert {lang for lang, _ in convert(panx / "de.tar.gz", tmp_path / "one")} == {"de"}
    for file in (tmp_path / "one").rglob("*.spacy"):
        other = tmp_path / "all" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes()


def test_text_has_no_labels(tmp_path) -> None:
    texts, output = tmp_path / "texts", tmp_path / "corpus"
    texts.mkdir()
    (texts / "de.txt").write_bytes(b"\xef\xbb\xbfIn  Bonn, sagt er.\r\n\r\n \nZwei\xc2\xa0Worte\n")
    (texts / "zh.txt").write_text("李民基 Eternal\u30002009年\n")
    (texts / "README.txt").write_text("about")
    counts = convert(texts, output, form="text")
    assert list(counts) == [("de", "unlabelled"), ("zh", "unlabelled")]
    assert files(output) == ["unlabelled/de.spacy", "unlabelled/zh.spacy"]
    assert words_of(output / "unlabelled/de.spacy") == ["In Bonn , sagt er .", "Zwei Worte"]
    assert words_of(output / "unlabelled/zh.spacy") == [" ".join("李民基Eternal2009年")]
    for doc in read_docs(output / "unlabelled/de.spacy", Vocab()):
        assert doc.user_data == {"lang": "de"}
        assert not doc.has_annotation("ENT_IOB")


def test_one_file_of_text(tmp_path) -> None:
    path = tmp_path / "news.txt"
    path.write_text("".join(f"Satz {i}\n" for i in range(2500)))
    limits = {"unlabelled": 2100}
    counts = convert(path, tmp_path, form="text", langs=["de"], limits=limits, shard_size=1500)
    assert counts["de", "unlabelled"].sentences == 2100
    assert words_of(tmp_path / "unlabelled/de.spacy") == [f"Satz {i}" for i in range(2100)]


def test_text_that_is_not_utf8_is_named(tmp_path) -> None:
    (tmp_path / "de.txt").write_bytes("Köln\nKöln\n".encode() + "Köln\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"de.txt:3: not valid UTF-8 .* Line: 'K\\\\xf6ln'"):
        convert(tmp_path, tmp_path / "corpus", form="text")
    assert not (tmp_path / "corpus").exists()


@pytest.mark.shared
@pytest.mark.parametrize("lang", ["de", "zh"])
def test_real_archives_are_counted_as_published(tmp_path, lang) -> None:
    if not PANX.is_dir():
        pytest.skip(f"needs the PAN-X archives in {PANX.parent.name}/{PANX.name}")
    header, *rows = (line.split("\t") for line in (PANX / "MANIFEST.tsv").read_text().splitlines())
    expected = {}
    for row in (dict(zip(header, row, strict=False)) for row in rows):
        if row["language"] == lang:
            names = ("sentences", "tokens", "LOC", "ORG", "PER")
            expected[row["split"]] = [int(row[name]) for name in names]
    counts = convert(PANX, tmp_path, langs=[lang])
    assert {
        split: [c.sentences, c.tokens, *(c.entities[t] for t in ("LOC", "ORG", "PER"))]
        for (_, split), c in counts.items()
        if split != "unlabelled"
    } == expected
    assert counts[lang, "unlabelled"].tokens == counts[lang, "train"].tokens
