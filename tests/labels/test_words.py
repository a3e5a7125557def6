"""What a word is: tags, sub-words, vectors and entities stay with their words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import oracle
from helpers.teaching import data_of
from helpers.tiny import SENTENCES, make_examples, make_nlp
from helpers.words import (
    SCHEME,
    SPACES,
    bare,
    random_doc,
    spread,
    tags_of_words,
    words_of,
)
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from spacy.vocab import Vocab

from spacy_dualner.encoder.arrays import ArraysBuilder, SentenceArrays
from spacy_dualner.encoder.subwords import SubwordBatch
from spacy_dualner.encoder.windows import Block, make_blocks
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.raw_text import raw_scores
from spacy_dualner.evaluation.scores import predict_docs
from spacy_dualner.evaluation.sentences import Sentences
from spacy_dualner.labels.gold import doc_tags, example_labels
from spacy_dualner.labels.layout import Layout
from spacy_dualner.labels.scheme import IGNORE
from spacy_dualner.labels.words import DocWords
from spacy_dualner.model import heads_module
from spacy_dualner.pipeline import find_encoder, predict_words
from spacy_dualner.teaching.network import Recogniser, predict_tags
from spacy_dualner.teaching.views import Views

MIXES = 250


def mixes(seed: int, n: int = MIXES) -> Iterator[random.Random]:
    """Sources of chance, each for one mix of Docs."""
    for number in range(n):
        yield random.Random(f"{seed} {number}")


def docs_of(rng: random.Random, vocab: Vocab, **kwargs: Any) -> list[Doc]:
    return [random_doc(rng, vocab, **kwargs) for _ in range(rng.randint(1, 4))]


@pytest.fixture(scope="module")
def shaken(encoder_path: Path) -> Language:
    """A pipeline with random heads that find many entities, no dropout."""
    torch.manual_seed(0)
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    heads = heads_module(nlp.get_pipe("dualner").model)
    with torch.no_grad():
        for head in (heads.tag, heads.start, heads.end):
            head.weight.normal_()
            head.bias.zero_()
    return nlp


def subwords_of(nlp: Language, doc: Doc) -> list[list[int]]:
    """The sub-words of each word, one word after the other."""
    words = find_encoder(nlp, "dualner").words()
    found = []
    for i in words_of(doc):
        ids = words.tokenizer([[doc[i].text]], is_split_into_words=True, add_special_tokens=False)[
            "input_ids"
        ][0]
        found.append(ids[: words.max_word] or [words.tokenizer.unk_token_id])
    return found


def sentences_of(arrays: SentenceArrays) -> list[tuple[str, list[list[int]], list[int]]]:
    """Language, sub-words of each word, and tags of each sentence."""
    ids, lengths, tags = (iter(x.tolist()) for x in (arrays.ids, arrays.word_lengths, arrays.tags))
    sentences = []
    for lang, n in zip(arrays.langs, arrays.word_counts(), strict=True):
        pieces = [[next(ids) for _ in range(next(lengths))] for _ in range(n)]
        sentences.append((arrays.lang_names[lang], pieces, [next(tags) for _ in range(n)]))
    assert not [*ids, *lengths, *tags]
    return sentences


# Each against a word-by-word oracle


def test_words_of_any_docs() -> None:
    """The same words whether the vocabulary knows white space or not."""
    import spacy

    for vocab in (Vocab(), spacy.blank("xx").vocab):
        for rng in mixes(0):
            docs = docs_of(rng, vocab)
            words = DocWords(docs)
            each = [(n, i) for n, doc in enumerate(docs) for i in words_of(doc)]
            assert words.lengths.tolist() == [len(words_of(doc)) for doc in docs]
            assert words.orths.tolist() == [docs[n][i].orth for n, i in each]
            places = words.locate(np.arange(len(words)))
            assert list(zip(*(x.tolist() for x in places), strict=True)) == each
            assert doc_tags(docs, SCHEME, DocWords(docs)).tolist() == [
                tag for doc in docs for tag in tags_of_words(doc)
            ]


@pytest.mark.parametrize("keep_empty", [False, True])
def test_arrays_and_views(shaken: Language, keep_empty: bool) -> None:
    """Any batch of a corpus: gold tags, first sub-words in the blocks of both sides."""
    recogniser = Recogniser(shaken, "dualner")
    words, shape = recogniser.words, recogniser.shape
    for number, rng in enumerate(mixes(1, MIXES // 2)):
        vocab = Vocab() if number % 2 else shaken.vocab
        builder = ArraysBuilder(words, SCHEME, keep_empty=keep_empty)
        source, target = docs_of(rng, vocab), docs_of(rng, vocab, labelled=False)
        kept = [[doc for doc in docs if keep_empty or words_of(doc)] for docs in (source, target)]
        assert builder.add(source, labelled=True) == len(kept[0])
        assert builder.add(target, labelled=False) == len(kept[1])
        corpus = builder.build()
        expected = [
            (doc.user_data["lang"], subwords_of(shaken, doc), tags_of_words(doc))
            for docs in kept
            for doc in docs
        ]
        assert sentences_of(corpus) == expected
        if not expected:
            continue
        drawn = np.array([rng.randrange(len(corpus)) for _ in range(4)])
        view = Views(data_of(corpus, len(kept[0])), shape).make(drawn)
        chosen = [expected[i] for i in drawn]
        assert view.gold.tolist() == [tag for _, _, tags in chosen for tag in tags]
        assert view.is_source.tolist() == [
            i < len(kept[0]) for i in drawn for _ in expected[i][2]
        ]  # fmt: skip
        pieces = [ids for _, each, _ in chosen for ids in each]
        for blocks in (view.teacher, view.student):
            seen = {}
            for block in blocks:
                assert isinstance(block, Block)
                for word, first, count in zip(block.words, block.first, block.counts, strict=True):
                    seen[int(word)] = block.input_ids.flatten()[first : first + count].tolist()
            assert [seen[i] for i in range(len(pieces))] == pieces


def test_pipe_and_evaluate(shaken: Language) -> None:
    """Logits of each word are those it has in the Doc of its words alone, and entities are read
    from them, in `nlp.pipe`, in `evaluate`, in `calibrate` and in stage 2's development scores."""
    pipe = shaken.get_pipe("dualner")
    recogniser = Recogniser(shaken, "dualner")
    network = recogniser.network.eval()
    names = np.array([*SCHEME.tags, "O"])
    for number, some in enumerate(minibatch(mixes(2), 4)):
        vocab = Vocab() if number % 2 else shaken.vocab
        docs = [doc for rng in some for doc in docs_of(rng, vocab)]
        fresh, scores = predict_words(shaken, "dualner", docs)
        ends = np.cumsum([len(doc) for doc in docs])
        found, every = [], []
        for doc, rows in zip(docs, np.split(scores, ends)[:-1], strict=True):
            alone = pipe.predict([bare(doc, shaken.vocab)])
            logits = rows[words_of(doc)]
            np.testing.assert_allclose(logits, alone, atol=1e-4)
            every.append(logits)
            start, end = (logits[:, a:b].argmax(1).tolist() for a, b in ((7, 11), (11, 15)))
            found.append(oracle.entities_in_bounds(start, end))
        # The pipeline
        for doc, entities in zip(shaken.pipe(fresh, batch_size=7), found, strict=True):
            at = words_of(doc)
            expected = [(at[a], at[b] + 1, SCHEME.types[t - 1]) for a, b, t in entities]
            assert [(e.start, e.end, e.label_) for e in doc.ents] == expected
        # Evaluation
        predictions = predict_docs(shaken, docs)
        gold = [tags_of_words(doc) for doc in docs]
        assert predictions.gold == [names[tags].tolist() for tags in gold]
        counted = [
            [e for e in entities if any(tag != IGNORE for tag in tags[e[0] : e[1] + 1])]
            for entities, tags in zip(found, gold, strict=True)
        ]
        assert predictions.predicted["span"] == [
            names[oracle.tags_of(entities, [0] * len(tags))].tolist()
            for entities, tags in zip(counted, gold, strict=True)
        ]
        # Calibration
        read = Sentences.predict(shaken, "dualner", docs)
        assert read.tags.tolist() == oracle.in_one_row(gold)
        np.testing.assert_allclose(read.logits, np.concatenate(every), atol=1e-4)
        # Development scores of stage 2
        builder = ArraysBuilder(recogniser.words, SCHEME)
        builder.add(docs, labelled=True)
        dev = builder.build()
        tags = predict_tags(network, dev, np.arange(len(dev)), recogniser.shape)["span"]
        assert [x.tolist() for x in tags] == [
            oracle.tags_of(e, [0] * len(g)) for e, g in zip(found, gold, strict=True) if g
        ]


