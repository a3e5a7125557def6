"""The config of stage 2: its defaults, and what it resolves to."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from spacy.util import registry
from thinc.api import Config, ConfigValidationError

from ..errors import DualNerError
from ..training.optimizer import AdamW
from ..training.presets import interpolated
from .settings import ConfigSchemaCorpora, ConfigSchemaTeaching

SCHEMAS: dict[str, type[BaseModel]] = {
    "teaching": ConfigSchemaTeaching,
    "corpora": ConfigSchemaCorpora,
}

# What a schema cannot hold: the others are the defaults of its fields.
DEFAULTS = Config().from_str(
    """
[teaching]

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
    source: dict[str, Any]


def resolve_config(config: Config) -> TeachingConfig:
    """Fill in defaults, validate and resolve a stage-2 config.

    config (Config): As read from `stage2.cfg`, overrides applied.
    RETURNS (TeachingConfig): What `teach` runs on.
    Raises ConfigValidationError where a setting is missing, unknown or of the wrong type, and
    DualNerError for an optimizer of another kind, or a setting that would do nothing.
    """
    no_section = "section missing: this is no config of stage 2"
    missing = [{"loc": (name,), "msg": no_section} for name in SCHEMAS if name not in config]
    if missing:
        raise ConfigValidationError(config=config, errors=missing)
    full = interpolated(DEFAULTS.merge(config))
    settings = _validated(full["teaching"], ConfigSchemaTeaching)
    corpora = _validated(full["corpora"], ConfigSchemaCorpora)
    if not isinstance(settings.optimizer, AdamW) or settings.optimizer.schedules:
        raise DualNerError(
            '[teaching.optimizer] must be @optimizers = "spacy-dualner.AdamW.v1" with one number '
            "as learn_rate: the peak, reached after warmup_steps and falling to 0 at the end."
        )
    if settings.method == "gold" and corpora.target is not None:
        raise DualNerError(
            'teaching.method = "gold" learns from annotated text alone: corpora.target would do '
            "nothing. Set it to null."
        )
    if settings.method in ("filter", "gold") and settings.teacher.templates:
        raise DualNerError(
            "teaching.teacher.templates would do nothing. Leave it out, or set teaching.method to "
            '"dual" or "selfkl".'
        )
    plain = settings.model_dump(exclude={"optimizer", "logger"})
    source = {"teaching": sorted((full["teaching"] | plain).items()), "corpora": full["corpora"]}
    return TeachingConfig(settings, corpora, settings.optimizer, source)


def _validated(section: Config, schema: type[BaseModel]) -> Any:
    try:
        return schema(**registry.resolve(section))
    except ValidationError as error:
        raise ConfigValidationError(config=section, errors=error.errors()) from None
