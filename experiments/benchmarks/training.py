"""Training steps of both stages against Hugging Face's Trainer, and what a step is made of.

python -m experiments.benchmarks.training --data corpus/train/en.spacy --encoder DIR --shape "" \\
    --limit 3200
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import typer
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.loop import train_while_improving
from wasabi import msg

import spacy_dualner.encoder.transformer as transformer_layer
import spacy_dualner.teaching.step as teaching_step
from experiments.benchmarks import common, peers
from spacy_dualner import component
from spacy_dualner.cli._options import with_settings
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.data.tags import Sentence
from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.encoder.subwords import WordTokenizer
from spacy_dualner.model import heads_module
from spacy_dualner.pipeline import find_component
from spacy_dualner.teaching.teach import Teaching
from spacy_dualner.training.batching import length_groups
from spacy_dualner.training.optimizer import AdamW

TRAINER, STAGE1, STAGE2 = "Hugging Face Trainer", "stage 1", "stage 2"


class Parts:
    """Seconds by part of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, function: Callable) -> Callable:
        """The function, its time counted under a part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            common.finish()
            begin = time.perf_counter()
            result = function(*args, **kwargs)
            common.finish()
            self.seconds[part] += time.perf_counter() - begin
            return result

        return call

    def shares(self, total: float) -> dict[str, float]:
        """Percent of each part, and of what is in none."""
        found = {part: 100 * s / total for part, s in self.seconds.items()}
        return found | {"the rest": 100 - sum(found.values())}


@dataclass(frozen=True)
class Settings(common.EncoderSettings):
    """What is measured, and how."""

    vocabulary: int = common.Vocabulary
    batch_size: int = typer.Option(64, help="Sentences a step")
    pieces: int = typer.Option(1, help="Pieces that a step of stage 2 is computed in")
    jobs: str = typer.Option(
        "trainer,stage1,stage2",
        "--jobs",
        help="Which to time; with embeddings frozen: stage1-frozen, stage2-frozen",
    )
    bf16: bool = typer.Option(False, "--bf16", help="bfloat16 in all of them")


@with_settings()
def main(settings: Settings) -> None:
    """Time steps in one process, interleaved. A round is one epoch over the same sentences."""
    device = common.use_gpu(settings.gpu_id)
    sentences = common.load_sentences(settings.data, settings.limit, "train")
    steps = -(-len(sentences) // settings.batch_size)
    with (
        tempfile.TemporaryDirectory() as temp,
        common.encoder_folder(settings.encoder, settings.shape, settings.vocabulary) as folder,
    ):
        chosen = settings.jobs.split(",")
        torch.manual_seed(0)
        rounds: dict[str, Any] = {}
        if "trainer" in chosen:
            rounds[TRAINER] = peers.hf_trainer(
                folder, sentences, settings.batch_size, steps, settings.bf16, device
            )
        for frozen, name in ((False, ""), (True, "frozen")):
            encoder = {"name": str(folder), "freeze_embeddings": frozen}
            own = encoder, sentences, settings.batch_size
            one, two = (f"{stage}, {name}".rstrip(", ") for stage in (STAGE1, STAGE2))
            if f"stage1-{name}".rstrip("-") in chosen:
                rounds[one] = stage1(*own, steps, settings.bf16)
            if f"stage2-{name}".rstrip("-") in chosen:
                rounds[two] = stage2(*own, settings.pieces, settings.bf16, Path(temp) / two)
        seconds = common.interleaved(rounds, settings.repeats)
        shares = {}
        for name, patched in ((STAGE1, parts_of_stage1), (STAGE2, parts_of_stage2)):
            if name in rounds:
                parts = Parts()
                shares[name] = measured(parts, patched(parts, rounds[name]), rounds[name])
    common.table(seconds, next(iter(seconds)), per=dict.fromkeys(seconds, float(steps)))
    for stage, found in shares.items():
        ranked = sorted(found.items(), key=lambda item: -item[1])
        msg.info(f"{stage}: " + ", ".join(f"{part} {share:.1f}%" for part, share in ranked))
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    if peak:
        msg.info(f"GPU memory at most: {peak / 1e9:.1f} GB, with all that was timed")
    common.save(
        settings.output,
        data=settings.data.name,
        sentences=len(sentences),
        shape=settings.shape or "its own",
        vocabulary=settings.vocabulary or "its own",
        batch_size=settings.batch_size,
        pieces=settings.pieces,
        steps=steps,
        bf16=settings.bf16,
        seconds=seconds,
        shares=shares,
        peak_gpu_bytes=peak,
    )


def stage1(
    encoder: dict[str, Any],
    sentences: list[Sentence],
    batch_size: int,
    steps: int,
    bf16: bool,
) -> common.Prepared:
    """Steps of spaCy's own training loop.

    encoder (Dict[str, Any]): Settings of the component's encoder.
    """
    nlp = peers.dualner_nlp({**encoder, "mixed_precision": bf16})
    docs = [Doc(nlp.vocab, words=words, ents=tags) for words, tags in sentences]
    rng = np.random.default_rng(0)

    def batches() -> Iterator[tuple[int, list[Example]]]:
        for epoch in itertools.count():
            for batch in length_groups([len(doc) for doc in docs], batch_size, rng):
                chosen = [docs[i] for i in batch]
                # As spaCy's reader does for each epoch.
                yield (
                    epoch,
                    [Example(Doc(nlp.vocab, words=[t.text for t in d]), d) for d in chosen],
                )

    endless = batches()
    optimizer = AdamW(2e-5)

    def run() -> None:
        loop = train_while_improving(
            nlp,
            optimizer,
            itertools.islice(endless, steps),
            evaluate=lambda: (0.0, {}),
            dropout=0.1,
            eval_frequency=steps + 1,
            accumulate_gradient=1,
            patience=0,
            max_steps=0,
            exclude=[],
            annotating_components=[],
            before_update=None,
        )
        for _ in loop:
            pass

    return run


@contextmanager
def parts_of_stage1(parts: Parts, job: common.Prepared) -> Iterator[None]:
    """Count the parts of spaCy's loop while the block lasts."""
    begin_update = parts.timed("encoder forward", EncoderShim.begin_update)

    def with_backward(*args: Any) -> tuple[Any, Callable]:
        vectors, backprop = begin_update(*args)
        return vectors, parts.timed("encoder backward", backprop)

    encode, make_blocks = WordTokenizer.encode, transformer_layer.make_blocks
    with (
        patch.object(EncoderShim, "begin_update", with_backward),
        patch.object(WordTokenizer, "encode", parts.timed("data", encode)),
        patch.object(transformer_layer, "make_blocks", parts.timed("data", make_blocks)),
        patch.object(component, "gold_loss", parts.timed("loss", component.gold_loss)),
        patch.object(AdamW, "step_model", parts.timed("optimiser", AdamW.step_model)),
    ):
        yield


