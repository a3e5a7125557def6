"""A results folder as `study` writes it, of an invented study: no model is trained."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.scorer import entity_scores, mean_scores

TYPES = ("LOC", "ORG", "PER")
LANGS = ("en", "de", "ar", "zh", "sw")
N_SENTENCES = {"dev": 40, "test": 80}

QUALITY = {
    "CLA": 0.55,
    "SPAN": 0.60,
    "MLT": 0.62,
    "no-target": 0.66,
    "selfKL": 0.72,
    "no-regulariser": 0.78,
    "DualNER": 0.84,
}
"""The share of entities that each method gets right, about."""

_WORDS = {
    "ar": ["مدينة", "في", "كان", "شركة", "محمد", "القاهرة", "على", "و"],
    "zh": list("北京大学在中国的城市人公司"),
    "de": ["Haus", "der", "Stadt", "Bahnhof", "Müller", "in", "und", "<b>&"],
}
_OTHER_WORDS = ["a", "the", "river", "Smith", "Acme", "of", "town", "went"]

Entity = tuple[int, int, int]
"""First word, last word, number of the type."""


def tags_of(entities: Iterable[Sequence[int]], length: int, types: Sequence[str]) -> list[str]:
    """BIO tags of entities that do not overlap."""
    tags = ["O"] * length
    for first, last, type_ in entities:
        tags[first : last + 1] = [f"I-{types[type_]}"] * (last + 1 - first)
        tags[first] = f"B-{types[type_]}"
    return tags


def sentence(rng: np.random.Generator, lang: str) -> tuple[list[str], list[Entity]]:
    """Words, and some entities between them."""
    known = _WORDS.get(lang, _OTHER_WORDS)
    length = int(rng.integers(4, 16))
    words = [known[i] for i in rng.integers(len(known), size=length)]
    entities: list[Entity] = []
    at = int(rng.integers(0, 3))
    while at < length:
        last = min(length - 1, at + int(rng.integers(0, 3)))
        entities.append((at, last, int(rng.integers(3))))
        at = last + 1 + int(rng.integers(1, 5))
    return words, entities


def noisy(
    rng: np.random.Generator, entities: Sequence[Entity], length: int, quality: float
) -> list[Entity]:
    """What a recogniser of this quality finds: each kind of mistake occurs, no overlaps do."""
    found: list[Entity] = []
    end = -1
    for first, last, type_ in entities:
        kind = 0 if rng.random() < quality else int(rng.integers(1, 5))
        if kind == 4:
            continue
        if kind in (2, 3):
            last = last - 1 if last > first else min(length - 1, last + 1)
        if kind in (1, 3):
            type_ = (type_ + 1) % 3
        if first > end:
            found.append((first, last, type_))
            end = last
    if rng.random() > quality and end + 2 < length:
        found.append((length - 1, length - 1, int(rng.integers(3))))
    return found


class ResultsFolder:
    """Writes a results folder, run by run.

    folder (Path): Where to.
    langs (Sequence[str]): The languages, the source first.
    """

    def __init__(self, folder: Path, langs: Sequence[str] = LANGS, **study: Any) -> None:
        self.folder = folder
        self.langs = langs
        self.lines: list[dict[str, Any]] = []
        self.gold: dict[tuple[str, str], list[tuple[list[str], list[Entity]]]] = {}
        for split, n_sentences in N_SENTENCES.items():
            for lang in langs:
                rng = np.random.default_rng(zlib.crc32(f"{split}{lang}".encode()))
                sentences = [sentence(rng, lang) for _ in range(n_sentences)]
                self.gold[split, lang] = sentences
                path = corpus_path(folder / "corpus", split, lang)
                with DocBinWriter(path, lang, labelled=True) as writer:
                    for words, entities in sentences:
                        writer.add(words, tags_of(entities, len(words), TYPES))
        values = {
            "titles": ["Table 1: all methods", "Figure 3: shares"],
            "source": [langs[0]],
            "targets": list(langs[1:]),
            "limits": {"source": 4000, "unlabelled": 1000, "dev": 40, "test": 0},
            "picture_langs": list(langs[:3]),
            "machine": "2 x invented processor, no GPU, Linux, Python 3.11.7",
            "overlap": dict.fromkeys(langs[1:], 12.1),
        }
        (folder / "study.json").write_text(json.dumps(values | study), encoding="utf-8")

    def add_run(
        self,
        method: str,
        *,
        backbone: str = "mini",
        share: int = 100,
        seed: int = 0,
        quality: float | None = None,
        predictions: dict[tuple[str, str], list[list[Entity]]] | None = None,
        vectors: bool = False,
    ) -> dict[str, Any]:
        """Add a finished run. Returns its line.

        quality (float): Share of entities it gets right; by default the method's, or 1.
        predictions (Dict[Tuple[str, str], List[List[Entity]]]): By split and language, instead.
        vectors (bool): Whether to write entities.npz.
        """
        key = f"{backbone}-{method}-{share}-{seed}"
        run = self.folder / "runs" / key
        run.mkdir(parents=True, exist_ok=True)
        quality = QUALITY.get(method, 1.0) if quality is None else quality
        arrays: dict[str, Any] = {"types": np.array(TYPES[::-1])}  # any order will do
        scores: dict[str, Any] = {}
        for split in N_SENTENCES:
            languages = {}
            for lang in self.langs:
                gold = self.gold[split, lang]
                rng = np.random.default_rng(zlib.crc32(f"{key}{split}{lang}".encode()))
                if predictions is None:
                    found = [noisy(rng, entities, len(w), quality) for w, entities in gold]
                else:
                    found = predictions[split, lang]
                rows = [(i, f, n, 2 - t) for i, own in enumerate(found) for f, n, t in own]
                arrays[f"{split}.{lang}"] = np.array(rows, dtype=np.int32).reshape(-1, 4)
                languages[lang] = entity_scores(
                    [tags_of(entities, len(words), TYPES) for words, entities in gold],
                    [tags_of(e, len(w), TYPES) for e, (w, _) in zip(found, gold, strict=True)],
                )
            targets = [languages[lang] for lang in self.langs[1:]]
            means = {"mean": mean_scores(languages.values()), "mean_targets": mean_scores(targets)}
            scores[split] = {"languages": languages, **means}
        np.savez_compressed(run / "predictions.npz", **arrays)
        in_stage1 = method in ("CLA", "SPAN", "MLT")
        self._write_history(run, scores["dev"]["languages"], in_stage1)
        if vectors:
            self.write_vectors(run, 1.0 if in_stage1 else 4.0)
        line = {
            "key": key,
            "backbone": backbone,
            "encoder": "invented-xlmr",
            "method": method,
            "share": share,
            "seed": seed,
            "decode": "tag" if method == "CLA" else "span",
            "stage1": None if in_stage1 else f"{backbone}-MLT-{share}-{seed}",
            "folder": f"runs/{key}",
            "scores": scores,
            "best_step": 200,
            "steps": 400,
            "seconds": {"train": 190.1, "evaluate": 14.2},
        }
        self.lines.append(line)
        return line

    def skip(self, method: str, reason: str, *, backbone: str = "mini", seed: int = 0) -> None:
        """Add a cell that could not be run."""
        place = {"backbone": backbone, "method": method, "share": 100, "seed": seed}
        self.lines.append({"key": f"{backbone}-{method}-100-{seed}", **place, "skipped": reason})

    def write(self) -> Path:
        """Write results.jsonl. Returns the folder."""
        text = "".join(f"{json.dumps(line)}\n" for line in self.lines)
        (self.folder / "results.jsonl").write_text(text, encoding="utf-8")
        return self.folder

    def _write_history(self, run: Path, final: dict[str, Any], in_stage1: bool) -> None:
        steps = range(100, 401, 100) if in_stage1 else range(0, 401, 100)
        lines = []
        for step in steps:
            f1 = {lang: s["f"] * (0.7 + 0.3 * step / 400) for lang, s in final.items()}
            score = 0.5 - abs(step - 200) / 1000
            line = {"step": step, "epoch": 1, "loss": 0.3, "score": score, "f1": f1}
            if not in_stage1:
                line["agreement"] = dict.fromkeys(final, 70 + step / 20)
            lines.append(json.dumps(line))
        (run / "history.jsonl").write_text("\n".join(lines) + "\n")

    def write_vectors(self, run: Path, apart: float) -> None:
        rng = np.random.default_rng(1)
        n, width = 60 * len(self.langs), 16
        langs = np.repeat(self.langs, n // len(self.langs))
        types = rng.integers(3, size=n)
        vectors = rng.normal(size=(n, width))
        vectors[np.arange(n), types] += apart
        np.savez_compressed(
            run / "entities.npz",
            vectors=vectors.astype("float16"),
            langs=langs,
            types=np.array(TYPES)[types],
            texts=np.array([f"entity {i}, <i>" for i in range(n)]),
        )


def write_study(folder: Path, langs: Sequence[str] = LANGS) -> Path:
    """A whole study: two backbones, three seeds, four shares, translations missing."""
    results = ResultsFolder(folder, langs)
    for seed in range(3):
        for method in QUALITY:
            vectors = seed == 0 and method in ("MLT", "DualNER")
            results.add_run(method, seed=seed, vectors=vectors)
        results.skip("TRG_Trans", "there are no translations of the source text", seed=seed)
    for share in (5, 20, 60):
        for method, quality in (("MLT", 0.4), ("DualNER", 0.55)):
            results.add_run(method, share=share, quality=quality + share / 300)
    for method in ("CLA", "SPAN", "MLT", "DualNER"):
        results.add_run(method, backbone="XLM-R-base")
    return results.write()
