"""Blocks of `math`: LaTeX to MathML, which browsers show without a script."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def math_fence(source: str, *args: Any, **kwargs: Any) -> str:
    """A fence for pymdownx.superfences: each line one equation."""
    lines = [convert(line, display="block") for line in source.splitlines() if line.strip()]
    return f'<div class="math">{"".join(lines)}</div>'
