"""`spacy-dualner.Corpus.v1`: a text whose sentences were not told apart is no sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import spacy
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.data.tally import LONG_SENTENCE
from spacy_dualner.errors import DataError, DualNerError
from spacy_dualner.training.corpus import Corpus

LENGTHS = [3, LONG_SENTENCE + 1, LONG_SENTENCE, 20_000, 1]


@pytest.mark.parametrize("shard_size", [2, 100])
@pytest.mark.parametrize("limit", [0, 4])
def test_a_sentence_that_is_none_is_left_out_and_named(
    tmp_path: Path, shard_size: int, limit: int
) -> None:
    path = corpus_path(tmp_path, "train", "en")
    with DocBinWriter(path, "en", labelled=True, shard_size=shard_size) as writer:
        for n in LENGTHS:
            writer.add(["w"] * n, ["O"] * n)
    corpus = Corpus(tmp_path / "train", limit=limit)
    kept = [n for n in LENGTHS[: limit or None] if n <= LONG_SENTENCE]
    assert corpus.count() == len(kept)
    said = rf"en\.spacy: 2 of {limit or 5} sentences .* number 2, of 2,001 words"
    with pytest.warns(UserWarning, match=said):
        assert [len(doc) for doc in corpus.docs(Vocab())] == kept
    with pytest.warns(UserWarning, match=said):
        # For translations, which stay with their sentences.
        in_place = [n if n <= LONG_SENTENCE else 0 for n in LENGTHS[: limit or None]]
        assert [len(doc) for shard in corpus.shards() for doc in shard] == in_place
    with pytest.warns(UserWarning, match=said):
        assert [len(eg.predicted) for eg in corpus(spacy.blank("xx"))] == kept


def test_a_limit_below_zero_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match=r"limit = -5.*0 for all"):
        Corpus(tmp_path, limit=-5)


def test_nothing_is_said_of_sentences(tmp_path: Path) -> None:
    with DocBinWriter(corpus_path(tmp_path, "train", "en"), "en", labelled=True) as writer:
        writer.add(["w"] * LONG_SENTENCE, ["O"] * LONG_SENTENCE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert len(list(Corpus(tmp_path / "train").docs(Vocab()))) == 1


def test_nothing_but_such_a_text_is_refused(tmp_path: Path) -> None:
    """A file without blank lines took more than 12 GB in `teach`."""
    path = corpus_path(tmp_path, "train", "en")
    with DocBinWriter(path, "en", labelled=True) as writer:
        writer.add(["w"] * 20_000, ["O"] * 20_000)
    corpus = Corpus(tmp_path / "train")
    for read in (lambda: list(corpus.docs(Vocab())), lambda: list(map(list, corpus.shards()))):
        with pytest.raises(DataError, match=r"1 of 1 sentences .* 20,000 words\. Is a blank line"):
            read()


def test_a_missing_language_is_to_be_converted_into_this_corpus(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "corpus-may" / "unlabelled", langs="sw")
    with pytest.raises(DataError, match=rf"convert INPUT {tmp_path}/corpus-may --langs sw"):
        corpus.files()
