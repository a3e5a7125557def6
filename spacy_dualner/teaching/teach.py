"""The loop of stage 2: dual teaching over source and target text."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object, set_seed
from spacy.language import Language
from torch import Tensor
from wasabi import Printer

from ..data.folders import check_output, written_aside
from ..encoder.heads import split_logits
from ..encoder.kernels import keep_few_kernels
from ..encoder.piece_size import PieceSize, fitting_pieces
from ..encoder.subwords import Ints
from ..errors import DualNerError
from ..labels.layout import Layout
from ..pipeline import load_pipeline
from ..training.batching import length_groups
from ..training.losses import divergence_loss
from ..training.optimizer import set_rate, warmup_linear
from ..training.portable import without_paths
from ..training.steps import fitted_warmup
from .checkpoint import (
    FILE_NAME,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from .config import TeachingConfig
from .development import Development
from .log import TeachingLog
from .network import Recogniser
from .objective import Memory, Piece, stage2_loss
from .processes import make_accelerator, on_main
from .pseudo_labels import Words
from .record import KEY, teaching_record
from .sampling import draw_epoch
from .survey import survey
from .teacher import Teacher
from .templates import find_templates, template_words, with_unread
from .texts import read_texts
from .views import View, make_views

BEST = "model-best"


def teach(config: TeachingConfig, output: Path, *, resume: bool = False) -> Path:
    """Teach a stage-1 pipeline on unlabelled target text.

    config (TeachingConfig): From `config.resolve_config`.
    output (Path): Folder for `model-best` and the checkpoint.
    resume (bool): Go on from the checkpoint of an interrupted run of the same config.
    RETURNS (Path): The best pipeline.
    Raises DualNerError where the pipeline cannot be taught, a corpus is missing, something else
    would be lost, or a checkpoint cannot be written or does not belong to this config.
    """
    output.mkdir(parents=True, exist_ok=True)
    keep_few_kernels()
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
        self.nlp: Language = load_pipeline(settings.model)
        check_output(output / BEST, self.nlp.path)
        self.recogniser = Recogniser(self.nlp, settings.component)
        self.network = self.recogniser.network
        self.network.heads.dropout.p = settings.dropout
        self.device = next(self.network.parameters()).device
        self.accelerator = make_accelerator(self.device, mixed_precision=settings.mixed_precision)
        self.msg = Printer(no_print=not self.accelerator.is_main_process)
        set_seed(settings.seed, device_specific=True)
        self._read_corpora()
        self.piece_size = self._piece_size()
        self.teacher = Teacher(self.network, settings.teacher)
        self.student, self.optimizer = self.accelerator.prepare(
            self.network, config.optimizer.build([self.network.encoder], self.network.heads)
        )
        n_langs, n_types = len(self.corpus.lang_names), len(self.recogniser.scheme.types)
        gold = self.corpus.tags[: self.corpus.word_bounds[self.n_source]].astype(np.int64)
        self.memory = Memory.of(settings, torch.from_numpy(gold), n_langs, n_types, self.device)
        self.step, self.best_step, self.best_score = 0, 0, 0.0

    def _read_corpora(self) -> None:
        settings = self.settings
        texts = read_texts(self.nlp, self.recogniser, self.config, self.output)
        self.corpus, self.n_source = texts.corpus, texts.n_source
        self.word_counts = self.corpus.word_counts()
        # Translations keep their places, also where there is no word.
        sentences = np.flatnonzero(self.word_counts)
        of_target = sentences[sentences >= self.n_source]
        langs = {name: self.corpus.of_lang(name) for name in self.corpus.lang_names}
        target = {name: np.intersect1d(own, of_target) for name, own in langs.items()}
        held_back = np.zeros(0, dtype=np.int64)
        if settings.select == "agreement":
            # Of a language with little text, half of it at most.
            few = [own[: min(settings.held_back, len(own) // 2)] for own in target.values()]
            held_back = np.concatenate([held_back, *few])
        self.views = make_views(settings, self.corpus, self.n_source, self.recogniser)
        if self.views.partners is not None:
            sentences = np.flatnonzero(self.views.partners >= 0)
        self.trained_on = np.setdiff1d(sentences, held_back)
        self.lengths = self.corpus.subword_counts()[self.trained_on]
        self.steps_per_epoch = -(-len(self.trained_on) // settings.batch_size)
        self.steps_per_round = self.steps_per_epoch * settings.max_epochs
        self.total_steps = self.steps_per_round * settings.teacher.rounds
        self.warmup_steps = fitted_warmup(settings.warmup_steps, self.steps_per_round)
        # However small the corpus, each epoch is evaluated.
        self.eval_frequency = min(settings.eval_frequency, self.steps_per_epoch)
        n_target = int((self.trained_on >= self.n_source).sum())
        self._fingerprint = repr(
            (self.config.source, self.n_source, n_target, len(self.corpus.ids))
        )
        self.development = Development(
            settings.select,
            texts.source_langs,
            texts.dev,
            self.corpus.subset(held_back),
            self.recogniser.scheme,
            self.recogniser.shape,
        )
        taught = {name: own for name, own in target.items() if len(own)}
        self.msg.info(
            f"Source: {self.n_source:,} sentences ({', '.join(texts.source_langs)}), target: "
            f"{n_target:,} ({', '.join(taught) or 'none'}), "
            f"{self.total_steps:,} steps in {settings.max_epochs * settings.teacher.rounds} epochs"
        )
        if settings.teacher.templates:
            self._find_templates(taught)
        self._survey(taught)

    def _find_templates(self, target: dict[str, Ints]) -> None:
        """See which beginnings of sentences the teacher is not to read."""
        network, tokenizer = self.network.eval(), self.recogniser.words.tokenizer
        how = self.recogniser.shape, self.settings.teacher.templates, tokenizer
        found = on_main(
            self.accelerator,
            lambda: {n: find_templates(network, self.corpus, x, *how) for n, x in target.items()},
        )
        self.views.unread = template_words(self.corpus, chain(*found.values()))
        for remark in (t.remark(name) for name, own in found.items() for t in own):
            self.msg.info(remark)

    def _survey(self, target: dict[str, Ints]) -> None:
        """Say in which languages the teacher finds next to nothing."""
        shape = self.recogniser.shape
        found = on_main(self.accelerator, lambda: survey(self.network, self.corpus, target, shape))
        for name, finds in found.items():
            if finds.too_few:
                self.msg.warn(finds.remark(name))

    def run(self, resume: bool) -> Path:
        """Teach to the end of the last epoch and write the best pipeline."""
        resumed = resume and self._resume()
        with self._log() as log:
            if not resumed:
                score, scores = self._score()
                self.best_score = score
                for remark in self.development.remarks(scores):
                    self.msg.warn(remark)
                log.evaluation(0, 0, score, scores, 0.0)
            self._train(log)
        return self._write_best()

    def _log(self) -> TeachingLog:
        return TeachingLog(
            self.nlp,
            self.settings,
            self.development.columns,
            self.total_steps,
            self.eval_frequency,
            silent=not self.accelerator.is_main_process,
        )

    def _train(self, log: TeachingLog) -> None:
        total_loss = torch.zeros((), device=self.device, dtype=torch.float32)
        while self.step < self.total_steps:
            epoch, at = divmod(self.step, self.steps_per_epoch)
            for batch in self._batches(epoch)[at:]:
                if self.step and self.step % self.steps_per_round == 0:
                    self._begin_round()
                total_loss += self.train_step(self.trained_on[batch])
                self.teacher.after_step(self.network, self.step % self.steps_per_round)
                self.step += 1
                if self.step % self.eval_frequency and self.step % self.steps_per_round:
                    log.step()
                    continue
                score, scores = self._score()
                loss = self.accelerator.reduce(total_loss, "mean")
                at_epoch = self.step // self.steps_per_epoch
                log.evaluation(at_epoch, self.step, score, scores, float(loss))
                total_loss.zero_()
                is_better = score > self.best_score
                if is_better:
                    self.best_score, self.best_step = score, self.step
                self.teacher.after_evaluation(self.network, is_better=is_better)
                self._save_checkpoint()

    def _batches(self, epoch: int) -> list[Ints]:
        """The batches of an epoch, as places in `trained_on`."""
        # They depend on seed and epoch alone, so that a resumed run meets the same.
        rng = np.random.default_rng([self.settings.seed, epoch])
        is_source = self.trained_on < self.n_source
        groups = 2 * self.corpus.langs[self.trained_on] + is_source
        drawn = draw_epoch(groups, is_source, self.settings.sampling, rng)
        size, pool = self.settings.batch_size, self.settings.sampling.pool
        return [drawn[b] for b in length_groups(self.lengths[drawn], size, rng, pool=pool)]

    def _begin_round(self) -> None:
        self.teacher.begin_round(self.network)
        self.optimizer.state.clear()

    def train_step(self, batch: Ints) -> Tensor:
        """One step over a batch of sentence numbers, the same on all processes.

        RETURNS (Tensor): Its loss, without gradient; with several processes, their mean is.
        """
        accelerator = self.accelerator
        at = self.step % self.steps_per_round
        rate = warmup_linear(at, self.warmup_steps, self.steps_per_round)
        set_rate(self.optimizer, self.config.optimizer.learn_rate * rate)
        self.student.train()
        sentences = self.views.with_partners(batch)
        is_source, words = sentences < self.n_source, self.word_counts[sentences]
        n_source, n_target = (
            torch.tensor(int(words[chosen].sum()), device=self.device)
            for chosen in (is_source, ~is_source)
        )
        # Sentences of like length share a piece; each process takes every n-th sentence.
        n_processes = accelerator.num_processes
        own = batch[accelerator.process_index :: n_processes]
        # Each has to take part in the exchange of gradients, also where a batch is too small.
        counts = float(len(own) > 0)
        own = own if counts else batch[:1]
        pieces = self._cut(own)
        share = 1 / (len(pieces) * min(n_processes, len(batch)))
        total = torch.zeros((), device=self.device, dtype=torch.float32)
        for number, piece in enumerate(pieces, start=1):
            # Gradients are exchanged once, however many pieces each process has.
            is_last = number == len(pieces)
            with nullcontext() if is_last else accelerator.no_sync(self.student):
                loss = self._piece_loss(piece, n_source, n_target, share)
                # Processes average their gradients; the loss is divided by words of all of them.
                loss = loss * n_processes * counts
                accelerator.backward(loss)
            total += loss.detach()
        if self.config.optimizer.grad_clip:
            accelerator.clip_grad_norm_(self.student.parameters(), self.config.optimizer.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _piece_size(self) -> PieceSize:
        settings, shape, passes = self.settings, self.recogniser.shape, self.views.passes
        if settings.piece_size:
            return PieceSize(shape, settings.piece_size / passes)
        encoder, mixed_precision = self.network.encoder, settings.mixed_precision
        fits = fitting_pieces(encoder, shape, mixed_precision=mixed_precision, passes=passes)
        self.msg.info(f"Pieces of at most {fits.subwords:,} padded sub-words in short sentences")
        return fits

    def _cut(self, sentences: Ints) -> list[Ints]:
        """As many pieces as are asked for, and those in parts that memory takes."""
        pieces = np.array_split(sentences, self.settings.accumulate_gradient)
        fits = self.piece_size.cut
        return [p[at] for p in pieces if len(p) for at in fits(self.views.sizes[p])]

    def _piece_loss(self, drawn: Ints, n_source: Tensor, n_target: Tensor, share: float) -> Tensor:
        # Anew for each piece, so that a resumed run draws the same.
        of_process = self.step, self.accelerator.process_index, int(drawn[0])
        rng = np.random.default_rng([self.settings.seed, *of_process])
        view = self.views.make(drawn, rng)
        layout = Layout(view.sentence_lengths, self.device)
        with torch.no_grad(), self.accelerator.autocast():
            read = self.teacher.network(view.teacher, view.n_read)[1].float()
            teacher_logits = with_unread(read, view.unread)
        vectors, logits = self.student(view.student, view.n_words)
        gold, is_source, langs = (
            torch.from_numpy(values).to(self.device)
            for values in (view.gold, view.is_source, view.langs)
        )
        words = Words(layout, is_source, langs)
        piece = Piece(gold, words, n_source, n_target, share)
        arguments = (vectors, logits.float(), teacher_logits, self.memory)
        loss = stage2_loss(self.config.objective, piece, *arguments)
        if self.settings.noise.consistency and not view.is_source.all():
            loss = loss + self._consistency(view, logits[~is_source], n_target, rng)
        self.views.remember(view, teacher_logits, layout)
        return loss

    def _consistency(
        self, view: View, logits: Tensor, n_target: Tensor, rng: np.random.Generator
    ) -> Tensor:
        """The divergence between two predictions for the target sentences of a view."""
        _, others = self.student(*self.views.again(view, rng))
        first, second = (split_logits(x.float()) for x in (logits, others))
        return self.settings.noise.consistency * divergence_loss(first, second, n_target)

    def _score(self) -> tuple[float, dict[str, float]]:
        """Score the student, each process its share of the texts; all get the same answer."""
        processes = self.accelerator.process_index, self.accelerator.num_processes
        with self.accelerator.autocast():
            return self.development.score(self.teacher.candidate(self.network), *processes)

    def _save_checkpoint(self) -> None:
        random = gather_object([random_state(self.device)])
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
                **self.teacher.state_dict(),
                "memory": self.memory.state_dict(),
                "pool": {} if self.views.pool is None else self.views.pool.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": random,
            },
        )
        if first:
            self.msg.info(f"Checkpoint of {size / 1e6:,.0f} MB in {self.output / FILE_NAME}")

    def _resume(self) -> bool:
        """Go on from the checkpoint, if there is one. Nothing holds it afterwards."""
        checkpoint = load_checkpoint(self.output, self.device)
        if checkpoint is None:
            self.msg.warn(f"No checkpoint in {self.output}: starting from the stage-1 model")
            return False
        if checkpoint["config"] != self._fingerprint:
            raise DualNerError(
                f"{self.output / FILE_NAME}: the checkpoint is of a run with another config or "
                "corpus. Use the same, or start without --resume."
            )
        self.step, self.best_step = checkpoint["step"], checkpoint["best_step"]
        self.best_score = checkpoint["best_score"]
        self.network.load_state_dict(checkpoint["student"])
        self.teacher.load_state_dict(checkpoint)
        self.memory.load_state_dict(checkpoint["memory"])
        if self.views.pool is not None:
            self.views.pool.load_state_dict(checkpoint["pool"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        # One state per process; with more processes than before, the last ones keep their own.
        if self.accelerator.process_index < len(checkpoint["random"]):
            state = checkpoint["random"][self.accelerator.process_index]
            restore_random_state(state, self.device)
        self.msg.good(f"Resumed at step {self.step:,} of {self.total_steps:,}")
        return True

    def _write_best(self) -> Path:
        """Put the best student into the pipeline and write it; then the checkpoint may go."""
        best = self.output / BEST
        if self.accelerator.is_main_process:
            self.network.load_state_dict(self.teacher.best.state_dict())
            if self.best_step:
                self.msg.good(
                    f"Best student at step {self.best_step:,}: {100 * self.best_score:.2f}"
                )
            else:
                self.msg.warn(
                    "No student was better than the stage-1 model "
                    f"({100 * self.best_score:.2f}): stage 2 returns stage 1"
                )
            self.nlp.meta["performance"] = {"select": self.best_score}
            self.nlp.meta[KEY] = teaching_record(
                self.config,
                self.corpus,
                np.unique(self.views.with_partners(self.trained_on)),
                self.n_source,
                steps=self.total_steps,
                warmup_steps=self.warmup_steps,
                best_step=self.best_step,
                best_score=self.best_score,
            )
            with written_aside(best) as aside:
                without_paths(self.nlp).to_disk(aside)
            (self.output / FILE_NAME).unlink(missing_ok=True)
            self.msg.good(f"Saved pipeline to {best}")
        self.accelerator.wait_for_everyone()
        return best
