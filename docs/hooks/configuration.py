"""The configuration reference: every setting's type, default and meaning, read from the code.

A setting without a description, and a description without a setting, stop the build.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distribution
from typing import Any, Literal, NamedTuple, get_args, get_origin

import typer
from docstrings import sections
from griffe import DocstringSectionKind as Kind
from mkdocs.exceptions import PluginError
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from spacy.language import Language

from experiments.study import schema as study
from spacy_dualner.cli import dualner_cli
from spacy_dualner.cli._util import PresetData
from spacy_dualner.cli.configure import KEYS
from spacy_dualner.component import DualNer
from spacy_dualner.packaging.card import Statements
from spacy_dualner.teaching import config as teaching

REQUIRED = "required"
# Registered functions by what they are for; others follow under their group's own name.
GROUPS = {
    "architectures": "Model",
    "tokenizers": "Tokenizer",
    "scorers": "Scorer",
    "readers": "Corpora",
    "batchers": "Batches",
    "optimizers": "Optimizer",
    "schedules": "Learning rate",
    "loggers": "Loggers",
    "callbacks": "Callbacks",
}
INTRO = """\
# Configuration

Every setting: what it takes, what it is where the config leaves it out, and what it means. This
page is made from the code. A setting that a config has to give is *required*.

Each can be overridden on the command line of `spacy train`, `teach` and `experiments study` by its
dotted name, as in `--training.max_epochs 4`, `--teaching.alpha 0.0`. The presets in `configs/` give
all of them; [Presets and variants](presets.md) says what they are for.
"""
STAGE1 = """\
## Stage 1: `spacy train`

The config of stage 1 is an ordinary spaCy config. What follows is what this package adds to it:
the component, and functions that its blocks may name.
"""
STAGE2 = """\
## Stage 2: `teach`

A config for `teach` has the blocks `[teaching]` and `[corpora]`; `[paths]` and `[system]` are
free for values that others refer to. `[teaching.teacher]` goes beyond the paper: with its defaults,
`teach` does what the paper describes.
"""
STUDY = """\
## Studies: `study`

