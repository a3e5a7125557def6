"""The benchmarks' peers run, and one that cannot says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from helpers.tiny import ROOT, SENTENCES

from experiments.benchmarks import peers

DEMO = ROOT / "assets" / "demo" / "encoder"
WORDS = [words for words, _ in SENTENCES]
TAGS = [tags for _, tags in SENTENCES]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("spacy_tok2vec", {}),
        ("spacy_transformer_ner", {"batch_size": 2}),
        ("hf_pipeline", {}),
        ("hf_pipeline", {"batch_size": 64}),
        ("span_marker", {"batch_size": 2}),
        ("gliner", {"batch_size": 2}),
    ],
)
def test_peer_counts_entities(name: str, settings: dict[str, int]) -> None:
    torch.manual_seed(0)
    try:
        run = getattr(peers, name)(DEMO, **settings)
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    count = run(WORDS)
    assert isinstance(count, int)
    assert 0 <= count <= 100
    assert run(WORDS) == count


def steps_of(bf16: bool = False) -> list[torch.Tensor]:
    """Heads after one and after two calls of a trainer with 2 steps a call."""
    torch.manual_seed(0)
    heads: list[torch.Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        load = peers.load_classifier

        def spy(encoder: Path) -> torch.nn.Module:
            model = load(encoder)
            heads.append(model.classifier.weight)
            return model

        patch.setattr(peers, "load_classifier", spy)
        train = peers.hf_trainer(
            DEMO, list(zip(WORDS, TAGS, strict=True)), batch_size=2, steps=2, bf16=bf16
        )
    (weight,) = heads
    states = [weight.detach().clone()]
    for _ in range(2):
        train()
        states.append(weight.detach().clone())
    return states


def test_trainer_trains_at_each_call_and_follows_the_seed() -> None:
    before, once, twice = steps_of()
    assert not torch.equal(before, once)
    assert not torch.equal(once, twice)
    # A trainer in bfloat16 built in between leaves no trace.
    mixed = steps_of(bf16=True)
    assert torch.equal(mixed[0], before)
    assert not torch.equal(mixed[1], once)
    assert torch.equal(steps_of()[2], twice)


def test_labels_stand_on_first_subwords() -> None:
    tokenizer = peers.load_tokenizer(DEMO)
    rows = peers.tokenise(tokenizer, WORDS, TAGS)
    for row, words, tags in zip(rows, WORDS, TAGS, strict=True):
        assert len(row["input_ids"]) == len(row["labels"])
        assert [peers.LABELS[i] for i in row["labels"] if i >= 0] == tags
        pieces = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        assert row["input_ids"][1:-1] == [i for word in pieces for i in word]


@pytest.mark.parametrize("name", ["span_marker", "gliner"])
def test_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(peers.PeerMissing, match=name):
        getattr(peers, name)(DEMO)
