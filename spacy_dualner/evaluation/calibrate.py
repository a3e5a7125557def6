"""The work of `calibrate`: fit confidences on text, and say how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy.language import Language
from spacy.vocab import Vocab
from tqdm import tqdm

from ..component import DualNer
from ..data.docbin import corpus_path, languages, read_docs
from ..data.outputs import check_output
from ..decoding.decodings import DECODINGS, check_decoding
from ..errors import DualNerError
from ..labels.gold_types import check_types, noting_types
from ..pipeline import find_component, load_pipeline, write_copy
from .agreement import expect
from .calibrate_settings import CalibrateSettings
from .fingerprint import fingerprint
from .fitting import Fit, fit_calibrator, fit_temperature
from .reliability import log_loss, measure
from .scores import source_languages
from .sentences import JudgedEntities, Sentences

METHODS = ("auto", "temperature", "network")
"""What is fitted: a temperature alone, a network after it, or whichever does better on text that
was held out."""


def calibrate(
    model: str | Path,
    output: Path,
    corpus: Path,
    settings: CalibrateSettings = CalibrateSettings(),
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Write a copy of a pipeline with calibrated confidences, for each decoding.

    model (Union[str, Path]): Folder or package of the pipeline.
    output (Path): Folder to write; a pipeline that is there is replaced.
    corpus (Path): Corpus folder.
    settings (CalibrateSettings): What it is fitted and measured on.
    progress (bool): Whether to show progress bars.
    RETURNS (Dict[str, Any]): What was fitted on, and by decoding what was fitted, and `before`
        and `after`: measures of all test languages, of the targets together and of their mean, and
        of each.
    Raises DualNerError where the component or annotated text is missing.
    """
    method, component = settings.method, settings.component
    if method not in METHODS:
        raise DualNerError(f"Unknown method '{method}'. Choose one of: {', '.join(METHODS)}.")
    if settings.decode:
        check_decoding(settings.decode)
    split, unlabelled, test = settings.split, settings.unlabelled_split, settings.test_split
    fitted_on = list(settings.langs) or languages(corpus, [split])
    others = list(settings.unlabelled_langs) or languages(corpus, [unlabelled])
    others = [lang for lang in others if lang not in fitted_on]
    tested_on = list(settings.test_langs) or languages(corpus, [test])
    nlp = load_pipeline(model)
    pipe = find_component(nlp, component)
    check_output(output, nlp.path)

    def read(
        split: str, langs: Iterable[str], limit: int, annotated: bool = True
    ) -> dict[str, Sentences]:
        paths = {lang: corpus_path(corpus, split, lang) for lang in langs}
        return read_sentences(nlp, component, paths, limit, progress, annotated)

    known = read(split, fitted_on, settings.limit)
    n_entities = sum(len(own.gold.start) for own in known.values())
    if not n_entities:
        raise DualNerError(
            f"No annotated entity in {corpus / split} to calibrate on. Name an annotated part of "
            "the corpus with --split, and its languages with --langs."
        )
    unknown = read(unlabelled, others, settings.unlabelled_limit, annotated=False)
    fits = {
        name: fit(known.values(), unknown.values(), name, method, settings.seed)
        for name in DECODINGS
    }
    agreement = {lang: own.agreement for lang, own in {**known, **unknown}.items()}
    del known, unknown
    tested = read(test, tested_on, settings.test_limit)
    targets = [lang for lang in tested_on if lang not in source_languages(nlp)]
    decodings = {}
    for name, fitted in fits.items():
        judged = {lang: own.judge(name) for lang, own in tested.items()}
        decodings[name] = {
            "found": fitted.n_found,
            "right": fitted.n_right,
            "temperature": fitted.temperature,
            "network": fitted.calibrator is not None,
            "held_out_log_loss": fitted.held_out,
            "power": fitted.power,
            "before": measures(judged, targets, Fit()),
            "after": measures(judged, targets, fitted),
        }
    paths = (corpus_path(corpus, split, lang) for lang in fitted_on)
    text = fingerprint(doc for path in paths for doc in read_docs(path, Vocab(), settings.limit))

    def change(pipe: DualNer) -> None:
        for name, fitted in fits.items():
            pipe.set_calibration(name, fitted.temperature, fitted.calibrator, text)
        pipe.cfg["decode"] = settings.decode or pipe.cfg["decode"]

    write_copy(model, output, component, change)

    def part(split: str, langs: Sequence[str], limit: int) -> dict[str, Any]:
        return {"split": split, "languages": langs, "limit": limit}

    return {
        "fit": {**part(split, fitted_on, settings.limit), "entities": n_entities},
        "unlabelled": part(unlabelled, others, settings.unlabelled_limit),
        "agreement": agreement,
        "test": part(test, tested_on, settings.test_limit),
        "targets": targets,
        "decode": settings.decode or pipe.cfg["decode"],
        "decodings": decodings,
    }


