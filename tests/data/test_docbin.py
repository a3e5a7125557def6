"""The corpus on disk: the bytes of spaCy's own DocBin, in files or shards, replaced as a whole."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
import spacy
import srsly
from helpers.panx import files, sentences, tags_of
from hypothesis import given
from hypothesis import strategies as st
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import DocBinWriter, ShardWriter, corpus_path, read_docs, read_shards
from spacy_dualner.data.tags import repair_tags
from spacy_dualner.errors import DataError

ONE = (["Berlin", "ist", "groß"], ["B-LOC", "O", "O"])


def write(path: Path, pairs, *, labelled: bool = True, shard_size: int = 100_000) -> None:
    with DocBinWriter(path, "de", labelled=labelled, shard_size=shard_size) as writer:
        for words, tags in pairs:
            writer.add(words, tags)


@given(sentences=sentences, size=st.integers(1, 4))
def test_round_trip(tmp_path_factory, sentences, size) -> None:
    pairs = [([w for w, _ in s], repair_tags([t for _, t in s])) for s in sentences]
    path = tmp_path_factory.mktemp("corpus") / "de.spacy"
    write(path, pairs, shard_size=size)
    assert path.is_dir() == (len(pairs) > size)
    docs = list(read_docs(path, Vocab()))
    assert [([t.text for t in doc], tags_of(doc)) for doc in docs] == pairs
    assert all(doc.user_data == {"lang": "de"} and doc.has_unknown_spaces for doc in docs)


@given(sentences=sentences, labelled=st.booleans())
def test_the_bytes_are_those_of_spacy(tmp_path_factory, sentences, labelled) -> None:
    pairs = [([w for w, _ in s], repair_tags([t for _, t in s])) for s in sentences]
    path = tmp_path_factory.mktemp("corpus") / "de.spacy"
    write(path, pairs, labelled=labelled)
    attrs = ["ENT_IOB", "ENT_TYPE"] if labelled else []
    docbin = DocBin(attrs=attrs, store_user_data=True)
    for words, tags in pairs:
        doc = Doc(Vocab(), words=words, ents=tags if labelled else None)
        doc.user_data["lang"] = "de"
        docbin.add(doc)
    assert path.read_bytes() == docbin.to_bytes()


def test_unlabelled_holds_no_labels_at_all(tmp_path) -> None:
    labelled, unlabelled = tmp_path / "a.spacy", tmp_path / "b.spacy"
    write(labelled, [ONE])
    write(unlabelled, [ONE], labelled=False)
    content = srsly.msgpack_loads(zlib.decompress(labelled.read_bytes()))
    assert content["attrs"] == [ORTH, ENT_IOB, ENT_TYPE]
    assert "LOC" in content["strings"]
    content = srsly.msgpack_loads(zlib.decompress(unlabelled.read_bytes()))
    assert content["attrs"] == [ORTH]
    assert content["strings"] == sorted(["", *ONE[0]])
    (doc,) = read_docs(unlabelled, Vocab())
    assert [token.ent_iob for token in doc] == [0, 0, 0]
    assert not doc.has_annotation("ENT_IOB")


def test_words_that_are_symbols_of_spacy(tmp_path) -> None:
    pairs = [(["LOC", "NOUN", "ORG"], ["B-ORG", "I-ORG", "O"])]
    write(tmp_path / "de.spacy", pairs)
    (doc,) = read_docs(tmp_path / "de.spacy", Vocab())
    assert [t.text for t in doc] == pairs[0][0]
    assert tags_of(doc) == pairs[0][1]


def test_spacys_reader_takes_the_gold_tokens(tmp_path) -> None:
    pair = (["U.S.A", "don't", ":"], ["B-LOC", "O", "O"])
    write(tmp_path / "de.spacy", [pair] * 5, shard_size=2)
    nlp = spacy.blank("en")
    examples = list(Corpus(tmp_path / "de.spacy", shuffle=False)(nlp))
    assert len(examples) == 5
    assert [t.text for t in examples[0].predicted] == pair[0]
    assert examples[0].get_aligned_ner() == ["U-LOC", "O", "O"]


def test_shards_are_numbered_and_read_in_order(tmp_path) -> None:
    path = corpus_path(tmp_path, "train", "de")
    write(path, [([str(i)], ["O"]) for i in range(23)], shard_size=2)
    assert files(path) == [f"{i:05d}.spacy" for i in range(12)]
    assert [doc[0].text for doc in read_docs(path, Vocab())] == [str(i) for i in range(23)]
    assert [doc[0].text for doc in read_docs(path, Vocab(), limit=5)] == list("01234")
    assert len(list(read_docs(path, Vocab(), limit=99))) == 23
    assert files(tmp_path) == [f"train/de.spacy/{i:05d}.spacy" for i in range(12)]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 8, 9, 99])
@pytest.mark.parametrize("shard_size", [2, 100])
def test_shards_have_vocabularies_of_their_own(tmp_path, shard_size, limit) -> None:
    """Words of one shard are not kept for the next; a limit counts over all shards."""
    path = corpus_path(tmp_path, "train", "de")
    write(path, [([str(i)], ["O"]) for i in range(9)], shard_size=shard_size)
    seen = [[(doc[0].text, doc.vocab) for doc in shard] for shard in read_shards(path, limit)]
    found = [text for shard in seen for text, _ in shard]
    assert found == [str(i) for i in range(min(limit or 9, 9))]
    assert len(seen) == -(-len(found) // shard_size)
    vocabs = [shard[0][1] for shard in seen]
    assert len(set(map(id, vocabs))) == len(vocabs)
    assert all("0" not in vocab.strings for vocab in vocabs[1:])


def test_a_full_shard_is_one_file(tmp_path) -> None:
    write(tmp_path / "de.spacy", [ONE] * 4, shard_size=4)
    assert files(tmp_path) == ["de.spacy"]


@pytest.mark.parametrize("before", [1, 9])
@pytest.mark.parametrize("after", [1, 9])
def test_file_and_folder_replace_each_other(tmp_path, before, after) -> None:
    path = tmp_path / "de.spacy"
    write(path, [ONE] * before, shard_size=2)
    write(path, [ONE] * after, shard_size=3)
    assert len(list(read_docs(path, Vocab()))) == after
    assert files(tmp_path) == (
        ["de.spacy"] if after == 1 else [f"de.spacy/0000{i}.spacy" for i in range(3)]
    )
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("before", [0, 1, 9])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, before, error) -> None:
    path = tmp_path / "de.spacy"
    write(path, [ONE] * before, shard_size=2)
    held = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with pytest.raises(error), DocBinWriter(path, "de", labelled=True, shard_size=2) as writer:
        for _ in range(7):
            writer.add(["other"], ["O"])
        raise error
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == held
    assert len(list(tmp_path.iterdir())) == (before > 0)


def test_a_failed_replacement_puts_the_old_folder_back(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("spacy_dualner.data.outputs._exchange", lambda *_: False)
    path = tmp_path / "de.spacy"
    write(path, [ONE] * 3, shard_size=2)
    replace = os.replace

    def fail(source, target):
        if Path(source).parent.name == "new":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        write(path, [ONE])
    assert len(list(read_docs(path, Vocab()))) == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_added_writes_nothing(tmp_path) -> None:
    write(tmp_path / "de.spacy", [])
    assert not list(tmp_path.iterdir())


def test_missing_and_broken_corpora_are_named(tmp_path) -> None:
    (tmp_path / "empty.spacy").mkdir()
    for name in ("de.spacy", "empty.spacy"):
        with pytest.raises(DataError, match=rf"{name}: no .spacy file .* dualner convert"):
            read_docs(tmp_path / name, Vocab())
    write(tmp_path / "de.spacy", [ONE])
    whole = (tmp_path / "de.spacy").read_bytes()
    for content in (b"", b"text", whole[:50], zlib.compress(b"text"), zlib.compress(b"\x80")):
        (tmp_path / "bad.spacy").write_bytes(content)
        with pytest.raises(DataError, match=r"bad.spacy: not a DocBin file"):
            list(read_docs(tmp_path / "bad.spacy", Vocab()))


def test_user_data_of_docs_is_not_shared(tmp_path) -> None:
    docbin = DocBin(store_user_data=True)
    for _ in range(2):
        doc = Doc(Vocab(), words=["a"])
        doc.user_data = {"lang": "de", "notes": {"a": 1}}
        docbin.add(doc)
    docbin.to_disk(tmp_path / "de.spacy")
    one, two = read_docs(tmp_path / "de.spacy", Vocab())
    one.user_data["lang"] = "fr"
    one.user_data["notes"]["a"] = 2
    assert two.user_data == {"lang": "de", "notes": {"a": 1}}


@pytest.mark.parametrize("shard_size", [1, 100])
def test_docs_without_language_get_the_files_name(tmp_path, shard_size) -> None:
    path = tmp_path / "sw.spacy"
    docs = [Doc(Vocab(), words=["Nairobi"], user_data=data) for data in ({}, {"lang": "en"})]
    with ShardWriter(path, shard_size=shard_size) as writer:
        for doc in docs:
            writer.merge(DocBin(docs=[doc], store_user_data=True))
    assert [doc.user_data["lang"] for doc in read_docs(path, Vocab())] == ["sw", "en"]
    shards = [doc.user_data["lang"] for shard in read_shards(path) for doc in shard]
    assert shards == ["sw", "en"]
    as_stored = read_docs(path, Vocab(), name_lang=False)
    assert [doc.user_data for doc in as_stored] == [{}, {"lang": "en"}]
