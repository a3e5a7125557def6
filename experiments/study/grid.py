"""The runs of a study: which there are, what each is made of, and in what order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Config

from spacy_dualner.data.docbin import corpus_path
from spacy_dualner.data.names import TRANSLATED
from spacy_dualner.errors import DualNerError
from spacy_dualner.training.corpus import parse_langs
from spacy_dualner.training.presets import config_text, overridden, stage_settings

from .corpora import corpus_folder
from .methods import Method
from .schema import Backbone, ConfigSchemaData, Study

PICTURED = ("MLT", "DualNER")
"""The methods whose entity vectors are kept for Figure 2, of the first seed."""


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
    data (ConfigSchemaData): The study's, with the languages.
    picture (Tuple[str, ...]): Languages whose entity vectors are kept.
    skipped (str): Why it cannot be run; empty if it can.
    """

    cell: Cell
    results: Path
    encoder: str
    config: str
    fingerprint: str
    stage1: str | None
    data: ConfigSchemaData
    picture: tuple[str, ...]
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
            "stage1": self.stage1,
            "folder": self.folder.relative_to(self.results).as_posix(),
        }


def plan(studies: Iterable[Study], results: Path, data: dict[str, Any]) -> list[Run]:
    """All runs of some studies, each once, the stage-1 runs that others begin from before them.

    studies (Iterable[Study]): Studies with one `[data]`.
    results (Path): The results folder, whose corpus is there.
    data (Dict[str, Any]): What identifies the corpus.
    RETURNS (List[Run]): In the order of seeds, shares, backbones, methods.
    RAISES (DualNerError): If a backbone or method of one name differs from study to study.
    """
    runs: dict[str, Run] = {}
    for study in studies:
        for seed, share, backbone in product(study.seeds, study.shares, study.backbones):
            for name, method in study.methods.items():
                parent = None
                for own in [method.stage1, name] if method.stage1 else [name]:
                    cell = Cell(backbone.name, own, share, seed)
                    run = _run(study, backbone, cell, results, data, parent)
                    parent = runs.setdefault(cell.key, run)
                    if parent.fingerprint != run.fingerprint:
                        raise DualNerError(
                            f"{cell.key} has other settings in '{study.title}' than before. Give "
                            "its backbone or method another name, or each study its own --output."
                        )
    return list(runs.values())


def _run(
    study: Study,
    backbone: Backbone,
    cell: Cell,
    results: Path,
    data: dict[str, Any],
    parent: Run | None,
) -> Run:
    method = study.known[cell.method]
    targets, skipped = _target_langs(study, method, cell, results)
    config = _settings(study, backbone, method, cell, targets)
    said = [config.to_str(interpolate=False), method.text, cell.share, data]
    own = hashlib.sha256(srsly.json_dumps(said).encode()).hexdigest()[:16]
    pictured = cell.method in PICTURED and (cell.share, cell.seed) == (100, study.seeds[0])
    run = Run(
        cell,
        results,
        backbone.encoder,
        config="",
        fingerprint=f"{parent.fingerprint}-{own}" if parent else own,
        stage1=parent.cell.key if parent else None,
        data=study.data,
        picture=tuple(parse_langs(study.data.picture)) if pictured else (),
        skipped=skipped,
    )
    return replace(run, config=_with_paths(config, run, method, parent))


def _target_langs(study: Study, method: Method, cell: Cell, results: Path) -> tuple[list[str], str]:
    """Languages of the target text of stage 2, and why a run has to be skipped, if it has."""
    targets = study.data.target_langs
    if method.text == TRANSLATED:
        if cell.share < 100:
            return targets, "translations are of all the source text, not of a share"
        corpus = corpus_folder(results)
        targets = [lang for lang in targets if corpus_path(corpus, TRANSLATED, lang).exists()]
        return targets, "" if targets else "there are no translations of the source text"
    if method.stage1 and cell.share < 100:
        # What is not annotated joins the unlabelled text.
        targets = study.data.langs
    return targets, ""


def _settings(
    study: Study, backbone: Backbone, method: Method, cell: Cell, targets: Sequence[str]
) -> Config:
    """The config of a run, but for what differs from folder to folder."""
    number = 1 if method.stage1 else 0
    stages = stage_settings(
        study.data.source,
        ",".join(targets),
        encoder=backbone.encoder,
        seed=cell.seed,
        dev_limit=study.data.select_limit,
    )
    config = backbone.stages[number]
    values = {**stages[number], **method.settings}
    if values.get("corpora.target", ...) is None:
        values = {k: v for k, v in values.items() if not k.startswith("corpora.target.")}
    values["corpora.dev.langs"] = ",".join(study.data.langs)
    return overridden(config, values)


def _with_paths(config: Config, run: Run, method: Method, parent: Run | None) -> str:
    corpus = corpus_folder(run.results, run.cell.share)
    logger = {
        "@loggers": "spacy-dualner.HistoryLogger.v1",
        "path": str(run.folder / "history.jsonl"),
    }
    paths: dict[str, Any] = {"paths.train": str(corpus / "train"), "paths.dev": str(corpus / "dev")}
    if parent:
        paths = {"paths.model": str(parent.model), "paths.corpus": str(corpus)}
        if config["corpora"]["target"] is not None:
            paths["corpora.target.path"] = str(corpus / method.text)
    config = overridden(config, paths)
    config["teaching" if parent else "training"]["logger"] = logger
    if not parent:
        # The scores that spaCy hands to its loggers.
        shown = {f"ents_f_{lang}": 0.0 for lang in run.data.langs}
        config["training"]["score_weights"].update(shown)
    return config_text(config)
