"""The settings of stage 2: the schemas of its config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr
from thinc.api import Optimizer


class TeacherSettings(BaseModel):
    """The `[teaching.teacher]` block: what the teacher reads."""

    templates: StrictFloat = Field(
        default=0.0,
        title="Share of a language's sentences that begin alike from which on the teacher does not "
        "read that beginning, unless it is a part of names; 0: it reads all",
        ge=0,
        le=1,
    )

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfigSchemaTeaching(BaseModel):
    """The `[teaching]` block."""

    model: StrictStr = Field(..., title="Path of the stage-1 pipeline")
    component: StrictStr = Field(default="dualner", title="Name of its dualner component")
    method: Literal["dual", "selfkl", "filter", "gold"] = Field(
        default="dual",
        title="Crossed pseudo labels, KL per head, FILTER on translated source text, or annotated "
        "text alone",
    )
    local_layers: StrictInt = Field(default=1, title="FILTER: first layers that see one side", ge=0)
    fused_layers: StrictInt = Field(
        default=2, title="FILTER: layers after them that see both", ge=1
    )
    alpha: StrictFloat = Field(default=0.5, title="Weight of the entity-aware regulariser", ge=0)
    mse_norm: Literal["pairs", "set"] = Field(
        default="pairs", title="How the regulariser is normalised"
    )
    select: Literal["mean", "source", "agreement"] = Field(
        default="mean", title="What the best student is picked by"
    )
    held_back: StrictInt = Field(
        default=300, title="Sentences per language kept for agreement", ge=1
    )
    batch_size: StrictInt = Field(default=128, title="Sentences a step, over all processes", ge=1)
    accumulate_gradient: StrictInt = Field(
        default=1, title="Pieces that a step is computed in, at least", ge=1
    )
    piece_size: StrictInt = Field(
        default=0,
        title="Padded sub-words of a piece at most; 0: what the device has memory for",
        ge=0,
    )
    max_epochs: StrictInt = Field(default=8, title="Passes over source and target text", ge=1)
    warmup_steps: StrictInt = Field(
        default=300, title="Steps to the peak learning rate, at most a quarter of all", ge=0
    )
    eval_frequency: StrictInt = Field(
        default=250, title="Steps between evaluations, at most an epoch", ge=1
    )
    dropout: StrictFloat = Field(default=0.1, title="Dropout on the word vectors", ge=0, lt=1)
    mixed_precision: bool = Field(default=False, title="bfloat16 where the machine has it")
    max_memory_mb: StrictInt = Field(
        default=2000, title="Tokenised text kept in memory; more is memory-mapped from a file", ge=0
    )
    seed: StrictInt = Field(default=0, title="Random seed", ge=0, lt=2**32)
    teacher: TeacherSettings = Field(default=TeacherSettings(), title="What the teacher reads")
    optimizer: Optimizer = Field(..., title="AdamW.v1; its learn_rate is the peak")
    logger: Callable = Field(..., title="One of spaCy's loggers")

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class ConfigSchemaCorpora(BaseModel):
    """The `[corpora]` block."""

    source: Callable = Field(..., title="Annotated sentences, of one or several languages")
    target: Callable | None = Field(default=None, title="Unlabelled sentences; null for none")
    dev: Callable | None = Field(
        default=None, title="Annotated development sentences; null for none"
    )

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