def test_update(shaken: Language) -> None:
    """Labels, loss and gradient of each token, white space having none."""
    pipe = shaken.get_pipe("dualner")
    for rng in mixes(3):
        references = docs_of(rng, shaken.vocab)
        examples = [
            Example(Doc(shaken.vocab, words=[t.text for t in doc]), doc) for doc in references
        ]
        heads: list[list[int]] = [[], [], []]
        for doc in references:
            tags = tags_of_words(doc)
            for row, labels in zip(heads, (tags, *oracle.extract_span(tags)), strict=True):
                row += spread(doc, labels)
        assert [x.tolist() for x in example_labels(examples, SCHEME)] == heads
        scores = pipe.predict([example.predicted for example in examples])
        loss, gradient = pipe.get_loss(examples, scores.copy())
        expected, rows = 0.0, []
        for labels, (a, b) in zip(heads, ((0, 7), (7, 11), (11, 15)), strict=True):
            log_p = torch.from_numpy(scores[:, a:b].copy()).log_softmax(-1)
            n = max(1, sum(label != IGNORE for label in labels))
            head = torch.zeros(len(labels), b - a)
            for i, label in enumerate(labels):
                if label != IGNORE:
                    expected -= float(log_p[i, label]) / n
                    head[i] = log_p[i].exp() / n
                    head[i, label] -= 1 / n
            rows.append(head)
        assert loss == pytest.approx(expected, abs=1e-4)
        np.testing.assert_allclose(gradient, torch.cat(rows, 1), atol=1e-5)
    losses = shaken.update(examples, sgd=None, losses={})
    assert np.isfinite(losses["dualner"])


