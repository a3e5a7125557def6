"""Reading the hub's parquet: what is right comes through, what is wrong is named with its row."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "spacy-dualner[hub]"')

from helpers.hub import CLASSES, write_language, write_rows, write_sentences  # noqa: E402

from spacy_dualner.data.convert import convert  # noqa: E402
from spacy_dualner.data.hub import find_parquet, read_parquet_splits  # noqa: E402
from spacy_dualner.data.tags import repair_tags  # noqa: E402
from spacy_dualner.errors import DataError, DualNerError  # noqa: E402

TRAIN = "train-00000-of-00001.parquet"
ANNA = (["Anna", "Berg", "in", "Bonn"], ["B-PER", "I-PER", "O", "B-LOC"])
ULM = (["Ulm"], ["I-LOC"])
GOOD = {"tokens": [["a", "b"], ["c"]], "ner_tags": [[1, 2], [0]], "langs": [["de"] * 2, ["de"]]}

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
sentences = st.lists(
    st.lists(st.tuples(words, st.sampled_from(CLASSES)), min_size=1).map(
        lambda pairs: tuple(map(list, zip(*pairs, strict=True)))
    ),
    min_size=1,
)


def read(folder: Path, lang: str = "de", **options: object) -> dict[str, list]:
    return {
        split: list(sentences) for split, sentences in read_parquet_splits(folder, lang, **options)
    }


def fault(folder: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, **options)
    return str(caught.value)


@given(sentences, st.integers(1, 3))
def test_any_sentence_comes_through(tmp_path_factory, sentences, shards) -> None:
    folder = tmp_path_factory.mktemp("hub")
    path = write_language(folder, "de", {"train": sentences}, shards=shards)
    assert find_parquet(folder) == {"de": path}
    assert read(path) == {"train": [(words, repair_tags(tags)) for words, tags in sentences]}


def test_splits_come_in_order_and_are_called_ours(tmp_path) -> None:
    parts = {"test": [ULM], "dev": [ANNA], "train": [ANNA, ULM]}
    write_language(tmp_path, "de", parts)
    read_parts = read(tmp_path / "PAN-X.de")
    assert list(read_parts) == ["train", "dev", "test"]
    assert read_parts["train"] == [ANNA, (["Ulm"], ["B-LOC"])]
    assert read_parts["dev"] == [ANNA]


def test_only_folders_of_languages_with_parquet_are_found(tmp_path) -> None:
    for lang in ("th", "de"):
        write_language(tmp_path, lang, {"test": [ULM]})
    write_sentences(tmp_path / "XNLI" / TRAIN, "de", [ULM])
    write_sentences(tmp_path / "PAN-X.all of them" / TRAIN, "de", [ULM])
    (tmp_path / "PAN-X.fr").mkdir()
    (tmp_path / "PAN-X.es").write_text("no folder")
    assert list(find_parquet(tmp_path)) == ["de", "th"]


def test_a_snapshot_of_links_as_in_the_cache(tmp_path) -> None:
    blob = write_sentences(tmp_path / "blobs" / "0a1b", "de", [ANNA])
    link = tmp_path / "snapshots" / "c0ffee" / "PAN-X.de" / TRAIN
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    found = find_parquet(tmp_path / "snapshots" / "c0ffee")
    assert read(found["de"]) == {"train": [ANNA]}


def test_classes_are_those_that_the_file_names(tmp_path) -> None:
    names = ["B-LOC", "O", "B-MISC", "I-PER", "B-PER"]
    write_sentences(tmp_path / TRAIN, "de", [ANNA], names=names)
    assert read(tmp_path) == {"train": [ANNA]}
    # A class of another type is no fault until it is used.
    write_sentences(tmp_path / TRAIN, "de", [ANNA, (["Ski"], ["B-MISC"])], names=names)
    message = fault(tmp_path)
    assert f"{TRAIN}: row 2: unknown tag 'B-MISC'" in message
    assert "--types" in message
    assert read(tmp_path, types=["LOC", "MISC", "PER"])["train"][1] == (["Ski"], ["B-MISC"])


NAIROBI = (["Nairobi"], ["B-LOC"])
OTHER_ORDER = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def without_names(path: Path) -> Path:
    tokens, tags = [NAIROBI[0]], [[OTHER_ORDER.index(tag) for tag in NAIROBI[1]]]
    return write_rows(path, None, tokens=tokens, ner_tags=tags)


def test_classes_without_names_are_refused(tmp_path) -> None:
    """In PAN-X's order, Nairobi would be a person."""
    path = without_names(tmp_path / TRAIN)
    message = fault(tmp_path)
    assert message.startswith(f"{path}: the file does not say which tag each class id stands for")
    assert f"--classes {','.join(CLASSES)}" in message
    assert read(tmp_path, classes=OTHER_ORDER) == {"train": [NAIROBI]}
    assert "unknown class 1, known are 0 to 0" in fault(tmp_path, classes=["O"])
    for names in (OTHER_ORDER, CLASSES):
        write_sentences(tmp_path / TRAIN, "de", [NAIROBI], names=names)
        assert read(tmp_path, classes=names) == {"train": [NAIROBI]}
    assert f"names its classes {','.join(CLASSES)}. Leave" in fault(tmp_path, classes=OTHER_ORDER)


