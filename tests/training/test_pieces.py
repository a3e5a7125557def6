"""`accumulate_gradient` in stage 1: a batch in pieces makes the step of the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import srsly
import torch
from helpers.corpus import make_other_nlp, run_cli, stage1_config, write_corpus
from helpers.pipeline import gradients, same, weights
from helpers.tiny import make_examples, make_nlp
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_dualner.component import DualNer
from spacy_dualner.training.optimizer import AdamW

NAMES = ["whole", "halves", "quarters", "with nothing in one"]
CUTS: dict[str, list[Sequence[int]]] = {
    "whole": [range(5)],
    "halves": [[0], [1, 2, 3, 4]],
    "quarters": [[2], [0, 4], [1], [3]],
    "with nothing in one": [[5], [3, 1], [5], [0, 2, 4]],
}


@pytest.fixture
def steady(encoder_path: Path) -> bytes:
    """An initialised pipeline, as bytes; its encoder has no dropout."""
    torch.manual_seed(0)
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp.to_bytes()


def without_dropout(nlp: Language) -> Language:
    for node in nlp.get_pipe("dualner").model.walk():
        for shim in node.shims:
            for module in shim._model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
                if hasattr(module, "dropout_prob"):
                    module.dropout_prob = 0.0
    return nlp


def examples_of(nlp: Language) -> list[Example]:
    """The test sentences, and one without gold labels."""
    words = ["who", "knows"]
    unknown = Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words))
    return [*make_examples(nlp), unknown]


def step(nlp: Language, cuts: list[Sequence[int]], sgd: Any) -> float:
    """One step as spaCy's training loop makes it. The loss that is shown."""
    examples, losses = examples_of(nlp), {}
    for piece in cuts:
        nlp.update([examples[i] for i in piece], sgd=False, losses=losses)  # type: ignore[arg-type]
    for _, pipe in nlp.pipeline:
        pipe.finish_update(sgd)  # type: ignore[attr-defined]
    return losses["dualner"]


class Peek:
    """An optimizer that keeps what it is given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, key: Any, weights: Any, gradient: Any, **_: Any) -> tuple[Any, Any]:
        self.seen.append(gradient.copy())
        return weights, gradient * 0


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("grad_clip", [0.0, 0.05])
def test_a_step_in_pieces_is_that_of_the_batch(
    encoder_path: Path, steady: bytes, name: str, grad_clip: float
) -> None:
    """Loss and weights, over steps, also where the gradient is clipped."""
    results = []
    for cuts in (CUTS["whole"], CUTS[name]):
        nlp = without_dropout(make_nlp(encoder_path).from_bytes(steady))
        # With so large an eps steps are as large as gradients, as they are not in plain Adam.
        sgd = AdamW(1e-2, grad_clip=grad_clip, eps=1e-2)
        losses = [step(nlp, cuts, sgd) for _ in range(3)]
        results.append((losses, weights(nlp)))
    (losses, whole), (losses_of_pieces, in_pieces) = results
    assert losses_of_pieces == pytest.approx(losses, rel=1e-4)
    for key, value in whole.items():
        torch.testing.assert_close(in_pieces[key], value, atol=2e-6, rtol=1e-4)


def test_one_piece_is_bit_for_bit_what_spacy_computes(
    encoder_path: Path, steady: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same gradients as from the loss's own, with dropout, however the step is made."""
    results = []
    for update in (DualNer.update, TrainablePipe.update):
        monkeypatch.setattr(DualNer, "update", update)
        nlp = make_nlp(encoder_path).from_bytes(steady)
        sgd = AdamW(1e-3)
        torch.manual_seed(1)
        losses = [nlp.update(make_examples(nlp), sgd=sgd, losses={}, drop=0.2) for _ in range(3)]
        losses.append(nlp.get_pipe("dualner").update(make_examples(nlp), losses={}))
        results.append((losses, weights(nlp), gradients(nlp)))
    assert results[0][0] == results[1][0]
    assert same(results[0][1], results[1][1]) and same(results[0][2], results[1][2])


@pytest.mark.parametrize("name", NAMES[1:])
def test_other_encoders_of_its_own(encoder_path: Path, name: str) -> None:
    """spaCy's layers too, whose parameters are not torch's."""
    results = []
    for cuts in (CUTS["whole"], CUTS[name]):
        nlp = make_other_nlp("cnn", encoder_path)
        torch.manual_seed(0)
        fix_random_seed(0)
        examples = make_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)  # type: ignore[misc]
        for node in nlp.get_pipe("dualner").model.walk():
            if "dropout_rate" in node.attrs:
                node.attrs["dropout_rate"] = 0.0
        peek = Peek()
        step(nlp, cuts, peek)
        results.append(peek.seen)
    assert len(results[0]) == len(results[1]) > 6
    for whole, pieces in zip(*results, strict=True):
        torch.testing.assert_close(
            torch.from_numpy(pieces), torch.from_numpy(whole), atol=1e-6, rtol=1e-4
        )


def test_a_shared_encoder_gets_what_other_components_give(encoder_path: Path) -> None:
    """Each piece's own mean; the heads get the mean over pieces, and so does the loss."""
    nlp = make_other_nlp("listener", encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    pipe: Any = nlp.get_pipe("dualner")
    examples = make_examples(nlp)
    losses: dict[str, float] = {}
    shown = []
    for _ in range(2):
        before = losses.get("dualner", 0.0)
        nlp.update(examples, sgd=False, losses=losses)  # type: ignore[arg-type]
        shown.append(losses["dualner"] - before)
    heads = pipe.model.get_ref("heads").shims[0]._model
    shared = nlp.get_pipe("transformer").model
    summed = heads.tag.bias.grad.clone()
    of_encoder = [p.grad.clone() for n in shared.walk() for s in n.shims
                  for p in s._model.parameters() if p.grad is not None]  # fmt: skip
    pipe._pieces.finish(pipe.model)
    torch.testing.assert_close(heads.tag.bias.grad, summed / 2)
    after = [p.grad for n in shared.walk() for s in n.shims
             for p in s._model.parameters() if p.grad is not None]  # fmt: skip
    assert of_encoder and all(map(torch.equal, of_encoder, after))
    assert losses["dualner"] == pytest.approx(sum(shown) / 2)


def test_spacy_train_in_pieces(encoder_path: Path, tmp_path: Path) -> None:
    """The loss of the whole command, and a pipeline that learned as well."""
    corpus = write_corpus(tmp_path / "corpus")
    shown = []
    for pieces in (1, 3):
        overrides = {
            "training__accumulate_gradient": pieces,
            "training__max_epochs": 3,
            "training__dropout": 0.0,
            "training__logger": {
                "@loggers": "spacy-dualner.HistoryLogger.v1",
                "path": str(tmp_path / f"{pieces}.jsonl"),
            },
        }
        config = stage1_config(encoder_path, corpus, **overrides)
        config.to_disk(tmp_path / "stage1.cfg")
        status, output = run_cli("train", tmp_path / "stage1.cfg", "-o", tmp_path / str(pieces))
        assert status == 0, output
        shown.append([line["loss"] for line in srsly.read_jsonl(tmp_path / f"{pieces}.jsonl")])
    assert shown[1] == pytest.approx(shown[0], rel=0.15)
