"""Entities by character become words, however a tool counts, and what changes is counted."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import normalize

import pytest
from helpers.texts import made_docs
from hypothesis import given
from hypothesis import strategies as st

from spacy_dualner.data import offsets
from spacy_dualner.data.offsets import Mark, MarkedText, find_count, read_marked
from spacy_dualner.data.tally import FileTally
from spacy_dualner.errors import DataError, DualNerError

TYPES = ["PER", "LOC"]

COUNTS: dict[str, Callable[[str], int]] = {
    "UTF-16 code units": lambda text: len(text.encode("utf-16-le")) // 2,
    "characters composed to NFC": lambda text: len(normalize("NFC", text)),
    "characters decomposed to NFD": lambda text: len(normalize("NFD", text)),
    "CR and LF as one character": lambda text: len(text.replace("\r\n", "\n")),
    "line feeds as CR and LF": lambda text: len(text.replace("\r\n", "\n").replace("\n", "\r\n")),
}
"""What the words before an entity measure, by what is counted."""

TEXTS = {
    "UTF-16 code units": "😀 {} sang 🎵 in {}.",
    "characters composed to NFC": "Jose\u0301 saw {} in Ko\u0308ln and {}.",
    "characters decomposed to NFD": "José saw {} in Köln and {}.",
    "CR and LF as one character": "Hello\r\n{}\r\nfrom {}.",
    "line feeds as CR and LF": "Hello\n{}\nfrom {}.",
    "grapheme clusters": "👩\u200d👩\u200d👧 {} sang in 🇩🇪 {}.",
}


def read(
    records: list[MarkedText], align: str = "expand", **options: object
) -> tuple[list[tuple[list[str], list[str]]], FileTally]:
    tally = FileTally("x")
    found = read_marked(lambda: records, TYPES, tally, align=align, **options)
    return list(found), tally


def marked(text: str, *entities: str, **options: object) -> MarkedText:
    """A text with the first places of these as entities: `PER=Anna`."""
    marks = []
    for entity in entities:
        label, _, surface = entity.partition("=")
        start = text.index(surface)
        marks.append(Mark(start, start + len(surface), label))
    return MarkedText("1", text, marks)


def entities(sentence: tuple[list[str], list[str]]) -> list[str]:
    """`PER=Anna Schmidt`, as the tags say."""
    found: list[str] = []
    for word, tag in zip(*sentence, strict=True):
        if tag[0] == "B":
            found.append(f"{tag[2:]}={word}")
        elif tag[0] == "I":
            found[-1] += f" {word}"
    return found


def test_words_are_those_of_the_presets_and_white_space_is_none() -> None:
    text = " Anna\u00a0Schmidt-Meier,\r\n東京 \u200b!"
    ((words, tags),), _ = read([marked(text, "PER= Anna\u00a0Schmidt-Meier", "LOC=東京 ")])
    assert words == ["Anna", "Schmidt-Meier", ",", "東", "京", "\u200b", "!"]
    assert tags == ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O", "O"]


@pytest.mark.parametrize(
    ("align", "expected", "said"),
    [
        ("expand", ["PER=Annas Meiers", "LOC=Bonner"], "entities widened to whole words: 2"),
        ("contract", ["PER=Annas"], "entities narrowed to whole words: 1"),
        ("strict", [], "entities left out, as they cut a word: 2"),
    ],
)
def test_entities_that_cut_a_word(align, expected, said) -> None:
    text = marked("Annas Meiers Bonner Haus", "PER=Annas Meier", "LOC=Bonn")
    (sentence,), tally = read([text], align)
    assert entities(sentence) == expected
    assert f"x: {said} (first: 1)" in tally.notes()
    left_out = "x: entities left out, as they cut a word: 1 (first: 1)"
    assert (left_out in tally.notes()) == (align == "contract")


def test_an_entity_of_white_space_alone_once_it_is_narrowed() -> None:
    (sentence,), tally = read([MarkedText("1", "Bonner  Haus", [Mark(1, 11, "LOC")])], "contract")
    assert entities(sentence) == []
    assert tally.noted == {"entities left out, as they cut a word": [1, "1"]}


def test_an_unknown_way_to_align() -> None:
    with pytest.raises(DualNerError, match=r"Unknown --align 'widen'. Choose one of: expand, con"):
        read([], "widen")


def test_of_entities_that_overlap_the_longest_stays() -> None:
    text = "Neue Universität Bonn am Rhein"
    record = marked(text, "LOC=Bonn", "PER=Universität Bonn", "LOC=Rhein", "PER=Rhein", "LOC=Bonn")
    (sentence,), tally = read([record])
    assert entities(sentence) == ["PER=Universität Bonn", "LOC=Rhein"]
    assert tally.noted == {
        "entities left out, as they overlap one that is as long or longer": [2, "1"]
    }
    (sentence,), tally = read([record], dropped=["PER"])
    assert entities(sentence) == ["LOC=Bonn", "LOC=Rhein"]
    assert not tally.noted


def test_entities_without_a_character_are_counted() -> None:
    (sentence,), tally = read([MarkedText("7", "Anna in", [Mark(4, 5, "PER"), Mark(2, 2, "LOC")])])
    assert entities(sentence) == []
    assert tally.noted == {"entities left out, as they are empty": [2, "7"]}


def test_an_entity_of_another_type_is_an_error() -> None:
    with pytest.raises(DataError, match=r"x:3: unknown tag 'B-GPE', the entity types are PER, LOC"):
        read([MarkedText("3", "Bonn", [Mark(0, 4, "GPE")])])


def test_texts_that_do_not_belong_to_their_entities() -> None:
    good = [MarkedText(str(i), "Anna", [Mark(0, 4, "PER", "Anna")]) for i in range(2)]
    bad = [
        MarkedText("8", "Anna", [Mark(0, 9, "PER")]),
        MarkedText("9", "a", [Mark(0, 1, "LOC", "b")]),
    ]
    found, tally = read([*good, *bad])
    assert len(found) == tally.used == 2
    assert tally.notes() == ["x: left out: 2 with an entity that is not where the file says"]
    with pytest.raises(DataError, match=r"x:8: texts with an entity .*: 2, and others only 1"):
        read([good[0], *bad])


def test_white_space_accents_and_line_ends_may_differ_from_the_stated_text() -> None:
    text = "José\r\nRuiz \u00a0kam"
    (sentence,), tally = read([MarkedText("1", text, [Mark(0, 12, "PER", "Jose\u0301\nRuiz ")])])
    assert entities(sentence) == ["PER=José Ruiz"]
    assert tally.notes() == []


def counted(count: str, stated: bool, names: tuple[str, str] = ("Anna", "Bonn")) -> MarkedText:
    """A text whose entities are given in another way of counting."""
    text = TEXTS[count].format(*names)
    marks = []
    for label, name in zip(TYPES, names, strict=True):
        before = text[: text.index(name)]
        start = (
            COUNTS[count](before) if count in COUNTS else len(before) - {"PER": 4, "LOC": 5}[label]
        )
        marks.append(Mark(start, start + len(name), label, name if stated else None))
    return MarkedText("1", text, marks)


@pytest.mark.parametrize("count", TEXTS)
@pytest.mark.parametrize("stated", [False, True])
def test_other_ways_of_counting_are_recognised_and_said(count, stated) -> None:
    plain = marked("Anna in Bonn", "PER=Anna", "LOC=Bonn")
    found, tally = read([plain, counted(count, stated), plain])
    assert list(map(entities, found)) == [["PER=Anna", "LOC=Bonn"]] * 3
    assert tally.notes() == [f"x: its numbers count {count}, not characters, and are read so"]


@pytest.mark.parametrize("count", TEXTS)
@pytest.mark.parametrize("stated", [False, True])
def test_characters_are_not_taken_for_another_way_of_counting(count, stated) -> None:
    text = TEXTS[count].format("Anna", "Bonn")
    record = marked(text, "PER=Anna", "LOC=Bonn")
    marks = [mark._replace(surface=text[mark.start : mark.end]) for mark in record.marks]
    slip = marked("Hamburg ist schön", "LOC=amburg")
    assert find_count([record._replace(marks=marks) if stated else record, slip]) == ""


def test_a_few_slips_do_not_hide_the_way_of_counting() -> None:
    count = "UTF-16 code units"
    slip = counted(count, False)
    slip = slip._replace(
        marks=[slip.marks[0]._replace(start=slip.marks[0].start + 1), slip.marks[1]]
    )
    assert find_count([counted(count, False), slip]) == count
    plain = marked(TEXTS[count], "PER=sang")
    assert find_count([counted(count, False)] * 6 + [plain]) == count
    assert find_count([counted(count, False)] * 5 + [plain]) == ""


@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\u0301é각\u1100\u1161😀")))
def test_what_is_counted_adds_up(text) -> None:
    """A text has as many units as the way of counting says, measured otherwise."""
    for count, measure in COUNTS.items():
        at = offsets._positions(text, count)
        assert (len(at) - 1, at[0], at[-1]) == (measure(text), 0, len(text))
        assert list(at) == sorted(at)


@pytest.mark.parametrize("count", COUNTS)
def test_made_texts_come_through_every_way_of_counting(count) -> None:
    # Composed, kana and its voicing mark are one character, of which no entity can begin halfway.
    docs = [doc for doc in made_docs(200, seed=1) if doc.ents and "\u3099" not in doc.text]
    records = [
        MarkedText(
            str(number),
            doc.text,
            [
                Mark(*(COUNTS[count](doc.text[:end]) for end in (e.start_char, e.end_char)), "PER")
                for e in doc.ents
            ],
        )
        for number, doc in enumerate(docs)
    ]
    found, tally = read(records)
    assert tally.counted == count
    expected = [
        [f"PER={' '.join(t.text for t in e if not t.is_space)}" for e in d.ents] for d in docs
    ]
    assert list(map(entities, found)) == expected
