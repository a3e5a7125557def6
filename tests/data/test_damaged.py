"""Damaged files and files that blow up: one line that says what and where, in little memory."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
import srsly
from helpers.forms import put
from helpers.panx import raw
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_dualner.annotation.readers import open_input
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.errors import DataError, DualNerError, readable


def fault(source: Path, **options: Any) -> str:
    with pytest.raises(DualNerError) as caught:
        convert(source, source.parent / "corpus", langs=["de"], **options)
    assert not (source.parent / "corpus").exists()
    return str(caught.value)


# Messages


def test_a_message_is_one_line_that_can_be_printed_and_ends_in_the_remedy() -> None:
    quoted = "a\r\n\n b\x1b[2J\ud800\u202e" + "x" * 100_000
    error = DataError("file\nname", f"unknown tag {quoted}. Mend it.", line=3)
    assert str(error).startswith(r"file name:3: unknown tag a b\x1b[2J\ud800\u202exxx")
    assert str(error).endswith("xxx. Mend it.") and len(str(error)) < 2_000
    assert str(DualNerError("Größe: 東京 👩")) == "Größe: 東京 👩"
    assert str(pickle.loads(pickle.dumps(DualNerError("a\nb")))) == "a b"


def test_whatever_fails_names_the_file_unless_it_is_the_disk(tmp_path: Path) -> None:
    said = r"^f: is damaged \(KeyError: 'a'\)\. Mend it\.$"
    with pytest.raises(DataError, match=said), readable("f", "is damaged", "Mend it."):
        {}["a"]
    with pytest.raises(FileNotFoundError), readable("f", "is damaged", "Mend it."):
        (tmp_path / "none").read_text()
    with pytest.raises(DualNerError, match=r"^own$"), readable("f", "is damaged", "Mend it."):
        raise DualNerError("own")


# DocBin


def changed(**more: Any) -> Callable[[dict[str, Any]], object]:
    return lambda held: held.update(more)


@pytest.mark.parametrize(
    "change",
    [
        changed(strings=[]),  # words without their strings
        changed(strings=["de", "Anna"]),  # a type without its string
        changed(cats=[]),
        changed(flags=[3]),
        changed(tokens=b"123"),
        changed(user_data=[b"\x01"]),
        changed(span_groups=[b"\xff"]),
        changed(strings=[float("nan")]),
        lambda held: held.pop("lengths"),
    ],
)
def test_a_docbin_that_contradicts_itself(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    docbin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
    docbin.add(Doc(Vocab(), words=["Anna"], ents=["B-PER"], user_data={"lang": "de"}))
    held = srsly.msgpack_loads(zlib.decompress(docbin.to_bytes()))
    change(held)
    content = zlib.compress(srsly.msgpack_dumps(held))
    path = put(tmp_path / "in", {"train-de.spacy": content}) / "train-de.spacy"
    with pytest.raises(DataError, match=r"train-de\.spacy: not a DocBin file \(.*\)\. Convert"):
        list(read_docs(path, Vocab()))
    assert "train-de.spacy: not a DocBin file" in fault(path.parent)


def test_words_that_contradict_entities_get_the_tags_of_these(tmp_path: Path) -> None:
    """A type on a word outside of them, and a beginning without a type, as spaCy reads both."""
    doc = Doc(Vocab(), words=["Anna", "x", "y"], ents=["B-PER", "O", "O"])
    own = doc[0].ent_type
    odd = np.array([[3, own], [2, own], [3, 0]], dtype="uint64")
    doc.from_array(["ENT_IOB", "ENT_TYPE"], odd)
    (tmp_path / "in").mkdir()
    DocBin(attrs=["ENT_IOB", "ENT_TYPE"], docs=[doc]).to_disk(tmp_path / "in" / "train-de.spacy")
    convert(tmp_path / "in", tmp_path / "out")
    (held,) = read_docs(tmp_path / "out" / "train" / "de.spacy", Vocab())
    assert [(ent.text, ent.label_) for ent in held.ents] == [("Anna", "PER")]
    assert [token.ent_type_ for token in held] == ["PER", "", ""]


def test_annotate_names_a_doc_that_cannot_be_kept_and_reads_on(tmp_path: Path) -> None:
    docbin = DocBin(attrs=["ORTH", "LEMMA"])
    for n in range(3):
        docbin.add(Doc(Vocab(), words=["Anna"], lemmas=[f"lemma{n}"]))
    docbin.strings.remove("lemma1")
    docbin.to_disk(tmp_path / "a.spacy")
    reader = open_input(str(tmp_path / "a.spacy"))
    read = list(reader.read((0, 0)))
    assert [isinstance(item, DataError) for item in read] == [False, True, False]
    assert read[1].line == 2 and "Make the Doc anew" in read[1].message
    assert list(reader.read((0, 2))) == read[2:]


# Bombs


def peak(read: Callable[[], object]) -> int:
    """The most memory that Python's objects take meanwhile."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def zeros(path: Path, n_bytes: int, begin: bytes = b"") -> Path:
    """A file of many zeros, packed by gzip."""
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(begin)
        for _ in range(n_bytes >> 20):
            file.write(bytes(1 << 20))
    return path


