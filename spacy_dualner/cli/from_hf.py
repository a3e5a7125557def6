"""The command `from-hf`."""

from __future__ import annotations

from pathlib import Path

import typer
from wasabi import msg

from . import dualner_cli
from ._util import split_list, use_device


@dualner_cli.command("from-hf")
def from_hf_cli(
    folder: str = typer.Argument(
        ..., metavar="FOLDER", help="Folder or hub name of a Hugging Face token classifier"
    ),
    out: Path = typer.Argument(..., metavar="OUT", help="Folder of the pipeline"),
    corpus: Path | None = typer.Option(
        None, "--corpus", "-c", help="Corpus made by convert, for the start and end heads"
    ),
    langs: str = typer.Option("", "--langs", "-l", help="Languages; all in the corpus if empty"),
    limit: int = typer.Option(
        1000, "--limit", "-n", min=0, help="First N sentences of each part and language; 0 for all"
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Make a pipeline of a fine-tuned Hugging Face token classifier, for use or for teach.

    Its head is the tag head, and what is found is what transformers finds. The start and end heads,
    which it has not, are fitted to its own predictions on the text of a corpus, annotated or not.

    \b
    Examples:
      python -m spacy dualner from-hf my-classifier pipeline --corpus corpus
      python -m spacy dualner from-hf my-classifier pipeline -c corpus --langs en,sw --limit 2000
    """
    use_device(gpu_id)
    from ..packaging.from_hf import from_hf

    made = from_hf(folder, out, corpus, split_list(langs), limit)
    if made.n_sentences:
        share = "too few others to say how well"
        if made.share is not None:
            share = (
                f"on others they say what the tags say in {100 * made.share:.1f}% of the words "
                "that begin or end an entity"
            )
        msg.info(f"Start and end heads fitted to {made.n_sentences:,} sentences; {share}")
    else:
        msg.warn(
            "The start and end heads know nothing yet: give text with --corpus before teach, or "
            "train stage 1 from this pipeline"
        )
    msg.good(f"Pipeline written to {out}; its entities are those of the tag head")
