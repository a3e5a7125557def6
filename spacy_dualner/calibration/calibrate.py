"""The work of `calibrate`: fit confidences on annotated text, and say how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import xp2torch
from torch import Tensor
from tqdm import tqdm

from ..confidence import Calibrator, confidences, features
from ..conversions import Spans, tags_to_spans
from ..data.docbin import corpus_path, read_docs
from ..decoding import Measure, measure_spans, read_spans
from ..errors import DualNerError
from ..evaluation import source_languages
from ..folders import check_output, written_aside
from ..gold import Tags, doc_tags
from ..gold_types import check_types, noting_types
from ..heads import DECODINGS, check_decoding
from ..labels import IGNORE
from ..lattice import Lattice, span_log_probs
from ..layout import Layout
from ..loading import load_pipeline
from ..pipeline import find_component, predict_words
from ..portable import without_paths
from ..words import DocWords
from .fitting import fit_calibrator, fit_temperature
from .measures import Bools, Floats, log_loss, measure

BATCH_SIZE = 1000
METHODS = ("auto", "temperature", "network")
"""What is fitted: a temperature alone, a network after it, or whichever does better on text that
was held out."""


def calibrate(
    model: str | Path,
    output: Path,
    corpus: Path,
    langs: Sequence[str] = (),
    *,
    split: str = "dev",
    limit: int = 0,
    test_langs: Sequence[str] = (),
    test_split: str = "test",
    test_limit: int = 0,
    method: str = "auto",
    decode: str = "",
    component: str = "dualner",
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Write a copy of a pipeline with calibrated confidences, for each decoding.

    model (Union[str, Path]): Folder or package of the pipeline.
    output (Path): Folder to write; a pipeline that is there is replaced.
    corpus (Path): Corpus folder.
    langs (Sequence[str]): Languages to fit on; all that the split has by default.
    split (str): Annotated part of the corpus to fit on.
    limit (int): First N sentences of each language; 0 for all.
    test_langs (Sequence[str]): Languages to measure on; all that the split has by default.
    test_split (str): Annotated part of the corpus to measure on; nothing is measured where it is
        missing.
    test_limit (int): First N sentences of each language; 0 for all.
    method (str): One of METHODS.
    decode (str): Decoding that the copy is set to; that of the pipeline by default.
    component (str): Name of the dualner component.
    seed (int): Random seed of the network.
    progress (bool): Whether to show progress bars.
    RETURNS (Dict[str, Any]): What was fitted on, and by decoding what was fitted, and `before`
        and `after`: measures of all test languages, of those without annotations, and of each.
    Raises DualNerError where the component or annotated text is missing.
    """
    if method not in METHODS:
        raise DualNerError(f"Unknown method '{method}'. Choose one of: {', '.join(METHODS)}.")
    if decode:
        check_decoding(decode)
    fitted_on = list(langs) or languages(corpus, split)
    tested_on = list(test_langs) or languages(corpus, test_split)
    nlp = load_pipeline(model)
    pipe = find_component(nlp, component)
    check_output(output, nlp.path)
    read = {lang: corpus_path(corpus, split, lang) for lang in fitted_on}
    known = read_sentences(nlp, component, read, limit, progress)
    n_entities = sum(len(own.gold.start) for own in known.values())
    if not n_entities:
        raise DualNerError(
            f"No annotated entity in {corpus / split} to calibrate on. Name an annotated part of "
            "the corpus with --split, and its languages with --langs."
        )
    fits = {
        name: fit([own.judge(name) for own in known.values()], method, seed) for name in DECODINGS
    }
    del known
    read = {lang: corpus_path(corpus, test_split, lang) for lang in tested_on}
    test = read_sentences(nlp, component, read, test_limit, progress)
    targets = [lang for lang in tested_on if lang not in source_languages(nlp)]
    decodings = {}
    for name, fitted in fits.items():
        judged = {lang: own.judge(name) for lang, own in test.items()}
        decodings[name] = {
            "temperature": fitted.temperature,
            "network": fitted.calibrator is not None,
            "held_out_log_loss": fitted.held_out,
            "before": measures(judged, targets, Fit()),
            "after": measures(judged, targets, fitted),
        }
    # Reading leaves the words of the text in a pipeline, and they would be written with it.
    nlp = load_pipeline(model)
    pipe = find_component(nlp, component)
    for name, fitted in fits.items():
        pipe.set_calibration(name, fitted.temperature, fitted.calibrator)
    pipe.cfg["decode"] = decode or pipe.cfg["decode"]
    # What the config says of a component should be what it does.
    settings = ("decode", "temperature")
    nlp.get_pipe_config(component).update({key: pipe.cfg[key] for key in settings})
    with written_aside(output) as aside:
        without_paths(nlp).to_disk(aside)
    return {
        "fit": {"split": split, "languages": fitted_on, "limit": limit, "entities": n_entities},
        "test": {"split": test_split, "languages": tested_on, "limit": test_limit},
        "targets": targets,
        "decode": pipe.cfg["decode"],
        "decodings": decodings,
    }


def languages(corpus: Path, split: str) -> list[str]:
    """The languages that a part of a corpus has."""
    return sorted(path.stem for path in (corpus / split).glob("*.spacy"))


