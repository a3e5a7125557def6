"""Beginnings that many sentences share and that are no part of names: the teacher reads none."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.arrays import corpus_of
from helpers.corpus import stage2_config, write_corpus
from helpers.tiny import train_nlp
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.encoder.heads import split_logits
from spacy_dualner.encoder.subwords import SubwordBatch
from spacy_dualner.encoder.windows import Shape
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import Teaching
from spacy_dualner.teaching.templates import (
    FEWEST,
    Template,
    find_templates,
    template_words,
    with_unread,
    without_words,
)

SHAPE = Shape((0,), (1,), 2, window=60, overlap=20, budget=400)
# Sub-words: names of three types, a word that begins names of the first, one that is taken to begin
# names, and others.
NAMES, OF_NAMES, TAKEN, OTHERS = (50, 51, 52), 60, 61, range(70, 200)
TEMPLATE, SIGN = 10, 11
TOKENIZER = SimpleNamespace(decode=lambda ids: "".join("#" if i == SIGN else "x" for i in ids))


class Knows(nn.Module):
    """Three types: a name is an entity of one word, or of two after `OF_NAMES` and `TAKEN`."""

    def forward(self, blocks, n_words: int) -> tuple[None, torch.Tensor]:
        ids = np.zeros(n_words, dtype=np.int64)
        for block in blocks:
            ids[block.words] = block.input_ids.ravel()[block.first]
        start, end = np.zeros(n_words, dtype=np.int64), np.zeros(n_words, dtype=np.int64)
        for i, name in enumerate(ids):
            if name in NAMES:
                start[i] = end[i] = 1 + NAMES.index(name)
                if i and ids[i - 1] == OF_NAMES:
                    start[i - 1], start[i], end[i] = 1, 0, 1
                if i and ids[i - 1] == TAKEN:
                    kind = 3 if name == NAMES[2] else 1
                    start[i - 1], start[i], end[i] = kind, 0, kind
        hot = [nn.functional.one_hot(torch.from_numpy(v), 4).float() for v in (start, end)]
        return None, 20 * torch.cat((torch.zeros(n_words, 7), *hot), 1)


def found(sentences: list[list[int]], share: float = 0.02) -> list[tuple[list[int], int]]:
    corpus = corpus_of(sentences)
    templates = find_templates(Knows(), corpus, np.arange(len(sentences)), SHAPE, share, TOKENIZER)
    return [(own.tolist(), n) for own, n, _ in templates]


def lines(beginning: list[int], names: tuple[int, ...] = NAMES, n: int = 12) -> list[list[int]]:
    return [[*beginning, names[i % len(names)], OTHERS[i]] for i in range(n)]


REST = [[OTHERS[i], OTHERS[i + 1]] for i in range(40)]


@pytest.mark.parametrize("beginning", [[TEMPLATE], [12, 13, SIGN], [12, 12, 12, 12, 12, 12, 12]])
def test_what_goes_with_names_of_all_types_is_no_part_of_them(beginning: list[int]) -> None:
    """Also spelled in characters."""
    assert found([*REST, *lines(beginning)]) == [(list(range(40, 52)), len(beginning))]


def test_what_is_taken_to_begin_names_of_most_types_is_no_part_of_them() -> None:
    """Three in four are of one type: parts of names have one alone."""
    sentences = lines([TAKEN], (*NAMES, NAMES[0]))
    assert found([*sentences, *REST]) == [(list(range(12)), 1)]


def test_two_templates_of_a_language_and_the_one_in_most_sentences_first() -> None:
    sentences = [*lines([TEMPLATE]), *lines([TEMPLATE + 10], n=20), *REST]
    assert found(sentences) == [(list(range(12, 32)), 1), (list(range(12)), 1)]


def test_many_sentences_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_dualner.teaching.templates._PART", 7)
    assert found([*REST, *lines([12, 13, SIGN])]) == [(list(range(40, 52)), 3)]


@pytest.mark.parametrize(
    "sentences",
    [
        pytest.param(lines([TEMPLATE], NAMES[:1]), id="popes: one type follows"),
        pytest.param(lines([OF_NAMES]), id="universities: across, one type"),
        pytest.param(lines([TEMPLATE], n=FEWEST - 1), id="too few"),
        pytest.param(lines([SIGN]), id="no letter"),
        pytest.param([[TEMPLATE, OTHERS[i], NAMES[i % 3]] for i in range(20)], id="not at once"),
        pytest.param([[TEMPLATE, *s] for s in 15 * [[NAMES[0]]]], id="always the same"),
        pytest.param(15 * [[TEMPLATE]], id="nothing follows"),
    ],
)
def test_other_beginnings_are_read(sentences: list[list[int]]) -> None:
    assert found([*sentences, *REST]) == []


def test_the_share_counts() -> None:
    sentences = [*lines([TEMPLATE]), *REST]
    assert found(sentences, 12 / 52) and not found(sentences, 13 / 52)


def test_a_beginning_hidden_behind_a_common_first_character() -> None:
    """`重定向` among lines that begin with `重`: the first is no template, the three are."""
    mixed = [[20, OTHERS[i], OTHERS[i + 1]] for i in range(20)]
    assert found([*lines([20, 21, 22]), *mixed, *REST]) == [(list(range(12)), 3)]


def test_no_sentences() -> None:
    assert found([]) == [] and found([[], []]) == []


words = st.lists(
    st.tuples(st.lists(st.integers(3, 9), min_size=1, max_size=3), st.booleans()), max_size=5
)


@given(st.lists(words, max_size=5))
def test_without_words(sentences: list[list[tuple[list[int], bool]]]) -> None:
    def batch_of(kept: list[list[list[int]]]) -> SubwordBatch:
        flat = [word for sentence in kept for word in sentence]
        return SubwordBatch(
            np.array([i for word in flat for i in word], dtype=np.int64),
            np.array([len(word) for word in flat], dtype=np.int64),
            np.array([len(sentence) for sentence in kept], dtype=np.int64),
        )

    left_out = np.array([gone for s in sentences for _, gone in s], dtype=bool)
    everything = batch_of([[word for word, _ in s] for s in sentences])
    expected = batch_of([[word for word, gone in s if not gone] for s in sentences])
    for own, other in zip(without_words(everything, left_out), expected, strict=True):
        assert own.tolist() == other.tolist()


def test_what_is_not_read_is_outside() -> None:
    read = torch.randn(2, 15)
    logits = with_unread(read, np.array([True, False, True, False]))
    assert torch.equal(logits[[1, 3]], read)
    for head in split_logits(logits[[0, 2]]):
        assert (head.softmax(-1)[:, 0] > 0.999).all()
    with pytest.raises(ValueError, match="1 values for 2 words"):
        with_unread(read[:1], np.array([True, False, False]))


def test_the_words_of_templates() -> None:
    corpus = corpus_of([[5, 6], [7, 8, 9], [5, 5]])
    chosen = template_words(
        corpus, [Template(np.array([0, 2]), 1, "a"), Template(np.array([1]), 2, "b")]
    )
    assert chosen.tolist() == [True, False, True, True, False, True, False]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A stage-1 `model` that knows its names, and a `corpus` of English and of redirects in de."""
    folder = tmp_path_factory.mktemp("templates")
    train_nlp(encoder_path).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en"])
    path = corpus_path(folder / "corpus", "unlabelled", "de")
    with DocBinWriter(path, "de", labelled=False) as writer:
        for _ in range(5):
            for name in (["Anna", "Smith"], ["Acme", "Corp"], ["Berlin"], ["Rome"]):
                writer.add(["WEITERLEITUNG", *name], ["O"] * (1 + len(name)))
    return folder


def test_the_teacher_reads_the_rest_and_the_student_all(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"teaching__teacher__templates": 0.5, "corpora__target__langs": "de"}
    config = stage2_config(folder / "model", folder / "corpus", **settings)
    teaching = Teaching(resolve_config(config), tmp_path)
    said = " ".join(capsys.readouterr().out.split())
    assert re.search("de: the teacher does not read '.+', with which 20 sentences begin", said)
    view = teaching.views.make(np.arange(len(teaching.data.corpus)))
    assert view.n_words - view.n_read == 20 and not view.unread[view.is_source].any()
    teacher, student = (
        sum(int(block.counts.sum()) for block in blocks) for blocks in (view.teacher, view.student)
    )
    assert teacher < student
    found = with_unread(teaching.teacher.network(view.teacher, view.n_read)[1], view.unread)
    tags = found[:, :7].argmax(1).numpy()
    first, names = tags[~view.is_source].reshape(5, -1)[:, [0, 3, 6, 8]], tags[~view.is_source]
    assert not first.any() and (names.reshape(5, -1)[:, [1, 4, 7, 9]] > 0).all()
    assert teaching.run(resume=False).is_dir()
