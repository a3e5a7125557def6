"""Pages of one HTML file, by Jinja templates that extend `page.base.html.j2`."""

from __future__ import annotations

import base64

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def environment(package: str = "") -> Environment:
    """Templates of this folder, and of another package's folder.

    They have the filter `data_uri`, which makes the address of an image of the text of an SVG file.
    """
    loaders = [PackageLoader(name, ".") for name in (package, __package__) if name]
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["data_uri"] = _data_uri
    return made


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
