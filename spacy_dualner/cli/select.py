"""The command `select`."""

from __future__ import annotations

from pathlib import Path

import typer
from wasabi import msg

from ..annotation.annotate_settings import SelectSettings
from . import dualner_cli
from ._options import with_settings
from ._util import use_device, warn_of_first


@dualner_cli.command("select")
@with_settings(n="n", form="f", text_key="k", output_form="o", batch_size="b", gpu_id="g")
def select_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    source: str = typer.Argument(
        ..., metavar="TEXT", help="A file, a folder of .spacy files, or - for standard input"
    ),
    output: Path = typer.Argument(
        ..., metavar="OUT", help="A file that ends in .jsonl, .conll or .spacy, or in .json"
    ),
    settings: SelectSettings = SelectSettings(),
) -> None:
    """Choose the texts whose annotation teaches a pipeline most.

    TEXT and OUT are as INPUT and OUTPUT of annotate; best is one sentence a text. Texts are drawn,
    those more often in which more of the entities are expected to be found wrongly or missed; of
    texts that were made from one template only one. OUT holds them with the entities that were
    found, the first to be annotated first. Of texts with a key lang (of Docs in doc.user_data) as
    many of each language are taken.

    \b
    Examples:
      python -m spacy dualner select training/stage2/model-best news.txt todo.jsonl
      python -m spacy dualner select xx_dualner corpus/unlabelled/sw.spacy todo.jsonl -n 100
      python -m spacy dualner select xx_dualner news.txt todo.json --output-form label-studio
    """
    use_device(settings.gpu_id)
    from ..annotation.select import select

    langs, read = select(model, source, output, settings, progress=True, on_fault=warn_of_first())
    if read.faults:
        msg.warn(f"{read.faults:,} bad records were left out")
    shares = ", ".join(f"{lang or 'no language'} {n:,}" for lang, n in sorted(langs.items()))
    msg.good(f"{langs.total():,} of {read.texts:,} texts ({shares}) written to {output}")
