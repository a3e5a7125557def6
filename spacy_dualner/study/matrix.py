"""The runs of a study: which there are, what each is made of, and in what order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Config

from ..data.docbin import corpus_path
from ..data.names import TRANSLATED
from ..presets import stage_settings
from .config import Backbone, Study
from .corpora import corpus_folder
from .methods import Method


@dataclass(frozen=True)
class Cell:
    """A place in the matrix; `key` names its folder."""

    backbone: str
    method: str
    share: int
    seed: int

    @property
    def key(self) -> str:
        return re.sub(r"[^\w.-]", "_", f"{self.backbone}-{self.method}-{self.share}-{self.seed}")


@dataclass(frozen=True)
class Run:
    """All that one process needs to know to do its run.

    cell (Cell): Where it stands.
    results (Path): The results folder.
    encoder (str): Hub name or folder.
    config (str): The config of its stage, paths included.
    fingerprint (str): Of everything that decides the scores.
    stage1 (Optional[str]): Key of the run that stage 2 begins from; None for a run of stage 1.
    source (Tuple[str, ...]): The annotated languages.
    langs (Tuple[str, ...]): All languages to score.
    picture (Tuple[str, ...]): Languages whose entity vectors are kept.
    decode (str): The heads that entities are read from.
    skipped (str): Why it cannot be run; empty if it can.
    """

    cell: Cell
    results: Path
    encoder: str
    config: str
    fingerprint: str
    stage1: str | None
    source: tuple[str, ...]
    langs: tuple[str, ...]
    picture: tuple[str, ...]
    decode: str
    skipped: str = ""

    @property
    def folder(self) -> Path:
        return self.results / "runs" / self.cell.key

    @property
    def model(self) -> Path:
        return self.folder / "model-best"

    def facts(self) -> dict[str, Any]:
        """What a line of results.jsonl says of any run, also one that was skipped."""
        cell = self.cell
        return {
            "key": cell.key,
            "backbone": cell.backbone,
            "encoder": Path(self.encoder).name if Path(self.encoder).exists() else self.encoder,
            "method": cell.method,
            "share": cell.share,
            "seed": cell.seed,
            "decode": self.decode,
            "stage1": self.stage1,
            "folder": self.folder.relative_to(self.results).as_posix(),
        }


def plan(studies: Iterable[Study], results: Path, data: dict[str, Any]) -> list[Run]:
    """All runs of some studies, each once, the stage-1 runs that others begin from before them.

    studies (Iterable[Study]): Studies with one `[data]`.
    results (Path): The results folder, whose corpus is there.
    data (Dict[str, Any]): What identifies the corpus.
    RETURNS (List[Run]): In the order of seeds, shares, backbones, methods.
    """
    runs: dict[str, Run] = {}
    for study in studies:
        for backbone, method, cell in _cells(study):
            if cell.key not in runs:
                picture = cell.share == 100 and cell.seed == study.seeds[0]
                stage1 = replace(cell, method=method.stage1).key if method.stage1 else None
                parent = runs[stage1] if stage1 else None
                run = _run(study, backbone, method, cell, results, data, parent)
                if not picture or cell.method not in ("MLT", "DualNER"):
                    run = replace(run, picture=())
                runs[cell.key] = run
    return list(runs.values())


def _cells(study: Study) -> Iterator[tuple[Backbone, Method, Cell]]:
    for seed in study.seeds:
        for share in study.shares:
            for backbone in study.backbones:
                for name, method in study.methods.items():
                    if method.stage1:
                        cell = Cell(backbone.name, method.stage1, share, seed)
                        yield backbone, study.known[method.stage1], cell
                    yield backbone, method, Cell(backbone.name, name, share, seed)


def _run(
    study: Study,
    backbone: Backbone,
    method: Method,
    cell: Cell,
    results: Path,
    data: dict[str, Any],
    parent: Run | None,
) -> Run:
    settings = study.data
    corpus = corpus_folder(results, cell.share)
    targets, skipped = settings.target_langs, ""
    if method.text == TRANSLATED:
        targets = [t for t in targets if corpus_path(corpus, TRANSLATED, t).exists()]
        if not targets:
            skipped = "there are no translations of the source text"
    elif parent and cell.share < 100:
        # What is not annotated joins the unlabelled text.
        targets = settings.langs
    stages = stage_settings(
        settings.source, ",".join(targets), encoder=backbone.encoder, seed=cell.seed
    )
    stage = backbone.stages[1 if parent else 0]
    values = {**stages[1 if parent else 0], **method.settings}
    if not parent:
        values |= _in_proportion(stage, cell.share)
    paths: dict[str, Any] = {"paths.train": str(corpus / "train"), "paths.dev": str(corpus / "dev")}
    if parent:
        paths = {"paths.model": str(parent.model), "paths.corpus": str(corpus)}
        paths["corpora.target.path"] = str(corpus / method.text)
    if values.get("corpora.target", ...) is None:
        values, paths = (
            {name: v for name, v in d.items() if not name.startswith("corpora.target.")}
            for d in (values, paths)
        )
    # Limits were applied when the corpus was made.
    values["corpora.dev.langs"] = ",".join(settings.langs)
    config = Config().from_str(stage.to_str(interpolate=False), interpolate=False, overrides=values)
    said = [config.to_str(interpolate=False), method.text, cell.share, data]
    fingerprint = hashlib.sha256(srsly.json_dumps(said).encode()).hexdigest()[:16]
    if parent:
        fingerprint = f"{parent.fingerprint}-{fingerprint}"
    logger = {
        "@loggers": "spacy-dualner.HistoryLogger.v1",
        "path": str(results / "runs" / cell.key / "history.jsonl"),
    }
    config = Config().from_str(config.to_str(interpolate=False), interpolate=False, overrides=paths)
    config["teaching" if parent else "training"]["logger"] = logger
    if not parent:
        scores = config["training"]["score_weights"]
        for lang in settings.langs:
            scores[f"ents_f_{lang}"] = 0.0
    return Run(
        cell,
        results,
        backbone.encoder,
        config.to_str(interpolate=False),
        fingerprint,
        parent.cell.key if parent else None,
        tuple(settings.source_langs),
        tuple(settings.langs),
        tuple(settings.picture.replace(" ", "").split(",")) if settings.picture else (),
        method.decode,
        skipped,
    )


def _in_proportion(config: Config, share: int) -> dict[str, int]:
    """With less text there are fewer steps: warm up and evaluate that much sooner."""
    steps = {
        "training.eval_frequency": config["training"]["eval_frequency"],
        "training.optimizer.learn_rate.warmup_steps": config["training"]["optimizer"]
        .get("learn_rate", {})
        .get("warmup_steps", 0),
    }
    return {name: max(1, n * share // 100) for name, n in steps.items() if n and share < 100}