@pytest.mark.parametrize("names", [["0", "1"], ["O", "PER"], ["O", 1]])
def test_names_that_are_no_tags(tmp_path, names) -> None:
    write_rows(tmp_path / TRAIN, names, tokens=[["Nairobi"]], ner_tags=[[1]])
    assert ("unknown tag" if names[1] != 1 else "does not say which tag") in fault(tmp_path)


def test_classes_are_named_on_the_command_line(tmp_path) -> None:
    from helpers.panx import run

    without_names(tmp_path / "data" / "PAN-X.sw" / TRAIN)
    assert run(tmp_path / "data", tmp_path / "corpus")[0] == 1
    options = ["--classes", ", ".join(OTHER_ORDER)]
    status, output = run(tmp_path / "data", tmp_path / "corpus", *options)
    assert status == 0
    assert "sw train 1 1 1 0 0" in output
    assert "Read rows: 1 in 1 files (1 used), in sentences: 1" in output
    text = tmp_path / "sw.txt"
    text.write_text("Nairobi\n")
    status, output = run(text, tmp_path / "corpus", "--langs", "sw", *options)
    assert status == 1
    assert "--classes is for class ids, which the form text does not have" in output


def test_tokens_are_taken_as_they_are(tmp_path) -> None:
    sentence = (["de:Bonn", ":", "de:", "\u00a0", "a\tb"], ["B-LOC", "O", "O", "O", "O"])
    write_sentences(tmp_path / TRAIN, "de", [sentence])
    assert read(tmp_path) == {"train": [sentence]}


def test_more_than_one_batch_and_no_language_column(tmp_path) -> None:
    n = 2_500
    write_rows(
        tmp_path / TRAIN, tokens=[[str(i)] for i in range(n)], ner_tags=[[i % 2] for i in range(n)]
    )
    expected = [([str(i)], ["B-PER" if i % 2 else "O"]) for i in range(n)]
    assert read(tmp_path) == {"train": expected}


def test_rows_without_tokens_are_passed_over(tmp_path) -> None:
    columns = {"tokens": [[], ["a"], []], "ner_tags": [[], [1], []], "langs": [[], ["de"], []]}
    write_rows(
        tmp_path / TRAIN,
        **{
            n: pa.array(c, pa.list_(pa.string() if n != "ner_tags" else pa.int64()))
            for n, c in columns.items()
        },
    )
    assert read(tmp_path) == {"train": [(["a"], ["B-PER"])]}


