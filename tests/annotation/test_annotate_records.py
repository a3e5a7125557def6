"""The forms of input and output of `annotate`, record by record."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import spacy
from helpers.forms import parsed
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_dualner.annotation.json_writers import Maker, to_jsonl
from spacy_dualner.annotation.readers import open_input
from spacy_dualner.annotation.records import MAX_CHARACTERS, Record, batches
from spacy_dualner.annotation.writers import to_conll, to_docbin, write_shards
from spacy_dualner.data.columns import Conll
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.tally import FileTally
from spacy_dualner.errors import DataError, DualNerError

START = (0, 0)
# A line feed would end a line of text, and NUL is a sign of damage.
characters = st.characters(codec="utf-8", exclude_characters="\0")
values = st.text(characters, max_size=20)
lines = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\ufeff"), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(characters),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(values, inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written over by each example of hypothesis."""
    return tmp_path_factory.mktemp("records")


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(source: str, **options: str) -> list[Record | DataError]:
    """All records and faults; reading on after any of them gives the same."""
    reader = open_input(source, **options)
    items, positions = [], [START]
    for item in reader.read(START):
        items.append(item)
        positions.append(reader.position)
    for number, position in enumerate(positions):
        again = open_input(source, **options).read(position)
        assert [*map(repr, again)] == [*map(repr, items[number:])]
    return items


def contents(items: list[Record | DataError]) -> list[tuple[Any, dict[str, Any]]]:
    assert all(isinstance(item, Record) for item in items), items
    return [(item.content, item.carried) for item in items if isinstance(item, Record)]


def faults(items: list[Record | DataError]) -> list[tuple[int, str]]:
    return [(item.line, item.message) for item in items if isinstance(item, DataError)]


def texts(items: list[Record | DataError]) -> list[Any]:
    return [item.content for item in items if isinstance(item, Record)]


# Reading


@given(st.lists(lines, min_size=1))
def test_text(folder: Path, given: list[str]) -> None:
    source = write(folder / "a.txt", "".join(f"{line}\n" for line in given))
    assert contents(read(source, form="txt")) == [(line, {}) for line in given]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_byte_order_mark_alone_is_no_line(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, "\ufeff")) == []


def test_text_keeps_blank_lines_and_needs_no_last_line_end(tmp_path: Path) -> None:
    source = write(tmp_path / "a.txt", "\ufeffone\r\n\n  two \u2028 x ")
    assert texts(read(source)) == ["one", "", "  two \u2028 x "]


@given(st.lists(st.tuples(values, st.dictionaries(values, json_values, max_size=3))))
def test_jsonl(folder: Path, given: list[tuple[str, dict[str, Any]]]) -> None:
    rows = [(text, {k: v for k, v in more.items() if k != "body"}) for text, more in given]
    written = "".join(json.dumps({**more, "body": text}) + "\n" for text, more in rows)
    source = write(folder / "a.jsonl", written)
    assert contents(read(source, key="body")) == rows


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@given(data=st.data())
def test_tables(folder: Path, ending: str, data: st.DataObject) -> None:
    """In CSV quoted line breaks, quotation marks and delimiters; in TSV quotation marks as text."""
    excluded = "\0" if ending == "csv" else "\0\r\n\t"
    marks = '"\'" ,' if ending == "tsv" else '"\'" ,\r\n'
    kinds = st.characters(codec="utf-8", exclude_characters=excluded) | st.sampled_from(marks)
    cells = st.text(kinds, max_size=20)
    names = data.draw(st.lists(cells, min_size=1, max_size=3, unique=True))
    columns = ["text", *(f"c{name}" for name in names)]
    rows = data.draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns))))
    if ending == "csv":
        file = io.StringIO(newline="")
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([columns, *rows])
        content = file.getvalue()
    else:
        content = "".join("\t".join(row) + "\n" for row in [columns, *rows])
    expected = [(row[0], dict(zip(columns[1:], row[1:], strict=True))) for row in rows]
    assert contents(read(write(folder / f"a.{ending}", content))) == expected


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("a.txt", ["one", "two \u2028\x85\v\f x", "three"]),
        ("a.jsonl", [f'{{"text": "{text}"}}' for text in ("one", "two \u2028\x85 x", "three")]),
        ("a.csv", ["id,text", "1,one", "2,two \u2028\x85\v\f x", "3,three"]),
        ("a.tsv", ["id\ttext", "1\tone", "2\ttwo \u2028\x85\v\f x", "3\tthree"]),
    ],
)
def test_every_line_end(
    tmp_path: Path, name: str, rows: list[str], end: str, compressed: bool
) -> None:
    content = end.join([*rows, ""]).encode()
    path = tmp_path / (f"{name}.gz" if compressed else name)
    items = read(write(path, gzip.compress(content) if compressed else content))
    assert [text[:3] for text in texts(items)] == ["one", "two", "thr"]
    assert all(character in texts(items)[1] for character in "\u2028\x85")
    header = name in ("a.csv", "a.tsv")
    assert [item.line for item in items] == [1 + header, 2 + header, 3 + header]