class Stage2:
    """Steps of `teach`, the same batches in every round."""

    def __init__(self, teaching: Teaching) -> None:
        self.step = teaching.step
        self.batches = teaching.data.batches(teaching.settings.batch_size, seed=0, epoch=0)

    def __call__(self) -> None:
        for batch in self.batches:
            self.step.take(batch, 1.0)


def stage2(
    encoder: dict[str, Any],
    sentences: list[Sentence],
    batch_size: int,
    pieces: int,
    bf16: bool,
    temp: Path,
) -> Stage2:
    """One half of the sentences is the source text, the other is unlabelled target text.

    encoder (Dict[str, Any]): Settings of the component's encoder.
    """
    nlp = peers.dualner_nlp(encoder)
    # Random heads find entities everywhere, trained ones here and there.
    heads = heads_module(find_component(nlp, "dualner").model)
    for head in (heads.tag, heads.start, heads.end):
        head.bias.data[0] += 1.0
    temp.mkdir()
    nlp.to_disk(temp / "model")
    half = len(sentences) // 2
    for split, lang, chosen in (
        ("train", "en", sentences[:half]),
        ("unlabelled", "de", sentences[half:]),
    ):
        path = corpus_path(temp / "corpus", split, lang)
        with DocBinWriter(path, lang, labelled=split == "train") as writer:
            for words, tags in chosen:
                writer.add(words, tags)
    config = common.teaching_config(
        temp,
        held_back=1,
        batch_size=batch_size,
        accumulate_gradient=pieces,
        mixed_precision=bf16,
    )
    return Stage2(Teaching(config, temp))


@contextmanager
def parts_of_stage2(parts: Parts, job: Stage2) -> Iterator[None]:
    """Count the parts of teach's loop while the block lasts."""
    t, timed = job.step, parts.timed
    with (
        patch.object(t.views, "make", timed("data", t.views.make)),
        patch.object(t.teacher, "network", timed("teacher", t.teacher.network)),
        patch.object(t, "student", Student(t.student, timed("student forward", t.student))),
        patch.object(teaching_step, "stage2_loss", timed("loss", teaching_step.stage2_loss)),
        patch.object(t.accelerator, "backward", timed("backward", t.accelerator.backward)),
        patch.object(
            t.accelerator, "clip_grad_norm_", timed("optimiser", t.accelerator.clip_grad_norm_)
        ),
        patch.object(t.optimizer, "step", timed("optimiser", t.optimizer.step)),
        patch.object(t.optimizer, "zero_grad", timed("optimiser", t.optimizer.zero_grad)),
    ):
        yield


class Student:
    """The student with its forward pass counted."""

    def __init__(self, module: torch.nn.Module, forward: Callable) -> None:
        self._module = module
        self._forward = forward

    def __call__(self, *args: Any) -> Any:
        return self._forward(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def measured(parts: Parts, block: Any, job: common.Prepared) -> dict[str, float]:
    """Percent of a round by part. Its own time is not among the timed rounds."""
    with block:
        begin = time.perf_counter()
        job()
        common.finish()
        return parts.shares(time.perf_counter() - begin)


if __name__ == "__main__":
    typer.run(main)
