"""The `dualner` pipeline component: zero-shot cross-lingual named entity recognition."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_get_examples
from thinc.api import Config, Model, Optimizer, torch2xp, xp2torch
from thinc.types import Floats2d

from .conversions import tags_to_spans
from .encoder import forking  # noqa: F401 (acts at import)
from .errors import DualNerError
from .gold import example_labels
from .heads import HeadValues, read_tags, split_logits
from .labels import LabelScheme
from .layout import Layout
from .losses import labelled_loss
from .scorer import dualner_score
from .training.optimizer import AdamW

DECODINGS = ("span", "tag")

DEFAULT_MODEL = Config().from_str(
    """
[model]
@architectures = "spacy-dualner.DualNer.v1"

[model.tok2vec]
@architectures = "spacy-dualner.Transformer.v1"
name = "xlm-roberta-base"
pooling = "first"
window = 0
block_size = 0
mixed_precision = false
"""
)["model"]


@Language.factory(
    "dualner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "decode": "span",
        "overwrite": True,
        "tag_loss": 1.0,
        "span_loss": 1.0,
        "scorer": {"@scorers": "spacy-dualner.scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_dualner(
    nlp: Language,
    name: str,
    model: Model,
    decode: str,
    overwrite: bool,
    tag_loss: float,
    span_loss: float,
    scorer: Callable | None,
) -> "DualNer":
    """Construct a `dualner` component. The settings are those of `DualNer`."""
    return DualNer(
        nlp,
        model,
        name,
        decode=decode,
        overwrite=overwrite,
        tag_loss=tag_loss,
        span_loss=span_loss,
        scorer=scorer,
    )


class DualNer(TrainablePipe):
    """Named entity recogniser with a tag head and start/end heads over one encoder.

    nlp (Language): The pipeline.
    model (Model[List[Doc], Floats2d]): `spacy-dualner.DualNer.v1`.
    name (str): Name of the component in the pipeline.
    decode (str): What entities are read from: `span`, the start and end heads, or `tag`.
    overwrite (bool): Whether entities that an earlier component set are replaced. Otherwise they
        stay, and predictions that overlap them are dropped.
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
        overwrite: bool = True,
        tag_loss: float = 1.0,
        span_loss: float = 1.0,
        scorer: Callable | None = dualner_score,
    ) -> None:
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: dict[str, Any] = {
            "labels": [],
            "decode": decode,
            "overwrite": overwrite,
            "tag_loss": tag_loss,
            "span_loss": span_loss,
        }
        self._check_decode(decode)

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types, sorted."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """The entity types, as `spacy init labels` writes them."""
        return list(self.cfg["labels"])

    @property
    def scheme(self) -> LabelScheme:
        """The heads' classes."""
        return LabelScheme(self.labels)

    def add_label(self, label: str) -> int:
        """Add an entity type before initialisation.

        label (str): The type.
        RETURNS (int): 1, or 0 if it is there already.
        Raises ValueError (spaCy's E922) once the model is initialised: heads are not resized.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        if self.model.has_dim("nO"):
            raise ValueError(Errors.E922.format(name=self.name, nO=self.model.get_dim("nO")))
        self.cfg["labels"] = list(LabelScheme.from_types([*self.labels, label]).types)
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Collect the entity types, load the encoder's weights and build the heads.

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
                "[initialize.components.dualner] labels."
            )
        for type_ in scheme.types:
            self.vocab.strings.add(type_)
        self.cfg["labels"] = list(scheme.types)
        docs = [eg.reference for eg in islice(get_examples(), 10)]
        self.model.initialize(X=docs or [Doc(self.vocab, words=["a"])], Y=scheme)

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Logits of the three heads. Changes no Doc.

        docs (Iterable[Doc]): Docs, empty ones included.
        RETURNS (Floats2d): `[words of all Docs, 4C + 3]`.
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
        """Read entities from logits.

        docs (Sequence[Doc]): The Docs that were predicted.
        scores (Floats2d): From `predict`.
        decode (Optional[str]): `span` or `tag`; by default the component's setting.
        RETURNS (List[List[Span]]): Entities of each Doc, in order, never overlapping.
        """
        decode = self._check_decode(decode or self.cfg["decode"])
        found: list[list[Span]] = [[] for _ in docs]
        if not len(scores):
            return found
        logits = xp2torch(scores)
        layout = Layout([len(doc) for doc in docs], logits.device)
        spans = tags_to_spans(read_tags(logits, layout, decode))
        starts, ends, types = (values.cpu().numpy() for values in spans)
        sentences, first = layout.locate(starts)
        last = first + ends - starts
        labels = np.array([self.vocab.strings.add(t) for t in self.labels], dtype=np.uint64)
        rows = zip(
            sentences.tolist(),
            first.tolist(),
            last.tolist(),
            labels[types - 1].tolist(),
            strict=True,
        )
        for i, begin, end, label in rows:
            found[i].append(Span(docs[i], begin, end + 1, label=label))
        return found

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Set `doc.ents`, also where nothing is found.

        docs (Iterable[Doc]): The Docs that were predicted.
        scores (Floats2d): From `predict`.
        """
        docs = list(docs)
        for doc, spans in zip(docs, self.decode(docs, scores), strict=True):
            if not self.cfg["overwrite"] and doc.ents:
                earlier = list(doc.ents)
                taken = {i for ent in earlier for i in range(ent.start, ent.end)}
                spans = [s for s in spans if taken.isdisjoint(range(s.start, s.end))] + earlier
            doc.set_ents(spans, default="outside")

    def get_loss(self, examples: Iterable[Example], scores: Floats2d) -> tuple[float, Floats2d]:
        """The loss of equation 4 and its gradient.

        examples (Iterable[Example]): The batch. Words without gold label do not count.
        scores (Floats2d): Logits of the predicted Docs' words.
        RETURNS (Tuple[float, Floats2d]): Loss, and its gradient over the logits.
        """
        logits = xp2torch(scores).requires_grad_()
        labels = example_labels(list(examples), self.scheme, logits.device)
        span, tag = (logits.new_tensor(self.cfg[key]) for key in ("span_loss", "tag_loss"))
        loss = labelled_loss(split_logits(logits), labels, HeadValues(tag, span, span))
        (gradient,) = torch.autograd.grad(loss, logits)
        return loss.item(), cast(Floats2d, torch2xp(gradient))

    def finish_update(self, sgd: Optimizer) -> None:
        """Apply the accumulated gradients.

        sgd (Optimizer): `spacy-dualner.AdamW.v1` steps over the whole model at once (clipping by
            global norm, rates and decay by group); any other acts parameter by parameter.
        """
        if isinstance(sgd, AdamW):
            sgd.step_model(self.model)
        else:
            super().finish_update(sgd)

    def _check_decode(self, decode: str) -> str:
        if decode not in DECODINGS:
            raise DualNerError(
                f"Unknown decoding '{decode}' for component '{self.name}'. "
                f"Set decode to one of: {', '.join(DECODINGS)}."
            )
        return decode