@pytest.mark.parametrize("kind", [pa.list_(pa.int8()), pa.large_list(pa.uint16())])
def test_other_widths(tmp_path, kind) -> None:
    strings = pa.large_list(pa.large_string())
    write_rows(tmp_path / TRAIN, tokens=pa.array([["a"]], strings), ner_tags=pa.array([[5]], kind))
    assert read(tmp_path) == {"train": [(["a"], ["B-LOC"])]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ner_tags": [[1, 2], []]}, "row 2: 1 tokens, but 0 tags."),
        ({"ner_tags": [[1, 7], [0]]}, "row 1: unknown class 7, known are 0 to 6."),
        ({"ner_tags": [[1, 2], [-1]]}, "row 2: unknown class -1"),
        ({"ner_tags": [[1, None], [0]]}, "row 1: a tag is missing."),
        ({"ner_tags": [None, [0]]}, "row 1: the tokens or their tags are missing."),
        ({"tokens": [["a", "b"], None]}, "row 2: the tokens or their tags are missing."),
        ({"tokens": [["a", ""], ["c"]]}, "row 1: a token is empty or missing."),
        ({"tokens": [["a", "b"], [None]]}, "row 2: a token is empty or missing."),
        ({"langs": [["de", "de"], ["fr"]]}, "row 2: its langs are not all 'de'."),
        ({"langs": [["fr", "fr"], ["fr"]]}, "row 1: its langs are not all 'de'."),
        ({"tokens": [[1, 2], [3]]}, "column tokens: expected lists of strings, found list<"),
        ({"tokens": ["a b", "c"]}, "column tokens: expected lists of strings, found string."),
        ({"ner_tags": [["O", "O"], ["b"]]}, "row 2: unknown tag 'b'"),
        ({"ner_tags": [[0.5, 1.5], [0.5]]}, "column ner_tags: expected lists of class ids"),
        ({"ner_tags": None}, "column ner_tags: expected lists of class ids, found no such column"),
    ],
)
def test_a_malformed_row_or_column(tmp_path, columns, message) -> None:
    assert read(tmp_path) == {}
    content = {name: column for name, column in {**GOOD, **columns}.items() if column is not None}
    write_rows(tmp_path / TRAIN, **content)
    assert f"{TRAIN}: {message}" in fault(tmp_path)


def test_a_row_beyond_the_first_file_and_batch_is_named(tmp_path) -> None:
    many = [(["a"], ["O"])] * 1_500
    write_sentences(tmp_path / "test-00000-of-00002.parquet", "de", many)
    write_sentences(
        tmp_path / "test-00001-of-00002.parquet", "de", [*many, (["b", ""], ["O", "O"])]
    )
    assert "test-00001-of-00002.parquet: row 1501: a token is empty" in fault(tmp_path)


def test_text_that_is_not_utf8(tmp_path) -> None:
    values = pa.array([b"a", b"\xff"]).view(pa.string())
    tokens = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), values)
    write_rows(tmp_path / TRAIN, tokens=tokens, ner_tags=[[0], [0]])
    assert f"{TRAIN}: the file is broken" in fault(tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -9])
def test_a_broken_file(tmp_path, keep) -> None:
    path = write_sentences(tmp_path / TRAIN, "de", [ANNA] * 50)
    path.write_bytes(path.read_bytes()[:keep])
    message = fault(tmp_path)
    assert message.startswith(f"{path}: the file is broken (")
    assert "\n" not in message


def test_a_damaged_page(tmp_path) -> None:
    path = write_sentences(tmp_path / TRAIN, "de", [ANNA] * 50)
    content = bytearray(path.read_bytes())
    content[10:60] = bytes(50)
    path.write_bytes(content)
    assert f"{path}: the file is broken (" in fault(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["train-00001-of-00002.parquet"],
        ["train-00000-of-00002.parquet"],
        ["train-00000-of-00001.parquet", "train-00001-of-00002.parquet"],
        ["train-00000-of-00001.parquet", "train-extra.parquet"],
    ],
)
def test_files_that_do_not_make_up_a_split(tmp_path, names) -> None:
    for name in names:
        write_sentences(tmp_path / name, "de", [ANNA])
    message = fault(tmp_path)
    assert f"{tmp_path}: holds {', '.join(names)}, expected" in message
    assert "Download the missing files" in message


@pytest.mark.parametrize("others", ["validation.parquet", "validation", "dev"])
def test_two_sets_of_one_part(tmp_path, others) -> None:
    """Which of them is meant nothing tells."""
    write_sentences(tmp_path / "dev.parquet", "de", [ANNA])
    if others.endswith(".parquet"):
        write_sentences(tmp_path / others, "de", [ULM])
    else:
        save(tmp_path / others, ROWS, "file")
    message = fault(tmp_path)
    assert "the dev set, as is" in message and "Move one of the two away." in message
    assert "dev.parquet" in message


