"""The model card of a pipeline: README.md, the same for the hub, and what meta.json tells.

`spacy package` takes README.md and meta.json over. `spacy huggingface-hub push` makes the hub's
metadata out of meta.json and puts them before README.md, which therefore has none of its own;
HUB_README.md has them all, as the hub wants them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from wasabi import MarkdownRenderer

from ..about import __version__
from ..data.files import write_json, write_text
from ..data.folders import check_file, check_output, is_pipeline, written_aside
from ..errors import DataError, DualNerError
from ..pipeline import read_settings
from .origin import Origin, read_origin
from .wording import (
    NOT_STATED,
    READ_FROM,
    SETTINGS,
    counted,
    listed,
    markdown,
    outcome,
    share,
    shown,
)

README, HUB_README = "README.md", "HUB_README.md"

PAPER = "https://aclanthology.org/2022.findings-emnlp.132"
BIBTEX = f"""\
@inproceedings{{zeng-etal-2022-dualner,
  title = {{{{DualNER}}: A Dual-Teaching framework for Zero-shot Cross-lingual Named Entity
           Recognition}},
  author = {{Zeng, Jiali and Jiang, Yufan and Yin, Yongjing and Wang, Xu and Lin, Binghuai and
            Cao, Yunbo}},
  booktitle = {{Findings of the Association for Computational Linguistics: EMNLP 2022}},
  month = dec,
  year = {{2022}},
  address = {{Abu Dhabi, United Arab Emirates}},
  publisher = {{Association for Computational Linguistics}},
  pages = {{1837--1843}},
  doi = {{10.18653/v1/2022.findings-emnlp.132}},
  url = {{{PAPER}}}
}}"""

# Stands in each card, and tells it from any other text.
_MADE_WITH = "It needs the package `spacy-dualner`"


@dataclass(frozen=True)
class Statements:
    """What the author of a pipeline says of it and no run knows; empty where not stated.

    data (str): What the data are called.
    dataset (str): Their name on the hub.
    data_licence (str): Their licence.
    encoder_licence (str): Licence of the encoder.
    licence (str): Licence of the pipeline itself, as the hub writes it (`mit`).
    author (str): Who made the pipeline.
    """

    data: str = ""
    dataset: str = ""
    data_licence: str = ""
    encoder_licence: str = ""
    licence: str = ""
    author: str = ""


@dataclass(frozen=True)
class Baseline:
    """Scores to compare with: a column's heading, and what `evaluate` gives."""

    name: str
    results: dict[str, Any]


def write_card(
    model: Path,
    statements: Statements,
    *,
    results: dict[str, Any] | None = None,
    baseline: Baseline | None = None,
    name: str = "",
    output: Path | None = None,
) -> None:
    """Write a pipeline's card into its folder, or into that of a copy.

    model (Path): Folder of the pipeline.
    statements (Statements): What the author says.
    results (Optional[Dict[str, Any]]): What `evaluate` gives for the pipeline.
    baseline (Optional[Baseline]): The same of another pipeline, such as stage 1's.
    name (str): Name of the pipeline, as for `spacy package`; that in meta.json if empty.
    output (Optional[Path]): Folder for a copy that gets the card; then the model stays as it is.
    Raises DataError where the folder holds no pipeline, DualNerError where it has no dualner
    component, the scores do not fit, or a README.md is there that is no card.
    """
    if not is_pipeline(model):
        raise DataError(model, "no folder of a pipeline. Name one that `train` or `teach` wrote.")
    if output is not None:
        check_output(output, model)
        with written_aside(output) as aside:
            shutil.copytree(model, aside)
            _write_card(aside, statements, results, baseline, name)
        return
    for file in (README, HUB_README):
        check_file(model / file, "card", lambda text: _MADE_WITH in text)
    _write_card(model, statements, results, baseline, name)


def _write_card(
    model: Path,
    statements: Statements,
    results: dict[str, Any] | None,
    baseline: Baseline | None,
    name: str,
) -> None:
    config, meta = read_settings(model)
    meta["name"] = name or meta["name"]
    # What an earlier card said of the pipeline still holds.
    meta["license"] = statements.licence or meta.get("license", "")
    meta["author"] = statements.author or meta.get("author", "")
    origin = read_origin(config, meta, model)
    card = Card(origin, meta, statements, results, baseline)
    text, hub, filled = card.text(), card.hub_text(), card.filled_meta()
    write_text(model / README, text)
    write_text(model / HUB_README, hub)
    write_json(model / "meta.json", filled)


