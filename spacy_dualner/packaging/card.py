"""The model card of a pipeline: README.md, the same for the hub, and what meta.json tells.

`spacy package` takes README.md and meta.json over. `spacy huggingface-hub push` makes the hub's
metadata out of meta.json and puts them before README.md, which therefore has none of its own;
HUB_README.md has them all, as the hub wants them. What a card says is in `card.md.j2`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..about import __version__
from ..data.outputs import (
    check_file,
    check_output,
    is_pipeline,
    write_json,
    write_text,
    written_aside,
)
from ..errors import DataError, DualNerError, readable
from ..pipeline import read_settings
from .origin import Origin, read_origin
from .statements import Statements as Statements

README, HUB_README = "README.md", "HUB_README.md"
NOT_STATED = "not stated"
SELECT = {
    "mean": "the mean F1 of the development languages",
    "source": "the F1 on development text of the source languages",
    "agreement": "the agreement of both kinds of heads on unlabelled text",
}
"""What stage 2's students are compared by, in words."""

_TEMPLATE = Path(__file__).with_name("card.md.j2")
# Stands in each card, and tells it from any other text.
_MADE_WITH = "It needs the package `spacy-dualner`"


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
    if output is None:
        for file in (README, HUB_README):
            check_file(model / file, "card", lambda text: _MADE_WITH in text)
    else:
        check_output(output, model)
    config, meta = read_settings(model)
    with readable(model, "does not tell how it came to be", "Get the pipeline anew."):
        meta["name"] = name or meta["name"]
        # What an earlier card said of the pipeline still holds.
        meta["license"] = statements.licence or meta.get("license", "")
        meta["author"] = statements.author or meta.get("author", "")
        card = Card(read_origin(config, meta, model), meta, statements, results, baseline)
        card.render()
    if output is None:
        card.write(model)
        return
    with written_aside(output) as aside:
        shutil.copytree(model, aside)
        card.write(aside)