# White space and entities


@pytest.fixture(scope="module")
def vocab() -> Vocab:
    return Vocab()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("tokens", "spans", "tags"),
    [
        (["Anna", "_", "Smith"], [(0, 3)], [5, 6]),
        (["_", "Anna", "Smith", "_"], [(0, 4)], [5, 6]),
        (["Anna", "_", "Smith"], [(0, 1), (1, 3)], [5, 5]),
        (["Anna", "_", "Smith"], [(0, 2), (2, 3)], [5, 5]),
        (["Anna", "_", "Smith"], [(1, 2)], [0, 0]),
        (["_", "_", "Anna"], [(0, 2)], [0]),
        (["Anna", "_", "_", "Smith", "left"], [(0, 1), (2, 4)], [5, 5, 0]),
    ],
)
def test_tags_of_words_around_white_space(vocab, space, tokens, spans, tags) -> None:
    doc = Doc(vocab, words=[space if token == "_" else token for token in tokens])
    doc.set_ents([Span(doc, start, end, "PER") for start, end in spans], default="outside")
    assert doc_tags([doc], SCHEME, DocWords([doc])).tolist() == tags == tags_of_words(doc)


def test_labels_where_tokens_differ(vocab) -> None:
    """White space has no label and joins what stands around it, aligned by characters too."""
    predicted = Doc(vocab, words=["Anna", " ", "Smi", "th", "left"], spaces=[1, 0, 0, 1, 0])
    gold = Doc(vocab, words=["Anna", " ", "Smith", "left"], ents=["B-PER", "I-PER", "I-PER", "O"],
               spaces=[1, 0, 1, 0])  # fmt: skip
    labels = [x.tolist() for x in example_labels([Example(predicted, gold)], SCHEME)]
    assert labels == [[5, IGNORE, 6, 6, 0], [3, IGNORE, 0, 0, 0], [0, IGNORE, 0, 3, 0]]


def test_values_of_another_length_are_refused(vocab) -> None:
    words = DocWords([Doc(vocab, words=["Anna", " ", "left"])])
    for wrong in (lambda: words.of_tokens(np.zeros(2)), lambda: words.to_tokens(torch.ones(3), 0),
                  lambda: words.by_doc([1]), lambda: Layout([2]).spread(torch.ones(1)),
                  lambda: Layout([2]).gather(torch.ones(4))):  # fmt: skip
        with pytest.raises(ValueError, match="values for"):
            wrong()


@pytest.mark.parametrize("lengths", [([1, 2], [3]), ([1, 1, 1], [2]), ([3], [1])])
def test_sub_words_that_do_not_add_up_are_refused(shaken: Language, lengths) -> None:
    of_words, of_sentences = map(np.array, lengths)
    batch = SubwordBatch(np.arange(4), of_words, of_sentences)
    with pytest.raises(ValueError, match="values for"):
        make_blocks(batch, find_encoder(shaken, "dualner").shape())


def test_a_component_that_changes_tokens_before_the_recogniser(own: Language) -> None:
    def shorter(doc: Doc) -> Doc:
        with doc.retokenize() as retokenizer:
            retokenizer.merge(doc[:2])
        return doc

    Language.component("shorter", func=shorter)
    own.add_pipe("shorter", first=True)
    with pytest.raises(DualNerError, match=r"'shorter' changes the tokens"):
        predict_docs(own, [Doc(own.vocab, words=["a", "b"], ents=["O", "O"])])


# Scores


def spaced_docs(vocab: Vocab) -> list[Doc]:
    """The test sentences with white space at the edges of each entity and of the text."""
    docs = []
    for words, tags in SENTENCES:
        tokens, spaced = ["\n"], ["O"]
        for word, tag in zip(words, tags, strict=True):
            if tag.startswith("B-"):
                tokens.append("\u3000")
                spaced.append(tag)
                tag = f"I{tag[1:]}"
            tokens.append(word)
            spaced.append(tag)
        docs.append(Doc(vocab, words=[*tokens, "\t"], ents=[*spaced, "O"]))
        docs.append(Doc(vocab, words=[" "], ents=["O"]))
    return docs


def test_scores_are_those_of_the_words(trained_nlp: Language) -> None:
    plain = [Doc(trained_nlp.vocab, words=words, ents=tags) for words, tags in SENTENCES]
    spaced = spaced_docs(trained_nlp.vocab)
    assert predict_docs(trained_nlp, spaced).scores() == predict_docs(trained_nlp, plain).scores()
    assert predict_docs(trained_nlp, spaced).scores()["span"]["f"] == 100
    assert raw_scores(trained_nlp, spaced)["f"] == 100