class Card:
    """A pipeline's card.

    origin (Origin): How the pipeline came to be.
    meta (Dict[str, Any]): Its meta.json, name, licence and author filled in.
    statements (Statements): What the author says.
    results (Optional[Dict[str, Any]]): What `evaluate` gives for it.
    baseline (Optional[Baseline]): The same of another pipeline.
    Raises DualNerError where a baseline has no scores to go with, or of other languages.
    """

    def __init__(
        self,
        origin: Origin,
        meta: dict[str, Any],
        statements: Statements,
        results: dict[str, Any] | None = None,
        baseline: Baseline | None = None,
    ) -> None:
        self.origin, self.meta, self.statements = origin, meta, statements
        self.results, self.baseline = results, baseline
        scored = set(results["languages"]) if results else set()
        if baseline is not None and set(baseline.results["languages"]) != scored:
            raise DualNerError(
                f"The baseline '{baseline.name}' has other languages than the scores. "
                "Evaluate both pipelines on the same."
            )
        for given in (results, baseline.results if baseline else None):
            if given is not None and origin.decode not in given["mean"]:
                raise DualNerError(
                    f"The pipeline's decoding is '{origin.decode}', of which the scores say "
                    "nothing: an earlier version made them. Evaluate again."
                )

    @property
    def package(self) -> str:
        """The name that `spacy package` gives the pipeline."""
        lang, name = self.meta["lang"], self.meta["name"]
        return name if name.startswith(f"{lang}_") else f"{lang}_{name}"

    @property
    def encoder(self) -> str:
        """The encoder, as text names it."""
        return f"`{self.origin.encoder}`" if self.origin.encoder else f"its name is {NOT_STATED}"

    def description(self) -> str:
        """The pipeline in one sentence."""
        source, target = (listed(langs) for langs in (self.origin.source, self.origin.target))
        what = f"Named entities ({', '.join(self.origin.types)})"
        trained = f"trained on annotated text of {source or f'languages that are {NOT_STATED}'}"
        if target:
            return f"{what} in {target}, {trained} and on their text without annotations."
        return f"{what}, {trained}, for other languages as well."

    # README.md

    def text(self) -> str:
        """The card in Markdown, without metadata."""
        md = MarkdownRenderer()
        md.add(md.title(1, self.package))
        md.add(markdown(self.description()))
        usage = f'import spacy\n\nnlp = spacy.load("{self.package}")'
        md.add(md.code_block(usage, lang="python"))
        md.add(f"{_MADE_WITH}; version {__version__} wrote this card.")
        for title, content in (
            ("Data", self._data()),
            ("Method and settings", self._method()),
            ("Scores", self._scores()),
            ("Licences", self._licences()),
            ("Citation", f"The method is that of [Zeng et al. (2022)]({PAPER}):"),
        ):
            md.add(md.title(2, title))
            md.add(content)
        md.add(md.code_block(BIBTEX, lang="bibtex"))
        return md.text + "\n"

    def _data(self) -> str:
        said, origin = self.statements, self.origin
        hub = f"https://huggingface.co/datasets/{said.dataset}"
        link = f" ([{said.dataset}]({hub}))" if said.dataset else ""
        return MarkdownRenderer().list(
            [
                f"Data: {said.data or NOT_STATED}{link}",
                f"Sentences with annotations: {counted(origin.source) or NOT_STATED}",
                f"Sentences without annotations: {counted(origin.target) or 'none'}",
            ]
        )

    def _method(self) -> str:
        stages = self.origin.stages
        rows = [["method", *self.origin.methods]]
        for key, label in SETTINGS.items():
            rows.append([label, *(shown(settings.get(key)) for settings in stages.values())])
        heads = READ_FROM[self.origin.decode]
        parts = [
            "A tag head and start/end heads over one multilingual encoder "
            f"({self.encoder}); entities are read from {heads}.",
            MarkdownRenderer().table(rows, ["", *stages]),
        ]
        if self.origin.stage2 is not None:
            parts.append(outcome(self.origin.stage2))
        return "\n\n".join(parts)

    def _scores(self) -> str:
        if self.results is None:
            return (
                "None were given. Make them and this card with:\n\n```bash\n"
                "python -m spacy dualner evaluate MODEL CORPUS_DIR --output scores.json\n"
                "python -m spacy dualner card MODEL --scores scores.json\n```"
            )
        languages = self.results["languages"]
        means = ["mean", "mean_targets"] if self._has_targets else ["mean"]
        before = self.baseline.results if self.baseline else {}
        rows = [
            self._score_row(lang, scores, before.get("languages", {}).get(lang))
            for lang, scores in languages.items()
        ]
        rows += [self._score_row(name, self.results[name], before.get(name)) for name in means]
        header = ["", "trained on", "P", "R", "F1", *map(markdown, self.origin.types)]
        said = (
            "Entity precision, recall and F1 in percent (seqeval) on given tokens, F1 of each type"
        )
        if "raw" in self.results["mean"]:
            header.append("F1 on raw text")
            said += ", and F1 where the pipeline's own tokenizer splits the text"
        if self.baseline is not None:
            header += [f"F1 of {self.baseline.name}", "gain"]
        aligns = ["l", "l", *"r" * (len(header) - 2)]
        table = MarkdownRenderer().table(rows, header, aligns)
        return f"{said}.{self._scored_text()}\n\n{table}"

    def _scored_text(self) -> str:
        """Which sentences were scored, where the scores tell."""
        split, limit = (self.results or {}).get("split"), (self.results or {}).get("limit")
        if split is None:
            return ""
        which = f"First {limit:,} sentences" if limit else "All sentences"
        return f" {which} of each {split} set."

    def _score_row(
        self, name: str, scores: Mapping[str, Any], before: Mapping[str, Any] | None
    ) -> list[str]:
        decode = self.origin.decode
        kinds = {"annotations": self.origin.source, "text": self.origin.target}
        per_type = scores.get("per_type", {}).get(decode, {})
        f1 = scores[decode]["f"]
        return [
            name.replace("_", " of "),
            ", ".join(kind for kind, langs in kinds.items() if name in langs),
            *(f"{scores[decode][key]:.1f}" for key in "prf"),
            *(f"{per_type[t]['f']:.1f}" if t in per_type else "" for t in self.origin.types),
            *([f"{scores['raw']['f']:.1f}"] if "raw" in scores else []),
            *([f"{before[decode]['f']:.1f}", f"{f1 - before[decode]['f']:+.1f}"] if before else []),
        ]

    @property
    def _has_targets(self) -> bool:
        results = self.results or {"languages": {}}
        every = (results, *([self.baseline.results] if self.baseline else []))
        others = set(results["languages"]) - set(self.origin.source)
        return bool(others) and all(given.get("mean_targets") for given in every)

    def _licences(self) -> str:
        said = self.statements
        return MarkdownRenderer().list(
            [
                f"Licence of this pipeline: {self.meta['license'] or NOT_STATED}",
                f"Licence of the encoder ({self.encoder}): {said.encoder_licence or NOT_STATED}",
                f"Licence of the data: {said.data_licence or NOT_STATED}",
            ]
        )

    # The hub and meta.json

    def hub_text(self) -> str:
        """The card with the hub's metadata in front."""
        said, origin = self.statements, self.origin
        scored = self.results["languages"] if self.results else {}
        results = [
            EvalResult(
                task_type="token-classification",
                task_name="NER",
                dataset_type=said.dataset or said.data or NOT_STATED,
                dataset_name=f"{said.data or said.dataset or NOT_STATED} ({lang})",
                dataset_config=lang,
                metric_type="f1",
                metric_name="NER F1",
                metric_value=share(scores[origin.decode]["f"]),
            )
            for lang, scores in scored.items()
        ]
        data = ModelCardData(
            language=list(dict.fromkeys([*origin.source, *origin.target, *scored])) or None,
            license=self.meta["license"].replace(" ", "-").lower() or None,
            library_name="spacy",
            pipeline_tag="token-classification",
            tags=["spacy", "token-classification"],
            datasets=[said.dataset] if said.dataset else None,
            model_name=self.package,
            eval_results=results or None,
        )
        return f"---\n{data.to_yaml()}\n---\n\n{self.text()}"

    def filled_meta(self) -> dict[str, Any]:
        """meta.json with description, sources and, where there are scores, performance.

        `ents_p`, `ents_r` and `ents_f` are the means of all languages: `push` shows these.
        """
        said, decode = self.statements, self.origin.decode
        sources = [
            {"name": self.origin.encoder, "license": said.encoder_licence},
            {"name": said.data or said.dataset, "license": said.data_licence},
        ]
        filled = {
            **self.meta,
            "description": self.description(),
            "sources": [
                {key: text for key, text in source.items() if text}
                for source in sources
                if source["name"]
            ],
        }
        if self.results is not None:
            scored = {"mean_targets": self.results["mean_targets"]} if self._has_targets else {}
            f1 = {n: own[decode]["f"] for n, own in (scored | self.results["languages"]).items()}
            filled["performance"] = {
                **{f"ents_{key}": share(self.results["mean"][decode][key]) for key in "prf"},
                **{f"ents_f_{name}": share(f) for name, f in f1.items()},
            }
        return filled
