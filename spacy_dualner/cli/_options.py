"""The options of a command, made from its settings: these are named, typed and described once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import typer

from ._util import split_list

# What a docstring says of each field: `limit (int): First N sentences.`
_FIELD = re.compile(r"^ *(\w+) \(.+?\): (.+?)(?=\n *\w+ \(|\n *\n|\s*\Z)", re.M | re.S)


def with_settings(**short: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of its argument `settings`, which is a dataclass.

    The help is what the docstring of the class says, and the parts of a list are written with
    commas between them. The field's metadata is what else `typer.Option` takes, such as limits;
    its `option` is the option's name where it is another than the field's, None for no option.

    short (str): Options of one letter, by the names of the fields.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = signature.parameters["settings"]
        kind: Any = own.annotation
        said = dict(_FIELD.findall(kind.__doc__ or ""))
        options = [
            _option(f, said.get(f.name, ""), short.get(f.name))
            for f in fields(kind)
            if f.metadata.get("option", f.name)
        ]

        def run(**values: Any) -> None:
            given = {option.name: values.pop(option.name) for option in options}
            command(settings=kind(**given), **values)

        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters += options if parameter is own else [parameter]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__doc__ = command.__doc__
        return run

    return decorate


def _option(field: Field, said: str, letter: str | None) -> inspect.Parameter:
    more: dict[str, Any] = {**field.metadata, "help": " ".join(said.split()).removesuffix(".")}
    name = more.pop("option", field.name).replace("_", "-")
    names = [f"--{name}", *([f"-{letter}"] if letter else [])]
    default: Any = field.default
    if isinstance(default, tuple):
        default = ",".join(default)
        more = {"parser": split_list, "metavar": "<str>", **more}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    option = typer.Option(default, *names, **more)
    return inspect.Parameter(field.name, kind, default=option, annotation=type(default))
