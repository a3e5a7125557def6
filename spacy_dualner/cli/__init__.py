"""The commands `python -m spacy dualner ...`.

Every `python -m spacy` imports this package: commands import what is slow within their functions.
"""

from importlib import import_module
from pkgutil import iter_modules

import typer
from spacy.cli import app

from ._endings import Commands

dualner_cli = typer.Typer(
    name="dualner",
    cls=Commands,
    help="Zero-shot cross-lingual named entity recognition by dual teaching (DualNER).",
    no_args_is_help=True,
)
app.add_typer(dualner_cli)

# Each module adds its command to `dualner_cli`.
for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")
