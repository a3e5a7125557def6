"""Matplotlib figures as SVG that takes its colours from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's text colour."""

PALETTE = {
    "blue": ("#110001", "#0b62b4"),
    "orange": ("#110002", "#b85300"),
    "green": ("#110003", "#0a7d59"),
    "purple": ("#110004", "#a0388a"),
    "ochre": ("#110005", "#7a6200"),
    "red": ("#110006", "#c0392b"),
    "grey": ("#110007", "#6b7280"),
    "page": ("#110008", "#ffffff"),
}
"""By name: what stands for a series' colour while drawing, and the colour on white paper.
The page sets `--NAME` for light and dark."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
}


def series(name: str) -> str:
    """What stands for a colour of the palette while drawing."""
    return PALETTE[name][0]


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Draw within this: the style of all figures, and ids that follow from the name alone."""
    from matplotlib import rc_context

    with rc_context(_STYLE | {"svg.hashsalt": name}):
        yield


def to_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """A figure as an `<svg>` element, without anything that would be fetched.

    figure (Figure): Drawn within `drawing(name)`.
    name (str): Begins all ids, so that figures do not mix on a page.
    title (str): Read out, and shown when pointed at.
    description (str): What is to be seen, in a sentence or two.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1{name}-", text)
    # The family is the page's, the size stays.
    text = re.sub(r"font: (?:\w+ )??([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = text.replace(INK, "currentColor")
    for variable, (stand_in, on_paper) in PALETTE.items():
        text = text.replace(stand_in, f"var(--{variable}, {on_paper})")
    opening, _, rest = text.partition(">")
    label = f' role="img" aria-label={quoteattr(f"{title}. {description}")}'
    title_element = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return f'{opening}{label} font-family="sans-serif">{title_element}{rest}'


def standalone(svg: str) -> str:
    """An `<svg>` element as a file, with the colours for white paper."""
    svg = re.sub(r"var\(--\w+, (#\w+)\)", r"\1", svg)
    svg = svg.replace("<svg", '<svg style="background: #fff; color: #000"', 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'
