"""The command `card`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from ..errors import DataError
from ..packaging.statements import Statements
from . import dualner_cli
from ._options import option, with_settings
from ._util import preset_sections
from .evaluate import read_results


@dataclass(frozen=True)
class CardFiles:
    """What `card` reads of a pipeline's scores, and where it writes."""

    output: Path | None = option(
        None, "Folder for a copy that gets the card; MODEL then stays as is"
    )
    scores: Path | None = option(None, "JSON of evaluate for MODEL")
    baseline: Path | None = option(None, "JSON of evaluate to compare with, as stage 1's")
    name: str = option("", "Name of the package, as for spacy package; that in meta.json if empty")


@dualner_cli.command("card")
@with_settings(output="o", scores="s", baseline="b", name="n")
def card_cli(
    model: Path = typer.Argument(..., metavar="MODEL", help="Folder of a pipeline"),
    files: CardFiles = CardFiles(),
    settings: Statements = Statements(),
    preset: str = typer.Option(
        "", "--preset", "-p", help="Folder of a preset.cfg, for what is not given here"
    ),
) -> None:
    """Write a model card: README.md in the pipeline's folder, which `spacy package` takes over.

    HUB_README.md there is the same with the hub's metadata, a score of each language among them;
    meta.json gets description, licence, sources and scores, which `spacy huggingface-hub push`
    makes its metadata from. What nobody stated the card calls not stated.

    \b
    Examples:
      python -m spacy dualner card training/stage2/model-best --scores metrics/stage2.json
      python -m spacy dualner card MODEL -s new.json -b old.json --data PAN-X --licence mit
    """
    from ..packaging.card import HUB_README, README, Baseline, write_card

    given = {key: text for key, text in asdict(settings).items() if text}
    scores, baseline = files.scores, files.baseline
    write_card(
        model,
        read_statements(preset, given),
        results=read_results(scores) if scores else None,
        baseline=Baseline(baseline.stem, read_results(baseline)) if baseline else None,
        name=files.name,
        output=files.output,
    )
    msg.good(f"Card written to {(files.output or model) / README} and {HUB_README}")
    if scores is None:
        msg.warn("The card has no scores: give those of evaluate with --scores")


def read_statements(preset: str, given: dict[str, str]) -> Statements:
    """What is stated for a card: by options, and by the `[card]` section of a preset.

    The section speaks of one encoder (`encoder`) and one folder of data (`path`). A run with
    others in `[data]` does not take over what is said of those.

    preset (str): A folder that holds `preset.cfg`; empty for no preset.
    given (Dict[str, str]): Fields of Statements that go before the section's.
    RAISES (DataError): If there is no such file, it is malformed, or the section has unknown keys.
    """
    said: dict[str, Any] = {}
    if preset:
        path, sections = preset_sections(preset)
        said, run = dict(sections.get("card", {})), sections.get("data", {})
        unknown = set(said) - {"encoder", "path", *(field.name for field in fields(Statements))}
        if unknown:
            raise DataError(path, f"[card] has no {', '.join(sorted(unknown))}. Remove it.")
        other_encoder = said.pop("encoder", "") != run.get("encoder")
        other_data = said.pop("path", "") != run.get("path")
        gone = {"encoder_licence", "licence"} if other_encoder else set()
        gone |= {"data", "dataset", "data_licence", "licence"} if other_data else set()
        said = {key: str(text) for key, text in said.items() if key not in gone}
    return Statements(**said | given)
