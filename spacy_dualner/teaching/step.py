"""One step of the student."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from ..encoder.piece_size import PieceSize
from ..encoder.subwords import Ints
from ..labels.layout import Layout
from ..training.optimizer import set_rate
from .config import TeachingConfig
from .network import Network
from .objective import Piece, stage2_loss
from .teacher import Teacher
from .templates import with_unread
from .views import View, Views


@dataclass
class Step:
    """What a batch goes through, in pieces that memory takes."""

    config: TeachingConfig
    network: Network
    teacher: Teacher
    views: Views
    accelerator: Accelerator
    piece_size: PieceSize

    def __post_init__(self) -> None:
        network, settings = self.network, self.config.optimizer
        self.device = next(network.parameters()).device
        self.word_counts = self.views.data.corpus.word_counts()
        optimizer = settings.build([network.encoder], network.heads)
        self.student, self.optimizer = self.accelerator.prepare(network, optimizer)

    def take(self, batch: Ints, rate: float) -> Tensor:
        """Step over a batch of sentence numbers, the same on all processes.

        rate (float): Share of the peak learning rate.
        RETURNS (Tensor): Its loss, without gradient; with several processes, their mean is.
        """
        accelerator, data = self.accelerator, self.views.data
        set_rate(self.optimizer, self.config.optimizer.learn_rate * rate)
        self.student.train()
        sentences = data.with_partners(batch)
        is_source, words = sentences < data.n_source, self.word_counts[sentences]
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
                loss = self._loss(piece, n_source, n_target, share)
                # Processes average their gradients; the loss is divided by words of all of them.
                loss = loss * n_processes * counts
                accelerator.backward(loss)
            total += loss.detach()
        if self.config.optimizer.grad_clip:
            accelerator.clip_grad_norm_(self.student.parameters(), self.config.optimizer.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _cut(self, sentences: Ints) -> list[Ints]:
        """As many pieces as are asked for, and those in parts that memory takes."""
        pieces = np.array_split(sentences, self.config.settings.accumulate_gradient)
        sizes = self.views.sizes
        return [p[at] for p in pieces if len(p) for at in self.piece_size.cut(sizes[p])]

    def _loss(self, drawn: Ints, n_source: Tensor, n_target: Tensor, share: float) -> Tensor:
        view, device = self.views.make(drawn), self.device
        layout = Layout(view.sentence_lengths, device)
        taught = self._taught(view) if self.config.settings.method != "gold" else None
        vectors, logits = self.student(view.student, view.n_words)
        gold, is_source = (torch.from_numpy(x).to(device) for x in (view.gold, view.is_source))
        piece = Piece(gold, layout, is_source, n_source, n_target, share)
        return stage2_loss(self.config.settings, piece, vectors, logits.float(), taught)

    def _taught(self, view: View) -> Tensor:
        """The teacher's logits `[words, 4C + 3]`."""
        with torch.no_grad(), self.accelerator.autocast():
            read = self.teacher.network(view.teacher, view.n_read)[1].float()
            return with_unread(read, view.unread)
