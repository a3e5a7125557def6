"""The `dualner` pipeline component: zero-shot cross-lingual named entity recognition."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from thinc.api import Model, Optimizer, set_dropout_rate, xp2torch
from thinc.types import Floats2d

from .decoding.confidence import confidences, get_calibrator
from .decoding.decodings import DECODINGS, HEAD_DECODINGS, check_decoding
from .decoding.entities import Found, check_settings, find_entities, set_entities
from .decoding.thresholds import can_drop
from .decoding.typed_pipe import TypedPipe
from .errors import DualNerError
from .labels.scheme import LabelScheme
from .model import fitting
from .scorer import dualner_score
from .system import forking  # noqa: F401 (acts at import)
from .training.losses import gold_loss
from .training.optimizer import AdamW, make_default, prefer_default
from .training.pieces import Pieces

ENCODER = {"@architectures": "spacy-dualner.Transformer.v1", "name": "xlm-roberta-base"}


@Language.factory(
    "dualner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans"],
    default_config={
        "model": {"@architectures": "spacy-dualner.DualNer.v1", "tok2vec": ENCODER},
        "decode": "span",
        "threshold": 0.0,
        "spans_key": "dualner",
        "keep_candidates": False,
        "temperature": {"span": 1.0, "tag": 1.0, "joint": 1.0},
        "overwrite": True,
        "tag_loss": 1.0,
        "span_loss": 1.0,
        "scorer": {"@scorers": "spacy-dualner.scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
class DualNer(TypedPipe):
    """Named entity recogniser with a tag head and start/end heads over one encoder.

    nlp (Language): The pipeline.
    model (Model[List[Doc], Floats2d]): `spacy-dualner.DualNer.v1`.
    name (str): Name of the component in the pipeline.
    decode (str): What entities are read from: `span`, the start and end heads, as the paper does;
        `tag`, the tag head; or `joint`, the best path over all three heads.
    threshold (Union[float, Dict[str, float]]): Entities of lower confidence, from 0 to 1, are
        dropped: one number, or a table of numbers by type, where a type that it lacks has none.
    spans_key (Optional[str]): Span group that gets the entities, with their confidences in
        `doc.spans[spans_key].attrs["scores"]`. None for no group.
    keep_candidates (bool): Whether the group keeps the entities below the threshold.
    temperature (Optional[Dict[str, float]]): By decoding, what divides the heads' log scores when
        confidences are taken from them, as fitted by `calibrate`. Default: 1.
    overwrite (bool): Whether entities that an earlier component set are replaced. Otherwise they
        stay, and predictions that overlap them are dropped. Blocked tokens stay in either case.
    tag_loss (float): Weight of the tag head's loss. Both weights 1 is the paper's MLT; SPAN is
        `tag_loss = 0`.
    span_loss (float): Weight of the start and of the end head's loss. CLA is `span_loss = 0`.
    scorer (Optional[Callable]): Scoring function.
    """

    def __init__(
        self,
        nlp: Language,
        model: Model,
        name: str = "dualner",
        *,
        decode: str = "span",
        threshold: float | dict[str, float] = 0.0,
        spans_key: str | None = "dualner",
        keep_candidates: bool = False,
        temperature: dict[str, float] | None = None,
        overwrite: bool = True,
        tag_loss: float = 1.0,
        span_loss: float = 1.0,
        scorer: Callable | None = dualner_score,
    ) -> None:
        prefer_default(nlp)
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self._pieces = Pieces()
        self._noted_types: set[str] = set()
        self.cfg: dict[str, Any] = {
            "labels": [],
            "decode": decode,
            "threshold": threshold,
            "spans_key": spans_key,
            "keep_candidates": keep_candidates,
            "temperature": dict.fromkeys(DECODINGS, 1.0) | (temperature or {}),
            "calibrated_on": "",
            "overwrite": overwrite,
            "tag_loss": tag_loss,
            "span_loss": span_loss,
        }
        check_settings(self.cfg)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Collect the entity types, load the encoder's weights and build the heads.

        An encoder that has weights keeps them, trained or not. Warns where `decode` reads heads
        that are not trained.

        get_examples (Callable[[], Iterable[Example]]): Gives gold-standard Examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Sequence[str]]): Entity types, for instance from `spacy init labels`; by
            default all types in the Examples.
        Raises DualNerError where there is no entity type, or the encoder cannot be loaded.
        """
        validate_get_examples(get_examples, "DualNer.initialize")
        if labels is None:
            labels = [ent.label_ for eg in get_examples() for ent in eg.reference.ents]
        scheme = LabelScheme.from_types([*self.labels, *labels])
        if not scheme.types:
            raise DualNerError(
                f"Component '{self.name}' found no entity type: no training example has an entity. "
                "Check that the training corpus is annotated (doc.ents), or pass "
                f"[initialize.components.{self.name}] labels."
            )
        self.set_types(scheme)
        check_settings(self.cfg)
        decode = self.cfg["decode"]
        for head in HEAD_DECODINGS:
            if decode in (head, "joint") and self.cfg[f"{head}_loss"] == 0:
                warnings.warn(
                    f"Component '{self.name}' reads entities with decode = '{decode}' from heads "
                    f"that are not trained: {head}_loss = 0. Change one of the two settings.",
                    stacklevel=2,
                )
        docs = [eg.reference for eg in islice(get_examples(), 10)]
        self.model.initialize(X=docs or [Doc(self.vocab, words=["a"])], Y=scheme)

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Logits of the three heads. Changes no Doc.

        docs (Iterable[Doc]): Docs, empty ones included.
        RETURNS (Floats2d): `[tokens of all Docs, 4C + 3]`; those of white space mean nothing.
        Raises ValueError (spaCy's E109) where the component is not initialised.
        """
        if not self.model.has_dim("nO"):
            raise ValueError(Errors.E109.format(name=self.name))
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return self.model.ops.alloc2f(0, self.model.get_dim("nO"))
        return self.model.predict(docs)

    def decode(
        self, docs: Sequence[Doc], scores: Floats2d, decode: str | None = None
    ) -> list[list[Span]]:
        """Read entities from logits, those below the threshold left out.

        docs (Sequence[Doc]): The Docs that were predicted.
        scores (Floats2d): From `predict`.
        decode (Optional[str]): `span`, `tag` or `joint`; by default the component's setting.
        RETURNS (List[List[Span]]): Entities of each Doc, in order, never overlapping.
        """
        threshold = check_settings(self.cfg).threshold
        found = self.find(docs, scores, decode, score=can_drop(threshold))
        return [entities.above(threshold).spans for entities in found]

    def find(
        self,
        docs: Sequence[Doc],
        scores: Floats2d,
        decode: str | None = None,
        *,
        score: bool = True,
    ) -> list[Found]:
        """Read all entities from logits, with their confidences.

        The arguments before it are those of `decode`.

        score (bool): Whether confidences are wanted; all are 1 otherwise, which takes less time.
        RETURNS (List[Found]): Of each Doc, whatever the threshold.
        """
        decode = check_decoding(decode or self.cfg["decode"])
        logits = xp2torch(scores)
        measure = None
        if score:
            measure = partial(
                confidences,
                temperature=self.cfg["temperature"].get(decode, 1.0),
                calibrator=get_calibrator(self.model, decode, logits.device),
            )
        return find_entities(docs, logits, decode, self.scheme.types, measure)

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Set `doc.ents` and the span group, also where nothing is found.

        The arguments are those of `decode`.
        """
        docs = list(docs)
        settings = check_settings(self.cfg)
        entities = self.find(docs, scores, score=settings.use_confidences)
        for doc, found in zip(docs, entities, strict=True):
            set_entities(doc, found, settings)

    def get_loss(self, examples: Iterable[Example], scores: Floats2d) -> tuple[float, Floats2d]:
        """The loss of equation 4 and its gradient.

        examples (Iterable[Example]): The batch. Words without gold label do not count.
        scores (Floats2d): Logits of the predicted Docs' tokens.
        RETURNS (Tuple[float, Floats2d]): Loss, and its gradient over the logits.
        """
        return gold_loss(list(examples), scores, self.scheme, self.cfg)[:2]

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch, in pieces that memory takes: the step is over the mean of all words.

        Warns once of each type of entity that the component does not know.

        examples (Iterable[Example]): The Examples.
        drop (float): Dropout of the word vectors.
        sgd (Optional[Optimizer]): Steps at once; otherwise `finish_update` does, after all pieces.
        losses (Optional[Dict[str, float]]): Gets the loss, once stepped the mean of all pieces.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "DualNer.update")
        if not any(len(example.predicted) for example in examples):
            return losses
        self.warn_of_types([example.reference for example in examples], self._noted_types)
        set_dropout_rate(self.model, drop)
        for piece in fitting(self.model, examples):
            scores, backprop = self.model.begin_update([example.predicted for example in piece])
            loss, gradient, n_words = gold_loss(piece, scores, self.scheme, self.cfg)
            weight = self._pieces.add(self.model, n_words, loss, losses, self.name)
            backprop(gradient if weight == 1 else gradient * weight)
        if sgd:
            self.finish_update(sgd)
        return losses

    def create_optimizer(self) -> Optimizer:
        """An optimizer as `nlp.initialize()` gives it."""
        return make_default()

    def finish_update(self, sgd: Optimizer) -> None:
        """Apply the accumulated gradients.

        sgd (Optimizer): `spacy-dualner.AdamW.v1` steps over the whole model at once (clipping by
            global norm, rates and decay by group); any other acts parameter by parameter.
        """
        self._pieces.finish(self.model)
        if isinstance(sgd, AdamW):
            sgd.step_model(self.model)
        else:
            super().finish_update(sgd)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "DualNer":
        """As spaCy loads a component. Raises DualNerError as `from_disk`."""
        super().from_bytes(bytes_data, exclude=exclude)
        check_settings(self.cfg)
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "DualNer":
        """As spaCy loads a component.

        Raises DualNerError for an unknown decoding or a damaged model, ValueError (spaCy's E149)
        for a model of other layers.
        """
        super().from_disk(path, exclude=exclude)
        check_settings(self.cfg)
        return self
