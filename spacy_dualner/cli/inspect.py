"""The command `inspect`."""

from __future__ import annotations

from pathlib import Path

import typer
from wasabi import msg

from ..evaluation.text_settings import InspectSettings
from . import dualner_cli
from ._options import with_settings
from ._util import use_device


@dualner_cli.command("inspect")
@with_settings(langs="l", limit="n")
def inspect_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    corpus: Path = typer.Argument(..., metavar="CORPUS", help="Corpus made by convert, or .spacy"),
    out: Path = typer.Argument(..., metavar="OUT", help="HTML file to write"),
    settings: InspectSettings = InspectSettings(),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Write a page of what a pipeline finds and misses, with examples, and how sure it is.

    Any pipeline with entities will do; confidences are shown of those with a dualner component. In
    text without annotations the page shows what is found.

    \b
    Examples:
      python -m spacy dualner inspect training/stage2/model-best corpus mistakes.html
      python -m spacy dualner inspect xx_dualner corpus found.html --split unlabelled --langs sw
    """
    use_device(gpu_id)
    from ..evaluation.inspecting import inspect

    inspect(model, corpus, out, settings, progress=True)
    msg.good(f"Page written to {out}")
