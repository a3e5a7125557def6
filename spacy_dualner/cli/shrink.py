"""The command `shrink`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from ..packaging.shrink_settings import ShrinkSettings
from . import dualner_cli
from ._options import with_settings
from ._util import print_table, use_device, write_results


@dualner_cli.command("shrink")
@with_settings(langs="l", limit="n", tolerance="t")
def shrink_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    out: Path = typer.Argument(..., metavar="OUT", help="Folder of the smaller pipeline"),
    corpus: Path = typer.Option(Path("corpus"), "--corpus", "-c", help="Corpus made by convert"),
    settings: ShrinkSettings = ShrinkSettings(),
    output: Path | None = typer.Option(None, "--output", "-o", help="JSON file to write"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Make a smaller pipeline to ship: sub-words that the corpus uses, half-precision weights.

    Words of the corpus are split as before, and no character becomes unknown. Size, speed and F1
    are measured before and after; nothing is written where F1 falls by more than the tolerance.

    \b
    Examples:
      python -m spacy dualner shrink training/stage2/model-best small --corpus corpus
      python -m spacy dualner shrink xx_dualner small --langs en,de --limit 2000 --tolerance 0.5
    """
    from ..data.outputs import check_json

    check_json(output, "result of shrink", "before", "after")
    use_device(gpu_id)
    from ..packaging.shrinking import shrink

    results = shrink(model, out, corpus, settings, progress=True)
    print_sizes(results)
    msg.good(f"Pipeline written to {out}")
    write_results(output, results, "Measures")


def print_sizes(results: dict[str, Any]) -> None:
    """Print what was measured before and after, side by side."""
    before, after = results["before"], results["after"]
    rows = [
        ["MB", *(f"{m['bytes'] / 1e6:,.1f}" for m in (before, after))],
        ["sub-words", *(f"{m['subwords']:,}" for m in (before, after))],
        ["parameters", *(f"{m['parameters']:,}" for m in (before, after))],
        ["words/s", *(f"{m['words_per_second']:,.0f}" for m in (before, after))],
    ]
    kind = f"{before['decode']} F1"
    for lang, f in before["languages"].items():
        rows.append([f"{kind} {lang}", f"{f:.2f}", f"{after['languages'][lang]:.2f}"])
    rows.append([f"{kind} mean", f"{before['mean']:.2f}", f"{after['mean']:.2f}"])
    print_table(["", "before", "after"], rows)
