"""Tags in any scheme are read as conlleval reads them; entity types are mapped."""

from __future__ import annotations

import pytest
from helpers.panx import bio, in_scheme, segments
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from spacy_dualner.data.tags import (
    is_tag,
    map_types,
    mapped_types,
    parse_mapping,
    repair_tags,
    tagset,
    unknown_tag,
)
from spacy_dualner.errors import DualNerError

LABELS = ["LOC", "ORG", "GEO-POL"]
# seqeval knows these prefixes; of the other schemes, what each of its letters stands for.
AS_SEQEVAL = {"L": "E", "U": "S", "M": "I"}

tags = st.lists(st.sampled_from(sorted(tagset(LABELS))))


@given(tags)
def test_any_sequence_has_the_entities_that_conlleval_finds(tags) -> None:
    expected = get_entities([AS_SEQEVAL.get(tag[0], tag[0]) + tag[1:] for tag in tags])
    repaired = repair_tags(tags)
    assert get_entities(repaired) == expected
    assert [tag for tag in repaired if tag.startswith("B-")] == [f"B-{e[0]}" for e in expected]
    assert {tag[0] for tag in repaired} <= set("BIO")


@pytest.mark.parametrize("scheme", ["IOB1", "IOBES", "BILOU"])
@given(segments)
def test_every_scheme_is_read_as_the_same_entities(scheme, segments) -> None:
    gold = bio(segments)
    assert repair_tags(in_scheme(gold, scheme)) == gold


def test_iob1_marks_only_the_second_of_two_neighbours() -> None:
    assert repair_tags(["I-LOC", "I-LOC", "B-LOC", "I-ORG"]) == ["B-LOC", "I-LOC", "B-LOC", "B-ORG"]


@pytest.mark.parametrize("tag", ["", "o", "LOC", "B-", "B_LOC", "X-LOC", "B-a b", "NN", "B-LOC "])
def test_what_is_no_tag_is_said_to_be_none(tag) -> None:
    assert not is_tag(tag)
    assert "expected O, or B- or I-" in unknown_tag(tag, ["LOC"])


def test_an_unknown_type_names_both_options() -> None:
    fault = unknown_tag("S-MISC", ["LOC", "PER"])
    assert "'S-MISC', the entity types are LOC, PER." in fault
    assert "--types" in fault
    assert "--map MISC=O" in fault


def test_mappings() -> None:
    assert parse_mapping("") == {}
    assert parse_mapping(" MISC = O, GPE=LOC,GPE=LOC,") == {"MISC": "O", "GPE": "LOC"}
    assert mapped_types(["LOC", "ORG", "GPE"], {"GPE": "LOC", "MISC": "O"}) == ["LOC", "ORG"]
    assert mapped_types(["LOC"], {"GPE": "PLACE"}) == ["LOC", "PLACE"]
    assert mapped_types(["A", "B"], {"A": "B", "B": "A"}) == ["B", "A"]


@pytest.mark.parametrize("text", ["MISC", "=O", "MISC=", "O=LOC", "A=B=C"])
def test_a_wrong_mapping_is_quoted(text) -> None:
    with pytest.raises(DualNerError, match=f"--map: '{text}' is not of the form OLD=NEW"):
        parse_mapping(f"GPE=LOC,{text}")


def test_a_type_with_two_mappings() -> None:
    with pytest.raises(DualNerError, match="GPE is mapped to LOC and to O"):
        parse_mapping("GPE=LOC,GPE=O")


def test_mapped_entities_stay_apart() -> None:
    tags = ["B-LOC", "B-GPE", "I-GPE", "B-MISC", "I-MISC", "O", "B-PER"]
    (sentence,) = map_types([(list("abcdefg"), tags)], {"GPE": "LOC", "MISC": "O"})
    assert sentence == (list("abcdefg"), ["B-LOC", "B-LOC", "I-LOC", "O", "O", "O", "B-PER"])
