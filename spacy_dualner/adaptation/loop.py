"""Adaptation: masked language modelling over source and target text, before stage 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from spacy.util import fix_random_seed
from torch import Tensor
from tqdm import tqdm
from wasabi import Printer

from ..encoder.subwords import Ints
from ..folders import check_output, written_aside
from ..teaching.arrays import SentenceArrays
from ..training.batching import length_groups
from ..training.optimizer import AdamW, make_adamw, set_rate, warmup_linear
from .masked_lm import MaskedLanguageModel, load_masked_lm, masked_losses, write_encoder
from .masking import Masking
from .text import hold_back, read_text

SPLITS = ("train", "unlabelled")

# A new head learns at this multiple of the encoder's rate.
NEW_HEAD_FACTOR = 10.0

# Held-back sentences are shown so often, each time with other words masked.
COPIES = 5


def adapt(
    encoder: str,
    corpus: Path,
    output: Path,
    langs: Mapping[str, int] | None = None,
    *,
    splits: Sequence[str] = SPLITS,
    limit: int = 0,
    epochs: int = 3,
    batch_size: int = 32,
    learn_rate: float = 1e-4,
    warmup: float = 0.1,
    mask_share: float = 0.15,
    mixed_precision: bool = True,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Train an encoder further to guess masked words of a corpus, and write it.

    encoder (str): Folder or hub name of the encoder.
    corpus (Path): Corpus folder. Of annotated sentences the words alone are read.
    output (Path): Folder to write; an encoder that is there is replaced.
    langs (Optional[Mapping[str, int]]): Languages, each with its own limit or 0; all by default.
    splits (Sequence[str]): Parts of the corpus. Not each language need have each.
    limit (int): First N sentences of each language and part; 0 for all.
    epochs (int): Passes over the text, with other masks each time.
    batch_size (int): Sentences a step.
    learn_rate (float): Peak rate; it falls to 0 at the end.
    warmup (float): Share of the steps until the peak.
    mask_share (float): Share of the words to guess.
    mixed_precision (bool): bfloat16 where the device has it.
    seed (int): Random seed.
    progress (bool): Whether to show progress and losses.
    RETURNS (Dict[str, Any]): `sentences` trained on and `held_back` by language, `losses` on those
        held back (nats per masked sub-word) by language, before the first and after each epoch,
        `new_head`, `steps` and `seconds` of training.
    Raises DualNerError where the encoder cannot be had or adapted, or text is missing; nothing is
    written then.
    """
    check_output(output, Path(encoder), "encoder")
    msg = Printer(no_print=not progress)
    fix_random_seed(seed)
    lm = load_masked_lm(encoder)
    masking = Masking.of(lm.words.tokenizer, mask_share)
    text, by_lang = read_text(
        lm.words, corpus, langs or {}, splits=splits, limit=limit, progress=progress
    )
    rng = np.random.default_rng(seed)
    parts = {lang: hold_back(own, rng) for lang, own in by_lang.items()}
    held_back = {lang: own for lang, (own, _) in parts.items() if len(own)}
    trained_on = np.concatenate([own for _, own in parts.values()])
    steps = -(-len(trained_on) // batch_size)
    if lm.new_head:
        msg.info("The encoder comes without a masked-language-model head: a new one is trained")
    msg.info(
        f"{len(trained_on):,} sentences ({', '.join(by_lang)}), {epochs * steps:,} steps, epochs: "
        f"{epochs}"
    )
    run = _Run(lm, masking, text, mixed_precision)
    losses = [run.evaluate(held_back)]
    msg.text(f"Loss on text held back: {_shown(losses[0])}")
    heads_factor = NEW_HEAD_FACTOR if lm.new_head else 1.0
    recipe = cast(AdamW, make_adamw(learn_rate, heads_factor=heads_factor))
    optimizer = recipe.build([lm.model.base_model], lm.heads)
    lengths = text.subword_counts()[trained_on]
    warmup_steps, seconds = round(warmup * epochs * steps), 0.0
    for epoch in range(epochs):
        begin = perf_counter()
        lm.model.train()
        rng = np.random.default_rng([seed, epoch])
        batches = length_groups(lengths, batch_size, rng)
        bar = tqdm(batches, f"epoch {epoch + 1}", leave=False, disable=None if progress else True)
        for step, batch in enumerate(bar, start=epoch * steps):
            set_rate(optimizer, learn_rate * warmup_linear(step, warmup_steps, epochs * steps))
            found, n_targets = run.losses(trained_on[batch], rng)
            for loss in found:
                (loss / n_targets).backward()
            torch.nn.utils.clip_grad_norm_(lm.model.parameters(), recipe.grad_clip)
            optimizer.step()
            optimizer.zero_grad()
        seconds += perf_counter() - begin
        losses.append(run.evaluate(held_back))
        msg.text(f"After epoch {epoch + 1}: {_shown(losses[-1])}")
    with written_aside(output) as aside:
        write_encoder(lm, aside)
    return {
        "sentences": {lang: len(own) for lang, (_, own) in parts.items()},
        "held_back": {lang: len(own) for lang, own in held_back.items()},
        "losses": losses,
        "new_head": lm.new_head,
        "steps": epochs * steps,
        "seconds": seconds,
    }


class _Run(NamedTuple):
    """What the losses of sentences depend on."""

    lm: MaskedLanguageModel
    masking: Masking
    text: SentenceArrays
    mixed_precision: bool

    def losses(self, sentences: Ints, rng: np.random.Generator) -> tuple[Iterator[Tensor], int]:
        """The loss of each block, summed, and of how many sub-words all blocks are."""
        masked = self.masking.apply(self.text.select(sentences)[0], rng)
        return masked_losses(self.lm, masked, self.mixed_precision), masked.n_targets

    def evaluate(self, held_back: Mapping[str, Ints]) -> dict[str, float]:
        """Mean loss by language, in nats, under the same masks each time."""
        means = {}
        self.lm.model.eval()
        for lang, sentences in held_back.items():
            with torch.no_grad():
                found, n_targets = self.losses(np.tile(sentences, COPIES), np.random.default_rng(0))
                means[lang] = sum(map(float, found)) / max(1, n_targets)
        return means


def _shown(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{lang} {loss:.3f}" for lang, loss in losses.items())
