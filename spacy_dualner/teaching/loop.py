"""The loop of stage 2: dual teaching over source and target text."""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, set_seed
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor
from wasabi import msg

from ..encoder.blocks import make_blocks
from ..encoder.encode import bf16_pays
from ..encoder.subwords import Ints
from ..errors import DualNerError
from ..layout import Layout
from ..portable import without_paths
from ..training.batching import length_groups
from ..training.corpus import Corpus
from ..training.optimizer import set_rate, warmup_linear
from .arrays import SentenceArrays
from .checkpoint import (
    FILE_NAME,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from .config import TeachingConfig
from .development import Development
from .network import Recogniser
from .objective import Piece, stage2_loss

BEST = "model-best"
Weights = dict[str, Tensor]


def teach(config: TeachingConfig, output: Path, *, resume: bool = False) -> Path:
    """Teach a stage-1 pipeline on unlabelled target text.

    config (TeachingConfig): From `config.resolve_config`.
    output (Path): Folder for `model-best` and the checkpoint.
    resume (bool): Go on from the checkpoint of an interrupted run of the same config.
    RETURNS (Path): The best pipeline.
    Raises DualNerError where the pipeline cannot be taught, a corpus is missing, or a checkpoint
    cannot be written or does not belong to this config.
    """
    output.mkdir(parents=True, exist_ok=True)
    return Teaching(config, output).run(resume)


class Teaching:
    """One run of stage 2.

    config (TeachingConfig): Settings, corpora, optimizer.
    output (Path): Folder for `model-best` and the checkpoint.
    """

    def __init__(self, config: TeachingConfig, output: Path) -> None:
        self.config = config
        self.settings = settings = config.settings
        self.output = output
        self.nlp: Language = spacy.load(settings.model)
        self.recogniser = Recogniser(self.nlp, settings.component)
        self.network = self.recogniser.network
        self.network.heads.dropout.p = settings.dropout
        device = next(self.network.parameters()).device
        # A process may teach more than once, in one precision and then another.
        AcceleratorState._reset_state()
        self.accelerator = Accelerator(
            cpu=device.type == "cpu",
            mixed_precision="bf16" if settings.mixed_precision and bf16_pays(device) else "no",
        )
        self.device = device
        set_seed(settings.seed)
        self._read_corpora()
        # The best student so far, which is the teacher too; at first the stage-1 model.
        self.teacher = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.student, self.optimizer = self.accelerator.prepare(
            self.network, config.optimizer.build([self.network.encoder], self.network.heads)
        )
        self.step, self.best_step, self.best_score = 0, 0, 0.0

    def _read_corpora(self) -> None:
        settings, corpora = self.settings, self.config.corpora
        source = self._arrays(corpora.source, labelled=True)
        target = self._arrays(corpora.target, labelled=False)
        if not len(source):
            raise DualNerError("corpora.source holds no sentence. Give annotated source text.")
        held_back = np.zeros(0, dtype=np.int64)
        if settings.select == "agreement":
            per_lang = [target.of_lang(name) for name in target.lang_names]
            # Of a language with little text, half of it at most.
            few = [own[: min(settings.held_back, len(own) // 2)] for own in per_lang]
            held_back = np.concatenate([held_back, *few])
        kept = np.setdiff1d(np.arange(len(target)), held_back) + len(source)
        self.corpus = SentenceArrays.concatenate(source, target)
        self.trained_on = np.concatenate((np.arange(len(source)), kept))
        self.n_source = len(source)
        self.lengths = self.corpus.subword_counts()[self.trained_on]
        self.steps_per_epoch = -(-len(self.trained_on) // settings.batch_size)
        self.total_steps = self.steps_per_epoch * settings.max_epochs
        self._fingerprint = repr((self.config.source, len(source), len(kept), len(self.corpus.ids)))
        self.development = Development(
            settings.select,
            source.lang_names,
            self._arrays(corpora.dev, labelled=True),
            target.subset(held_back),
            self.recogniser.scheme,
            self.recogniser.shape,
        )
        msg.info(
            f"Source: {len(source):,} sentences ({', '.join(source.lang_names)}), target: "
            f"{len(kept):,} ({', '.join(target.lang_names) or 'none'}), "
            f"{self.total_steps:,} steps in {settings.max_epochs} epochs"
        )

    def _arrays(self, reader: Callable | None, *, labelled: bool) -> SentenceArrays:
        docs: Iterable[Doc] = []
        if isinstance(reader, Corpus):
            docs = reader.docs(self.nlp.vocab)
        elif reader is not None:
            docs = (example.reference for example in reader(self.nlp))
        words, scheme = self.recogniser.words, self.recogniser.scheme
        return SentenceArrays.from_docs(
            docs, words, scheme, self.nlp.vocab.strings, labelled=labelled
        )

    def run(self, resume: bool) -> Path:
        """Teach to the end of the last epoch and write the best pipeline."""
        checkpoint = load_checkpoint(self.output, self.device) if resume else None
        if checkpoint is not None:
            self._restore(checkpoint)
            msg.good(f"Resumed at step {self.step:,} of {self.total_steps:,}")
        elif resume:
            msg.warn(f"No checkpoint in {self.output}: starting from the stage-1 model")
        log_step, finish_log = self._logger()
        try:
            if checkpoint is None:
                score, scores = self._score()
                self.best_score = score
                self._log(log_step, score, scores, 0.0)
            self._train(log_step)
        finally:
            finish_log()
        return self._write_best()

    def _train(self, log_step: Callable) -> None:
        settings, total_loss = self.settings, torch.zeros((), device=self.device)
        while self.step < self.total_steps:
            epoch, at = divmod(self.step, self.steps_per_epoch)
            # The order depends on seed and epoch alone, so that a resumed run meets the same.
            rng = np.random.default_rng([settings.seed, epoch])
            for batch in length_groups(self.lengths, settings.batch_size, rng)[at:]:
                total_loss += self.train_step(self.trained_on[batch])
                self.step += 1
                if self.step % settings.eval_frequency and self.step != self.total_steps:
                    log_step(None)
                    continue
                score, scores = self._score()
                self._log(log_step, score, scores, float(total_loss))
                total_loss.zero_()
                if score > self.best_score:
                    self.best_score, self.best_step = score, self.step
                    self.teacher.load_state_dict(self.network.state_dict())
                self._save_checkpoint()

    def train_step(self, batch: Ints) -> Tensor:
        """One step over a batch of sentence numbers. Returns its loss, without gradient."""
        settings, accelerator = self.settings, self.accelerator
        rate = warmup_linear(self.step, settings.warmup_steps, self.total_steps)
        set_rate(self.optimizer, self.config.optimizer.learn_rate * rate)
        self.student.train()
        is_source = batch < self.n_source
        words = self.corpus.sentence_lengths[batch]
        n_source, n_target = (
            torch.tensor(int(words[chosen].sum()), device=self.device)
            for chosen in (is_source, ~is_source)
        )
        # Sentences of like length share a piece; each process takes every n-th sentence.
        own = batch[accelerator.process_index :: accelerator.num_processes]
        pieces = [p for p in np.array_split(own, settings.accumulate_gradient) if len(p)]
        total = torch.zeros((), device=self.device)
        for number, sentences in enumerate(pieces, start=1):
            loss = self._piece_loss(sentences, n_source, n_target, 1 / len(pieces))
            # Processes average their gradients, but the loss is divided by words of all of them.
            loss = loss * accelerator.num_processes
            if number < len(pieces):
                with accelerator.no_sync(self.student):
                    accelerator.backward(loss)
            else:
                accelerator.backward(loss)
            total += loss.detach()
        if self.config.optimizer.grad_clip:
            accelerator.clip_grad_norm_(self.student.parameters(), self.config.optimizer.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _piece_loss(
        self, sentences: Ints, n_source: Tensor, n_target: Tensor, share: float
    ) -> Tensor:
        batch, gold = self.corpus.select(sentences)
        blocks = make_blocks(batch, self.recogniser.shape)
        n_words = len(batch.word_lengths)
        with torch.no_grad(), self.accelerator.autocast():
            _, teacher_logits = self.teacher(blocks, n_words)
        vectors, logits = self.student(blocks, n_words)
        is_source = np.repeat(sentences < self.n_source, batch.sentence_lengths)
        piece = Piece(
            torch.from_numpy(gold).to(self.device),
            torch.from_numpy(is_source).to(self.device),
            Layout(batch.sentence_lengths, self.device),
            n_source,
            n_target,
            share,
        )
        objective = self.config.objective
        return stage2_loss(objective, piece, vectors, logits.float(), teacher_logits.float())

    def _score(self) -> tuple[float, dict[str, float]]:
        """Score the student on the main process; all processes get the same answer."""
        answer: list[Any] = [None]
        if self.accelerator.is_main_process:
            with self.accelerator.autocast():
                answer = [self.development.score(self.network)]
        return broadcast_object_list(answer)[0]

    def _logger(self) -> tuple[Callable, Callable]:
        """Set up spaCy's logger for the columns and steps of this run."""
        if not self.accelerator.is_main_process:
            return (lambda info: None), (lambda: None)
        training = self.nlp.config["training"]
        before = copy.deepcopy(training)
        selecting = set(self.development.selecting)
        weight = 1 / len(selecting)
        training["max_steps"] = self.total_steps
        training["eval_frequency"] = self.settings.eval_frequency
        # spaCy adds the component's own scores to the columns, unless they are null.
        training["score_weights"] = dict.fromkeys(
            [*before["score_weights"], "ents_f", "ents_p", "ents_r", "ents_per_type"]
        ) | {
            name: weight if name.removeprefix("agree_") in selecting else 0.0
            for name in self.development.columns
        }
        others = [n for n in self.nlp.pipe_names if n != self.settings.component]
        with self.nlp.select_pipes(disable=others):
            hooks = self.settings.logger(self.nlp, sys.stdout, sys.stderr)
        training.update(before)
        return hooks

    def _log(self, log_step: Callable, score: float, scores: dict[str, float], loss: float) -> None:
        log_step(
            {
                "epoch": self.step // self.steps_per_epoch,
                "step": self.step,
                "score": score,
                "other_scores": scores,
                "losses": {self.settings.component: loss},
                "checkpoints": [(score, self.step)],
                "seconds": 0,
                "words": 0,
            }
        )

    def _save_checkpoint(self) -> None:
        if not self.accelerator.is_main_process:
            return
        first = not (self.output / FILE_NAME).exists()
        size = save_checkpoint(
            self.output,
            {
                "config": self._fingerprint,
                "step": self.step,
                "best_step": self.best_step,
                "best_score": self.best_score,
                "student": self.network.state_dict(),
                "teacher": self.teacher.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": random_state(),
            },
        )
        if first:
            msg.info(f"Checkpoint of {size / 1e6:,.0f} MB in {self.output / FILE_NAME}")

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        if checkpoint["config"] != self._fingerprint:
            raise DualNerError(
                f"{self.output / FILE_NAME}: the checkpoint is of a run with another config or "
                "corpus. Use the same, or start without --resume."
            )
        self.step, self.best_step = checkpoint["step"], checkpoint["best_step"]
        self.best_score = checkpoint["best_score"]
        self.network.load_state_dict(checkpoint["student"])
        self.teacher.load_state_dict(checkpoint["teacher"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        restore_random_state(checkpoint["random"])

    def _write_best(self) -> Path:
        """Put the best student into the pipeline and write it; then the checkpoint may go."""
        best = self.output / BEST
        if self.accelerator.is_main_process:
            self.network.load_state_dict(self.teacher.state_dict())
            if self.best_step:
                msg.good(f"Best student at step {self.best_step:,}: {100 * self.best_score:.2f}")
            else:
                msg.warn(
                    "No student was better than the stage-1 model "
                    f"({100 * self.best_score:.2f}): stage 2 returns stage 1"
                )
            self.nlp.meta["performance"] = {"select": self.best_score}
            aside = self.output / f".{BEST}.part"
            shutil.rmtree(aside, ignore_errors=True)
            without_paths(self.nlp).to_disk(aside)
            if best.exists():
                shutil.rmtree(best)
            aside.rename(best)
            (self.output / FILE_NAME).unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()
        return best
