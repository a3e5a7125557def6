"""The command `sources`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from . import dualner_cli
from ._options import option, with_settings
from ._util import print_table, use_device, write_results


@dataclass(frozen=True)
class SourcesOptions:
    """What `sources` compares."""

    encoder: str = option(..., "Folder or hub name of the encoder that stage 1 begins with")
    corpus: Path = option(Path("corpus/train"), "Folder of annotated corpora, xx.spacy each")
    langs: Sequence[str] = option((), "Candidates, as in en,de; all if empty")
    limit: int = option(500, "First N sentences of each text and candidate; 0 for all", min=0)


@dualner_cli.command("sources")
@with_settings(encoder="e", corpus="c", langs="l", limit="n")
def sources_cli(
    options: SourcesOptions,
    targets: list[Path] = typer.Argument(
        ..., metavar="TARGET...", help="Raw text, one sentence a line (.txt, .gz), or Docs (.spacy)"
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="JSON file to write"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Rank annotated corpora as sources for the language of raw text, best first.

    Nothing is trained. A candidate is near where the encoder gives its sentences vectors like those
    of the text, and where it has the text's sub-words.

    \b
    Examples:
      python -m spacy dualner sources sw.txt --encoder xlm-roberta-base
      python -m spacy dualner sources corpus/unlabelled/sw.spacy --encoder encoder --langs en,de,ru
      python -m spacy dualner sources news/*.txt.gz --encoder encoder --output sources.json
    """
    from ..data.outputs import check_json

    check_json(output, "result of sources", "sources", "targets")
    use_device(gpu_id)
    from ..evaluation.sources import rank_sources

    results = rank_sources(targets, **asdict(options), progress=True)
    print_ranking(results)
    write_results(output, results, "Ranking")


def print_ranking(results: dict[str, Any]) -> None:
    """Print the candidates for each text, best first."""
    for target, ranked in results["targets"].items():
        rows = [
            [
                row["source"],
                *(f"{row[key]:.3f}" for key in ("score", "nearness", "shared")),
                f"{results['sources'][row['source']]:,}",
            ]
            for row in ranked
        ]
        print_table([f"for {target}", "score", "nearness", "shared", "sentences"], rows)