def test_quotation_marks_in_tab_separated_values_are_text(tmp_path: Path) -> None:
    table = 'id\ttext\n1\t"Anna said\n2\tgo to Bonn"\n3\t"Hamburg"\n'
    assert contents(read(write(tmp_path / "a.tsv", table))) == [
        ('"Anna said', {"id": "1"}),
        ('go to Bonn"', {"id": "2"}),
        ('"Hamburg"', {"id": "3"}),
    ]


def test_a_file_of_many_chunks_is_resumed_at_every_record(tmp_path: Path) -> None:
    rows = [f"{n} {'x' * (n * 37 % 900)}" for n in range(300)]
    ends = ["\n", "\r\n", "\r"]
    content = "".join(row + ends[n % 3] for n, row in enumerate(rows))
    assert len(content) > 1 << 17
    assert texts(read(write(tmp_path / "a.txt", content))) == rows


@pytest.mark.parametrize(
    ("content", "structure"),
    [
        ('{"text": "a"}\n', "JSON lines"),
        ("id\ttext\n1\ta\n", "tab-separated values"),
        ("<?xml version='1.0'?>\n<a/>\n", "XML"),
    ],
)
def test_what_is_no_text_is_taken_for_it_if_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, structure: str
) -> None:
    source = write(tmp_path / "a.txt", content)
    with pytest.raises(DualNerError, match=f"a.txt: {structure}, not text.*--form: txt"):
        open_input(source)
    assert texts(read(source, form="txt")) == content.splitlines()
    with open(source) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(DualNerError, match=f"standard input: {structure}, not text"):
            open_input("-")
        assert texts(list(open_input("-", "txt").read(START))) == content.splitlines()


def test_lines_of_a_table_are_counted_as_in_the_file(tmp_path: Path) -> None:
    table = 'id,text\r\n1,"a\r\nb"\r\n\r\n2,"c ""d"", e"\r\n'
    items = read(write(tmp_path / "a.csv", table))
    assert [(item.line, item.content) for item in items] == [(2, "a\r\nb"), (5, 'c "d", e')]


def test_compressed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n{"text": "b", "n": 1}\n'))
    assert contents(read(str(tmp_path / "a.jsonl.gz"))) == [("a", {}), ("b", {"n": 1})]


def test_a_cut_compressed_file_is_an_error_after_its_records(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"text {n * 7919 % 1000}\n" for n in range(50_000)).encode())
    (tmp_path / "a.txt.gz").write_bytes(whole[: len(whole) // 2])
    reader = open_input(str(tmp_path / "a.txt.gz")).read(START)
    assert next(reader).content == "text 0"
    with pytest.raises(DualNerError, match="not a whole gzip file"):
        list(reader)


def test_docs_keep_tokens_and_annotation_over_shards(tmp_path: Path) -> None:
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=["a b", str(n)], spaces=[False, False]) for n in range(5)]
    docs[3].user_data["lang"] = "de"
    (tmp_path / "a.spacy").mkdir()
    for name, part in (("0", docs[:2]), ("1", docs[2:])):
        DocBin(docs=part, store_user_data=True).to_disk(tmp_path / "a.spacy" / f"{name}.spacy")
    items = read(str(tmp_path / "a.spacy"))
    found = [Doc(vocab).from_bytes(item.content) for item in items]
    assert [[t.text for t in doc] for doc in found] == [["a b", str(n)] for n in range(5)]
    assert [doc.text for doc in found] == [f"a b{n}" for n in range(5)]
    assert found[3].user_data == {"lang": "de"}
    assert [(Path(item.source).name, item.line) for item in items][2] == ("1.spacy", 1)