@pytest.mark.parametrize("form", ["text", "tsv", "doccano", "translated"])
def test_a_line_without_end(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_dualner.data.lines.MAX_BYTES", 1 << 20)
    name = {"text": "de.txt.gz", "doccano": "train-de.jsonl.gz", "translated": "en-de.txt.gz"}
    path = zeros(tmp_path / "in" / name.get(form, "train-de.tsv.gz"), 50 << 20)
    assert peak(lambda: fault(path.parent, form=form)) < 8 << 20
    assert "a line of more than 1,048,576 bytes" in fault(path.parent, form=form)


def test_annotate_stops_at_a_line_without_end_as_nothing_can_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_dualner.data.lines.MAX_BYTES", 1 << 20)
    path = zeros(tmp_path / "in" / "a.jsonl.gz", 50 << 20, b'{"text": "a"}\n')
    with pytest.raises(DualNerError, match=r"a\.jsonl\.gz: a line of more than"):
        list(open_input(str(path)).read((0, 0)))


def test_a_list_and_a_sentence_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_dualner.data.tools.MAX_BYTES", 1_000)
    monkeypatch.setattr("spacy_dualner.data.columns._MAX_WORDS", 99)
    source = put(tmp_path / "in", {"train-de.jsonl": "[\n" + "\n" * 2_000})
    assert "train-de.jsonl: a list of more than 1,000 characters" in fault(source, form="doccano")
    source = put(tmp_path / "in2", {"train-de.tsv": "x\tO\n\n" + "x\tO\n" * 99})
    convert(source, tmp_path / "out")
    source = put(tmp_path / "in2", {"train-de.tsv": "x\tO\n\n" + "x\tO\n" * 100})
    assert "train-de.tsv:3: a sentence of more than 99 words" in fault(source)


def test_a_docbin_that_unpacks_to_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_dualner.data.docbin._MAX_BYTES", 1 << 20)
    path = put(tmp_path, {"de.spacy": zlib.compress(bytes(64 << 20), 1)}) / "de.spacy"

    def read() -> None:
        with pytest.raises(DataError, match=r"unpacks to more than .* Convert the corpus again"):
            list(read_docs(path, Vocab()))

    assert peak(read) < 40 << 20


def header(kind: bytes, size: bytes, name: bytes = b"train") -> bytes:
    """A header of a tar archive that says whatever it likes."""
    head = name.ljust(100, b"\0") + b"0000644\0" * 3 + size.ljust(12, b"\0") + b"0" * 11 + b"\0"
    rest = (kind + bytes(100) + b"ustar\x0000").ljust(356, b"\0")
    total = sum(head) + 8 * ord(" ") + sum(rest)
    return head + b"%06o\0 " % total + rest


@pytest.mark.parametrize("kind", [b"x", b"L", b"g"])
def test_a_header_of_an_archive_that_unpacks_to_gigabytes(tmp_path: Path, kind: bytes) -> None:
    head = header(kind, b"%o" % (64 << 20))
    path = zeros(tmp_path / "in" / "de.tar.gz", 64 << 20, head)
    assert peak(lambda: fault(path.parent)) < 8 << 20
    assert "the archive is broken (ReadError: header of 6710" in fault(path.parent)


@pytest.mark.parametrize("size", [b"\x80" + b"\xff" * 11, b"\xff" * 12, b"7" * 12, b"-1"])
@pytest.mark.parametrize("kind", [b"0", b"x", b"S"])
def test_an_archive_with_a_size_that_cannot_be(tmp_path: Path, kind: bytes, size: bytes) -> None:
    content = gzip.compress(header(kind, size) + bytes(4096))
    message = fault(put(tmp_path / "in", {"de.tar.gz": content}))
    assert "de.tar.gz: the archive is broken" in message or "no sentences" in message


def test_links_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    secret = put(tmp_path, {"secret": raw("de", [[("Anna", "B-PER")]])}) / "secret"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind in (("train", tarfile.SYMTYPE), ("dev", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
    source = put(tmp_path / "in", {"de.tar.gz": buffer.getvalue()})
    assert "holds none of train, dev, test" in fault(source)


# Arrow


def test_rows_that_lie_outside_of_their_file(tmp_path: Path) -> None:
    """Reading them ends the process."""
    table = pa.table({"tokens": [["Anna", "x"]] * 3, "ner_tags": [["O", "O"]] * 3})
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    content = buffer.getvalue().to_pybytes()
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, 2, 4, 6))
    assert content.count(offsets) == 2
    state = json.dumps({"_data_files": [{"filename": "a.arrow"}], "_split": "train"})
    for wrong in (1 << 30, -(1 << 30) % (1 << 32)):
        new = offsets[:4] + wrong.to_bytes(4, "little") + offsets[8:]
        files = {"state.json": state, "a.arrow": content.replace(offsets, new)}
        source = put(tmp_path / "in", files)
        assert "a.arrow: the file is broken" in fault(source, form="hub")


@pytest.mark.parametrize(
    "name", ["../secret.arrow", "/etc/passwd", "a/../b.arrow", "", 3, "a\0", "x" * 3_000]
)
def test_a_saved_data_set_names_no_file_elsewhere(tmp_path: Path, name: object) -> None:
    state = json.dumps({"_data_files": [{"filename": name}], "_split": "train"})
    put(tmp_path, {"secret.arrow": b""})
    message = fault(put(tmp_path / "in", {"state.json": state}), form="hub")
    assert "state.json: not of a data set" in message or "no such file" in message


@pytest.mark.parametrize(
    "state", ["[]", "null", '{"_data_files": [], "_split": ["train"]}', "[" * 9_999]
)
def test_the_state_of_a_saved_data_set_is_of_another_shape(tmp_path: Path, state: str) -> None:
    message = fault(put(tmp_path / "in", {"state.json": state}), form="hub")
    assert "state.json: not of a data set" in message and message.count("\n") == 0
