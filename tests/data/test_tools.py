"""What annotation tools export becomes the corpus that its entities say, or names what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.forms import put
from helpers.panx import files, run, tags_of, words_of
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.tally import Tally
from spacy_dualner.errors import DataError

TEXT = "Anna Berg lebt in Bonn."
MARKS = [(0, 9, "PER"), (18, 22, "LOC")]
TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]


def offsets(**more: Any) -> list[dict[str, Any]]:
    return [{"start_offset": s, "end_offset": e, "label": t, **more} for s, e, t in MARKS]


def spans(*marks: tuple[int, int, str], **more: Any) -> list[dict[str, Any]]:
    return [{"start": s, "end": e, "label": t, **more} for s, e, t in marks or MARKS]


def prodigy(**more: Any) -> dict[str, Any]:
    return {"text": TEXT, "spans": spans(), "answer": "accept", **more}


def result(start: int, end: int, *labels: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": list(labels)}
    names = {"from_name": "label", "to_name": "text", "type": "labels"}
    return {**names, "value": value, **more}


RESULT = [result(*mark) for mark in MARKS]


def task(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"text": TEXT}, "annotations": list(annotations), **more}


def write(folder: Path, *records: Any) -> Path:
    """A file of lines, or of one list for Label Studio."""
    listed = any("data" in record for record in records)
    lines = [json.dumps(list(records), indent=1)] if listed else map(json.dumps, records)
    return put(folder, {"train-de.json": "\n".join(lines)}) / "train-de.json"


def tagged(source: Path, **options: Any) -> tuple[list[list[str]], Tally]:
    tally, output = Tally(), source.parent.parent / "corpus"
    convert(source, output, tally=tally, **options)
    return [tags_of(doc) for doc in read_docs(output / "train/de.spacy", Vocab())], tally


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "label": MARKS},
        {"id": 7, "text": TEXT, "labels": MARKS, "Comments": []},
        {"text": TEXT, "entities": offsets(id=1), "relations": []},
        {"text": TEXT, "annotations": offsets(user=1)},
        # Label Studio's JSON-MIN
        {"text": TEXT, "id": 1, "label": [one["value"] for one in RESULT], "annotator": 1},
        prodigy(),
        prodigy(_input_hash=1, _is_binary=False),
        {"text": TEXT, "spans": spans()},
        task({"result": RESULT, "was_cancelled": False}),
        {
            "text": TEXT,
            "ents": [dict(span, text=TEXT[span["start"] : span["end"]]) for span in spans()],
        },
    ],
)
def test_each_form_gives_the_same_words_and_tags(tmp_path, record) -> None:
    found, tally = tagged(write(tmp_path / "data", record, record))
    assert found == [TAGS, TAGS]
    assert words_of(tmp_path / "corpus/train/de.spacy") == ["Anna Berg lebt in Bonn ."] * 2
    (file,) = tally.files
    assert (file.read, file.used, file.sentences, file.notes()) == (2, 2, 2, [])


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (
            [prodigy(answer="reject"), prodigy(answer="ignore")],
            "1 answered reject, 1 answered ignore",
        ),
        ([prodigy(_is_binary=True)], "1 of one entity's yes or no"),
        ([task(), task({"result": RESULT, "was_cancelled": True})], "1 unannotated, 1 skipped"),
        ([task(predictions=[{"result": RESULT}])], "1 unannotated"),
        ([{"text": " ", "label": []}], ""),
    ],
)
def test_what_is_not_taken_is_said(tmp_path, records, said) -> None:
    plain = task({"result": RESULT}) if "data" in records[0] else prodigy()
    if "label" in records[0]:
        plain = {"text": TEXT, "label": MARKS}
    found, tally = tagged(write(tmp_path / "data", plain, *records))
    assert found == [TAGS]
    (file,) = tally.files
    assert (file.read, file.used) == (1 + len(records), 1)
    assert file.notes() == ([f"{file.source}: left out: {said}"] if said else [])
    assert file.read == file.used + sum(file.left_out.values())


@pytest.mark.parametrize("name", ["PER-", "-"])
def test_a_type_may_end_in_a_dash(tmp_path, name: str) -> None:
    source = write(tmp_path / "in", {"text": TEXT, "label": [[0, 9, name]]})
    tags, _ = tagged(source, types=["all"])
    assert tags == [[f"B-{name}", f"I-{name}", "O", "O", "O", "O"]]


def test_of_several_annotations_of_a_task_the_right_one(tmp_path) -> None:
    old = {"result": RESULT[:1], "updated_at": "2026-01-01T00:00:00Z"}
    new = {"result": RESULT, "updated_at": "2026-02-01T00:00:00Z"}
    found, tally = tagged(
        write(tmp_path / "a", task(new, old), task(old, new, {**new, "result": []}))
    )
    assert found == [TAGS, TAGS]
    said = "further annotations of one text, left out: 3 (first: record 1)"
    assert tally.files[0].notes() == [f"{tally.files[0].source}: {said}"]
    found, _ = tagged(write(tmp_path / "a", task({**old, "ground_truth": True}, new)))
    assert found == [[*TAGS[:4], "O", "O"]]


def test_results_of_label_studio_that_are_no_entities(tmp_path) -> None:
    others = [
        {"type": "choices", "value": {"choices": ["a"]}},
        {"type": "relation", "from_id": "a"},
    ]
    record = task({"result": [*RESULT, *others, result(10, 14, "PER", "LOC"), result(15, 17)]})
    found, tally = tagged(write(tmp_path / "data", record))
    assert found == [["B-PER", "I-PER", "B-PER", "O", "B-LOC", "O"]]
    said = " ".join(tally.files[0].notes())
    assert "results that are no labels, left out: 2 (first: record 1)" in said
    assert "overlap one that is as long or longer: 1" in said


@pytest.mark.parametrize(
    "data", [{"text": TEXT, "lang": "de"}, {"body": TEXT}, {"id": 3, "a": TEXT}]
)
def test_the_text_of_a_task(tmp_path, data) -> None:
    record = task({"result": RESULT}) | {"data": data}
    assert tagged(write(tmp_path / "data", record))[0] == [TAGS]
    named = [r | {"to_name": "a"} for r in RESULT]
    record = task({"result": named}) | {"data": {"b": "x", "text": "y", "a": TEXT}}
    assert tagged(write(tmp_path / "data", record))[0] == [TAGS]


@pytest.mark.parametrize(
    "results",
    [[], RESULT, [r | {"to_name": name} for r, name in zip(RESULT, ["a", "id"], strict=True)]],
)
def test_a_task_of_several_texts_is_refused(tmp_path, results) -> None:
    """A text without entities does not say which one it is: its identifier would be taken."""
    record = task({"result": results}) | {"data": {"id": "news-17", "a": TEXT, "n": 3}}
    fault = r"train-de.json:record 1: several texts \(a, id\).* `jq 'map\(del\(.data.KEY\)\)'`"
    with pytest.raises(DataError, match=fault):
        tagged(write(tmp_path / "data", record))


def test_the_words_of_prodigy_say_what_an_entity_is(tmp_path) -> None:
    """Numbers that count UTF-16 do so where the words say it, if nothing else does."""
    text = "ประเทศ😀ไทย"
    tokens = [
        {"text": c, "id": i, "start": i, "end": i + 1, "ws": False} for i, c in enumerate(text)
    ]
    span = {"start": 8, "end": 10, "label": "LOC", "token_start": 7, "token_end": 8}
    record = {"text": text, "tokens": tokens, "spans": [span], "answer": "accept"}
    found, tally = tagged(write(tmp_path / "data", record))
    assert found == [[*["O"] * 7, "B-LOC", "I-LOC", "O"]]
    assert tally.files[0].counted == "UTF-16 code units"


def test_tokens_of_prodigy_that_do_not_say_where_spaces_are(tmp_path) -> None:
    tokens = [{"text": text, "id": i} for i, text in enumerate(["Berg", ",", "A", "."])]
    span = {"start": 0, "end": 8, "label": "PER", "token_start": 0, "token_end": 3}
    found, tally = tagged(
        write(tmp_path / "data", prodigy(text="Berg, A.", tokens=tokens, spans=[span]))
    )
    assert found == [["B-PER", *["I-PER"] * (len(found[0]) - 1)]]
    assert tally.files[0].notes() == []


@pytest.mark.parametrize(
    ("form", "record", "fault"),
    [
        ("doccano", {"text": TEXT}, "no list `label` of entities"),
        ("doccano", {"text": 3, "label": []}, "no text under `text`"),
        ("doccano", {"text": "a\ud83d", "label": []}, "half a character"),
        (
            "doccano",
            {"text": TEXT, "label": ["art"]},
            "`label` holds 'art': expected .* whole texts?",
        ),
        (
            "doccano",
            {"text": TEXT, "label": [[0, 4.5, "PER"]]},
            "an entity from 0 to 4.5: expected",
        ),
        ("doccano", {"text": TEXT, "label": [[0, True, "PER"]]}, "an entity from 0 to True"),
        ("doccano", {"text": TEXT, "label": [[0, 4, ""]]}, "an entity of the type ''"),
        ("doccano", {"text": TEXT, "label": [[0, 4, None]]}, "an entity of the type None"),
        ("doccano", {"text": TEXT, "label": [[0, 4, "P\ud800"]]}, "an entity of the type"),
        ("doccano", {"text": TEXT, "entities": [{"start_offset": 0}]}, "an entity from 0 to None"),
        ("prodigy", {"text": TEXT, "spans": ["x"]}, "malformed .AttributeError"),
        ("label-studio", {"id": 1, "annotations": [{"result": []}]}, "malformed .KeyError: 'data'"),
        ("label-studio", task({"result": [{"type": "labels"}]}), "malformed .KeyError: 'value'"),
        ("annotate", {"text": TEXT}, "no list `ents` of entities"),
        ("annotate", [TEXT], "not a JSON object"),
    ],
)
def test_what_is_malformed_is_named_with_its_line(tmp_path, form, record, fault) -> None:
    lines = ["", json.dumps(record)]
    data = put(tmp_path / "data", {"train-de.jsonl": "\n".join(lines)})
    if isinstance(record, list):
        put(data, {"train-de.jsonl": '{"text": "a", "ents": []}\n' + json.dumps(record)})
    with pytest.raises(DataError, match=rf"train-de.jsonl:2: {fault}"):
        convert(data, tmp_path / "corpus", form=form)
    assert not (tmp_path / "corpus").exists()


def test_json_that_is_broken_is_named(tmp_path) -> None:
    for content, fault in [
        (
            '{"text": "a", "label": []}\n{"text": \n',
            r"train-de.jsonl:2: not JSON .*Line: '{\"text\": '",
        ),
        ('[{"text": "a", "label": []},\n', r"train-de.jsonl:1: not JSON"),
        ('[{"text": "a", "label": []}, 3]\n', r"train-de.jsonl:record 2: not a JSON object"),
    ]:
        data = put(tmp_path / "data", {"train-de.jsonl": content})
        with pytest.raises(DataError, match=fault):
            convert(data, tmp_path / "corpus", form="doccano")


def test_all_types_are_listed_once_and_can_be_taken(tmp_path) -> None:
    records = [
        {"text": TEXT, "label": [[0, 4, "Person"], [5, 9, "Job title"], [18, 22, "LOC"]]}
    ] * 2
    source = write(tmp_path / "data", *records)
    (tmp_path / "data/dev-fr.tsv").write_text("a\tB-LOC\n")
    held = r"The data hold Person \(2\), Job title \(2\), LOC \(2\): `--types all`"
    with pytest.raises(DataError, match=rf"train-de.json:1: unknown tag 'B-Person', .* {held}"):
        tagged(source)
    assert tagged(source, types=["all"])[0][0][:2] == ["B-Person", "B-Job title"]
    assert tagged(source, mapping={"Person": "PER", "Job title": "O"})[0][0][:2] == ["B-PER", "O"]
    status, output = run(source, tmp_path / "corpus", "--types", "all", "--map", "Person=PER")
    assert status == 0
    assert "Tokens Job title LOC PER --" in output
    assert "Read records: 2 in 1 files (2 used), in sentences: 2" in output
    # A file that cannot be read is that, whatever its types.
    source = write(tmp_path / "data", *records, {"text": 1, "label": []})
    with pytest.raises(DataError, match=r"train-de.json:3: no text under"):
        tagged(source)


def test_all_types_of_columns(tmp_path) -> None:
    data = put(tmp_path / "a", {"train-de.tsv": "a\tB-X\n\nb\tB-LOC\n", "dev-de.tsv": "a\tS-Y\n"})
    with pytest.raises(
        DataError, match=r"train-de.tsv:1: .* X \(1\), LOC \(1\), Y \(1\): `--types all`"
    ):
        convert(data, tmp_path / "corpus")
    counts = convert(data, tmp_path / "corpus", types=["all"])
    assert counts["de", "dev"].entities == {"Y": 1}
    with pytest.raises(DataError, match=r"dev-de.tsv:1: unknown tag 'X'"):
        convert(put(data, {"dev-de.tsv": "a\tX\n"}), tmp_path / "corpus", types=["all"])
    # That other files are damaged does not hide the fault that was found.
    put(data, {"dev-de.tsv": "a\tO\n", "dev-fr.tsv.gz": gzip.compress(b"a\tB-LOC\n")[:-9]})
    with pytest.raises(DataError, match=r"train-de.tsv:1: unknown tag 'B-X'.* --types"):
        convert(data, tmp_path / "corpus", form="tsv")


def test_the_report_and_the_option(tmp_path) -> None:
    source = write(tmp_path / "data", {"text": TEXT, "label": [[0, 7, "PER"]]})
    status, output = run(source, tmp_path / "corpus")
    assert status == 0
    assert "Form: doccano" in output
    assert "train-de.json: entities widened to whole words: 1 (first: 1)" in output
    assert "de train 1 6 0 0 1" in output
    assert "de train 1 6 0 0 0" in run(source, tmp_path / "corpus", "--align", "strict")[1]
    status, output = run(source, tmp_path / "corpus", "--align", "wide")
    assert status == 1 and "Unknown --align 'wide'" in output


def test_one_file_is_of_the_language_that_its_name_or_an_option_says(tmp_path) -> None:
    line = json.dumps({"text": TEXT, "label": MARKS}) + "\n"
    data = put(
        tmp_path / "data", {"all.jsonl": line, "dev-de.jsonl.gz": gzip.compress(line.encode())}
    )
    assert list(convert(data / "all.jsonl", tmp_path / "a", langs=["sw"])) == [
        ("sw", "train"),
        ("sw", "unlabelled"),
    ]
    assert list(convert(data / "dev-de.jsonl.gz", tmp_path / "b")) == [("de", "dev")]
    assert files(tmp_path / "b") == ["dev/de.spacy"]
    with pytest.raises(DataError, match=r"all.jsonl: names no language"):
        convert(data / "all.jsonl", tmp_path / "c")
    with pytest.raises(DataError, match=r"dev-de.jsonl.gz: no fr here, only de"):
        convert(data / "dev-de.jsonl.gz", tmp_path / "c", langs=["fr"])


def test_docs_stay_as_they_are(tmp_path) -> None:
    docs = [
        Doc(Vocab(), words=["New York", " ", "ist"], ents=["B-LOC", "I-LOC", "O"]),
        Doc(Vocab(), words=[]),
        Doc(Vocab(), words=["x"], ents=["O"]),
    ]
    data = tmp_path / "data"
    data.mkdir()
    DocBin(docs=docs, store_user_data=True).to_disk(data / "train-de.spacy")
    DocBin(docs=[Doc(Vocab(), words=["y"])]).to_disk(data / "dev-de.spacy")
    tally = Tally()
    assert list(convert(data, tmp_path / "corpus", tally=tally)) == [
        ("de", "train"),
        ("de", "unlabelled"),
    ]
    found = list(read_docs(tmp_path / "corpus/train/de.spacy", Vocab()))
    assert [[t.text for t in doc] for doc in found] == [["New York", " ", "ist"], ["x"]]
    assert [tags_of(doc) for doc in found] == [["B-LOC", "I-LOC", "O"], ["O"]]
    assert (tally.files[0].read, tally.files[0].left_out) == (3, {"without a token": 1})
    DocBin(docs=[docs[0], Doc(Vocab(), words=["y"])]).to_disk(data / "train-de.spacy")
    with pytest.raises(
        DataError, match=r"train-de.spacy:Doc 2: entities are set in some Docs only"
    ):
        convert(data, tmp_path / "corpus")
    with pytest.raises(DataError, match=r"train-de.spacy:Doc 1: unknown tag 'B-LOC', .* LOC \(1\)"):
        docs[2].user_data.clear()
        DocBin(docs=[docs[0], docs[2]]).to_disk(data / "train-de.spacy")
        convert(data, tmp_path / "corpus", types=["PER"])


def test_a_doc_that_is_annotated_in_part_is_refused(tmp_path) -> None:
    """spaCy takes what is not annotated as unknown; as no entity it would be learnt."""
    doc = Doc(Vocab(), words=["Anna", "in", "Bonn"])
    doc.set_ents([Span(doc, 0, 1, "PER")], default="missing")
    DocBin(docs=[doc]).to_disk(tmp_path / "train-de.spacy")
    with pytest.raises(
        DataError, match=r"train-de.spacy:Doc 1: entities are set at some tokens only"
    ):
        convert(tmp_path / "train-de.spacy", tmp_path / "corpus", form="spacy")
    doc.set_ents(list(doc.ents))
    DocBin(docs=[doc]).to_disk(tmp_path / "train-de.spacy")
    convert(tmp_path / "train-de.spacy", tmp_path / "corpus", form="spacy")
    (found,) = read_docs(tmp_path / "corpus/train/de.spacy", Vocab())
    assert tags_of(found) == ["B-PER", "O", "O"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Anna|B-PER Berg|I-PER singt|O\n\nx|O\r\n", [["B-PER", "I-PER", "O"], ["O"]]),
        ("Anna|NNP|I-PER ||.|O a|b|X|O\n", [["B-PER", "O", "O"]]),
        ("Anna|U-PER Berg|O", [["B-PER", "O"]]),
    ],
)
def test_iob(tmp_path, content, expected) -> None:
    source = put(tmp_path / "data", {"train-de.iob": content}) / "train-de.iob"
    found, tally = tagged(source, form="iob")
    assert found == expected
    (file,) = tally.files
    assert file.read == file.used + sum(file.left_out.values())


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Anna|B-PER Berg", "expected `token.tag token.tag`"),
        ("Anna|B-PER |O", "expected `token.tag"),
        ("Anna|PERSON", "unknown tag 'PERSON'"),
        ("Anna|B-GPE", r"unknown tag 'B-GPE', .* PER \(1\), GPE \(1\): `--types all`"),
    ],
)
def test_a_wrong_line_of_iob_is_named(tmp_path, line, fault) -> None:
    data = put(tmp_path / "data", {"train-de.iob": f"x|B-PER\n{line}\n"})
    with pytest.raises(DataError, match=rf"train-de.iob:2: {fault}"):
        convert(data, tmp_path / "corpus", form="iob")


def test_names_in_the_last_column_of_conllu(tmp_path) -> None:
    line = "{}\t{}\tx\tPROPN\t_\t_\t0\troot\t_\t{}\n"
    rows = [
        (1, "Anna", "name=B-PER|SpaceAfter=No"),
        (2, "Berg", "SpaceAfter=No|name=I-PER"),
        (3, "x", "name=O"),
    ]
    content = "# text = a\n" + "".join(line.format(*row) for row in rows)
    found, _ = tagged(put(tmp_path / "data", {"train-de.conllu": content}))
    assert found == [["B-PER", "I-PER", "O"]]
    put(tmp_path / "data", {"train-de.conllu": content.replace("name=O", "_")})
    with pytest.raises(DataError, match=r"train-de.conllu:4: unknown tag 'x'"):
        convert(tmp_path / "data", tmp_path / "corpus", form="conllu")


def test_comments_of_multiconer(tmp_path) -> None:
    content = "# id 5f7e\tdomain=en\nthe _ _ O\nbonn _ _ B-LOC\n\n\n# id 6a\tdomain=en\nx _ _ O\n"
    found, tally = tagged(put(tmp_path / "data", {"de-train.conll": content}))
    assert found == [["O", "B-LOC"], ["O"]]
    assert tally.files[0].left_out == {"comment": 2, "blank": 2}