# Records that cannot be read


def test_bad_lines_of_text(tmp_path: Path) -> None:
    items = read(write(tmp_path / "a.txt", b"one\n\xff\xfe two\nthree\nfo\0ur\nfive"))
    assert texts(items) == ["one", "three", "five"]
    assert [(line, message[:14]) for line, message in faults(items)] == [
        (2, "not valid UTF-"),
        (4, "a NUL characte"),
    ]


def test_bad_lines_of_json(tmp_path: Path) -> None:
    bad = ['{"text": "a"', '["text"]', '{"txt": "a"}', '{"text": 1}', '{"text": null}', "[" * 9999]
    items = read(
        write(tmp_path / "a.jsonl", '{"text": "x"}\n' + "\n\n".join([*bad, '{"text":""}']))
    )
    assert texts(items) == ["x", ""]
    found = faults(items)
    assert [line for line, _ in found] == [2, 4, 6, 8, 10, 12]
    reasons = ("not JSON", "not a JSON object", "no key 'text'", "not a string", "not a string")
    for (_, message), reason in zip(found, reasons, strict=False):
        assert reason in message


def test_bad_rows_of_tables(tmp_path: Path) -> None:
    rows = [b"text,n", b"a,1", b"b", b"c,2,3", b"\xff,4", b'd "x",5', b'"e" x,6', b"f,7"]
    items = read(write(tmp_path / "a.csv", b"\n".join(rows)))
    assert texts(items) == ["a", 'd "x"', "f"]
    assert [line for line, _ in faults(items)] == [3, 4, 5, 7]


def test_an_open_quotation_mark_costs_one_row(tmp_path: Path) -> None:
    rows = ["text,n", "a,1", '"b,2', *(f"c{n},3" for n in range(100)), '"d" e', "f,4"]
    items = read(write(tmp_path / "a.csv", "\n".join(rows)))
    assert texts(items) == ["a", *(f"c{n}" for n in range(100)), "f"]
    assert [line for line, _ in faults(items)] == [3, 104]


def test_compressed_tables_are_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "\n".join(["text,n", *(f'"a" {n},b' for n in range(9)), "c,1"])
    source = write(tmp_path / "a.csv.gz", gzip.compress(content.encode()))
    reader = open_input(source)
    monkeypatch.setattr(gzip.GzipFile, "seek", None)
    items = list(reader.read(START))
    assert texts(items) == ["c"] and len(faults(items)) == 9


@pytest.mark.parametrize(
    ("rows", "found", "bad"),
    [
        ([b'"a', b"\xff b", b'c",1', b"d,2"], ["d"], [3]),
        ([b'"a,1', b"b,2", b"\xff,3", b"c,4"], ["b", "c"], [2, 4]),
    ],
)
def test_a_bad_line_is_a_fault_of_its_row(
    tmp_path: Path, rows: list[bytes], found: list[str], bad: list[int]
) -> None:
    """No rest of a row becomes a text, and no row before it is lost without a word."""
    items = read(write(tmp_path / "a.csv", b"\n".join([b"text,n", *rows])))
    assert texts(items) == found
    assert [line for line, _ in faults(items)] == bad


@pytest.mark.parametrize(
    "name,content,options,message",
    [
        ("a.txt", b"\xff\xfea\0", {}, "UTF-16"),
        ("a.csv", b"id,body\n1,a\n", {}, "no column 'text'"),
        ("a.csv", b"text,x,x\na,1,2\n", {}, "more than one column 'x'"),
        ("a.csv", b"", {}, "no column 'text'"),
        ("a.spacy", b"text", {}, "not a DocBin"),
        ("a.doc", b"text", {}, "tells no form"),
        ("a.txt", b"text", {"form": "xml"}, "Unknown form 'xml'"),
    ],
)
def test_input_that_is_no_use_at_all(
    tmp_path: Path, name: str, content: bytes, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DualNerError, match=message):
        read(write(tmp_path / name, content), **options)


