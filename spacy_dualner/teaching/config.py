"""The config of stage 2: its defaults, and what it resolves to."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from spacy.util import registry
from thinc.api import Config, ConfigValidationError

from ..errors import DualNerError
from ..training.optimizer import AdamW
from ..training.presets import BLOCKS, interpolated
from .objective import Objective, make_objective
from .settings import ConfigSchemaCorpora, ConfigSchemaTeaching

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
piece_size = 0
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
    DualNerError for an optimizer of another kind, or a setting that would do nothing.
    """
    missing = [{"loc": (name,), "msg": "section missing"} for name in SCHEMAS if name not in config]
    if missing:
        raise ConfigValidationError(config=config, errors=missing)
    full = interpolated(DEFAULTS.merge(config))
    settings: Any
    corpora: Any
    settings, corpora = (_validated(full[name], schema) for name, schema in SCHEMAS.items())
    if not isinstance(settings.optimizer, AdamW) or settings.optimizer.schedules:
        raise DualNerError(
            '[teaching.optimizer] must be @optimizers = "spacy-dualner.AdamW.v1" with one number '
            "as learn_rate: the peak, reached after warmup_steps and falling to 0 at the end."
        )
    _refuse_idle(settings)
    objective = make_objective(settings)
    return TeachingConfig(
        settings,
        corpora,
        settings.optimizer,
        objective,
        {name: dict(full[name]) for name in SCHEMAS},
    )


_IDLE_WITH = {("regulariser.between_langs", "means"), ("regulariser.normalise", "contrastive")}


def _refuse_idle(settings: ConfigSchemaTeaching) -> None:
    """Raise DualNerError for a setting that would do nothing beside the others."""
    method, confidence = settings.method, settings.pseudo_labels.confidence
    kind = settings.regulariser.kind
    blocks = {block: getattr(settings, block).model_dump(exclude_defaults=True) for block in BLOCKS}
    names = [f"{block}.{key}" for block, own in blocks.items() for key in own]
    for name in ["mse_norm"] * (settings.mse_norm != "pairs") + names:
        remedy = ""
        if method != "dual" and name.startswith("pseudo_labels."):
            remedy = 'set teaching.method to "dual"'
        elif method == "filter" and (
            name.startswith("noise.") or name in ("sampling.source_share", "teacher.templates")
        ):
            remedy = 'set teaching.method to "dual" or "selfkl"'
        elif name == "pseudo_labels.threshold" and confidence not in ("word", "entity"):
            remedy = 'set teaching.pseudo_labels.confidence to "word" or "entity"'
        elif not settings.alpha and name.startswith("regulariser."):
            remedy = "set teaching.alpha above 0"
        elif (name, kind) in _IDLE_WITH or (name == "mse_norm" and kind != "pairs"):
            remedy = 'set teaching.regulariser.kind to "pairs"'
        if remedy:
            raise DualNerError(f"teaching.{name} would do nothing. Leave it out, or {remedy}.")


def _validated(section: Config, schema: type[BaseModel]) -> Any:
    try:
        return schema(**registry.resolve(section))
    except ValidationError as error:
        raise ConfigValidationError(config=section, errors=error.errors()) from None