def read_sentences(
    nlp: Language, component: str, paths: dict[str, Path], limit: int, progress: bool
) -> dict[str, AnnotatedSentences]:
    """Read annotated text and run the encoder over it, language by language.

    Raises DualNerError where entities are of types that the pipeline does not know.
    """
    known = find_component(nlp, component).labels
    read: dict[str, AnnotatedSentences] = {}
    for lang, path in tqdm(paths.items(), leave=False, disable=None if progress else True):
        types: set[str] = set()
        docs = noting_types(read_docs(path, nlp.vocab, limit), types)
        read[lang] = AnnotatedSentences.predict(nlp, component, docs)
        check_types(types, known, str(path))
    return read


@dataclass
class AnnotatedSentences:
    """Annotated sentences and what the heads say of their words.

    logits (Floats2d): `[words, 4C + 3]`.
    layout (Layout): The sentences.
    tags (Ints1d): Annotated tags, `[places]`; IGNORE where the annotation is missing.
    """

    logits: Tensor
    layout: Layout
    tags: Tensor

    @classmethod
    def predict(cls, nlp: Language, component: str, docs: Iterable[Doc]) -> AnnotatedSentences:
        """Run a pipeline over annotated Docs, whose tokens it keeps."""
        scheme = find_component(nlp, component).scheme
        logits = [torch.zeros(0, scheme.n_tags + 2 * scheme.n_bounds, dtype=torch.float32)]
        tags: list[Tags] = [np.zeros(0, dtype=np.int64)]
        lengths: list[int] = []
        for batch in minibatch(docs, BATCH_SIZE):
            words = DocWords(batch)
            scores = predict_words(nlp, component, batch)[1]
            logits.append(words.of_tokens(xp2torch(scores)).cpu())
            tags.append(doc_tags(batch, scheme, nlp.vocab.strings, words))
            lengths += words.lengths.tolist()
        layout = Layout(lengths)
        return cls(torch.cat(logits), layout, layout.spread(torch.from_numpy(np.concatenate(tags))))

    @cached_property
    def gold(self) -> Spans:
        """The annotated entities."""
        return tags_to_spans(self.tags)

    def judge(self, decode: str) -> JudgedEntities:
        """Read entities and see which are right. Those without annotated words are left out."""
        spans = read_spans(self.logits, self.layout, decode)
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
class JudgedEntities:
    """Entities that one decoding found, and whether they are right."""

    sentences: AnnotatedSentences
    decode: str
    spans: Spans
    right: Bools

    def confidences(self, fitted: Fit) -> Floats:
        """Their confidences, as a component with such a calibration gives them."""
        measure = partial(confidences, temperature=fitted.temperature, calibrator=fitted.calibrator)
        return self._measured(measure).double().numpy()

    def features(self, temperature: float) -> Tensor:
        """What a calibrator sees of them."""

        def measure(logits: Tensor, layout: Layout, lattice: Lattice, spans: Spans) -> Tensor:
            return features(logits, layout, spans, span_log_probs(lattice.over(temperature), spans))

        return self._measured(measure)

    def _measured(self, measure: Measure) -> Tensor:
        own = self.sentences
        return measure_spans(own.logits, own.layout, self.decode, self.spans, measure)

    @property
    def held_out(self) -> Bools:
        """Whether they are in every fifth sentence, which a fit is compared on."""
        return self.sentences.layout.locate(self.spans.start.numpy())[0] % 5 == 4


@dataclass
class Fit:
    """A fitted calibration.

    temperature (float): Divides the heads' log scores.
    calibrator (Optional[Calibrator]): The network, if it is used.
    held_out (Dict[str, float]): Log loss of either on every fifth sentence, when fitted on the
        others.
    """

    temperature: float = 1.0
    calibrator: Calibrator | None = None
    held_out: dict[str, float] = field(default_factory=dict)


def fit(judged: Sequence[JudgedEntities], method: str = "auto", seed: int = 0) -> Fit:
    """Fit a calibration to entities.

    judged (Sequence[JudgedEntities]): Entities, language by language.
    method (str): One of METHODS.
    seed (int): Random seed of the network.
    """
    right = np.concatenate([own.right for own in judged])
    temperature = fit_temperature(
        lambda value: np.concatenate([own.confidences(Fit(value)) for own in judged]), right
    )
    scaled = Fit(temperature)
    if method == "temperature" or not 0 < right.sum() < len(right):
        return scaled
    inputs = torch.cat([own.features(temperature) for own in judged])
    targets = torch.from_numpy(right).float()
    kept = np.concatenate([own.held_out for own in judged])
    trial = fit_calibrator(inputs[~kept], targets[~kept], seed)
    by_network = trial.log_odds(inputs[kept]).sigmoid().double().numpy()
    by_temperature = np.concatenate([own.confidences(scaled) for own in judged])[kept]
    scaled.held_out = {
        "temperature": log_loss(by_temperature, right[kept]),
        "network": log_loss(by_network, right[kept]),
    }
    if method == "network" or scaled.held_out["network"] < scaled.held_out["temperature"]:
        scaled.calibrator = fit_calibrator(inputs, targets, seed)
    return scaled


def measures(
    judged: dict[str, JudgedEntities], targets: Sequence[str], fitted: Fit
) -> dict[str, Any]:
    """Measures of all languages together, of the targets, and of each language."""
    sure = {lang: own.confidences(fitted) for lang, own in judged.items()}
    nothing = np.zeros(0)

    def of(langs: Iterable[str]) -> Any:
        chosen = list(langs)
        confidence = np.concatenate([nothing, *(sure[lang] for lang in chosen)])
        right = [judged[lang].right for lang in chosen]
        return measure(confidence, np.concatenate([nothing, *right]).astype(bool))

    return {
        "all": of(judged),
        "targets": of(lang for lang in judged if lang in targets),
        "languages": {lang: of([lang]) for lang in judged},
    }
