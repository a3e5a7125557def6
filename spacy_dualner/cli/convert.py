"""The command `convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from ..errors import DualNerError
from . import dualner_cli
from ._util import clear_errors, read_preset, split_list

if TYPE_CHECKING:
    from ..data.convert import CorpusCounts


@dualner_cli.command("convert")
def convert_cli(
    input_path: str = typer.Argument(
        ..., metavar="INPUT", help='Folder to convert, or one file of text; "" for the preset\'s'
    ),
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Corpus folder to write to"),
    langs: str = typer.Option("", "--langs", "-l", help="Languages, as in de,es; all if empty"),
    form: str = typer.Option(
        "raw",
        "--form",
        "-f",
        help="raw (xx.tar.gz, or folders xx/{train,dev,test}) or text (xx.txt, a sentence a line)",
    ),
    types: str = typer.Option("", "--types", "-t", help="Entity types; LOC,ORG,PER if empty"),
    train_limit: int = typer.Option(
        0, "--train-limit", min=0, help="First training sentences of each language; 0 for all"
    ),
    dev_limit: int = typer.Option(0, "--dev-limit", min=0, help="The same for development"),
    test_limit: int = typer.Option(0, "--test-limit", min=0, help="The same for test"),
    unlabelled_limit: int = typer.Option(
        0, "--unlabelled-limit", min=0, help="The same for text without labels"
    ),
    preset: str = typer.Option(
        "", "--preset", "-p", help="Folder of a preset.cfg, for INPUT and --langs where empty"
    ),
) -> None:
    """Convert annotated archives, or plain text, into a corpus of .spacy files.

    The training sentences are also written without labels, to OUTPUT/unlabelled. Text has no
    labels and goes there alone.

    \b
    Examples:
      python -m spacy dualner convert panx_dataset corpus --langs en,de,es
      python -m spacy dualner convert panx_dataset corpus --langs de --dev-limit 300
      python -m spacy dualner convert texts corpus --form text --langs de,sw
      python -m spacy dualner convert news.txt corpus --form text --langs sw
    """
    with clear_errors():
        from ..data.convert import convert
        from ..data.panx import TYPES

        entity_types = split_list(types) or list(TYPES)
        defaults = read_preset(preset)
        source = input_path or defaults.path
        if not source:
            raise DualNerError('INPUT is "". Name it, or give a --preset whose [data] has a path.')
        # Plain text is for languages without annotations.
        default_langs = defaults.targets if form == "text" else defaults.source + defaults.targets
        counts = convert(
            Path(source),
            output,
            langs=split_list(langs or ",".join(default_langs)),
            form=form or "raw",
            types=entity_types,
            limits={
                "train": train_limit,
                "dev": dev_limit,
                "test": test_limit,
                "unlabelled": unlabelled_limit,
            },
            progress=True,
        )
    print_counts(counts, entity_types)
    msg.good(f"Corpus written to {output}")


def print_counts(counts: CorpusCounts, types: list[str]) -> None:
    """Print sentences, tokens and entities per type of each language and split."""
    rows = []
    for (lang, split), count in counts.items():
        numbers = [count.sentences, count.tokens]
        entities = ["-" if split == "unlabelled" else f"{count.entities[t]:,}" for t in types]
        rows.append([lang, split, *(f"{n:,}" for n in numbers), *entities])
    header = ["Language", "Split", "Sentences", "Tokens", *types]
    aligns = ["l", "l", *"r" * (len(header) - 2)]
    msg.table(rows, header=header, divider=True, aligns=aligns)
