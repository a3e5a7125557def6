"""The command `fetch`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from wasabi import msg

from . import dualner_cli
from ._endings import going_on
from ._options import option, with_settings
from .convert import ONE_BY_ONE, print_counts


@dataclass(frozen=True)
class FetchOptions:
    """What `fetch` takes of PAN-X."""

    langs: Sequence[str] = option((), "Languages, as in de,es; all 40 if empty")
    revision: str = option("", "Commit, tag or branch of google/xtreme; a set one if empty")
    train_limit: int = option(0, "First training sentences of each language; 0 for all", min=0)
    dev_limit: int = option(0, "The same for development", min=0)
    test_limit: int = option(0, "The same for test", min=0)
    unlabelled_limit: int = option(0, "The same for text without labels", min=0)


@dualner_cli.command("fetch")
@with_settings(langs="l", revision="r")
def fetch_cli(
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Corpus folder to write to"),
    options: FetchOptions = FetchOptions(),
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
    from ..data.names import SPLITS, UNLABELLED
    from ..data.tags import TYPES

    wanted = options.langs or LANGUAGES
    limits = {part: getattr(options, f"{part}_limit") for part in (*SPLITS, UNLABELLED)}
    revision = options.revision or REVISION
    with going_on(ONE_BY_ONE):
        counts, faults = fetch(
            output, langs=wanted, revision=revision, limits=limits, progress=True
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
