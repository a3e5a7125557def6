"""Lines of text in the encodings that files come in."""

from __future__ import annotations

import codecs
import io

import pytest
from helpers.forms import put
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.lines import numbered_lines
from spacy_dualner.errors import DataError

characters = st.characters(codec="utf-8", exclude_characters="\0\ufeff")
text = st.text(characters | st.sampled_from("\r\n\u0a0a\u0d0a\u2028\u2029\x85\v\f"), max_size=20)
BOMS = [
    ("utf-8", b""),
    ("utf-8", codecs.BOM_UTF8),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
]


def read(content: bytes) -> list[str]:
    """The lines, which are the same wherever the bytes are cut."""
    numbered = list(numbered_lines(io.BytesIO(content), "de.txt"))
    pieces = [content[:3], *(content[i : i + 1] for i in range(3, len(content)))]
    assert list(numbered_lines(pieces, "de.txt")) == numbered
    assert [number for number, _ in numbered] == list(range(1, len(numbered) + 1))
    return [line for _, line in numbered]


@given(text)
@example("\u0a0a\u0d0a\na\u2028b\x85\vc\fd\r\re\r\n\r\n\n\rf")
def test_lines_end_as_python_ends_them_in_every_encoding(text) -> None:
    """At a line feed, a carriage return or both, also mixed; at nothing else."""
    lines = list(io.StringIO(text, newline=None))
    for name, bom in BOMS:
        assert read(bom + text.encode(name)) == [line.removesuffix("\n") for line in lines]


def test_an_empty_file_has_no_lines() -> None:
    assert list(numbered_lines([], "de.txt")) == []
    assert list(numbered_lines([codecs.BOM_UTF16_LE], "de.txt")) == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("Köln\nKöln\n".encode("latin-1"), r"de.txt:1: not valid UTF-8 .* `iconv -f LATIN1"),
        (codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le") + b"x", "de.txt:2: not valid UTF-16"),
        (codecs.BOM_UTF16_BE + "a\n".encode("utf-16-be") + b"\xd8\x00\x00a", "de.txt:2: not valid"),
        ("a\nb".encode("utf-16-le"), "de.txt:1: a NUL character: .*UTF-16 without a byte order"),
        ("a\n".encode("utf-32"), "de.txt:1: a NUL character"),
        (b"a\nb\0\n", r"de.txt:2: a NUL character.* Line: 'b\\x00'"),
    ],
)
def test_other_encodings_are_named(content, fault) -> None:
    with pytest.raises(DataError, match=fault):
        read(content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_same_corpus_from_every_encoding(tmp_path, encoding, newline) -> None:
    lines = ["Köln\tB-LOC", "李\tO", "", "한국\tB-LOC", ""]
    put(tmp_path / "data", {"train-de.tsv": newline.join(lines).encode(encoding)})
    put(tmp_path / "plain", {"train-de.tsv": "\n".join(lines)})
    for name in ("data", "plain"):
        convert(tmp_path / name, tmp_path / "corpus" / name)
    paths = [tmp_path / "corpus" / name / "train" / "de.spacy" for name in ("data", "plain")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    from spacy.vocab import Vocab

    assert [doc[0].text for doc in read_docs(paths[0], Vocab())] == ["Köln", "한국"]
