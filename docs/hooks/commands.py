"""The page of the command line, by typer's own documentation of each command."""

from __future__ import annotations

import re

import typer
from typer.cli import get_docs_for_click

from spacy_dualner.cli import dualner_cli

PREFIX = "python -m spacy dualner"
# In the order of use; others follow.
FIRST = ("fetch", "convert", "configure", "teach", "evaluate", "compare", "calibrate", "annotate")
INTRO = """\
# Command line

Each command is one of `python -m spacy dualner`, and tells the same with `--help`. Stage 1 is
trained by spaCy's own `python -m spacy train`.
"""
EXAMPLES = re.compile(r"^\x08?\n*Examples:\n((?:  .+\n)+)", re.MULTILINE)


def commands_page() -> str:
    """The page, as Markdown."""
    group = typer.main.get_command(dualner_cli)
    context = typer.Context(group)
    names = [*(name for name in FIRST if name in group.commands)]
    names += sorted(set(group.commands) - set(names))
    docs = (
        get_docs_for_click(
            obj=group.commands[name], ctx=context, indent=1, name=name, call_prefix=PREFIX
        ).replace(f"## `{PREFIX} {name}`", f"## {name}")
        for name in names
    )
    return INTRO + "\n" + "\n".join(map(_as_page, docs))


def _as_page(docs: str) -> str:
    docs = EXAMPLES.sub(_fenced, docs).replace("docs/data.md", "[Data forms](data.md)")
    return re.sub(r"\n{3,}", "\n\n", docs)


def _fenced(match: re.Match[str]) -> str:
    lines = "\n".join(line[2:] for line in match[1].splitlines())
    return f"**Examples**:\n\n```bash\n{lines}\n```\n"
