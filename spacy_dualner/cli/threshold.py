"""The command `threshold`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from ..evaluation.text_settings import TextSettings
from . import dualner_cli
from ._options import with_settings
from ._util import print_table, use_device

if TYPE_CHECKING:
    from ..evaluation.thresholds import Outcome, Share, Thresholds

# Other text has some short sentences too, as titles are.
_KNOWN = 0.1


@dualner_cli.command("threshold")
@with_settings(langs="l", limit="n")
def threshold_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    corpus: Path = typer.Argument(..., metavar="CORPUS", help="Corpus made by convert, or .spacy"),
    precision: float = typer.Option(0.9, "--precision", help="Share that has to be right"),
    settings: TextSettings = TextSettings(),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Folder for a copy of the pipeline with these thresholds"
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Find for each type the lowest threshold at which so much of what is reported is right.

    Prints how much is right on annotated text at these thresholds (precision) and how much of what
    is annotated is found (recall), each with its 95% interval. Text that confidences were
    calibrated on makes them look better than they are.

    \b
    Examples:
      python -m spacy dualner threshold training/calibrated corpus --precision 0.9
      python -m spacy dualner threshold xx_dualner corpus --langs de --split test --output sure
    """
    use_device(gpu_id)
    from ..evaluation.thresholds import find_thresholds

    found = find_thresholds(model, corpus, precision, settings, output=output, progress=True)
    print_thresholds(found, precision)
    if output is not None:
        msg.good(f"Pipeline written to {output}")


def print_thresholds(found: Thresholds, precision: float) -> None:
    """Print the threshold of each type, and what is reported with them."""
    rows = [
        [type_, "none" if type_ in found.short else f"{found.table[type_]:.3f}", *_cells(own)]
        for type_, own in found.types.items()
    ]
    rows.append(["all types", "", *_cells(found.every)])
    if len(found.languages) > 1:
        rows += [[lang, "", *_cells(own)] for lang, own in found.languages.items()]
    header = ["", "threshold", "precision", "(95%)", "recall", "(95%)", "reported", "annotated"]
    print_table(header, rows)
    if found.share_known > _KNOWN:
        msg.warn(
            f"About {found.share_known:.0%} of this text is what confidences were calibrated on: "
            "they fit it better than other text. Name other text with --split or --langs"
        )
    if found.short:
        msg.warn(
            f"No threshold holds a precision of {precision:g} for {', '.join(found.short)}: with a "
            "threshold of 1, next to none of them is reported. Try a lower --precision"
        )
    if found.unseen:
        msg.warn(f"Not found in this text, threshold as it was: {', '.join(found.unseen)}")


def _cells(own: Outcome) -> list[str]:
    shares = (cell for share in (own.precision, own.recall) for cell in _share(share))
    return [*shares, f"{own.reported:,}", f"{own.annotated:,}"]


def _share(share: Share | None) -> list[str]:
    if share is None:
        return ["-", ""]
    return [f"{share.value:.3f}", f"{share.low:.3f} to {share.high:.3f}"]
