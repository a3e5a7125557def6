"""Read the results folder of a study into tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import srsly

from spacy_dualner.data.docbin import corpus_path
from spacy_dualner.errors import DataError

from .published import in_order

RESULTS_FILE, STUDY_FILE = "results.jsonl", "study.json"
SPLITS = ("dev", "test")
MEAN, TARGETS = "mean", "mean of targets"
_REMEDY = "Run `python -m experiments study STUDY.cfg --output {}` again: it goes on there."
_PLACE = ("backbone", "method", "share", "seed")


@dataclass(frozen=True)
class Results:
    """A results folder.

    folder (Path): Where it is.
    study (Dict[str, Any]): The content of study.json; empty where there is none.
    runs (DataFrame): A row a finished run, by its key: `backbone`, `method`, `share`, `seed`,
        `encoder`, `stage1` (the key of the run it began from), `folder`, `best_step`, `steps` and
        `seconds` of training.
    scores (DataFrame): F1 in percent by key; columns are pairs of split and language.
    skipped (Dict[Tuple[str, str, int], str]): Why cells (backbone, method, share) were not run.
    """

    folder: Path
    study: dict[str, Any]
    runs: pd.DataFrame
    scores: pd.DataFrame
    skipped: dict[tuple[str, str, int], str]

    @property
    def backbones(self) -> list[str]:
        return list(dict.fromkeys([*self.runs.backbone, *(cell[0] for cell in self.skipped)]))

    @cached_property
    def langs(self) -> list[str]:
        """All languages, the source first."""
        named = [*self.study.get("source", ()), *self.study.get("targets", ())]
        return list(dict.fromkeys([*named, *self.scores.columns.get_level_values(1)]))

    @property
    def targets(self) -> list[str]:
        return [lang for lang in self.langs if lang not in self.study.get("source", ())]

    def scored(self, split: str, langs: Sequence[str] | None = None) -> list[str]:
        """Those of the languages (all by default) that runs have scores of in a split."""
        return [g for g in (self.langs if langs is None else langs) if (split, g) in self.scores]

    def methods(self, backbone: str) -> list[str]:
        """The methods that were run or skipped with all the source text, in the page's order."""
        found = self.runs.query("backbone == @backbone and share == 100").method
        skipped = (m for b, m, share in self.skipped if (b, share) == (backbone, 100))
        return in_order([*found, *skipped])

    def find(self, backbone: str, method: str, share: int = 100) -> pd.DataFrame:
        """The finished runs of a cell, by seed."""
        runs = self.runs
        cell = (runs.backbone == backbone) & (runs.method == method) & (runs.share == share)
        return runs[cell].sort_values("seed")

    def reason(self, backbone: str, method: str) -> str:
        """Why a method has no runs: as the study says, or that it was not run."""
        return self.skipped.get((backbone, method, 100), "not run")

    def f1(self, keys: Iterable[str], split: str) -> pd.DataFrame:
        """F1 of runs: a row a key, a column a language, and last the two means.

        A mean is missing where the run lacks a language.
        """
        langs, targets = self.scored(split), self.scored(split, self.targets)
        own = self.scores.loc[list(keys), [(split, lang) for lang in langs]]
        own.columns = pd.Index(langs)
        means = {MEAN: own.mean(axis=1, skipna=False)}
        means[TARGETS] = own[targets].mean(axis=1, skipna=False)
        return own.assign(**means)

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
    runs: dict[tuple, dict[str, Any]] = {}
    skipped = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = srsly.json_loads(text)
            if "skipped" in line:
                skipped[line["backbone"], line["method"], line["share"]] = line["skipped"]
            else:
                # A cell that was run anew stands below.
                runs[tuple(line[name] for name in _PLACE)] = _read_run(folder, line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"not a result of study ({error!r}). Remove the line. {remedy}"
            raise DataError(path, message, line=number) from None
    if not runs:
        raise DataError(path, f"no finished run. {remedy}")
    table = pd.DataFrame(list(runs.values())).set_index("key")
    scores = pd.DataFrame(dict(table.pop("f1").items())).T
    return Results(folder, _read_study(folder / STUDY_FILE), table, scores, skipped)


def _read_run(folder: Path, line: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: line[name] for name in ("key", *_PLACE, "encoder")},
        "stage1": line.get("stage1"),
        "folder": folder / line["folder"],
        "best_step": line.get("best_step"),
        "steps": line.get("steps"),
        "seconds": line.get("seconds", {}).get("train", 0.0),
        "f1": {
            (split, lang): float(scores["f"])
            for split in SPLITS
            for lang, scores in line["scores"][split]["languages"].items()
        },
    }


def _read_study(path: Path) -> dict[str, Any]:
    try:
        return dict(srsly.read_json(path)) if path.is_file() else {}
    except (ValueError, TypeError) as error:
        raise DataError(path, f"not JSON of a study ({error}). Mend or remove it.") from None