def test_names_with_a_fingerprint(tmp_path) -> None:
    write_sentences(tmp_path / "train-00000-of-00001-0a1b2c3d4e5f6071.parquet", "de", [ANNA])
    assert read(tmp_path) == {"train": [ANNA]}


def test_without_pyarrow(tmp_path, monkeypatch) -> None:
    write_sentences(tmp_path / TRAIN, "de", [ANNA])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DualNerError, match=r'pip install "spacy-dualner\[hub\]"'):
        read(tmp_path)


def save(folder: Path, rows: list[dict[str, list]], note: str, **state: object) -> None:
    """What `Dataset.save_to_disk` writes, a file for each row; `note`: where classes are named."""
    features = {"ner_tags": {"_type": "List", "feature": {"_type": "ClassLabel", "names": CLASSES}}}
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(rows):05d}.arrow" for i in range(len(rows))]
    for name, row in zip(names, rows, strict=True):
        table = pa.table({"id": ["x"], **{key: [value] for key, value in row.items()}})
        if note == "file":
            held = {"huggingface": json.dumps({"info": {"features": features}})}
            table = table.replace_schema_metadata(held)
        with pa.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(table)
    listed = [{"filename": name} for name in names]
    (folder / "state.json").write_text(json.dumps({"_data_files": listed, **state}))
    info = {"features": features} if note == "beside" else {}
    (folder / "dataset_info.json").write_text(json.dumps(info))


ROWS = [{"tokens": ["Anna", "in"], "ner_tags": [1, 0]}, {"tokens": ["Bonn"], "ner_tags": [5]}]
SAVED = [(["Anna", "in"], ["B-PER", "O"]), (["Bonn"], ["B-LOC"])]


@pytest.mark.parametrize("note", ["file", "beside"])
def test_what_save_to_disk_writes(tmp_path, note) -> None:
    """The layout is that of datasets 5.2.0, with which it was tried."""
    for name, rows in [("validation", ROWS[1:]), ("train", ROWS), ("extra", ROWS)]:
        save(tmp_path / "data" / name, rows, note)
    (tmp_path / "data" / "dataset_dict.json").write_text("{}")
    assert find_parquet(tmp_path / "data") == {"": tmp_path / "data"}
    assert read(tmp_path / "data") == {"train": SAVED, "dev": SAVED[1:]}
    save(tmp_path / "all" / "de", ROWS, note, _split="test")
    assert find_parquet(tmp_path / "all") == {"de": tmp_path / "all" / "de"}
    assert read(tmp_path / "all" / "de") == {"test": SAVED}
    save(tmp_path / "part" / "de", ROWS, note, _split="test[:2]")
    assert read(tmp_path / "part" / "de") == {"test": SAVED}
    counts = convert(tmp_path / "data", tmp_path / "out", langs=["sw"])
    assert list(counts) == [("sw", "train"), ("sw", "dev"), ("sw", "unlabelled")]


def test_tags_by_name_and_one_file_a_split(tmp_path) -> None:
    write_rows(tmp_path / "train.parquet", None, tokens=[["Anna", "x"]], ner_tags=[["B-PER", "O"]])
    assert find_parquet(tmp_path) == {"": tmp_path}
    assert read(tmp_path) == {"train": [(["Anna", "x"], ["B-PER", "O"])]}


def test_what_is_missing_or_broken_of_a_saved_data_set(tmp_path) -> None:
    save(tmp_path / "train", ROWS, "none")
    assert "the file does not say which tag each class id stands for" in fault(tmp_path)
    arrow = tmp_path / "train" / "data-00001-of-00002.arrow"
    arrow.write_bytes(arrow.read_bytes()[:20])
    assert "data-00001-of-00002.arrow: the file is broken" in fault(tmp_path, classes=CLASSES)
    arrow.unlink()
    assert "data-00001-of-00002.arrow: no such file, but its state.json" in fault(tmp_path)
    (tmp_path / "train" / "state.json").write_text("{}")
    assert "state.json: not of a data set (KeyError: '_data_files')" in fault(tmp_path)
