"""Words cut into pieces that stand as words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import spacy
from helpers.corpus import write_corpus
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_dualner.errors import DualNerError
from spacy_dualner.training.corpus import Corpus
from spacy_dualner.training.cutting import LONGEST, cut_words

VOCAB = Vocab()
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
sentences = st.lists(
    st.tuples(words, st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", ""])), max_size=8
)


@given(sentences, st.integers(0, 9))
def test_entities_keep_their_text_and_what_is_unknown_stays_so(sentence, seed: int) -> None:
    tags = [tag for _, tag in sentence]
    repaired = [
        f"B{tag[1:]}" if tag[:1] == "I" and (not i or tags[i - 1][2:] != tag[2:]) else tag
        for i, tag in enumerate(tags)
    ]
    doc = Doc(VOCAB, words=[word for word, _ in sentence], ents=repaired, user_data={"lang": "de"})
    random.seed(seed)
    doc.user_data["._.", "extension", 0, 3] = "of a span"
    cut = cut_words(doc)
    assert "".join(token.text for token in cut) == "".join(token.text for token in doc)
    assert cut.user_data == {"lang": "de"} and cut.vocab is doc.vocab

    def characters(doc: Doc) -> list[tuple[str, str, bool]]:
        """Of each: itself, its type or what is known of it, and whether an entity begins."""
        return [
            (char, token.ent_type_ or token.ent_iob_, token.ent_iob_ == "B" and not n)
            for token in doc
            for n, char in enumerate(token.text)
        ]

    assert characters(cut) == characters(doc)
    assert all(len(token) <= LONGEST or token.text.isspace() for token in cut)
    random.seed(seed)
    assert [token.text for token in cut_words(doc)] == [token.text for token in cut]


@pytest.mark.parametrize(("share", "limit", "more"), [(0.3, 0, 30), (0.25, 10, 2), (1.0, 7, 7)])
def test_a_share_of_the_sentences_comes_in_pieces_as_well(
    tmp_path: Path, share: float, limit: int, more: int
) -> None:
    folder = write_corpus(tmp_path, ["en"], copies=20) / "train"
    plain = list(Corpus(folder, limit=limit).docs(Vocab()))
    corpus = Corpus(folder, limit=limit, cut=share)
    first, second = (list(corpus.docs(Vocab())) for _ in range(2))
    assert corpus.count() == len(first) == len(second) == len(plain) + more
    assert sum(len(list(shard)) for shard in corpus.shards()) == len(first)
    whole = iter([doc.text for doc in first])
    assert all(doc.text in whole for doc in plain)  # in their order
    assert [len(doc) for doc in first] != [len(doc) for doc in second]
    for example in corpus(spacy.blank("xx")):
        assert [t.text for t in example.predicted] == [t.text for t in example.reference]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_what_is_no_share_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(DualNerError, match="no share"):
        Corpus(tmp_path, cut=share)