What [The paper's experiments](paper.md) are described in, for `python -m experiments study`.
"""
PRESET = """\
## `preset.cfg`

What a project run and `configure` take from a preset where nothing else is given.
"""


class Setting(NamedTuple):
    """A row of a table, as Markdown."""

    name: str
    type: str
    default: str
    meaning: str


def configuration_page() -> str:
    """The page, as Markdown."""
    return "\n".join(
        [
            INTRO,
            STAGE1,
            *_factory(),
            *_registered(),
            STAGE2,
            *_schema("[teaching]", teaching.ConfigSchemaTeaching, teaching.DEFAULTS["teaching"]),
            *_schema("[corpora]", teaching.ConfigSchemaCorpora),
            STUDY,
            *_schema("[study]", study.ConfigSchemaStudy),
            *_schema("[data]", study.ConfigSchemaData),
            *_schema("[backbones.NAME]", study.ConfigSchemaBackbone),
            *_schema("[methods.NAME]", study.ConfigSchemaMethod),
            PRESET,
            *_preset(),
        ]
    )


def _factory() -> Iterator[str]:
    defaults = Language.get_factory_meta("dualner").default_config
    yield "### `[components.dualner]`\n"
    yield f'`factory = "dualner"`. {_summary(DualNer)}\n'
    yield _table(_arguments("dualner", DualNer, defaults, skip=("nlp", "name")))


def _registered() -> Iterator[str]:
    points = [p for p in distribution("spacy-dualner").entry_points if p.name.startswith("spacy-")]
    groups = {point.group.removeprefix("spacy_") for point in points}
    for group in [*GROUPS, *sorted(groups - set(GROUPS))]:
        for point in points:
            if point.group != f"spacy_{group}":
                continue
            made = point.load()
            yield f"### {GROUPS.get(group, group)}: `{point.name}`\n"
            yield f'`@{group} = "{point.name}"`. {_summary(made)}\n'
            yield _table(_arguments(point.name, made, {}))


def _schema(title: str, schema: type[BaseModel], defaults: Mapping = {}) -> Iterator[str]:
    """A block's settings, then the blocks within it, which a config may leave out."""
    rows, blocks = [], {}
    for name, field in schema.model_fields.items():
        meaning = field.title or _stop(f"{title} {name} has no title")
        block = field.annotation
        if isinstance(block, type) and issubclass(block, BaseModel):
            blocks[f"{title[:-1]}.{name}]"] = block, meaning
        else:
            default = REQUIRED if field.is_required() else _value(field.default)
            default = _value(defaults[name]) if name in defaults else default
            rows.append(Setting(f"`{name}`", _type_of(field), default, meaning))
    yield f"### `{title}`\n"
    yield _table(rows)
    for name, (block, meaning) in blocks.items():
        heading, *table = _schema(name, block)
        yield heading
        yield f"{meaning}. The block may be left out.\n"
        yield from table


def _preset() -> Iterator[str]:
    """`[data]` is described by the options that set it, and what has none by its class."""
    group = typer.main.get_command(dualner_cli)
    options = {p.name: p.help for p in group.commands["configure"].params}
    described = {name: text for name, (_, text) in _described(PresetData).items()}
    for title, names, texts in (
        ("[data]", dict.fromkeys([*KEYS, *described]), {**described, **options}),
        (
            "[card]",
            inspect.signature(Statements).parameters,
            {name: text for name, (_, text) in _described(Statements).items()},
        ),
    ):
        yield f"### `{title}` of a preset\n"
        yield "| setting | meaning |\n| --- | --- |"
        for name in names:
            yield f"| `{name}` | {texts.get(name) or _stop(f'{title} {name} is not described')} |"
        yield ""


def _arguments(
    what: str, made: Callable, defaults: Mapping[str, Any], skip: tuple[str, ...] = ()
) -> list[Setting]:
    """A row for each argument of a registered function."""
    parameters = inspect.signature(made).parameters
    described = _described(made)
    names = [name for name in parameters if name not in skip]
    for name in set(described) - set(parameters) - set(skip):
        _stop(f"{what} has no setting {name}, which its docstring describes")
    rows = []
    for name in names:
        if name not in described:
            _stop(f"{what} does not describe its setting {name}")
        default = defaults.get(name, parameters[name].default)
        type_, meaning = described[name]
        rows.append(Setting(f"`{name}`", f"`{type_}`", _value(default), meaning))
    return rows


def _described(what: Callable | type) -> dict[str, tuple[str, str]]:
    return {
        entry.name: (str(entry.annotation), " ".join(entry.description.split()))
        for section in sections(what)
        if section.kind is Kind.parameters
        for entry in section.value
    }


def _summary(what: Callable | type) -> str:
    texts = [s.value for s in sections(what) if s.kind is Kind.text]
    return texts[0].strip() if texts else _stop(f"{what} has no docstring")


def _table(rows: list[Setting]) -> str:
    if not rows:
        return "No settings.\n"
    lines = ["| setting | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, type_, default, meaning in rows:
        lines.append(f"| {name} | {type_} | {default} | {meaning.rstrip('.')}. |")
    return "\n".join([*lines, ""])


def _type_of(field: FieldInfo) -> str:
    parts = [a for a in get_args(field.annotation) or [field.annotation] if a is not type(None)]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in parts)
    if get_origin(field.annotation) in (list, dict):
        parts = [get_origin(field.annotation)]
    name = {"Callable": "function"}.get(parts[0].__name__, parts[0].__name__)
    bounds = [
        f"{sign} {getattr(rule, key)}"
        for rule in field.metadata
        for key, sign in (("ge", "≥"), ("gt", ">"), ("lt", "<"), ("le", "≤"))
        if getattr(rule, key, None) is not None
    ]
    return ", ".join([f"`{name}`", *bounds])


def _value(value: Any) -> str:
    """A default as a config writes it."""
    if value is inspect.Parameter.empty:
        return REQUIRED
    if isinstance(value, Mapping) and any(key.startswith("@") for key in value):
        name = next(text for key, text in value.items() if key.startswith("@"))
        return f"`{name}`"
    return f"`{json.dumps(value)}`"


def _stop(message: str) -> Any:
    raise PluginError(f"Configuration reference: {message}.")
