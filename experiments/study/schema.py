"""The config of a study: its schema, and what it resolves to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError
from spacy.util import dict_to_dot
from thinc.api import Config, ConfigValidationError

from spacy_dualner.cli._util import read_config
from spacy_dualner.errors import DataError
from spacy_dualner.training.corpus import parse_langs
from spacy_dualner.training.presets import STAGES, interpolated, overridden

from .methods import METHODS, Method


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConfigSchemaStudy(_Block):
    """The `[study]` block: the matrix."""

    title: StrictStr = Field(..., title="What the study is, for the report")
    methods: list[StrictStr] = Field(..., title="Names of methods", min_length=1)
    seeds: list[StrictInt] = Field(..., title="Random seeds", min_length=1)
    shares: list[StrictInt] = Field(
        [100], title="Percent of the source sentences that are annotated", min_length=1
    )


class ConfigSchemaData(_Block):
    """The `[data]` block, which all studies in one output folder have in common."""

    corpus: StrictStr = Field(..., title="Corpus folder, made by convert or fetch")
    source: StrictStr = Field(..., title="Annotated languages, comma-separated")
    targets: StrictStr = Field(..., title="Languages without annotations")
    source_limit: StrictInt = Field(0, title="First N annotated sentences a language", ge=0)
    unlabelled_limit: StrictInt = Field(0, title="First N unlabelled sentences a language", ge=0)
    dev_limit: StrictInt = Field(0, title="First N development sentences a language", ge=0)
    select_limit: StrictInt = Field(
        0, title="First N of the development sentences that pick the best step; 0 for all", ge=0
    )
    test_limit: StrictInt = Field(0, title="First N test sentences a language", ge=0)
    test_from: Literal["test", "dev"] = Field(
        "test",
        title="dev, where test sets have no labels: test sentences are the development ones after "
        "the first select_limit, and where a language has no more of them, these",
    )
    picture: StrictStr = Field("", title="Languages whose entity vectors are kept for Figure 2")

    @property
    def source_langs(self) -> list[str]:
        return list(parse_langs(self.source))

    @property
    def target_langs(self) -> list[str]:
        return list(parse_langs(self.targets))

    @property
    def langs(self) -> list[str]:
        """All languages, the source first."""
        return list(dict.fromkeys([*self.source_langs, *self.target_langs]))


class ConfigSchemaBackbone(_Block):
    """A `[backbones.NAME]` block."""

    preset: StrictStr = Field(..., title="Folder with the configs of both stages")
    encoder: StrictStr = Field(..., title="Hub name or folder")
    stage1: dict[str, Any] = Field({}, title="Settings that replace the preset's")
    stage2: dict[str, Any] = Field({}, title="Settings that replace the preset's")


class ConfigSchemaMethod(_Block):
    """A `[methods.NAME]` block: a method of one's own."""

    base: StrictStr = Field(..., title="The method that it is a variant of")
    settings: dict[str, Any] = Field(..., title="Settings of that method's last stage")
    stage1: StrictStr = Field("", title="Method of stage 1 that it begins from; empty for base's")


class ConfigSchema(_Block):
    """A whole study file."""

    study: ConfigSchemaStudy
    data: ConfigSchemaData
    backbones: dict[str, ConfigSchemaBackbone] = Field(..., min_length=1)
    methods: dict[str, ConfigSchemaMethod] = {}


@dataclass(frozen=True)
class Backbone:
    """An encoder, by name or folder, and the configs of both stages for it, not interpolated."""

    name: str
    encoder: str
    stages: tuple[Config, Config]


@dataclass(frozen=True)
class Study:
    """A resolved study: the settings, with presets and methods in place of their names.

    methods (Dict[str, Method]): Those to run, by name.
    known (Dict[str, Method]): All methods, those of the config's own included.
    """

    title: str
    methods: dict[str, Method]
    seeds: list[int]
    shares: list[int]
    data: ConfigSchemaData
    backbones: list[Backbone]
    known: dict[str, Method]


def load_study(path: Path, overrides: dict[str, Any] | None = None, *, encoder: str = "") -> Study:
    """Read a study file.

    path (Path): The file. Paths within it are relative to the working folder.
    overrides (Optional[Dict[str, Any]]): Settings that replace the file's, by dotted name.
    encoder (str): In place of every backbone's own; empty for those.
    RETURNS (Study): What to run.
    RAISES (DualNerError): If a preset or a method is missing. ConfigValidationError if a setting
        is missing, unknown or of the wrong type.
    """
    if not path.is_file():
        raise DataError(path, "no such file. Name a study, such as those in experiments/configs.")
    config = interpolated(overridden(read_config(path, interpolate=False), overrides or {}))
    try:
        settings = ConfigSchema(**config)
    except ValidationError as error:
        raise ConfigValidationError(config=config, errors=error.errors()) from None
    known = dict(METHODS)
    for name, own in settings.methods.items():
        base = _method(own.base, known, path)
        values = dict(base.settings) | dict_to_dot(own.settings)
        stage1 = own.stage1 or base.stage1
        if own.stage1 and (not base.stage1 or _method(own.stage1, known, path).stage1):
            raise DataError(
                path, f"[methods.{name}] cannot begin from {own.stage1}. Name a method of stage 1, "
                "for a base that has a stage 2."
            )  # fmt: skip
        known[name] = replace(base, settings=values, stage1=stage1)
    for share in settings.study.shares:
        if not 0 < share <= 100:
            raise DataError(path, f"shares holds {share}. Give percentages from 1 to 100.")
    return Study(
        settings.study.title,
        {name: _method(name, known, path) for name in settings.study.methods},
        settings.study.seeds,
        settings.study.shares,
        settings.data,
        [_backbone(name, block, encoder) for name, block in settings.backbones.items()],
        known,
    )


def _method(name: str, known: dict[str, Method], path: Path) -> Method:
    if name not in known:
        raise DataError(path, f"no method '{name}'. Known: {', '.join(known)}. Or add it as "
                        f"[methods.{name}].")  # fmt: skip
    return known[name]


def _backbone(name: str, block: ConfigSchemaBackbone, encoder: str) -> Backbone:
    stages = []
    for file, settings in zip(STAGES, (block.stage1, block.stage2), strict=True):
        path = Path(block.preset) / file
        if not path.is_file():
            raise DataError(path, f"no such file. Mend preset of [backbones.{name}].")
        config = read_config(path, interpolate=False)
        stages.append(overridden(config, dict_to_dot(settings)))
    return Backbone(name, encoder or block.encoder, (stages[0], stages[1]))
