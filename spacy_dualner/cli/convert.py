"""The command `convert`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from ..data.convert_settings import ConvertSettings
from ..errors import DualNerError
from . import dualner_cli
from ._endings import going_on
from ._options import with_settings
from ._util import print_table, read_preset

if TYPE_CHECKING:
    from ..data.convert import CorpusCounts
    from ..data.tally import Tally

ONE_BY_ONE = "Each language is in OUTPUT whole, or as it was. Begin again with the same command."
"""What to do when a corpus was not written to its end."""


@dualner_cli.command("convert")
@with_settings(langs="l", form="f", types="t", mapping="m", classes="c")
def convert_cli(
    input_path: str = typer.Argument(
        ..., metavar="INPUT", help='Folder or file to convert; "" for the preset\'s'
    ),
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Corpus folder to write to"),
    settings: ConvertSettings = ConvertSettings(),
    preset: str = typer.Option(
        "", "--preset", "-p", help="Folder of a preset.cfg, for INPUT and --langs where empty"
    ),
) -> None:
    """Convert annotated data, plain text or translations into a corpus of .spacy files.

    The training sentences are also written without labels, to OUTPUT/unlabelled. Text has no
    labels and goes there alone; translations go to OUTPUT/translated. The forms are described in
    docs/data.md.

    \b
    Examples:
      python -m spacy dualner convert panx_dataset corpus --langs en,de,es
      python -m spacy dualner convert panx_dataset corpus --langs de --dev-limit 300
      python -m spacy dualner convert conll2003 corpus --langs en --map MISC=O
      python -m spacy dualner convert news.conll corpus --langs en
      python -m spacy dualner convert ontonotes corpus --types PERSON,GPE,ORG --map GPE=LOC
      python -m spacy dualner convert doccano.jsonl corpus --langs en --types all
      python -m spacy dualner convert texts corpus --form text --langs de,sw
      python -m spacy dualner convert news.txt corpus --langs sw
      python -m spacy dualner convert translations corpus --form translated
    """
    from ..data.convert import convert
    from ..data.forms import FORMS, recognise_form
    from ..data.tags import ALL_TYPES, mapped_types
    from ..data.tally import Tally

    defaults, form = read_preset(preset), settings.form
    source = input_path or (defaults.translated if form == "translated" else defaults.path)
    if not source and preset and form == "translated":
        msg.info("The preset has no translations: nothing to convert")
        return
    if not source:
        raise DualNerError('INPUT is "". Name it, or give a --preset whose [data] has a path.')
    if not form:
        form = recognise_form(Path(source))
        msg.info(f"Form: {form}")
    # Text without tags is for languages without annotations.
    plain = form in FORMS and FORMS[form].plain
    langs = settings.langs or (defaults.targets if plain else defaults.source + defaults.targets)
    settings = replace(settings, langs=langs, form=form)
    untagged: list[str] = []
    tally = Tally()
    with going_on(ONE_BY_ONE):
        counts = convert(
            Path(source),
            output,
            settings,
            progress=True,
            on_untagged=lambda lang, split: untagged.append(f"{lang} {split}"),
            tally=tally,
        )
    entity_types = settings.entity_types()
    if ALL_TYPES in entity_types:
        entity_types = sorted(set().union(*(count.entities for count in counts.values())))
    print_counts(counts, mapped_types(entity_types, settings.new_types()))
    if untagged:
        held = ", ".join(untagged)
        msg.warn(f"No tags, so it cannot be scored and is not written as annotated text: {held}")
    print_tally(tally, FORMS[form].unit)
    if not langs and (unread := unread_entries(Path(source), tally)):
        msg.info(f"Not read in {source}: {', '.join(unread)}")
    msg.good(f"Corpus written to {output}")


def unread_entries(source: Path, tally: Tally) -> list[str]:
    """The files and folders of INPUT of which nothing was read; but for hidden ones."""
    read = [f"{file.source}/" for file in tally.files]
    entries = sorted(source.iterdir()) if source.is_dir() else []
    return [
        entry.name
        for entry in entries
        if not entry.name.startswith(".")
        # Of a folder a file was read, and of an archive a member.
        and not any(name.startswith((f"{entry}/", f"{entry}:")) for name in read)
    ]


def print_tally(tally: Tally, unit: str) -> None:
    """Print what became of all lines or rows, and what looks wrong in which file."""
    for file in tally.files:
        for text in file.notes():
            msg.info(text)
        for text in file.warnings():
            msg.warn(text)
    msg.info(f"Read {tally.summary(unit)}")


def print_counts(counts: CorpusCounts, types: list[str]) -> None:
    """Print sentences, tokens and entities per type of each language and split."""
    rows, bare = [], []
    for (lang, split), count in counts.items():
        tagged = split not in ("unlabelled", "translated")
        entities = [f"{count.entities[t]:,}" if tagged else "-" for t in types]
        rows.append([lang, split, f"{count.sentences:,}", f"{count.tokens:,}", *entities])
        if tagged and not sum(count.entities.values()):
            bare.append(f"{lang} {split}")
    print_table(["Language", "Split", "Sentences", "Tokens", *types], rows, n_names=2)
    if bare:
        msg.warn(
            f"Tags, but no entity: {', '.join(bare)}. If there should be some, see to the tags, "
            "--types and --map."
        )
