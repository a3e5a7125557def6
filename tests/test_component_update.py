"""Training steps in Python: what `update` gathers, steps and leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from helpers.corpus import entities
from helpers.pipeline import GOLD, gradients, odd_docs, same, weights
from helpers.tiny import make_examples
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from spacy_dualner.training.optimizer import AdamW


def test_update_accumulates_until_finish_update(nlp: Language) -> None:
    pipe, examples = nlp.get_pipe("dualner"), make_examples(nlp)
    before = weights(nlp)
    pipe.update(examples[:2], sgd=None, losses={})
    once = gradients(nlp)
    pipe.update(examples[:2], sgd=None, losses={})
    twice = gradients(nlp)
    assert same(before, weights(nlp))
    assert any(key.startswith("0.") for key in once) and any(k.startswith("1.") for k in once)
    # Dropout makes the two passes differ in the encoder, not in kind.
    assert not same(once, twice)
    pipe.finish_update(AdamW(1e-3))
    after = weights(nlp)
    assert not gradients(nlp)
    assert all(not torch.equal(before[key], after[key]) for key in once)


def test_gradients_of_sub_batches_add_up(nlp: Language) -> None:
    pipe, examples = nlp.get_pipe("dualner"), make_examples(nlp)
    encoder = pipe.model.get_ref("tok2vec").shims[0].transformer
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0

    def gradient_of(*batches: list[Example]) -> dict[str, torch.Tensor]:
        for shim in (node.shims[0] for node in pipe.model.walk() if node.shims):
            shim._model.zero_grad()
        for batch in batches:
            pipe.update(batch, sgd=None)
        return gradients(nlp)

    first, second = gradient_of(examples[:2]), gradient_of(examples[2:])
    both = gradient_of(examples[:2], examples[2:])
    # Parts that no sentence of a batch touches, as its words' embeddings, have no gradient there.
    assert both.keys() == first.keys() | second.keys()
    nothing = torch.zeros(())
    for key, total in both.items():
        parts = first.get(key, nothing) + second.get(key, nothing)
        torch.testing.assert_close(total, parts.expand_as(total), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("ours", [True, False])
def test_update_with_an_optimizer_learns(nlp: Language, ours: bool) -> None:
    from thinc.api import Adam

    examples = make_examples(nlp)
    sgd = AdamW(3e-3) if ours else Adam(3e-3)
    losses: list[float] = []
    for _ in range(12):
        losses.append(nlp.update(examples, sgd=sgd, losses={})["dualner"])
    assert losses[-1] < 0.7 * losses[0]


def test_losses_add_up_under_the_components_name(encoder_path: Path) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner", name="ents", config={"model": {"tok2vec": {"name": str(encoder_path)}}})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    losses = nlp.update(examples, sgd=None, losses={})
    first = losses["ents"]
    assert first > 0
    nlp.update(examples, sgd=None, losses=losses)
    assert losses["ents"] > 1.5 * first


@pytest.mark.parametrize("key,silent", [("tag_loss", [0]), ("span_loss", [1, 2])])
def test_a_head_with_loss_weight_zero_does_not_learn(nlp: Language, key, silent) -> None:
    pipe = nlp.get_pipe("dualner")
    pipe.cfg[key] = 0.0
    _, gradient = pipe.get_loss(
        make_examples(nlp), pipe.predict([eg.predicted for eg in make_examples(nlp)])
    )
    heads = np.split(gradient, [7, 11], axis=1)
    assert [i for i, head in enumerate(heads) if not head.any()] == silent


def test_dropout_of_the_update_acts_on_word_vectors(nlp: Language) -> None:
    module = nlp.get_pipe("dualner").model.get_ref("heads").shims[0]._model
    nlp.update(make_examples(nlp), sgd=None, drop=0.3)
    assert module.dropout.p == 0.3
    assert entities(nlp) == entities(nlp)


def test_odd_docs_in_update_and_predict(own: Language) -> None:
    examples = [Example(doc, doc.copy()) for doc in odd_docs(own)]
    for example in examples:
        example.reference.set_ents([], default="outside")
    own.update(examples, sgd=AdamW(1e-4), losses={})
    own.update(examples[:1], sgd=AdamW(1e-4), losses={})
    for doc in own.pipe(odd_docs(own)):
        assert all(token.ent_iob for token in doc)
    assert len(own.get_pipe("dualner").predict([Doc(own.vocab)])) == 0
    assert own.get_pipe("dualner").predict([]).shape == (0, 15)


def test_words_without_gold_label_give_no_loss(nlp: Language) -> None:
    words = ["Anna", "here"]
    unknown = Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words))
    assert nlp.update([unknown], sgd=None, losses={})["dualner"] == 0


def test_other_tokens_than_gold_still_teach(nlp: Language) -> None:
    predicted = Doc(nlp.vocab, words=["Anna", "Smith", "'s", "home"])
    gold = Doc(nlp.vocab, words=["Anna", "Smith's", "home"], ents=["B-PER", "O", "O"],
               spaces=[True, True, False])  # fmt: skip
    predicted = Doc(nlp.vocab, words=["Anna", "Smith", "'s", "home"],
                    spaces=[True, False, True, False])  # fmt: skip
    assert nlp.update([Example(predicted, gold)], sgd=None, losses={})["dualner"] > 0


def test_frozen_component_keeps_its_weights(own: Language) -> None:
    before = weights(own)
    own.update(make_examples(own), sgd=AdamW(1e-2), exclude=["dualner"])
    assert same(before, weights(own))


def test_annotating_component_sets_entities_in_update(own: Language) -> None:
    seen: list[list[tuple[int, int, str]]] = []

    def spy(doc: Doc) -> Doc:
        seen.append([(e.start, e.end, e.label_) for e in doc.ents])
        return doc

    Language.component("spy", func=spy)
    own.add_pipe("spy")
    own.update(make_examples(own), sgd=None, annotates=["dualner", "spy"])
    assert seen == GOLD
