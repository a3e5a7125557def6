"""`spacy-dualner.AdamW.v1` against torch's own AdamW by hand."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from helpers.tiny import make_examples, make_nlp
from spacy.language import Language
from spacy.util import registry
from thinc.api import Optimizer

from spacy_dualner.model import heads_module
from spacy_dualner.training.optimizer import AdamW


@pytest.fixture(scope="module")
def nlp(still_path: Path) -> Language:
    """An initialised pipeline without dropout; tests work on copies of its weights."""
    torch.manual_seed(0)
    nlp = make_nlp(still_path)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.fixture
def modules(nlp: Language):
    """Encoder and heads with their initial weights, put back afterwards."""
    model = nlp.get_pipe("dualner").model
    encoder = model.get_ref("tok2vec").shims[0].transformer
    pair = (encoder, heads_module(model))
    before = [copy.deepcopy(m.state_dict()) for m in pair]
    yield pair
    for module, state in zip(pair, before, strict=True):
        module.load_state_dict(state)
        module.zero_grad()


def steps(nlp: Language, optimizer: Optimizer, n_steps: int) -> None:
    """Updates whose gradients differ much in size."""
    examples = make_examples(nlp)
    for step in range(n_steps):
        nlp.update(examples[step : step + 2], sgd=optimizer)


@pytest.mark.parametrize("grad_clip", [0.5, 0.0])
@pytest.mark.parametrize("heads_factor", [1.0, 5.0])
def test_steps_equal_those_of_torch_by_hand(nlp, modules, grad_clip, heads_factor) -> None:
    """Decay of matrices alone, the heads' rate, and clipping by the norm over everything.

    The large eps makes the size of the gradients, and so their clipping, tell.
    """
    optimizer = AdamW(
        0.01, weight_decay=0.3, grad_clip=grad_clip, eps=0.1, heads_factor=heads_factor
    )
    theirs = [copy.deepcopy(module) for module in modules]
    groups = [
        {
            "params": [p for p in module.parameters() if (p.ndim > 1) == decayed],
            "weight_decay": 0.3 if decayed else 0.0,
            "lr": 0.01 * factor,
        }
        for module, factor in zip(theirs, (1.0, heads_factor), strict=True)
        for decayed in (True, False)
    ]
    by_hand = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=0.1)
    pipe, examples = nlp.get_pipe("dualner"), make_examples(nlp)
    pairs = [
        (name, ours, other)
        for mine, copied in zip(modules, theirs, strict=True)
        for (name, ours), other in zip(mine.named_parameters(), copied.parameters(), strict=True)
    ]
    norms = []
    for step in range(3):
        pipe.update(examples[step : step + 2], sgd=None)
        for _, ours, other in pairs:
            other.grad = ours.grad.clone()
        parameters = [other for _, _, other in pairs]
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, grad_clip or 1e9)))
        by_hand.step()
        pipe.finish_update(optimizer)
        assert all(ours.grad is None or not ours.grad.any() for _, ours, _ in pairs)
    assert min(norms) > 0.5  # clipping had something to do
    for name, ours, other in pairs:
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-6, msg=name)


def test_gradients_of_several_updates_are_stepped_over_together(nlp, modules) -> None:
    """`nlp.update` without an optimizer only accumulates, as spaCy's loop does."""
    optimizer, pipe = AdamW(0.01), nlp.get_pipe("dualner")
    weight = modules[1].tag.weight
    before = weight.detach().clone()
    for _ in range(2):
        pipe.update(make_examples(nlp), sgd=None)
    assert torch.equal(weight, before)
    pipe.finish_update(optimizer)
    assert not torch.equal(weight, before)


def test_decay_shrinks_matrices_and_leaves_vectors(nlp, modules) -> None:
    """Words that are not in the batch get no gradient, so their embeddings show the decay alone."""
    encoder = modules[0]
    embedding = encoder.get_input_embeddings().weight
    bias = encoder.embeddings.LayerNorm.bias
    unused = encoder.config.vocab_size - 1
    with torch.no_grad():
        bias.fill_(1.0)
    before = embedding[unused].detach().clone()
    steps(nlp, AdamW(0.01, weight_decay=0.5), 1)
    torch.testing.assert_close(embedding[unused], before * (1 - 0.01 * 0.5))
    # A first step of Adam is one rate long; decay would have made it longer on one side.
    assert float((bias - 1).detach().abs().max()) <= 0.01 + 1e-6