@dataclass(frozen=True)
class Card:
    """A pipeline's card. Raises DualNerError for a baseline of other languages or no scores."""

    origin: Origin  # how the pipeline came to be
    meta: dict[str, Any]  # its meta.json, name, licence and author filled in
    statements: Statements  # what the author says
    results: dict[str, Any] | None = None  # what `evaluate` gives for it
    baseline: Baseline | None = None  # the same of another pipeline

    def __post_init__(self) -> None:
        before = self.baseline
        if before is not None and before.results["languages"].keys() != self._scored.keys():
            raise DualNerError(
                f"The baseline '{before.name}' has other languages than the scores. Evaluate both "
                "pipelines on the same."
            )
        for given in self._given:
            if self.origin.decode not in given["mean"]:
                raise DualNerError(
                    f"The pipeline's decoding is '{self.origin.decode}', of which the scores say "
                    "nothing: an earlier version made them. Evaluate again."
                )

    def write(self, folder: Path) -> None:
        """Write the three files into the pipeline's folder."""
        made, filled = self.render(), self.filled_meta()
        write_text(folder / README, made.text.lstrip())
        write_text(folder / HUB_README, str(made))
        write_json(folder / "meta.json", filled)

    @property
    def package(self) -> str:
        """The name that `spacy package` gives the pipeline."""
        lang, name = self.meta["lang"], self.meta["name"]
        return name if name.startswith(f"{lang}_") else f"{lang}_{name}"

    @property
    def encoder(self) -> str:
        """The encoder, as text names it."""
        return f"`{self.origin.encoder}`" if self.origin.encoder else f"its name is {NOT_STATED}"

    @property
    def description(self) -> str:
        """The pipeline in one sentence."""
        source, target = (_listed(langs) for langs in (self.origin.source, self.origin.target))
        what = f"Named entities ({', '.join(self.origin.types)})"
        trained = f"trained on annotated text of {source or f'languages that are {NOT_STATED}'}"
        if target:
            return f"{what} in {target}, {trained} and on their text without annotations."
        return f"{what}, {trained}, for other languages as well."

    def render(self) -> ModelCard:
        """The card: `text` is README.md, the whole with the hub's metadata is HUB_README.md."""
        record = self.origin.stage2
        header, *rows = self._table(self.results) if self.results else [[]]
        content = ModelCard.from_template(
            self._metadata(),
            template_str=_TEMPLATE.read_text(encoding="utf8"),
            card=self,
            origin=self.origin,
            said=self.statements,
            results=self.results,
            header=header,
            rows=rows,
            selected_by=SELECT[record["select"]] if record else "",
            made_with=_MADE_WITH,
            version=__version__,
            counted=_counted,
            markdown=_markdown,
            shown=_shown,
        )
        content.text += "\n"
        return content

    def _metadata(self) -> ModelCardData:
        said, origin = self.statements, self.origin
        results = [
            EvalResult(
                task_type="token-classification",
                task_name="NER",
                dataset_type=said.dataset or said.data or NOT_STATED,
                dataset_name=f"{said.data or said.dataset or NOT_STATED} ({lang})",
                dataset_config=lang,
                metric_type="f1",
                metric_name="NER F1",
                metric_value=_share(scores[origin.decode]["f"]),
            )
            for lang, scores in self._scored.items()
        ]
        return ModelCardData(
            language=list(dict.fromkeys([*origin.source, *origin.target, *self._scored])) or None,
            license=self.meta["license"].replace(" ", "-").lower() or None,
            library_name="spacy",
            pipeline_tag="token-classification",
            tags=["spacy", "token-classification"],
            datasets=[said.dataset] if said.dataset else None,
            model_name=self.package,
            eval_results=results or None,
        )

    def _table(self, results: dict[str, Any]) -> list[list[str]]:
        """The table of scores, its header first."""
        header = ["", "trained on", "P", "R", "F1", *map(_markdown, self.origin.types)]
        header += ["F1 on raw text"] if "raw" in results["mean"] else []
        header += [f"F1 of {self.baseline.name}", "gain"] if self.baseline else []
        before = self._with_means(self.baseline.results) if self.baseline else {}
        rows = self._with_means(results).items()
        return [header, *(self._score_row(name, own, before.get(name)) for name, own in rows)]

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
    def _scored(self) -> dict[str, Any]:
        """The scores of each language; none where nothing was scored."""
        return self.results["languages"] if self.results else {}

    @property
    def _given(self) -> list[dict[str, Any]]:
        """All scores, the pipeline's own first."""
        every = (self.results, self.baseline.results if self.baseline else None)
        return [results for results in every if results is not None]

    def _with_means(self, results: dict[str, Any]) -> dict[str, Any]:
        """Scores of each language and their means, of targets too where there are any."""
        others = self._scored.keys() - self.origin.source.keys()
        has_targets = others and all(given.get("mean_targets") for given in self._given)
        means = ["mean", "mean_targets"] if has_targets else ["mean"]
        return {**results["languages"], **{name: results[name] for name in means}}

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
            "description": self.description,
            "sources": [
                {key: text for key, text in source.items() if text}
                for source in sources
                if source["name"]
            ],
        }
        if self.results is not None:
            scored = {name: own[decode] for name, own in self._with_means(self.results).items()}
            mean = scored.pop("mean")
            filled["performance"] = {
                **{f"ents_{key}": _share(mean[key]) for key in "prf"},
                **{f"ents_f_{name}": _share(own["f"]) for name, own in scored.items()},
            }
        return filled


def _markdown(text: str) -> str:
    """Text that is no HTML in Markdown, and no border of a table."""
    return escape(text, quote=False).replace("|", "\\|")


def _shown(value: Any) -> str:
    """A setting."""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int) else NOT_STATED


def _share(percent: float) -> float:
    """A percentage as meta.json and the hub have it."""
    return round(percent / 100, 6)


def _listed(langs: Iterable[str]) -> str:
    """Languages in a sentence."""
    *most, last = [*langs] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _counted(langs: Mapping[str, int | None]) -> str:
    """Languages with their numbers of sentences, where known."""
    return ", ".join(
        lang if count is None else f"{lang} ({count:,})" for lang, count in langs.items()
    )
