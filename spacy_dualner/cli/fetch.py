"""The command `fetch`."""

from __future__ import annotations

import os
from pathlib import Path

import typer
from wasabi import msg

from . import dualner_cli
from ._endings import going_on
from ._util import split_list
from .convert import ONE_BY_ONE, print_counts


@dualner_cli.command("fetch")
def fetch_cli(
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Corpus folder to write to"),
    langs: str = typer.Option("", "--langs", "-l", help="Languages, as in de,es; all 40 if empty"),
    revision: str = typer.Option(
        "", "--revision", "-r", help="Commit, tag or branch of google/xtreme; a set one if empty"
    ),
    train_limit: int = typer.Option(
        0, "--train-limit", min=0, help="First training sentences of each language; 0 for all"
    ),
    dev_limit: int = typer.Option(0, "--dev-limit", min=0, help="The same for development"),
    test_limit: int = typer.Option(0, "--test-limit", min=0, help="The same for test"),
    unlabelled_limit: int = typer.Option(
        0, "--unlabelled-limit", min=0, help="The same for text without labels"
    ),
) -> None:
    """Fetch PAN-X of XTREME from the Hugging Face hub into a corpus of .spacy files.

    The corpus is the one that `convert` makes. Downloads are kept in the hub's cache, where
    another run finds them, also without a connection. A mirror is named in HF_ENDPOINT.

    \b
    Examples:
      python -m spacy dualner fetch corpus --langs en,de,es
      python -m spacy dualner fetch corpus --langs jv,my,yo --test-limit 50
      HF_ENDPOINT=https://hub.example.org python -m spacy dualner fetch corpus
      HF_HUB_OFFLINE=1 python -m spacy dualner fetch corpus --langs de
    """
    # Plain HTTP does for files of a few MB, and goes through mirrors. Read at import.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    from ..data.fetch import LANGUAGES, REVISION, fetch
    from ..data.panx import TYPES

    wanted = split_list(langs) or LANGUAGES
    limits = {
        "train": train_limit,
        "dev": dev_limit,
        "test": test_limit,
        "unlabelled": unlabelled_limit,
    }
    with going_on(ONE_BY_ONE):
        counts, faults = fetch(
            output, langs=wanted, revision=revision or REVISION, limits=limits, progress=True
        )
    if counts:
        print_counts(counts, list(TYPES))
        msg.good(f"Corpus written to {output}")
    for fault in faults:
        msg.fail(str(fault))
    if faults:
        missing = set(wanted) - {lang for lang, _ in counts}
        if counts:
            msg.info(f"Not written: {', '.join(sorted(missing))}")
        raise typer.Exit(1)
