"""Stage 2: dual teaching over source and target text."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from zlib import crc32

import torch
from accelerate.utils import gather_object, set_seed
from spacy.language import Language
from wasabi import Printer

from ..data.outputs import check_no_url, check_output, locked, written_aside
from ..encoder.encode import keep_few_kernels
from ..encoder.piece_size import PieceSize, fitting_pieces
from ..errors import DualNerError
from ..pipeline import load_pipeline
from ..training.portable import without_paths
from .checkpoint import (
    FILE_NAME,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from .config import TeachingConfig
from .data import read_data
from .development import Development
from .log import TeachingLog
from .network import Recogniser
from .processes import check_alike, make_accelerator, on_main, together
from .record import KEY, teaching_record
from .schedule import Schedule
from .step import Step
from .survey import survey
from .teacher import Teacher
from .templates import find_templates, template_words
from .views import make_views

BEST = "model-best"


def teach(config: TeachingConfig, output: Path, *, resume: bool = False) -> Path:
    """Teach a stage-1 pipeline on unlabelled target text.

    config (TeachingConfig): From `config.resolve_config`.
    output (Path): Folder for `model-best` and the checkpoint.
    resume (bool): Go on from the checkpoint of an interrupted run of the same config.
    RETURNS (Path): The best pipeline.
    Raises DualNerError where the pipeline cannot be taught, a corpus is missing, something else
    would be lost, another run writes there, or a checkpoint cannot be written or does not belong
    to this config.
    """
    check_no_url(output)
    output.mkdir(parents=True, exist_ok=True)
    keep_few_kernels()
    with together():
        return Teaching(config, output).run(resume)


class Teaching:
    """One run of stage 2: its steps, evaluations, checkpoints and outcome."""

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
        # A reader may draw: all processes have to read the same. Dropout is each one's own.
        set_seed(settings.seed)
        self.data = read_data(self.nlp, self.recogniser, config, output)
        set_seed(settings.seed, device_specific=True)
        self.development = Development(settings.select, self.data, self.recogniser)
        self.schedule = Schedule.of(settings, len(self.data.trained_on))
        self.views = make_views(settings, self.data, self.recogniser)
        self.fingerprint = self._fingerprint()
        check_alike(self.fingerprint)
        self._describe()
        self.teacher = Teacher(self.network)
        self.step = Step(
            config, self.network, self.teacher, self.views, self.accelerator, self._piece_size()
        )
        self.n_steps = 0

    def _describe(self) -> None:
        """Say what is taught on, what the teacher does not read, and where it finds nothing."""
        data, settings = self.data, self.settings
        held_back = f", {len(data.held_back):,} more held back" if len(data.held_back) else ""
        self.msg.info(
            f"Source: {data.n_source:,} sentences ({', '.join(data.source_langs)}), target: "
            f"{data.n_target:,} ({', '.join(data.target) or 'none'}){held_back}, "
            f"{self.schedule.total:,} steps in {settings.max_epochs} epochs"
        )
        if settings.teacher.templates:
            self._find_templates(settings.teacher.templates)
        look = partial(survey, self.network, data.corpus, data.target, self.recogniser.shape)
        for remark in on_main(self.accelerator, look):
            self.msg.warn(remark)

    def _find_templates(self, share: float) -> None:
        """See which beginnings of sentences the teacher is not to read."""
        network, corpus = self.network, self.data.corpus
        how = self.recogniser.shape, share, self.recogniser.words.tokenizer
        found = on_main(
            self.accelerator,
            lambda: {
                name: find_templates(network, corpus, own, *how)
                for name, own in self.data.target.items()
            },
        )
        self.views.unread = template_words(corpus, chain(*found.values()))
        for remark in (t.remark(name) for name, own in found.items() for t in own):
            self.msg.info(remark)

    def _piece_size(self) -> PieceSize:
        settings, shape, passes = self.settings, self.recogniser.shape, self.views.passes
        if settings.piece_size:
            return PieceSize(shape, settings.piece_size / passes)
        encoder, mixed_precision = self.network.encoder, settings.mixed_precision
        fits = fitting_pieces(encoder, shape, mixed_precision=mixed_precision, passes=passes)
        self.msg.info(f"Pieces of at most {fits.subwords:,} padded sub-words in short sentences")
        return fits

    def run(self, resume: bool) -> Path:
        """Teach to the end of the last epoch and write the best pipeline."""
        writes = self.accelerator.is_main_process
        with locked(self.output, self.output / BEST) if writes else nullcontext():
            resumed = resume and self._resume()
            if not resume and (left := self.output / FILE_NAME).exists():
                self.msg.warn(
                    f"{left}: of an interrupted run, and replaced at the first evaluation. To go "
                    "on with that run, stop this one and add --resume"
                )
            columns = self.development.columns
            log = TeachingLog(self.nlp, self.settings, columns, self.schedule, silent=not writes)
            with log:
                if not resumed:
                    self.teacher.score, scores = self._score()
                    weak = self.development.weakness(scores)
                    if weak and self.settings.method != "gold":
                        self.msg.warn(weak)
                    log.evaluation(0, 0, self.teacher.score, scores, 0.0)
                self._train(log)
            return self._write_best()

    def _train(self, log: TeachingLog) -> None:
        settings, schedule = self.settings, self.schedule
        total_loss = torch.zeros((), device=self.device, dtype=torch.float32)
        while self.n_steps < schedule.total:
            epoch, at = divmod(self.n_steps, schedule.epoch)
            for batch in self.data.batches(settings.batch_size, settings.seed, epoch)[at:]:
                total_loss += self.step.take(batch, schedule.rate(self.n_steps))
                self.n_steps += 1
                if not schedule.evaluates(self.n_steps):
                    log.step()
                    continue
                score, scores = self._score()
                loss = float(self.accelerator.reduce(total_loss, "mean"))
                log.evaluation(self.n_steps // schedule.epoch, self.n_steps, score, scores, loss)
                total_loss.zero_()
                self.teacher.after_evaluation(self.network, self.n_steps, score)
                self._save_checkpoint()

    def _score(self) -> tuple[float, dict[str, float]]:
        """Score the student, each process its share of the texts; all get the same answer."""
        processes = self.accelerator.process_index, self.accelerator.num_processes
        with self.accelerator.autocast():
            return self.development.score(self.network, *processes)

    def _fingerprint(self) -> str:
        """What a checkpoint has to be of: config, text, and the weights of stage 1."""
        weights = 0
        for values in self.network.state_dict().values():
            weights = crc32(values.cpu().reshape(-1).view(torch.uint8).numpy(), weights)
        data = self.data
        return repr((self.config.source, data.corpus.checksum(), data.dev.checksum(), weights))

    def _save_checkpoint(self) -> None:
        random = gather_object([random_state(self.device)])
        if not self.accelerator.is_main_process:
            return
        first = not (self.output / FILE_NAME).exists()
        size = save_checkpoint(
            self.output,
            {
                "config": self.fingerprint,
                "step": self.n_steps,
                "student": self.network.state_dict(),
                "teacher": self.teacher.state_dict(),
                "optimizer": self.step.optimizer.state_dict(),
                "random": random,
            },
        )
        if first:
            self.msg.info(f"Checkpoint of {size / 1e6:,.0f} MB in {self.output / FILE_NAME}")

    def _resume(self) -> bool:
        """Go on from the checkpoint, if there is one. Nothing holds it afterwards."""
        checkpoint = load_checkpoint(self.output, self.device)
        check_alike(str(checkpoint and checkpoint["step"]))
        if checkpoint is None:
            self.msg.warn(f"No checkpoint in {self.output}: starting from the stage-1 model")
            return False
        if checkpoint["config"] != self.fingerprint:
            raise DualNerError(
                f"{self.output / FILE_NAME}: the checkpoint is of a run with another config or "
                "corpus, or of another stage-1 pipeline. Use the same, or start without --resume."
            )
        self.n_steps = checkpoint["step"]
        self.network.load_state_dict(checkpoint["student"])
        self.teacher.load_state_dict(checkpoint["teacher"])
        self.step.optimizer.load_state_dict(checkpoint["optimizer"])
        # One state per process; with more processes than before, the last ones keep their own.
        if self.accelerator.process_index < len(checkpoint["random"]):
            state = checkpoint["random"][self.accelerator.process_index]
            restore_random_state(state, self.device)
        self.msg.good(f"Resumed at step {self.n_steps:,} of {self.schedule.total:,}")
        return True

    def _write_best(self) -> Path:
        """Put the best student into the pipeline and write it; then the checkpoint may go."""
        best, teacher = self.output / BEST, self.teacher
        if self.accelerator.is_main_process:
            self.network.load_state_dict(teacher.network.state_dict())
            if teacher.step:
                self.msg.good(f"Best student at step {teacher.step:,}: {100 * teacher.score:.2f}")
            else:
                self.msg.warn(
                    "No student was better than the stage-1 model "
                    f"({100 * teacher.score:.2f}): stage 2 returns stage 1"
                )
            self.nlp.meta["performance"] = {"select": teacher.score}
            self.nlp.meta[KEY] = teaching_record(
                self.config, self.data, self.schedule, teacher, self.nlp.meta.get(KEY)
            )
            with written_aside(best) as aside:
                without_paths(self.nlp).to_disk(aside)
            (self.output / FILE_NAME).unlink(missing_ok=True)
            self.msg.good(f"Saved pipeline to {best}")
        self.accelerator.wait_for_everyone()
        return best
