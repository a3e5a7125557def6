"""What teach sees before it begins: a teacher that finds nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.arrays import corpus_of
from helpers.corpus import stage2_config, write_corpus
from helpers.tiny import train_nlp
from torch import nn

from spacy_dualner.encoder.windows import Shape
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.development import Development
from spacy_dualner.teaching.survey import NEXT_TO_NOTHING, SAMPLE, survey
from spacy_dualner.teaching.teach import Teaching

SHAPE = Shape((0,), (1,), 2, window=60, overlap=20, budget=400)
FOUND = 7


class FindsSevens(nn.Module):
    """One type, C = 1: runs of words of ids 7 and 8 are entities."""

    def forward(self, blocks, n_words: int) -> tuple[None, torch.Tensor]:
        ids = torch.zeros(n_words, dtype=torch.long)
        for block in blocks:
            ids[block.words] = torch.from_numpy(block.input_ids.ravel()[block.first])
        within = ids >= FOUND
        before = torch.cat((torch.tensor([False]), within[:-1]))
        after = torch.cat((within[1:], torch.tensor([False])))
        tag = torch.where(within, torch.where(before, 2, 1), 0)
        heads = ((tag, 3), ((within & ~before).long(), 2), ((within & ~after).long(), 2))
        hot = [nn.functional.one_hot(values, n).float() for values, n in heads]
        return None, 20 * torch.cat(hot, 1)


def counted(remarks: list[str]) -> list[tuple[str, int, int]]:
    """Language, entities and sentences of each remark."""
    said = [re.match(r"(\w+): the teacher finds (\d+) entities in (\d+) ", r) for r in remarks]
    return [(m[1], int(m[2]), int(m[3])) for m in said if m]


def test_a_sample_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sentences end with a word that is found in none of them.
    sentences = [[7, 5], [7, 7, 5], [5, 7, 7, 7, 5], [5, 5], [7, 5]]
    corpus = corpus_of(sentences, "xxxxy")
    target = {"xx": np.arange(4), "yy": np.array([4])}
    monkeypatch.setattr("spacy_dualner.teaching.survey.NEXT_TO_NOTHING", 2)
    assert counted(survey(FindsSevens(), corpus, target, SHAPE)) == [("xx", 3, 4), ("yy", 1, 1)]


def test_a_large_corpus_is_looked_at_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text may be sorted: names only in the last half."""
    sentences = [[5, 5]] * SAMPLE + [[7, 5]] * SAMPLE
    corpus = corpus_of(sentences)
    monkeypatch.setattr("spacy_dualner.teaching.survey.NEXT_TO_NOTHING", 2)
    remarks = survey(FindsSevens(), corpus, {"xx": np.arange(len(sentences))}, SHAPE)
    assert counted(remarks) == [("xx", SAMPLE // 2, SAMPLE)]


@pytest.mark.parametrize("n_found", [0, 1, 2, 3])
def test_what_is_too_few(n_found: int) -> None:
    n_sentences = round(2 / NEXT_TO_NOTHING)
    corpus = corpus_of([[7, 5]] * n_found + [[5, 5]] * (n_sentences - n_found))
    remarks = survey(FindsSevens(), corpus, {"xx": np.arange(n_sentences)}, SHAPE)
    assert counted(remarks) == [("xx", n_found, n_sentences)] * (n_found < 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A stage-1 `model` that has learned nothing, and a `corpus` in en, de and sw."""
    folder = tmp_path_factory.mktemp("survey")
    train_nlp(encoder_path, steps=0).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"])
    return folder


def begin(folder: Path, output: Path, **settings: object) -> Teaching:
    settings = {"corpora__target__langs": "de,sw", "teaching__max_epochs": 1} | settings
    return Teaching(
        resolve_config(stage2_config(folder / "model", folder / "corpus", **settings)), output
    )


def test_a_teacher_with_nothing_to_teach_is_named(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spacy_dualner.teaching.survey.NEXT_TO_NOTHING", 1000)
    scores = {"ents_f_en": 0.049, "ents_f_de": 0.05}
    monkeypatch.setattr(Development, "score", lambda *_: (0.0, dict(scores)))
    begin(folder, tmp_path).run(resume=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "de: the teacher finds" in said and "sw: the teacher finds" in said
    assert "F1 of the stage-1 model on development text is near zero: en 4.9. It" in said


def test_nothing_is_said_of_a_good_teacher(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], encoder_path: Path
) -> None:
    train_nlp(encoder_path, steps=60).to_disk(tmp_path / "good")
    begin(folder, tmp_path, paths__model=str(tmp_path / "good")).run(resume=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "near zero" not in said and "the teacher finds" not in said
