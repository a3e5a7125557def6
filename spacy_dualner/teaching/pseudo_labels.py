"""What the student learns from the teacher: crossed pseudo labels (equations 5 and 6), or more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ..decoding.decodings import HEAD_DECODINGS, read_tags
from ..decoding.lattice import Lattice, make_lattice, marginals, span_log_probs
from ..decoding.read import likely_spans
from ..labels.conversions import Spans, extract_span, spans_to_tags, tags_to_spans
from ..labels.layout import Layout
from ..labels.scheme import IGNORE, HeadValues
from .quotas import Quotas
from .settings import PseudoLabelSettings


class Words(NamedTuple):
    """The words that are taught.

    layout (Layout): Their sentences.
    is_source (Bools1d): Whether each is of an annotated sentence.
    langs (Ints1d): Number of each one's language.
    """

    layout: Layout
    is_source: Tensor
    langs: Tensor


class PseudoLabels(NamedTuple):
    """What each head is taught.

    labels (HeadValues): Classes `[words]`, or probabilities `[words, classes]`.
    weights (Optional[HeadValues]): `[words]` each; None where every word counts in full.
    """

    labels: HeadValues
    weights: HeadValues | None = None

    def only(self, chosen: Tensor) -> PseudoLabels:
        """The same for chosen words (Bools1d) alone: others have no label."""
        if self.labels.tag.ndim == 1:
            labels = (head.masked_fill(~chosen, IGNORE) for head in self.labels)
        else:
            labels = (head * chosen[:, None] for head in self.labels)
        return PseudoLabels(HeadValues(*labels), self.weights)


class Finding:
    """What one decoding of the teacher finds, and how sure it is.

    logits (Floats2d): `[words, 4C + 3]`.
    words (Words): Where those words stand.
    decode (str): `span`, `tag` or `joint`.
    """

    def __init__(self, logits: Tensor, words: Words, decode: str) -> None:
        self.logits = logits
        self.words = words
        self.layout = words.layout
        self.decode = decode

    @cached_property
    def tags(self) -> Tensor:
        """BIO tags `[places]`."""
        if self.decode in HEAD_DECODINGS:
            return read_tags(self.logits, self.layout, self.decode)
        like = self.layout.spread(self.logits.new_zeros(self.layout.n_words, dtype=torch.long))
        return spans_to_tags(likely_spans(self.lattice), like)

    @cached_property
    def spans(self) -> Spans:
        """Entities, in places of the row."""
        return tags_to_spans(self.tags)

    @cached_property
    def lattice(self) -> Lattice:
        """All that it might have found."""
        return make_lattice(self.logits, self.layout, self.decode)

    @cached_property
    def probabilities(self) -> HeadValues:
        """Probabilities of each head's classes, `[words, classes]`."""
        return HeadValues(*(p.float() for p in marginals(self.lattice, self.layout)))

    @cached_property
    def sureness(self) -> Tensor:
        """Probability of each entity."""
        return span_log_probs(self.lattice, self.spans).exp().float()

    def paint(self, of_entities: Tensor, outside: Tensor) -> Tensor:
        """Values of words `[words]`: of the entity that each is in, or `outside` `[words]`."""
        number = self.layout.gather((extract_span(self.tags)[0] > 0).cumsum(0)) - 1
        inside = self.layout.gather(self.tags) > 0
        values = outside.clone()
        values[inside] = of_entities[number[inside]]
        return values


def pseudo_labels(
    logits: Tensor, words: Words, settings: PseudoLabelSettings, quotas: Quotas | None = None
) -> PseudoLabels:
    """The teacher's predictions for the student.

    Crossed over, the start and end heads teach the tag head (equation 5), and the tag head the
    start and end heads (equation 6).

    logits (Floats2d): The teacher's, `[words, 4C + 3]`.
    words (Words): Where those words stand.
    settings (PseudoLabelSettings): Which labels, and how much each counts.
    quotas (Optional[Quotas]): How sure entities have been so far, for a quota below 1.
    RETURNS (PseudoLabels): Labels and weights.
    """
    if settings.heads == "crossed":
        of_tag, of_bounds = (Finding(logits, words, decode) for decode in HEAD_DECODINGS)
    else:
        of_tag = of_bounds = Finding(logits, words, "joint")
    hard = HeadValues(of_tag.tags, *extract_span(of_bounds.tags))
    labels = HeadValues(*map(words.layout.gather, hard))
    weights = None
    if settings.confidence != "none" or settings.quota < 1 or settings.empty != 1:
        scale = _of_empty(of_tag, of_bounds, words, settings.empty)
        # A finding that teaches all heads is counted once.
        findings = dict.fromkeys((of_tag, of_bounds))
        scales = {finding: scale * _kept(finding, words, quotas) for finding in findings}
        weights = HeadValues(
            *_weights(of_tag, labels[:1], settings, scales[of_tag]),
            *_weights(of_bounds, labels[1:], settings, scales[of_bounds]),
        )
    if settings.soft:
        labels = HeadValues(of_tag.probabilities.tag, *of_bounds.probabilities[1:])
    return PseudoLabels(labels, weights)


def _weights(
    finding: Finding, labels: Sequence[Tensor], settings: PseudoLabelSettings, scale: Tensor
) -> list[Tensor]:
    """How much the labels of some heads count, which are read from one finding."""
    weights = [torch.ones_like(scale) for _ in labels]
    if settings.confidence == "word":
        classes = finding.probabilities[:1] if len(labels) == 1 else finding.probabilities[1:]
        pairs = zip(classes, labels, strict=True)
        weights = [p.gather(1, label[:, None])[:, 0] for p, label in pairs]
    elif settings.confidence == "entity":
        outside = finding.probabilities.tag[:, 0]
        weights = [finding.paint(finding.sureness, outside)] * len(labels)
    elif settings.confidence == "agreement":
        span, tag = (read_tags(finding.logits, finding.layout, d) for d in HEAD_DECODINGS)
        weights = [finding.layout.gather(span == tag).to(scale.dtype)] * len(labels)
    if settings.threshold:
        weights = [(weight >= settings.threshold).to(scale.dtype) for weight in weights]
    return [weight * scale for weight in weights]


def _kept(finding: Finding, words: Words, quotas: Quotas | None) -> Tensor:
    """0 for the words of target entities beyond their quota, 1 for others."""
    ones = torch.ones(words.layout.n_words, device=finding.logits.device, dtype=torch.float32)
    if quotas is None:
        return ones
    spans, kept = finding.spans, torch.ones_like(finding.sureness)
    is_target = words.layout.spread((~words.is_source).long())[spans.start] == 1
    langs = words.layout.spread(words.langs)[spans.start]
    kept[is_target] = quotas.within(
        finding.sureness[is_target], langs[is_target], spans.type[is_target]
    ).to(kept.dtype)
    return finding.paint(kept, ones)


def _of_empty(of_tag: Finding, of_bounds: Finding, words: Words, weight: float) -> Tensor:
    """`weight` for the words of target sentences in which nothing is found, 1 for others."""
    sentence = (of_tag.tags == IGNORE).cumsum(0)
    found = torch.zeros(len(sentence) + 1, dtype=torch.bool, device=sentence.device)
    for finding in (of_tag, of_bounds):
        found[sentence[finding.tags > 0]] = True
    is_empty = ~words.layout.gather(found[sentence]) & ~words.is_source
    return torch.where(is_empty, weight, 1.0).float()
