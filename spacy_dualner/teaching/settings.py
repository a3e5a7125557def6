"""The settings of stage 2: the schemas of its config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from thinc.api import Optimizer


class TeacherSettings(BaseModel):
    """The `[teaching.teacher]` block: how the teacher follows the student."""

    update: Literal["best", "latest", "always", "never"] = Field(
        default="best",
        title="By the best candidate so far, by that of each evaluation, at every step, or not",
    )
    decay: StrictFloat = Field(
        default=0.0,
        title="What a running mean of students keeps at a step: that is the candidate; 0 for none",
        ge=0,
        lt=1,
    )
    templates: StrictFloat = Field(
        default=0.0,
        title="Share of a language's sentences that begin alike from which on the teacher does not "
        "read that beginning, unless it is a part of names; 0: it reads all",
        ge=0,
        le=1,
    )
    rounds: StrictInt = Field(
        default=1,
        title="Times that the student starts from stage 1, taught by the best so far",
        ge=1,
    )

    model_config = ConfigDict(extra="forbid", frozen=True)


class PseudoLabelSettings(BaseModel):
    """The `[teaching.pseudo_labels]` block: what the student learns from the teacher."""

    heads: Literal["crossed", "joint"] = Field(
        default="crossed",
        title="Each kind of heads is taught by the other, or both by their joint decoding",
    )
    soft: StrictBool = Field(default=False, title="Probabilities in the lattice in place of labels")
    confidence: Literal["none", "word", "entity", "agreement"] = Field(
        default="none",
        title="Labels count in full, by their probability, by their entity's, or where heads agree",
    )
    threshold: StrictFloat = Field(
        default=0.0,
        title="Labels less sure are dropped and others count in full; 0 for neither",
        ge=0,
        le=1,
    )
    quota: StrictFloat = Field(
        default=1.0,
        title="Share of target entities kept of each language and type, the surest",
        gt=0,
        le=1,
    )
    balance: StrictFloat = Field(
        default=0.0,
        title="How far types in each target language are moved to their shares in source text",
        ge=0,
        le=1,
    )
    empty: StrictFloat = Field(
        default=1.0, title="Weight of target sentences in which the teacher finds nothing", ge=0
    )

    model_config = ConfigDict(extra="forbid", frozen=True)


class RegulariserSettings(BaseModel):
    """The `[teaching.regulariser]` block: which entity vectors pull which others."""

    kind: Literal["pairs", "means", "contrastive"] = Field(
        default="pairs",
        title="All entities of a type, their means per language, or all against other types",
    )
    between_langs: StrictBool = Field(default=False, title="Only entities of different languages")
    normalise: StrictBool = Field(default=False, title="Vectors of unit length")
    memory: StrictInt = Field(
        default=0, title="Entities of earlier batches to compare with as well", ge=0
    )

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoiseSettings(BaseModel):
    """The `[teaching.noise]` block: what the student sees otherwise than the teacher."""

    consistency: StrictFloat = Field(
        default=0.0,
        title="Weight of the divergence between two dropouts of a target sentence",
        ge=0,
    )
    mask: StrictFloat = Field(
        default=0.0, title="Share of target words that are masked", ge=0, lt=1
    )
    split: StrictFloat = Field(
        default=0.0, title="Share of target sub-words that are cut", ge=0, le=1
    )
    switch: StrictFloat = Field(
        default=0.0,
        title="Share of source entities replaced by found target ones, for both",
        ge=0,
        le=1,
    )

    model_config = ConfigDict(extra="forbid", frozen=True)


class SamplingSettings(BaseModel):
    """The `[teaching.sampling]` block: which sentences an epoch and a batch hold."""

    temperature: StrictFloat = Field(
        default=1.0, title="Of target languages: 1 by their size, higher more evenly", gt=0
    )
    source_share: StrictFloat = Field(
        default=0.0,
        title="Share of source sentences in an epoch; 0 for all as they are",
        ge=0,
        lt=1,
    )
    pool: StrictInt = Field(default=50, title="Batches that are grouped by length together", ge=1)

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfigSchemaTeaching(BaseModel):
    """The `[teaching]` block."""

    model: StrictStr = Field(..., title="Path of the stage-1 pipeline")
    component: StrictStr = Field(..., title="Name of its dualner component")
    method: Literal["dual", "selfkl", "filter"] = Field(
        default=..., title="Crossed pseudo labels, KL per head, or FILTER on translated source text"
    )
    local_layers: StrictInt = Field(..., title="FILTER: first layers that see one side", ge=0)
    fused_layers: StrictInt = Field(..., title="FILTER: layers after them that see both", ge=1)
    alpha: StrictFloat = Field(..., title="Weight of the entity-aware regulariser", ge=0)
    mse_norm: Literal["pairs", "set"] = Field(..., title="How the regulariser is normalised")
    select: Literal["mean", "source", "agreement"] = Field(
        default=..., title="What the best student is picked by"
    )
    held_back: StrictInt = Field(..., title="Sentences per language kept for agreement", ge=1)
    batch_size: StrictInt = Field(..., title="Sentences a step, over all processes", ge=1)
    accumulate_gradient: StrictInt = Field(
        ..., title="Pieces that a step is computed in, at least", ge=1
    )
    piece_size: StrictInt = Field(
        ..., title="Padded sub-words of a piece at most; 0: what the device has memory for", ge=0
    )
    max_epochs: StrictInt = Field(..., title="Passes over source and target text a round", ge=1)
    warmup_steps: StrictInt = Field(
        ..., title="Steps to the peak learning rate, at most a quarter of all", ge=0
    )
    eval_frequency: StrictInt = Field(
        ..., title="Steps between evaluations, at most an epoch", ge=1
    )
    dropout: StrictFloat = Field(..., title="Dropout on the word vectors", ge=0, lt=1)
    mixed_precision: bool = Field(..., title="bfloat16 where the machine has it")
    max_memory_mb: StrictInt = Field(
        default=..., title="Tokenised text kept in memory; more is memory-mapped from a file", ge=0
    )
    seed: StrictInt = Field(..., title="Random seed")
    teacher: TeacherSettings = Field(
        default=TeacherSettings(), title="How the teacher follows the student"
    )
    pseudo_labels: PseudoLabelSettings = Field(
        default=PseudoLabelSettings(), title="What the student learns from the teacher"
    )
    regulariser: RegulariserSettings = Field(
        default=RegulariserSettings(), title="Which entity vectors pull which others"
    )
    noise: NoiseSettings = Field(
        default=NoiseSettings(), title="What the student sees otherwise than the teacher"
    )
    sampling: SamplingSettings = Field(
        default=SamplingSettings(), title="Which sentences an epoch and a batch hold"
    )
    optimizer: Optimizer = Field(..., title="AdamW.v1; its learn_rate is the peak")
    logger: Callable = Field(..., title="One of spaCy's loggers")

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class ConfigSchemaCorpora(BaseModel):
    """The `[corpora]` block."""

    source: Callable = Field(..., title="Annotated sentences, of one or several languages")
    target: Callable | None = Field(..., title="Unlabelled sentences; null for none")
    dev: Callable | None = Field(..., title="Annotated development sentences; null for none")

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
