"""Read the results folder of a study."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import srsly

from spacy_dualner.data.docbin import corpus_path
from spacy_dualner.errors import DataError

from .methods import in_order

RESULTS_FILE, STUDY_FILE = "results.jsonl", "study.json"

_REMEDY = "Run `python -m experiments study STUDY.cfg --output {}` again: it goes on there."


@dataclass(frozen=True)
class Run:
    """A finished run.

    share (int): Percent of the source sentences that were annotated.
    decode (str): What entities are read from: `span`, `tag` or `joint`.
    stage1 (Optional[str]): Key of the run that stage 2 began from.
    folder (Path): Where its predictions and its history lie.
    f1 (Dict[str, Dict[str, float]]): By split and language, in percent.
    seconds (float): Of training.
    """

    key: str
    backbone: str
    encoder: str
    method: str
    share: int
    seed: int
    decode: str
    stage1: str | None
    folder: Path
    f1: dict[str, dict[str, float]]
    best_step: int
    steps: int
    seconds: float

    def mean(self, split: str, langs: Sequence[str]) -> float | None:
        """Mean F1 of the languages, None unless the run has a score of each."""
        scores = self.f1[split]
        if not langs or not all(lang in scores for lang in langs):
            return None
        return statistics.fmean(scores[lang] for lang in langs)


@dataclass(frozen=True)
class Skipped:
    """A cell of the matrix that could not be run, and why. `seed` is None for all seeds."""

    backbone: str
    method: str
    share: int
    seed: int | None
    reason: str


@dataclass(frozen=True)
class Study:
    """What `study.json` says of all runs; limits are in sentences a language, 0 for all."""

    titles: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    picture_langs: list[str] = field(default_factory=list)
    machine: str = ""
    overlap: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """A results folder: its study, and the runs and skipped cells in the matrix's order."""

    folder: Path
    study: Study
    runs: list[Run]
    skipped: list[Skipped]

    @property
    def backbones(self) -> list[str]:
        return list(dict.fromkeys(cell.backbone for cell in self._cells))

    @property
    def _cells(self) -> list[Run | Skipped]:
        return [*self.runs, *self.skipped]

    @cached_property
    def langs(self) -> list[str]:
        """All languages, the source first."""
        named = [*self.study.source, *self.study.targets]
        scored = [lang for run in self.runs for scores in run.f1.values() for lang in scores]
        return list(dict.fromkeys([*named, *scored]))

    @property
    def targets(self) -> list[str]:
        return [lang for lang in self.langs if lang not in self.study.source]

    def scored(self, split: str, langs: Sequence[str] | None = None) -> list[str]:
        """Those of the languages (all by default) that runs have scores of in a split."""
        known = {lang for run in self.runs for lang in run.f1[split]}
        return [lang for lang in (self.langs if langs is None else langs) if lang in known]

    def methods(self, backbone: str) -> list[str]:
        """The methods with a cell at the full share, in the page's order."""
        of_backbone = (cell for cell in self._cells if cell.backbone == backbone)
        return in_order(cell.method for cell in of_backbone if cell.share == 100)

    def find(self, backbone: str, method: str, share: int = 100) -> list[Run]:
        """The finished runs of a cell of a table, by seed."""
        found = [
            run
            for run in self.runs
            if (run.backbone, run.method, run.share) == (backbone, method, share)
        ]
        return sorted(found, key=lambda run: run.seed)

    def shares(self, backbone: str) -> list[int]:
        """The shares of annotated source text that there are finished runs of, ascending."""
        return sorted({run.share for run in self.runs if run.backbone == backbone})

    def reason(self, backbone: str, method: str, share: int = 100) -> str:
        """Why a cell has no runs: as the study says, or that it was not run."""
        for cell in self.skipped:
            if (cell.backbone, cell.method, cell.share) == (backbone, method, share):
                return cell.reason
        return "not run"

    def stage1(self, run: Run) -> Run | None:
        """The run that a run of stage 2 began from."""
        return next((other for other in self.runs if other.key == run.stage1), None)

    def corpus(self, split: str, lang: str) -> Path:
        return corpus_path(self.folder / "corpus", split, lang)


def read_results(folder: Path) -> Results:
    """Read what a study wrote.

    folder (Path): The results folder.
    RETURNS (Results): The study; where `study.json` is missing, without languages and limits.
    RAISES (DataError): If there is no finished run, or a file is malformed.
    """
    remedy = _REMEDY.format(folder)
    path = folder / RESULTS_FILE
    if not folder.is_dir():
        raise DataError(folder, "no such folder. Give the folder that `study --output` wrote.")
    if not path.is_file():
        raise DataError(path, f"no such file, so this is no results folder. {remedy}")
    cells: dict[tuple, Run | Skipped] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            cell = _read_cell(folder, srsly.json_loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"not a result of study ({error!r}). Remove the line. {remedy}"
            raise DataError(path, message, line=number) from None
        # A cell that was run anew stands below.
        cells[cell.backbone, cell.method, cell.share, cell.seed] = cell
    runs = [cell for cell in cells.values() if isinstance(cell, Run)]
    if not runs:
        raise DataError(path, f"no finished run. {remedy}")
    skipped = [cell for cell in cells.values() if isinstance(cell, Skipped)]
    return Results(folder, _read_study(folder / STUDY_FILE), runs, skipped)


def _read_cell(folder: Path, line: dict[str, Any]) -> Run | Skipped:
    place = {"backbone": str(line["backbone"]), "method": str(line["method"])}
    share = int(line["share"])
    if "skipped" in line:
        seed = line.get("seed")
        return Skipped(
            **place, share=share, seed=None if seed is None else int(seed), reason=line["skipped"]
        )
    f1 = {
        split: {lang: float(s["f"]) for lang, s in line["scores"][split]["languages"].items()}
        for split in ("dev", "test")
    }
    return Run(
        **place,
        key=line["key"],
        encoder=line["encoder"],
        share=share,
        seed=int(line["seed"]),
        decode=line["decode"],
        stage1=line.get("stage1"),
        folder=folder / line["folder"],
        f1=f1,
        best_step=int(line.get("best_step") or 0),
        steps=int(line.get("steps") or 0),
        seconds=float(line.get("seconds", {}).get("train", 0)),
    )


def _read_study(path: Path) -> Study:
    if not path.is_file():
        return Study()
    try:
        values = srsly.read_json(path)
        return Study(**{name: values[name] for name in Study.__annotations__ if name in values})
    except (ValueError, TypeError) as error:
        raise DataError(path, f"not JSON of a study ({error}). Mend or remove it.") from None


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of the values that there are."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def deviation_of(values: Iterable[float | None]) -> float | None:
    """Sample standard deviation (n - 1); None for fewer than two values."""
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None
