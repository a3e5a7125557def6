"""Reading raw PAN-X: what is right comes through, what is wrong is named with file and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from helpers.forms import parsed
from helpers.panx import pack, raw, sentences
from hypothesis import given
from hypothesis import strategies as st

from spacy_dualner.data.panx import Raw, find_archives, read_splits
from spacy_dualner.data.tags import repair_tags
from spacy_dualner.data.tally import FileTally
from spacy_dualner.errors import DataError


def parse(content: bytes, lang: str = "de") -> list[tuple[list[str], list[str]]]:
    return parsed(Raw(lang), content, FileTally("de/train"))


def read_all(path: Path, lang: str = "de") -> dict[str, list[tuple[list[str], list[str]]]]:
    return {split: list(sentences) for split, sentences in read_splits(path, lang)}


@given(sentences, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(0, 3))
def test_any_sentence_comes_through(sentences, newline, bom, blanks) -> None:
    content = b"\xef\xbb\xbf" * bom + raw("de", sentences, newline) + newline.encode() * blanks
    expected = [([w for w, _ in s], repair_tags([t for _, t in s])) for s in sentences]
    assert parse(content) == expected


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("de::\tO", ":"),
        ("de:a:b\tO", "a:b"),
        ("de:\t\tO", "\t"),
        ("de:a\tb\tO", "a\tb"),
        ("de:\u00a0\tO", "\u00a0"),
        ("de:\u3000\tO", "\u3000"),
        ("de:\u200b\tO", "\u200b"),
        ("de:a\u2028b\x85\tO", "a\u2028b\x85"),
        ("de: \tO", " "),
    ],
)
def test_unusual_tokens_are_kept(line, word) -> None:
    assert parse(line.encode()) == [([word], ["O"])]


def test_lines_of_white_space_separate_sentences() -> None:
    content = b"\n\nde:a\tO\n \t\nde:b\tO\n\n\n"
    assert [words for words, _ in parse(content)] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"de:Berlin B-LOC", "expected `de:token<TAB>tag`"),
        (b"Berlin\tB-LOC", "expected `de:token<TAB>tag`"),
        (b"nl:Berlin\tB-LOC", "expected the language 'de'"),
        (b"\xef\xbb\xbfde:Berlin\tB-LOC", "expected the language 'de'"),
        (b"de:\tB-LOC", "the token is empty"),
        (b"de:Berlin\tB-GPE", "unknown tag 'B-GPE', the entity types are LOC, ORG, PER. Name"),
        (b"de:Berlin\tB-", "unknown tag 'B-'"),
        (b"de:Berlin\t", "unknown tag ''"),
        (b"de:Berlin\tO ", "unknown tag 'O '"),
        (b"de:Berlin\tLOC", "unknown tag 'LOC'"),
        (b"de:M\xfcnchen\tB-LOC", "not valid UTF-8"),
        (b"de:a\0b\tO", "a NUL character"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_wrong_line_is_named(line, fault, end) -> None:
    with pytest.raises(DataError) as caught:
        parse(b"de:in\tO\n\n" + line + end)
    assert str(caught.value).startswith(f"de/train:3: {fault}")
    assert caught.value.line == 3
    assert caught.value.text == line.decode("utf-8", "backslashreplace")


def test_a_long_line_is_cut_short() -> None:
    with pytest.raises(DataError) as caught:
        parse(b"x" * 1_000_000)
    assert len(str(caught.value)) < 500


def test_archive_and_folder_read_the_same(tmp_path) -> None:
    members = {"train": raw("de", [[("a", "O")]]), "dev": raw("de", [[("b", "B-LOC")]])}
    archive = pack(tmp_path / "de.tar.gz", {**members, "extra": b"anything"})
    nested = pack(tmp_path / "nested.tar.gz", {f"./de/{n}": c for n, c in members.items()})
    for name, content in members.items():
        (tmp_path / "de").mkdir(exist_ok=True)
        (tmp_path / "de" / name).write_bytes(content)
    expected = {"train": [(["a"], ["O"])], "dev": [(["b"], ["B-LOC"])]}
    assert read_all(archive) == read_all(nested) == read_all(tmp_path / "de") == expected


def test_find_archives(tmp_path) -> None:
    pack(tmp_path / "de.tar.gz", {})
    pack(tmp_path / "README.tar.gz", {})
    for lang in ("de", "sw", "empty"):
        (tmp_path / lang).mkdir()
    for lang in ("de", "sw"):
        (tmp_path / lang / "test").touch()
    (tmp_path / "ar.txt").touch()
    assert find_archives(tmp_path) == {"de": tmp_path / "de.tar.gz", "sw": tmp_path / "sw"}


def test_a_line_in_an_archive_is_named_with_its_member(tmp_path) -> None:
    path = pack(tmp_path / "de.tar.gz", {"dev": b"de:a\tO\n", "train": b"de:a\tO\nde:b\n"})
    with pytest.raises(DataError) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}:train:2: expected")


def broken_header(content: bytes) -> bytes:
    """The tar with its second member's header overwritten."""
    at = content.index(b"dev\0")
    return content[:at] + b"\xff" * 512 + content[at + 512 :]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: b"", "the archive is broken"),
        (lambda data: b"not an archive", "the archive is broken"),
        (lambda data: gzip.decompress(data), "the archive is broken"),
        (lambda data: gzip.compress(b"not a tar" * 500), "the archive is broken"),
        (lambda data: gzip.compress(b""), "the archive is broken"),
        (lambda data: gzip.compress(gzip.decompress(data)[:700]), "the archive is broken"),
        (lambda data: gzip.compress(broken_header(gzip.decompress(data))), "the archive is broken"),
        (lambda data: data[:-8] + bytes(4) + data[-4:], "the archive is broken"),
    ],
    ids=["empty", "text", "tar", "no-tar", "empty-tar", "short-tar", "header", "checksum"],
)
def test_a_broken_archive_is_named(tmp_path, change, fault) -> None:
    content = b"de:a\tO\n" * 100
    path = pack(tmp_path / "de.tar.gz", {"train": content, "dev": content})
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}: {fault}")


def test_members_unknown_or_twice(tmp_path) -> None:
    path = pack(tmp_path / "de.tar.gz", {"de-train.txt": b"", "notes": b""})
    with pytest.raises(
        DataError, match=r"holds none of train, dev, test, but de-train.txt, notes\."
    ):
        read_all(path)
    path = pack(tmp_path / "de.tar.gz", {"a/train": b"", "b/train": b""})
    with pytest.raises(DataError, match="holds `train` twice"):
        read_all(path)
