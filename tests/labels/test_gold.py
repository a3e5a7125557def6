"""Gold labels of Docs and Examples, also where predicted and gold tokens differ."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import oracle
from helpers.many import many
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_dualner.labels.gold import doc_tags, example_labels
from spacy_dualner.labels.scheme import IGNORE, LabelScheme
from spacy_dualner.labels.words import DocWords

SCHEME = LabelScheme.from_types(["PER", "LOC", "ORG"])  # LOC 1, ORG 2, PER 3
NAMES = SCHEME.tags
LOC, ORG, PER = 1, 2, 3
B_LOC, I_LOC, B_PER, I_PER = 1, 2, 5, 6


@pytest.fixture(scope="module")
def vocab() -> Vocab:
    return Vocab()


def labels_of(examples: list[Example], scheme: LabelScheme = SCHEME) -> list[list[int]]:
    """Tag, start and end labels."""
    return [values.tolist() for values in example_labels(examples, scheme)]


def make_example(vocab: Vocab, predicted: list[str], gold: list[str], tags: list[str] | None):
    """An Example of tokens separated by single spaces, but where a token begins with `+`."""

    def doc(tokens: list[str], ents: list[str] | None = None) -> Doc:
        spaces = [not after.startswith("+") for after in [*tokens[1:], ""]]
        return Doc(vocab, words=[t.lstrip("+") for t in tokens], spaces=spaces, ents=ents)

    return Example(doc(predicted), doc(gold, tags))


# The same words


@settings(max_examples=many(60))
@given(
    sentences=st.lists(
        st.lists(st.integers(0, 6), max_size=8).map(
            lambda tags: oracle.tags_of(oracle.entities_in_tags(tags), tags)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_labels_of_the_same_words(vocab, sentences) -> None:
    """Empty Docs, sentences without entity, and neighbouring entities of one type among them."""
    examples = []
    for tags in sentences:
        words = [f"w{i}" for i in range(len(tags))]
        gold = Doc(vocab, words=words, ents=[NAMES[t] for t in tags])
        examples.append(Example(Doc(vocab, words=words), gold))
    expected = [(tags, *oracle.extract_span(tags)) for tags in sentences]
    flat = [[x for s in expected for x in s[i]] for i in range(3)]
    assert labels_of(examples) == flat
    docs = [example.reference for example in examples]
    assert doc_tags(docs, SCHEME, DocWords(docs)).tolist() == flat[0]


def test_no_entity_and_no_annotation_are_told_apart(vocab) -> None:
    words = ["nothing", "here"]
    outside = Doc(vocab, words=words, ents=["O", "O"])
    unknown = Doc(vocab, words=words)
    docs = [outside, unknown]
    examples = [Example(Doc(vocab, words=words), gold) for gold in docs]
    assert labels_of(examples) == [[0, 0, IGNORE, IGNORE]] * 3
    assert doc_tags(docs, SCHEME, DocWords(docs)).tolist() == [0, 0, IGNORE, IGNORE]


def test_annotation_that_is_missing_in_part(vocab) -> None:
    gold = Doc(vocab, words=["Anna", "Smith", "saw", "it", "."])
    gold.set_ents([Span(gold, 0, 2, "PER")], missing=[gold[3:4]], default="outside")
    example = Example(Doc(vocab, words=[t.text for t in gold]), gold)
    assert labels_of([example]) == [
        [B_PER, I_PER, 0, IGNORE, 0],
        [PER, 0, 0, IGNORE, 0],
        [0, PER, 0, IGNORE, 0],
    ]


def test_types_outside_of_the_scheme_are_outside(vocab) -> None:
    words = ["Anna", "Smith", "won", "the", "Oscar"]
    tags = ["B-PER", "I-PER", "O", "O", "B-PRIZE"]
    same = make_example(vocab, words, words, tags)
    split = make_example(vocab, ["An", "+na", *words[1:]], words, tags)
    assert labels_of([same, split]) == [
        [B_PER, I_PER, 0, 0, 0, B_PER, I_PER, I_PER, 0, 0, 0],
        [PER, 0, 0, 0, 0, PER, 0, 0, 0, 0, 0],
        [0, PER, 0, 0, 0, 0, 0, PER, 0, 0, 0],
    ]
    only_place = LabelScheme.from_types(["LOC"])
    assert labels_of([same], only_place) == [[0] * 5] * 3


def test_no_examples(vocab) -> None:
    assert labels_of([]) == [[], [], []]
    assert labels_of([Example(Doc(vocab), Doc(vocab))]) == [[], [], []]
    assert doc_tags([], SCHEME, DocWords([])).tolist() == []


# Other tokens


@pytest.mark.parametrize(
    ("predicted", "gold", "tags", "expected"),
    [
        pytest.param(
            ["New", "Yo", "+rk", "is", "big"],
            ["New", "York", "is", "big"],
            ["B-LOC", "I-LOC", "O", "O"],
            ([B_LOC, I_LOC, I_LOC, 0, 0], [LOC, 0, 0, 0, 0], [0, 0, LOC, 0, 0]),
            id="a gold word is split",
        ),
        pytest.param(
            ["Rome", "+'s", "mayor"],
            ["Rome's", "mayor"],
            ["B-LOC", "O"],
            ([B_LOC, I_LOC, 0], [LOC, 0, 0], [0, LOC, 0]),
            id="a single-word entity is split",
        ),
        pytest.param(
            ["in", "Rome-Paris", "now"],
            ["in", "Rome", "+-", "+Paris", "now"],
            ["O", "B-LOC", "I-LOC", "I-LOC", "O"],
            ([0, B_LOC, 0], [0, LOC, 0], [0, LOC, 0]),
            id="a whole entity is merged",
        ),
        pytest.param(
            ["in", "Rome-Paris", "now"],
            ["in", "Rome", "+-", "+Paris", "now"],
            ["O", "B-LOC", "O", "B-LOC", "O"],
            ([0, IGNORE, 0], [0, IGNORE, 0], [0, IGNORE, 0]),
            id="two entities are merged",
        ),
        pytest.param(
            ["pre-Rome", "times"],
            ["pre", "+-", "+Rome", "times"],
            ["O", "O", "B-LOC", "O"],
            ([IGNORE, 0], [IGNORE, 0], [IGNORE, 0]),
            id="an entity is merged with what is outside",
        ),
        pytest.param(
            ["a", "+b", "c"],
            ["ab", "c"],
            ["O", "B-PER"],
            ([0, 0, B_PER], [0, 0, PER], [0, 0, PER]),
            id="a word outside is split",
        ),
        pytest.param(
            ["a-b", "Anna"],
            ["a", "+-", "+b", "Anna"],
            None,
            ([IGNORE, IGNORE],) * 3,
            id="no annotation",
        ),
    ],
)
def test_words_have_labels_only_where_tokens_align(vocab, predicted, gold, tags, expected) -> None:
    example = make_example(vocab, predicted, gold, tags)
    assert tuple(labels_of([example])) == expected


def test_examples_of_both_kinds_keep_their_places(vocab) -> None:
    words, tags = ["Anna", "left", "Rome"], ["B-PER", "O", "B-LOC"]
    same = make_example(vocab, words, words, tags)
    split = make_example(vocab, ["An", "+na", "left", "Rome"], words, tags)
    empty = Example(Doc(vocab), Doc(vocab))
    expected = [
        [[B_PER, 0, B_LOC], [B_PER, I_PER, 0, B_LOC]],
        [[PER, 0, LOC], [PER, 0, 0, LOC]],
        [[PER, 0, LOC], [0, PER, 0, LOC]],
    ]
    for order in ([0, 1], [1, 0], [0, 0, 1], [1, 1, 0]):
        examples = [x for i in order for x in ((same, split)[i], empty)]
        in_order = [[label for i in order for label in head[i]] for head in expected]
        assert labels_of(examples) == in_order


def test_tags_of_predicted_docs_are_not_read(vocab) -> None:
    """Entities that an earlier component set on the predicted Doc are no gold labels."""
    words = ["Anna", "left"]
    predicted = Doc(vocab, words=words, ents=["B-LOC", "B-LOC"])
    gold = Doc(vocab, words=words, ents=["B-PER", "O"])
    assert labels_of([Example(predicted, gold)]) == [[B_PER, 0], [PER, 0], [PER, 0]]


def test_doc_tags_are_integers(vocab) -> None:
    doc = Doc(vocab, words=["Anna"], ents=["B-PER"])
    assert doc_tags([doc], SCHEME, DocWords([doc])).dtype == np.int64
