"""The objective of stage 2 (equations 5 to 10) on one piece of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..encoder.heads import split_logits
from ..labels.conversions import Spans, extract_span, sequential, tags_to_spans
from ..labels.layout import Layout
from ..labels.scheme import HeadValues
from ..training.losses import labelled_loss, self_teaching_loss
from .balance import TypeBalance
from .pseudo_labels import Words, pseudo_labels
from .quotas import Quotas
from .regulariser import EntityMemory, Regulariser, entity_regulariser, gather_entities
from .settings import ConfigSchemaTeaching, PseudoLabelSettings


@dataclass(frozen=True)
class Objective:
    """Which losses stage 2 is made of. The defaults are the paper's.

    method (str): `dual`, pseudo labels crossed over between the heads; `selfkl`, each head after
        the teacher's own distribution; or `filter`, that for target words alone.
    alpha (float): Weight of the entity-aware regulariser.
    regulariser (Regulariser): What that pulls together.
    pseudo_labels (PseudoLabelSettings): What `dual` learns.
    """

    method: Literal["dual", "selfkl", "filter"] = "dual"
    alpha: float = 0.5
    regulariser: Regulariser = field(default_factory=Regulariser)
    pseudo_labels: PseudoLabelSettings = field(default_factory=PseudoLabelSettings)


def make_objective(settings: ConfigSchemaTeaching) -> Objective:
    """The objective that a config asks for."""
    chosen = settings.regulariser
    regulariser = Regulariser(
        settings.mse_norm if chosen.kind == "pairs" else chosen.kind,
        between_langs=chosen.between_langs,
        normalise=chosen.normalise,
    )
    return Objective(settings.method, settings.alpha, regulariser, settings.pseudo_labels)


@dataclass
class Piece:
    """Words of one piece of a batch.

    gold (Ints1d): Tag class of each word, IGNORE where there is no gold tag.
    words (Words): Where they stand.
    n_source (Tensor): Source words of the whole batch.
    n_target (Tensor): Target words of the whole batch.
    share (float): This piece's share of the regulariser: 1 / pieces.
    """

    gold: Tensor
    words: Words
    n_source: Tensor
    n_target: Tensor
    share: float


@dataclass
class Memory:
    """What the objective remembers of earlier batches: by default nothing.

    entities (Optional[EntityMemory]): Entity vectors, for the regulariser.
    quotas (Optional[Quotas]): How sure the teacher's entities were.
    balance (Optional[TypeBalance]): Of which types they were.
    """

    entities: EntityMemory | None = None
    quotas: Quotas | None = None
    balance: TypeBalance | None = None

    @classmethod
    def of(
        cls,
        settings: ConfigSchemaTeaching,
        gold: Tensor,
        n_langs: int,
        n_types: int,
        device: torch.device,
    ) -> Memory:
        """What the settings need. gold (Ints1d): Tag classes of the annotated words."""
        size, labels = settings.regulariser.memory, settings.pseudo_labels
        sizes = n_langs, n_types, device
        return cls(
            EntityMemory(size, device) if size else None,
            Quotas(labels.quota, *sizes) if labels.quota < 1 else None,
            TypeBalance(labels.balance, gold, *sizes) if labels.balance else None,
        )

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint keeps."""
        return {name: part.state_dict() for name, part in vars(self).items() if part}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Go on from a checkpoint."""
        for name, part in vars(self).items():
            if part:
                part.load_state_dict(state[name])


def found_entities(values: HeadValues, layout: Layout) -> Spans:
    """Entities that the start/end heads find, in word numbers of the piece."""
    start, end = (layout.spread(head.detach().argmax(-1)) for head in (values.start, values.end))
    spans = tags_to_spans(sequential(start, end, values.start.shape[-1] - 1))
    word_at = layout.spread(torch.arange(layout.n_words, device=start.device))
    return Spans(word_at[spans.start], word_at[spans.end], spans.type)


def stage2_loss(
    objective: Objective,
    piece: Piece,
    vectors: Tensor,
    student: Tensor,
    teacher: Tensor,
    memory: Memory | None = None,
) -> Tensor:
    """`J_src + J_trg + alpha * J_mse` (equation 10) of one piece; pieces add up to the batch.

    objective (Objective): Which losses.
    piece (Piece): Gold labels and layout.
    vectors (Floats2d): The student's word vectors.
    student (Floats2d): The student's logits `[words, 4C + 3]`.
    teacher (Floats2d): The teacher's logits, without gradient.
    memory (Optional[Memory]): Earlier batches.
    RETURNS (Tensor): Scalar.
    """
    memory = memory or Memory()
    values = split_logits(student)
    one = student.new_ones(())
    ones = HeadValues(one, one, one)
    n_source, n_target = piece.n_source, piece.n_target
    layout, is_source = piece.words.layout, piece.words.is_source
    bounds = extract_span(layout.spread(piece.gold))
    gold = HeadValues(piece.gold, *map(layout.gather, bounds))
    gold_weight = 1.0 if objective.method == "filter" else 0.5
    loss = gold_weight * labelled_loss(values, gold, ones, n_source)
    if objective.method == "dual":
        if memory.balance:
            teacher = memory.balance.balance(teacher, piece.words.langs, is_source)
        pseudo = pseudo_labels(teacher, piece.words, objective.pseudo_labels, memory.quotas)
        source, target = pseudo.only(is_source), pseudo.only(~is_source)
        loss = loss + 0.5 * labelled_loss(values, source.labels, ones, n_source, pseudo.weights)
        loss = loss + labelled_loss(values, target.labels, ones, n_target, pseudo.weights)
    else:
        own = split_logits(teacher)
        if objective.method == "selfkl":
            loss = loss + 0.5 * self_teaching_loss(values, own, is_source, n_source)
        loss = loss + self_teaching_loss(values, own, ~is_source, n_target)
    if objective.alpha:
        found = gather_entities(vectors, found_entities(values, layout), piece.words.langs)
        remembered = memory.entities.entities() if memory.entities else None
        n_types = values.start.shape[-1] - 1
        pull = entity_regulariser(found, n_types, objective.regulariser, remembered)
        loss = loss + objective.alpha * piece.share * pull
        if memory.entities:
            memory.entities.add(found)
    return loss
