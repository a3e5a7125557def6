"""Sentences and what the heads say of them: the entities, how sure these are, which are right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from scipy.special import logit
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import xp2torch
from torch import Tensor

from ..decoding.confidence import confidences, features
from ..decoding.decodings import DECODINGS, HEAD_DECODINGS
from ..decoding.read import Measure, measure_spans, read_spans
from ..labels.conversions import Spans, tags_to_spans
from ..labels.gold import Tags, doc_tags
from ..labels.layout import Layout
from ..labels.scheme import IGNORE
from ..labels.words import DocWords
from ..pipeline import find_component, predict_words
from .fitting import Fit
from .reliability import Bools, Floats

BATCH_SIZE = 1000


@dataclass
class Sentences:
    """Sentences and what the heads say of their words."""

    logits: Tensor  # `[words, 4C + 3]`
    layout: Layout  # the sentences
    tags: Tensor  # annotated tags, `[places]`; IGNORE where the annotation is missing

    @classmethod
    def predict(cls, nlp: Language, component: str, docs: Iterable[Doc]) -> Sentences:
        """Run a pipeline over Docs, whose tokens it keeps."""
        scheme = find_component(nlp, component).scheme
        logits = [torch.zeros(0, scheme.n_logits, dtype=torch.float32)]
        tags: list[Tags] = [np.zeros(0, dtype=np.int64)]
        lengths: list[int] = []
        for batch in minibatch(docs, BATCH_SIZE):
            words = DocWords(batch)
            scores = predict_words(nlp, component, batch)[1]
            logits.append(words.of_tokens(xp2torch(scores)).cpu())
            tags.append(doc_tags(batch, scheme, words))
            lengths += words.lengths.tolist()
        layout = Layout(lengths)
        return cls(torch.cat(logits), layout, layout.spread(torch.from_numpy(np.concatenate(tags))))

    @cached_property
    def gold(self) -> Spans:
        """The annotated entities."""
        return tags_to_spans(self.tags)

    @cached_property
    def agreement(self) -> float:
        """F1 between the entities of the start and end heads and those of the tag head, 0 to 1."""
        span, tag = (self._keys(self.read(decode).spans) for decode in HEAD_DECODINGS)
        return 2 * len(np.intersect1d(span, tag)) / max(len(span) + len(tag), 1)

    def read(self, decode: str) -> FoundEntities:
        """Read entities."""
        return FoundEntities(self, decode, read_spans(self.logits, self.layout, decode))

    def judge(self, decode: str) -> JudgedEntities:
        """Read entities and see which are right. Those without annotated words are left out."""
        spans = self.read(decode).spans
        annotated = torch.cat((self.tags.new_zeros(1), (self.tags != IGNORE).cumsum(0)))
        judged = annotated[spans.end + 1] > annotated[spans.start]
        spans = Spans(*(values[judged] for values in spans))
        right = np.isin(self._keys(spans), self._keys(self.gold))
        return JudgedEntities(self, decode, spans, right)

    def _keys(self, spans: Spans) -> np.ndarray:
        """A number for each entity, from its place and type."""
        start, end, type_ = (values.numpy() for values in spans)
        return (start * self.layout.n_places + end) * self.logits.shape[1] + type_


@dataclass
class FoundEntities:
    """Entities that one decoding found."""

    sentences: Sentences
    decode: str
    spans: Spans

    def confidences(self, fitted: Fit) -> Floats:
        """Their confidences, as a component with such a calibration gives them."""
        measure = partial(confidences, temperature=fitted.temperature, calibrator=fitted.calibrator)
        return self._measured(measure).double().numpy()

    def features(self, temperature: float) -> Tensor:
        """What a calibrator sees of them."""
        return self._measured(partial(features, temperature=temperature))

    def _measured(self, measure: Measure) -> Tensor:
        own = self.sentences
        return measure_spans(own.logits, own.layout, self.decode, self.spans, measure)

    @cached_property
    def votes(self) -> Floats:
        """Log odds: the mean over the lattices of all decodings, which orders better than one."""
        own = self.sentences
        sure = [
            measure_spans(own.logits, own.layout, decode, self.spans, confidences).numpy()
            for decode in DECODINGS
        ]
        return logit(np.clip(sure, 1e-5, 1 - 1e-5)).mean(0)

    @property
    def held_out(self) -> Bools:
        """Whether they are in every fifth sentence, which a fit is compared on."""
        return self.sentences.layout.locate(self.spans.start.numpy())[0] % 5 == 4


@dataclass
class JudgedEntities(FoundEntities):
    """Entities that one decoding found, and whether they are right."""

    right: Bools
