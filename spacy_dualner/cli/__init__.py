"""The commands `python -m spacy dualner ...`.

Every `python -m spacy` imports this package: commands import what is slow within their functions.
"""

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
from . import (  # noqa: E402
    annotate,  # noqa: F401
    calibrate,  # noqa: F401
    card,  # noqa: F401
    configure,  # noqa: F401
    convert,  # noqa: F401
    evaluate,  # noqa: F401
    fetch,  # noqa: F401
    from_hf,  # noqa: F401
    inspect,  # noqa: F401
    select,  # noqa: F401
    shrink,  # noqa: F401
    sources,  # noqa: F401
    teach,  # noqa: F401
    threshold,  # noqa: F401
)
