"""The config of stage 2: its schema, and what it resolves to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)
from spacy.util import registry
from thinc.api import Config, ConfigValidationError, Optimizer

from ..errors import DualNerError
from ..training.optimizer import AdamW
from .objective import Objective


class ConfigSchemaTeaching(BaseModel):
    """The `[teaching]` block."""

    model: StrictStr = Field(..., title="Path of the stage-1 pipeline")
    component: StrictStr = Field(..., title="Name of its dualner component")
    method: Literal["dual", "selfkl", "filter"] = Field(
        ..., title="Crossed pseudo labels, KL per head, or FILTER on translated source text"
    )
    local_layers: StrictInt = Field(..., title="FILTER: first layers that see one side", ge=0)
    fused_layers: StrictInt = Field(..., title="FILTER: layers after them that see both", ge=1)
    alpha: StrictFloat = Field(..., title="Weight of the entity-aware regulariser", ge=0)
    mse_norm: Literal["pairs", "set"] = Field(..., title="How the regulariser is normalised")
    select: Literal["mean", "source", "agreement"] = Field(
        ..., title="What the best student is picked by"
    )
    held_back: StrictInt = Field(..., title="Sentences per language kept for agreement", ge=1)
    batch_size: StrictInt = Field(..., title="Sentences a step, over all processes", ge=1)
    accumulate_gradient: StrictInt = Field(..., title="Pieces that a step is computed in", ge=1)
    max_epochs: StrictInt = Field(..., title="Passes over source and target text together", ge=1)
    warmup_steps: StrictInt = Field(..., title="Steps to the peak learning rate", ge=0)
    eval_frequency: StrictInt = Field(..., title="Steps between evaluations", ge=1)
    dropout: StrictFloat = Field(..., title="Dropout on the word vectors", ge=0, lt=1)
    mixed_precision: bool = Field(..., title="bfloat16 where the machine has it")
    max_memory_mb: StrictInt = Field(
        ..., title="Tokenised text kept in memory; more is memory-mapped from a file", ge=0
    )
    seed: StrictInt = Field(..., title="Random seed")
    optimizer: Optimizer = Field(..., title="AdamW.v1; its learn_rate is the peak")
    logger: Callable = Field(..., title="One of spaCy's loggers")

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class ConfigSchemaCorpora(BaseModel):
    """The `[corpora]` block."""

    source: Callable = Field(..., title="Annotated sentences, of one or several languages")
    target: Callable | None = Field(..., title="Unlabelled sentences; null for none")
    dev: Callable | None = Field(..., title="Annotated development sentences; null for none")

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


SCHEMAS: dict[str, type[BaseModel]] = {
    "teaching": ConfigSchemaTeaching,
    "corpora": ConfigSchemaCorpora,
}

DEFAULTS = Config().from_str(
    """
[corpora]
target = null
dev = null

[teaching]
component = "dualner"
method = "dual"
local_layers = 1
fused_layers = 2
alpha = 0.5
mse_norm = "pairs"
select = "mean"
held_back = 300
batch_size = 128
accumulate_gradient = 1
max_epochs = 8
warmup_steps = 300
eval_frequency = 250
dropout = 0.1
mixed_precision = false
max_memory_mb = 2000
seed = 0

[teaching.optimizer]
@optimizers = "spacy-dualner.AdamW.v1"
learn_rate = 2e-5

[teaching.logger]
@loggers = "spacy.ConsoleLogger.v3"
progress_bar = "eval"
"""
)


@dataclass
class TeachingConfig:
    """A resolved config: settings of stage 2, corpora readers, and the config they came from."""

    settings: ConfigSchemaTeaching
    corpora: ConfigSchemaCorpora
    optimizer: AdamW
    objective: Objective
    source: dict[str, Any]


def resolve_config(config: Config) -> TeachingConfig:
    """Fill in defaults, validate and resolve a stage-2 config.

    config (Config): As read from `stage2.cfg`, overrides applied.
    RETURNS (TeachingConfig): What `teach` runs on.
    Raises ConfigValidationError where a setting is missing, unknown or of the wrong type, and
    DualNerError for an optimizer of another kind.
    """
    missing = [{"loc": (name,), "msg": "section missing"} for name in SCHEMAS if name not in config]
    if missing:
        raise ConfigValidationError(config=config, errors=missing)
    full = DEFAULTS.merge(config).interpolate()
    settings: Any
    corpora: Any
    settings, corpora = (_validated(full[name], schema) for name, schema in SCHEMAS.items())
    if not isinstance(settings.optimizer, AdamW) or settings.optimizer.schedules:
        raise DualNerError(
            '[teaching.optimizer] must be @optimizers = "spacy-dualner.AdamW.v1" with one number '
            "as learn_rate: the peak, reached after warmup_steps and falling to 0 at the end."
        )
    objective = Objective(settings.method, settings.alpha, settings.mse_norm)
    return TeachingConfig(
        settings,
        corpora,
        settings.optimizer,
        objective,
        {name: dict(full[name]) for name in SCHEMAS},
    )


def _validated(section: Config, schema: type[BaseModel]) -> Any:
    try:
        return schema(**registry.resolve(section))
    except ValidationError as error:
        raise ConfigValidationError(config=section, errors=error.errors()) from None
