"""The options of a command, made from its settings: these are named, typed and described once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from ._util import split_list

# What a docstring says of each field: `limit (int): First N sentences.`
_FIELD = re.compile(r"^ *(\w+) \(.+?\): (.+?)(?=\n *\w+ \(|\n *\n|\s*\Z)", re.M | re.S)


def option(default: Any, said: str, **more: Any) -> Any:
    """A field whose meaning is said here and not by a docstring; `...` is no default."""
    return field(default=MISSING if default is ... else default, metadata={"help": said, **more})


def with_settings(**short: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of its arguments that are dataclasses.

    The help is what the docstring of the class says, or `option`, and the parts of a list are
    written with commas between them. The field's metadata is what else `typer.Option` takes, such
    as limits; its `option` is the option's name where it is another than the field's, None for no
    option. A field whose default is a `typer.Option` is that option.

    short (str): Options of one letter, by the names of the fields.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        kinds: dict[str, Any] = {
            parameter.name: parameter.annotation
            for parameter in signature.parameters.values()
            if is_dataclass(parameter.annotation)
        }
        options = {name: _options(kind, short) for name, kind in kinds.items()}

        def run(**values: Any) -> None:
            for name, kind in kinds.items():
                given = {option.name: values.pop(option.name) for option in options[name]}
                values[name] = kind(**given)
            command(**values)

        parameters: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            parameters += options.get(name, [parameter])
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__doc__ = command.__doc__
        return run

    return decorate


def with_bare(option: str, value: str) -> type[TyperCommand]:
    """A kind of command that takes one of its options also without a value, for this one."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Put the value in its place."""
            after = args[args.index(option) + 1 :] if option in args else ["value"]
            if not after or after[0].startswith("-"):
                args.insert(len(args) - len(after), value)
            return super().parse_args(ctx, args)

    return Command


def _options(kind: Any, short: dict[str, str]) -> list[inspect.Parameter]:
    said, types = dict(_FIELD.findall(kind.__doc__ or "")), get_type_hints(kind)
    return [
        _option(own, types[own.name], said.get(own.name, ""), short.get(own.name))
        for own in fields(kind)
        if own.metadata.get("option", own.name)
    ]


def _option(own: Field, kind: Any, said: str, letter: str | None) -> inspect.Parameter:
    where = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if isinstance(own.default, OptionInfo):
        return inspect.Parameter(own.name, where, default=own.default, annotation=kind)
    more: dict[str, Any] = {"help": " ".join(said.split()).removesuffix("."), **own.metadata}
    name = more.pop("option", own.name).replace("_", "-")
    names = [f"--{name}", *([f"-{letter}"] if letter else [])]
    default: Any = ... if own.default is MISSING else own.default
    if isinstance(default, tuple):
        default, kind = ",".join(default), str
        more = {"parser": split_list, "metavar": "<str>", **more}
    elif isinstance(default, str):
        kind = str
    made = typer.Option(default, *names, **more)
    return inspect.Parameter(own.name, where, default=made, annotation=kind)
