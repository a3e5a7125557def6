"""The commands `python -m spacy dualner ...`.

Every `python -m spacy` imports this package: commands import what is slow within their functions.
"""

import typer
from spacy.cli import app

dualner_cli = typer.Typer(
    name="dualner",
    help="Zero-shot cross-lingual named entity recognition by dual teaching (DualNER).",
    no_args_is_help=True,
)
app.add_typer(dualner_cli)

# Each module adds its command to `dualner_cli`.
from . import card, configure, convert, evaluate, fetch, report, shrink, study, teach  # noqa: E402, F401