def test_no_such_input(tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match="no such file"):
        open_input(str(tmp_path / "a.txt"))
    with pytest.raises(DualNerError, match="a folder, not a file"):
        open_input(str(tmp_path), "txt")
    with pytest.raises(DualNerError, match="Standard input"):
        open_input("-", "csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"a pipe or a device\. .*standard input: -"):
        open_input(str(tmp_path / "pipe"), "txt")


def test_a_form_in_place_of_the_files_ending(tmp_path: Path) -> None:
    source = write(tmp_path / "a.log", '{"text": "a"}\n')
    assert texts(read(source, form="jsonl")) == ["a"]
    assert texts(read(source, form="txt")) == ['{"text": "a"}']


# Batches


def test_batches_end_at_the_same_places_after_a_resumption(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"text {n}"}) if n % 5 else "bad" for n in range(33)]
    source = write(tmp_path / "a.jsonl", "\n".join(rows))
    whole = list(batches(open_input(source), START, 4))
    assert [len(b.records) + len(b.faults) for b in whole] == [4] * 8 + [1]
    for number, batch in enumerate(whole):
        rest = list(batches(open_input(source), batch.position, 4))
        assert repr(rest) == repr(whole[number + 1 :])
    assert whole[-1].done == Path(source).stat().st_size


def test_long_texts_make_small_batches(tmp_path: Path) -> None:
    source = write(tmp_path / "a.txt", f"{'a' * (MAX_CHARACTERS // 2)}\n" * 5)
    assert [len(b.records) for b in batches(open_input(source), START, 100)] == [2, 2, 1]


# Writing


NLP = spacy.blank("xx")


def make_doc(text: str, *ents: tuple[int, int, str], score: float | None = None) -> Doc:
    """A Doc with entities by characters, in their span group if there is a score."""
    doc = NLP(text)
    spans = [doc.char_span(start, end, label) for start, end, label in ents]
    doc.ents = spans
    if score is not None:
        doc.spans["found"] = spans
        doc.spans["found"].attrs["scores"] = [score] * len(spans)
    return doc


def jsonl(
    doc: Doc, carried: dict[str, Any] | None = None, keys: tuple[str, ...] = ("found",)
) -> Any:
    return json.loads(to_jsonl([doc], [carried or {}], Maker(keys)))


@pytest.mark.parametrize(
    "text,name",
    [
        ("Hello 😀👩‍👩‍👧 Anna Smith .", "Anna Smith"),
        ("Cafe\u0301 de Jose\u0301 Ruiz", "Jose\u0301 Ruiz"),
        ("\u202bפגשתי את אנה בברלין\u202c", "אנה"),
        ("  two   spaces   Rome  ", "Rome"),
        ("𝔸𝔹 \u00a0 Köln", "Köln"),
    ],
)
def test_offsets_are_characters_of_the_text(text: str, name: str) -> None:
    start = text.index(name)
    record = jsonl(make_doc(text, (start, start + len(name), "X"), score=0.123456))
    assert record == {
        "text": text,
        "ents": [
            {
                "start": start,
                "end": start + len(name),
                "label": "X",
                "score": 0.1235,
                "text": name,
            }
        ],
    }


def test_scores_are_of_the_same_span_and_label() -> None:
    doc = make_doc("Anna met Rome", (0, 4, "PER"), (9, 13, "LOC"), score=0.5)
    doc.ents = [Span(doc, 0, 1, "PER"), Span(doc, 1, 2, "X"), Span(doc, 2, 3, "ORG")]
    assert [ent.get("score") for ent in jsonl(doc)["ents"]] == [0.5, None, None]
    assert "score" not in jsonl(doc, keys=())["ents"][0]
    assert "score" not in jsonl(doc, keys=("other",))["ents"][0]
    del doc.spans["found"].attrs["scores"]
    assert "score" not in jsonl(doc)["ents"][0]