def test_frozen_parameters_stay(nlp, modules) -> None:
    encoder = modules[0]
    embedding = encoder.get_input_embeddings().weight
    embedding.requires_grad_(False)
    before = embedding.detach().clone()
    steps(nlp, AdamW(0.01, weight_decay=0.5), 2)
    embedding.requires_grad_(True)
    assert torch.equal(embedding, before)


def test_the_rate_follows_its_schedule(nlp, modules) -> None:
    """The rate at each step is the schedule's, also when it is 0."""
    weight = modules[0].get_input_embeddings().weight
    optimizer = AdamW(iter([0.0, 0.01, 0.0]))
    moved = []
    for _ in range(3):
        before = weight.detach().clone()
        steps(nlp, optimizer, 1)
        moved.append(not torch.equal(weight, before))
        optimizer.step_schedules()
    assert moved == [False, True, False]


def test_weights_that_were_replaced_are_trained_too(encoder_path) -> None:
    """An optimizer that is used again after loading or initialising steps over the new weights."""
    nlp = make_nlp(encoder_path)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    model, optimizer = nlp.get_pipe("dualner").model, AdamW(0.01)
    nlp.update(examples, sgd=optimizer)
    for replace in (
        lambda: nlp.from_bytes(nlp.to_bytes()),
        lambda: nlp.initialize(lambda: examples),
    ):
        replace()
        encoder = model.get_ref("tok2vec").shims[0].transformer
        weights = [heads_module(model).tag.weight, encoder.get_input_embeddings().weight]
        before = [weight.detach().clone() for weight in weights]
        nlp.update(examples, sgd=optimizer)
        assert not any(map(torch.equal, weights, before))


def test_settings_reach_the_optimizer(nlp, modules) -> None:
    config = {
        "optimizer": {
            "@optimizers": "spacy-dualner.AdamW.v1",
            "learn_rate": 0.01,
            "beta1": 0.5,
            "beta2": 0.6,
            "eps": 1e-3,
            "heads_factor": 3.0,
            "weight_decay": 0.2,
        }
    }
    optimizer = registry.resolve(config)["optimizer"]
    built = optimizer.build([modules[0]], modules[1])
    assert [group["betas"] for group in built.param_groups] == [(0.5, 0.6)] * 4
    assert [group["eps"] for group in built.param_groups] == [1e-3] * 4
    assert [group["factor"] for group in built.param_groups] == [1.0, 1.0, 3.0, 3.0]
    assert [group["weight_decay"] for group in built.param_groups] == [0.2, 0.0, 0.2, 0.0]
    sizes = [sum(p.numel() for p in group["params"]) for group in built.param_groups]
    assert sum(sizes) == sum(p.numel() for module in modules for p in module.parameters())


def small_nlp() -> Language:
    """A pipeline whose encoder is spaCy's own and holds no torch module."""
    nlp = spacy.blank("xx")
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 16,
        "depth": 1,
        "embed_size": 50,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    }
    nlp.add_pipe("dualner", config={"model": {"tok2vec": tok2vec}})
    return nlp


def test_parameters_that_are_not_torchs_move_as_well() -> None:
    nlp = small_nlp()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    model = nlp.get_pipe("dualner").model
    parameters = {
        (node.id, name): node.get_param(name).copy()
        for node in model.get_ref("tok2vec").walk()
        for name in node.param_names
    }
    heads = copy.deepcopy(heads_module(model).state_dict())
    optimizer, losses = AdamW(0.01, weight_decay=0.0), []
    for _ in range(25):
        losses.append(nlp.update(examples, sgd=optimizer)["dualner"])
    nodes = {node.id: node for node in model.walk()}
    still = [
        nodes[id_].name
        for (id_, name), before in parameters.items()
        if np.array_equal(nodes[id_].get_param(name), before)
    ]
    assert len(parameters) > 5 and still == []
    assert all(not torch.equal(v, heads[k]) for k, v in heads_module(model).state_dict().items())
    assert losses[-1] < 0.3 * losses[0]


def test_other_components_take_the_same_optimizer() -> None:
    nlp = small_nlp()
    nlp.add_pipe("tagger").add_label("X")
    examples = make_examples(nlp)
    for eg in examples:
        for token in eg.reference:
            token.tag_ = "X" if token.is_alpha else "Y"
    nlp.initialize(lambda: examples)
    optimizer = AdamW(0.01)
    first = nlp.update(examples, sgd=optimizer)
    for _ in range(25):
        last = nlp.update(examples, sgd=optimizer)
    assert all(last[name] < 0.5 * first[name] for name in ("dualner", "tagger"))
