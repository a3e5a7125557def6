"""One run of a study, in a process of its own: train or teach, then score."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import srsly
import torch
from numpy.typing import NDArray
from seqeval.metrics.sequence_labeling import get_entities
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config

from spacy_dualner.data.docbin import corpus_path, read_docs
from spacy_dualner.data.outputs import write_json, write_text
from spacy_dualner.evaluation.scores import predict_docs, with_means
from spacy_dualner.pipeline import find_component, load_pipeline
from spacy_dualner.system.interrupts import end_with_parent
from spacy_dualner.training.history import read_history

from .corpora import corpus_folder
from .entity_vectors import MAX_ENTITIES, entity_vectors
from .grid import Run

RESULT, LOG, _TRAINED = "result.json", "log.txt", "trained.json"
SCORED = ("dev", "test")


def work(run: Run, threads: int, gpu_id: int) -> None:
    """Do a run, or the rest of one that was interrupted; its result is written last.

    run (Run): What to do.
    threads (int): Of torch.
    gpu_id (int): As in `spacy train`.
    """
    end_with_parent()
    # What is half-written goes, as it does where an error ends the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    torch.set_num_threads(threads)
    terminal = os.dup(sys.stderr.fileno())
    try:
        _work(run, gpu_id)
    except Exception as error:
        # The log may be on a disk that is full.
        reason = " ".join(str(error).split()) or type(error).__name__
        os.write(terminal, f"{run.cell.key}: {reason}\n".encode(errors="replace"))
        raise


def _work(run: Run, gpu_id: int) -> None:
    with (run.folder / LOG).open("a", encoding="utf-8") as log:
        sys.stdout.flush()
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        from spacy.cli._util import setup_gpu

        setup_gpu(gpu_id)
        if not is_trained(run):
            _train(run, gpu_id)
        began = time.perf_counter()
        decode, scores = _evaluate(run)
        trained = srsly.read_json(run.folder / _TRAINED)
        seconds = {"train": trained.pop("seconds"), "evaluate": time.perf_counter() - began}
        facts = run.facts() | {"fingerprint": run.fingerprint, "decode": decode, "scores": scores}
        write_json(run.folder / RESULT, facts | trained | {"seconds": seconds})


def is_trained(run: Run) -> bool:
    """Whether the pipeline of a run is there, trained to the end."""
    return (run.folder / _TRAINED).is_file() and run.model.is_dir()


def _train(run: Run, gpu_id: int) -> None:
    (run.folder / _TRAINED).unlink(missing_ok=True)
    stage = "stage2.cfg" if run.stage1 else "stage1.cfg"
    path = run.folder / stage
    write_text(path, run.config + "\n")
    if run.stage1:
        from spacy_dualner.teaching.config import resolve_config
        from spacy_dualner.teaching.teach import teach

        teach(resolve_config(load_config(path)), run.folder, resume=True)
    else:
        from spacy.cli.train import train

        train(path, run.folder, use_gpu=gpu_id)
        shutil.rmtree(run.folder / "model-last", ignore_errors=True)
    history = read_history(run.folder / "history.jsonl")
    best, last = max(history, key=lambda entry: entry["score"]), history[-1]
    record = {"best_step": best["step"], "steps": last["step"], "seconds": last["seconds"]}
    write_json(run.folder / _TRAINED, record)


def _evaluate(run: Run) -> tuple[str, dict[str, Any]]:
    """What the pipeline decodes, and scores of that."""
    nlp = load_pipeline(run.model)
    corpus = corpus_folder(run.results)
    entities: dict[str, NDArray] = {}
    pipe = find_component(nlp, "dualner")
    types, decode = list(pipe.labels), pipe.cfg["decode"]
    scores = {}
    for split in SCORED:
        results = {}
        for lang in run.data.langs:
            docs = list(read_docs(corpus_path(corpus, split, lang), nlp.vocab))
            predictions = predict_docs(nlp, docs)
            results[lang] = predictions.scores()
            entities[f"{split}.{lang}"] = _entities(predictions.predicted[decode], types)
        scores[split] = _of_decoding(with_means(results, run.data.source_langs), decode)
    _write_arrays(run.folder / "predictions.npz", entities | {"types": np.array(types)})
    if run.picture:
        docs_of = {lang: _unannotated(nlp, corpus, lang) for lang in run.picture}
        _write_arrays(run.folder / "entities.npz", entity_vectors(nlp, docs_of))
    return decode, scores


def _unannotated(nlp: Language, corpus: Path, lang: str) -> list[Doc]:
    # A sentence of PAN-X holds more than one entity on average.
    docs = read_docs(corpus_path(corpus, "test", lang), nlp.vocab, 2 * MAX_ENTITIES)
    return [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]


def _entities(sentences: list[list[str]], types: list[str]) -> NDArray[np.int32]:
    rows = [
        (number, first, last, types.index(label))
        for number, tags in enumerate(sentences)
        for label, first, last in get_entities(tags)
    ]
    return np.array(rows, dtype=np.int32).reshape(-1, 4)


def _of_decoding(results: dict[str, Any], decode: str) -> dict[str, Any]:
    languages = {
        lang: scores[decode] | {"per_type": scores["per_type"][decode]}
        for lang, scores in results["languages"].items()
    }
    means = {name: results[name].get(decode) for name in ("mean", "mean_targets")}
    # Beside it the mean of the target languages by each of the decodings.
    return {"languages": languages, "decodings": results["mean_targets"]} | means


def _write_arrays(path: Path, arrays: dict[str, NDArray]) -> None:
    aside = path.with_name(f".{path.name}")
    np.savez_compressed(aside, **arrays)  # type: ignore[arg-type]
    os.replace(aside, path)