@given(st.dictionaries(st.sampled_from(["text", "ents", "input_text", "input_ents", "x"]), values))
def test_carried_keys_are_never_lost(carried: dict[str, str]) -> None:
    record = jsonl(make_doc("Rome"), carried)
    assert record.pop("text") == "Rome" and record.pop("ents") == []
    assert sorted(record.values()) == sorted(carried.values())
    for key, value in carried.items():
        if key not in ("text", "ents"):
            assert record[key] == value
    if "text" in carried and "input_text" not in carried:
        assert record["input_text"] == carried["text"]


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n\t "), min_size=1, max_size=5
).filter(lambda word: word != "-DOCSTART-")


@given(st.lists(st.lists(st.tuples(words, st.sampled_from("BIO")), min_size=1), max_size=4))
def test_conll_is_read_back(given: list[list[tuple[str, str]]]) -> None:
    vocab = spacy.blank("xx").vocab
    docs = []
    for pairs in given:
        tags = []
        for _, letter in pairs:
            begins = letter == "B" or (letter == "I" and (not tags or tags[-1] == "O"))
            tags.append("O" if letter == "O" else "B-PER" if begins else "I-PER")
        docs.append(Doc(vocab, words=[word for word, _ in pairs], ents=tags))
    written = to_conll(docs, [{}] * len(docs), Maker())
    found = parsed(Conll(), written, FileTally("x"))
    expected = [
        ([t.text for t in doc], [f"{t.ent_iob_}-PER" if t.ent_type else "O" for t in doc])
        for doc in docs
    ]
    assert found == expected


def test_conll_of_tokens_with_white_space() -> None:
    vocab = spacy.blank("xx").vocab
    words = [" ", "New York\n", "is", "\n", "big", "a\u00a0b"]
    ents = ["B-LOC", "I-LOC", "O", "B-X", "I-X", "B-X"]
    docs = [Doc(vocab, words=words, ents=ents), Doc(vocab, words=["\n"])]
    written = to_conll(docs, [{}, {}], Maker())
    assert written.decode() == ("New\tB-LOC\nYork\tI-LOC\nis\tO\nbig\tB-X\na\u00a0b\tB-X\n\n")


def test_docs_above_the_shard_size_become_a_folder(tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    parts = [[nlp(f"doc {n} {k}") for k in range(4)] for n in range(5)]
    for part in parts:
        part[0].spans["found"] = [part[0][0:1]]
        part[0].spans["found"].attrs["scores"] = [0.25]
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join(to_docbin(part, [], Maker()) for part in parts))
    write_shards(joined, tmp_path / "a.spacy", shard_size=10)
    assert [len(DocBin().from_disk(p)) for p in sorted((tmp_path / "a.spacy").iterdir())] == [
        8,
        8,
        4,
    ]
    found = list(read_docs(tmp_path / "a.spacy", nlp.vocab))
    assert [doc.text for doc in found] == [doc.text for part in parts for doc in part]
    assert found[4].spans["found"].attrs["scores"] == [0.25]
    write_shards(joined, tmp_path / "b.spacy", shard_size=20)
    assert (tmp_path / "b.spacy").is_file()
    assert len(list(read_docs(tmp_path / "b.spacy", nlp.vocab))) == 20


@pytest.mark.parametrize("place", [0, 7, 8, 30, -9])
def test_a_damaged_part_is_named_and_nothing_is_written(tmp_path: Path, place: int) -> None:
    content = bytearray(to_docbin([spacy.blank("xx")("Anna")], [], Maker()))
    content[place] ^= 255
    joined = Path(write(tmp_path / "joined", bytes(content)))
    with pytest.raises(DualNerError, match=r"joined: is damaged \(.*--force"):
        write_shards(joined, tmp_path / "a.spacy")
    assert not (tmp_path / "a.spacy").exists()


def test_no_docs_make_an_empty_file(tmp_path: Path) -> None:
    write_shards(Path(write(tmp_path / "joined", b"")), tmp_path / "a.spacy")
    assert list(read_docs(tmp_path / "a.spacy", spacy.blank("xx").vocab)) == []
