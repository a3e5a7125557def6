"""The command `annotate`."""

from __future__ import annotations

from pathlib import Path

import typer
from wasabi import msg

from ..annotation.annotate_settings import LOCAL, AnnotateSettings, ClusterSettings
from ..data.urls import as_path
from ..errors import DualNerError
from . import dualner_cli
from ._options import with_bare, with_settings
from ._util import use_device, warn_of_first


@dualner_cli.command("annotate", cls=with_bare("--ray", LOCAL))
@with_settings(form="f", text_key="k", output_form="o", n_process="n", batch_size="b", gpu_id="g")
def annotate_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    source: str = typer.Argument(
        ..., metavar="INPUT", help="A file, a folder of .spacy files, or - for standard input"
    ),
    target: str = typer.Argument(
        ..., metavar="OUTPUT", help="A file that ends in .jsonl, .conll or .spacy, or in .json"
    ),
    settings: AnnotateSettings = AnnotateSettings(),
    cluster: ClusterSettings = ClusterSettings(),
) -> None:
    """Annotate text of any size with the entities that a pipeline finds.

    INPUT is text with one text a line (.txt), JSON lines (.jsonl), a table with a header (.csv,
    .tsv), each also compressed (.gz), or Docs (.spacy), whose tokens stay. Other keys and columns
    are carried to the output.

    OUTPUT is JSON lines: text, ents (start, end, label, score, text) and what is carried, with
    input_ before a key that would be text or ents; or CoNLL, a token and its tag a line, for
    convert; or Docs with what is carried in doc.user_data, above 100,000 in a folder of files.
    Only entities that dualner finds have a score, in doc.spans. With --output-form it is what
    doccano (.jsonl), Prodigy (.jsonl) or Label Studio (.json) imports, to be corrected there.

    A bad record is left out of OUTPUT, and stands with its line in OUTPUT.errors.jsonl. An
    interrupted run leaves OUTPUT.partial: the same command with --resume goes on from there, and
    ends with the same OUTPUT. Standard input cannot be resumed.

    With --ray the work is shared in a Ray cluster: INPUT is a folder of any such files, of which
    each becomes a file in the folder OUTPUT, or a file, whose parts do; both may be URLs.

    \b
    Examples:
      python -m spacy dualner annotate training/stage2/model-best news.txt news.jsonl
      python -m spacy dualner annotate xx_dualner news.csv news.jsonl --text-key body --gpu-id 0
      python -m spacy dualner annotate xx_dualner news.jsonl.gz news.spacy --n-process 8 --resume
      python -m spacy dualner annotate xx_dualner corpus/unlabelled/de.spacy train-de.conll
      python -m spacy dualner annotate xx_dualner news.txt to-do.json --output-form label-studio
      zcat *.gz | python -m spacy dualner annotate xx_dualner - all.jsonl --form jsonl
      python -m spacy dualner annotate xx_dualner texts all.jsonl --ray 10.0.0.1:6379 --gpus
    """
    use_device(settings.gpu_id)
    if cluster.ray:
        from ..annotation.cluster import annotate_on_cluster

        output = as_path(target)
        done = annotate_on_cluster(model, source, output, settings, cluster, progress=True)
    elif cluster != ClusterSettings():
        raise DualNerError(
            "--gpus, --actors and --shard-batches are for a cluster: add --ray, or use --gpu-id "
            "and --n-process."
        )
    else:
        from ..annotation.annotate import annotate

        output = Path(target)
        done = annotate(model, source, output, settings, progress=True, on_fault=warn_of_first())
    if done.faults:
        msg.warn(f"{done.faults:,} bad records, with their lines in {output}.errors.jsonl")
    if done.faults and not done.texts:
        raise DualNerError(f"No text could be annotated: {output} was not written.")
    speed = done.words / done.seconds if done.seconds else 0
    msg.good(
        f"{done.texts:,} texts, {done.entities:,} entities, {done.words:,} words in "
        f"{done.seconds:,.1f} s ({speed:,.0f} words/s), written to {output}"
    )
    others = done.lines - done.texts - done.faults
    if done.lines:
        more = (
            f", {others:,} others (a header, blank or further lines of a record)" if others else ""
        )
        msg.info(f"Lines: {done.lines:,} ({done.texts:,} texts, {done.faults:,} bad records{more})")
