"""Scores of a pipeline on each language's test set, for all decodings."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from spacy.attrs import ENT_IOB
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from tqdm import tqdm

from ..data.docbin import corpus_path, read_docs, read_shards, split_paths
from ..decoding.decodings import DECODINGS
from ..errors import DualNerError
from ..labels.gold import doc_tags
from ..labels.gold_types import foreign_types
from ..labels.scheme import LabelScheme
from ..labels.words import DocWords
from ..pipeline import find_component, load_pipeline, predict_words
from ..scorer import entity_scores, mean_scores
from ..teaching.record import KEY
from ..training.corpus import parse_langs
from .raw_text import raw_scores

BATCH_SIZE = 1000


@dataclass(frozen=True)
class EvaluateSettings:
    """What `evaluate` scores.

    source (Sequence[str]): The languages that the model has seen annotations of; they are left
        out of `mean_targets`. By default those that the pipeline was trained on in either stage.
    split (str): `test` or `dev`.
    limit (int): First N sentences of each language; 0 for all.
    component (str): Name of the dualner component.
    raw (bool): Whether to score on raw text too (`raw_text.raw_scores`), which takes as long again.
    """

    source: Sequence[str] = ()
    split: str = "test"
    limit: int = 0
    component: str = "dualner"
    raw: bool = False


def evaluate(
    model: str | Path,
    corpus: Path,
    langs: Sequence[str],
    settings: EvaluateSettings = EvaluateSettings(),
    *,
    progress: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Score a pipeline on gold tokens, and if asked on raw text, language by language.

    model (Union[str, Path]): Folder or package of the pipeline.
    corpus (Path): Corpus folder; without languages also one `xx.spacy`.
    langs (Sequence[str]): Languages to score; all of that part of the corpus if empty.
    settings (EvaluateSettings): What is scored of them.
    progress (bool): Whether to show a progress bar.
    options (Any): Settings by name, in place of those of `settings`: `split="dev"`.
    RETURNS (Dict[str, Any]): `languages`, `mean` and `mean_targets` as in docs/training.md, the
        `decode` that the pipeline is set to, and the `split` and `limit` that were scored.
    Raises DualNerError where the component or a corpus is missing, or is not annotated.
    """
    settings = replace(settings, **options)
    split, limit, component = settings.split, settings.limit, settings.component
    nlp = load_pipeline(model)
    pipe = find_component(nlp, component)
    known = set(settings.source or source_languages(nlp))
    results: dict[str, Any] = {}
    paths = {lang: corpus_path(corpus, split, lang) for lang in langs}
    paths = paths or split_paths(corpus, split)
    check_annotated(paths.values(), limit)
    for lang, path in paths.items():
        docs = list(read_docs(path, nlp.vocab, limit))
        bar = partial(tqdm, docs, leave=False, disable=None if progress else True)
        results[lang] = evaluate_docs(nlp, bar(desc=lang), component)
        if settings.raw:
            results[lang]["raw"] = raw_scores(nlp, bar(desc=f"{lang}, raw text"), component)
    decode = pipe.cfg["decode"]
    return {**with_means(results, known), "decode": decode, "split": split, "limit": limit}


def check_annotated(paths: Iterable[Path], limit: int = 0, option: str = "--split") -> None:
    """Raise DualNerError where the first N sentences of a file (all if 0) have no entity."""
    for path in paths:
        if not any(doc.ents for shard in read_shards(path, limit) for doc in shard):
            raise DualNerError(
                f"No annotated entity in {path} to score on. Name an annotated part of the corpus "
                f"with {option}, and its languages with --langs."
            )


def with_means(results: dict[str, Any], source: Collection[str]) -> dict[str, Any]:
    """Scores of several languages with their means.

    results (Dict[str, Any]): What `evaluate_docs` gives for each language; `raw` may be added.
    RETURNS (Dict[str, Any]): `languages`, `mean` and `mean_targets` as in docs/training.md; a mean
        over no language is empty.
    """
    every = list(results.values())
    targets = [scores for lang, scores in results.items() if lang not in source]
    kinds = [kind for kind in (*DECODINGS, "raw") if all(kind in scores for scores in every)]

    def mean(scores: list[dict[str, Any]]) -> dict[str, Any]:
        return {kind: mean_scores(s[kind] for s in scores) for kind in kinds if scores}

    return {"languages": results, "mean": mean(every), "mean_targets": mean(targets)}


def evaluate_docs(nlp: Language, docs: Iterable[Doc], component: str = "dualner") -> dict[str, Any]:
    """Score a pipeline on annotated Docs, whose tokens it keeps. The encoder runs once.

    nlp (Language): The pipeline. Components before the recogniser run as well.
    docs (Iterable[Doc]): Annotated Docs.
    component (str): Name of the dualner component.
    RETURNS (Dict[str, Any]): Of each decoding `p`, `r`, `f` in percent, and `per_type` with the
        same per decoding and type.
    """
    return predict_docs(nlp, docs, component).scores()


@dataclass
class PredictedTags:
    """BIO tags of the words of sentences, annotated and predicted."""

    gold: list[list[str]]  # annotated tags of each sentence
    predicted: dict[str, list[list[str]]]  # predicted tags, by decoding

    def scores(self) -> dict[str, Any]:
        """What `evaluate_docs` returns."""
        scored = {decode: entity_scores(self.gold, tags) for decode, tags in self.predicted.items()}
        per_type = {decode: scores.pop("per_type") for decode, scores in scored.items()}
        return {**scored, "per_type": per_type}


def predict_docs(nlp: Language, docs: Iterable[Doc], component: str = "dualner") -> PredictedTags:
    """Predict annotated Docs. The arguments are those of `evaluate_docs`."""
    pipe = find_component(nlp, component)
    found: set[str] = set()
    gold: list[list[str]] = []
    predicted: dict[str, list[list[str]]] = {decode: [] for decode in DECODINGS}
    for batch in minibatch(docs, BATCH_SIZE):
        words = DocWords(batch)
        # Types that the pipeline does not know are missed entities all the same.
        types = {ent.label_ for doc in batch for ent in doc.ents}
        found |= types
        scheme = LabelScheme.from_types([*pipe.labels, *types])
        gold += _tags(batch, scheme, words)
        fresh, scores = predict_words(nlp, component, batch)
        for decode in DECODINGS:
            entities = pipe.decode(fresh, scores, decode)
            for doc, annotated, spans in zip(fresh, batch, entities, strict=True):
                is_known = annotated.to_array(ENT_IOB) != 0
                # Of the others nobody knows whether they are right.
                doc.set_ents([span for span in spans if is_known[span.start : span.end].any()])
            predicted[decode] += _tags(fresh, scheme, words)
    if message := foreign_types(found, pipe.labels, "The annotated text"):
        warnings.warn(message, stacklevel=2)
    return PredictedTags(gold, predicted)


def _tags(docs: Sequence[Doc], scheme: LabelScheme, words: DocWords) -> list[list[str]]:
    tags = doc_tags(docs, scheme, words)
    return words.by_doc(np.array([*scheme.tags, "O"])[tags].tolist())


def source_languages(nlp: Language) -> list[str]:
    """Languages of annotated text that a pipeline was trained on: stage 1's as its config says,
    stage 2's as it recorded them.
    """
    reader = nlp.config.interpolate().get("corpora", {}).get("train", {})
    taught = nlp.meta.get(KEY, {}).get("source", {})
    return [*parse_langs(reader.get("langs") or ""), *taught]