def read_sentences(
    nlp: Language,
    component: str,
    paths: dict[str, Path],
    limit: int,
    progress: bool,
    annotated: bool = True,
) -> dict[str, Sentences]:
    """Run the encoder over text.

    Raises DualNerError for entities of types that it cannot know, unless annotations do not matter.
    """
    known = find_component(nlp, component).labels
    read: dict[str, Sentences] = {}
    for lang, path in tqdm(paths.items(), leave=False, disable=None if progress else True):
        types: set[str] = set()
        docs = noting_types(read_docs(path, nlp.vocab, limit), types)
        read[lang] = Sentences.predict(nlp, component, docs)
        if annotated:
            check_types(types, known, str(path))
    return read


def fit(
    annotated: Iterable[Sentences],
    unlabelled: Iterable[Sentences],
    decode: str,
    method: str = "auto",
    seed: int = 0,
) -> Fit:
    """Fit a calibration to the entities of a decoding.

    In text without annotations nobody knows which entities are right, but how many are can be told
    from the heads' agreement (`agreement`): each is taken to be right as probably as the lattices
    say, shifted so that it comes to that many.

    method (str): One of METHODS.
    """
    known = [own.judge(decode) for own in annotated]
    right = np.concatenate([own.right for own in known])
    temperature = fit_temperature(
        lambda value: np.concatenate([own.confidences(Fit(value)) for own in known]), right
    )
    scaled = Fit(temperature, n_found=len(right), n_right=int(right.sum()))
    if method == "temperature" or not 0 < scaled.n_right < scaled.n_found:
        return scaled
    others = [own.read(decode) for own in unlabelled]
    expected, scaled.power = expect(known, others)
    right = np.concatenate([right, *expected])
    entities = [*known, *others]
    kept = np.concatenate([own.held_out for own in entities])
    if np.sum(~kept) < 2:  # one has no spread to scale by
        return scaled
    inputs = torch.cat([own.features(temperature) for own in entities])
    targets = torch.from_numpy(right).float()
    trial = fit_calibrator(inputs[~kept], targets[~kept], seed)
    by_network = trial.log_odds(inputs[kept]).sigmoid().double().numpy()
    by_temperature = np.concatenate([own.confidences(scaled) for own in entities])[kept]
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
    """Measures of all languages together, of the targets, and of each language.

    `mean_targets` has the means over the target languages, each by itself, in which an entity was
    found.
    """
    sure = {lang: own.confidences(fitted) for lang, own in judged.items()}
    nothing = np.zeros(0)

    def of(langs: Iterable[str]) -> Any:
        chosen = list(langs)
        confidence = np.concatenate([nothing, *(sure[lang] for lang in chosen)])
        right = [judged[lang].right for lang in chosen]
        return measure(confidence, np.concatenate([nothing, *right]).astype(bool))

    each = {lang: of([lang]) for lang in judged}
    means = {}
    own = [each[lang] for lang in judged if lang in targets and each[lang]["n"]]
    for name in ("ece", "auroc"):
        known = [found[name] for found in own if found[name] is not None]
        means[name] = float(np.mean(known)) if known else None
    return {
        "all": of(judged),
        "targets": of(lang for lang in judged if lang in targets),
        "mean_targets": means,
        "languages": each,
    }
