"""The command `adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from . import dualner_cli
from ._util import split_list, use_device


@dualner_cli.command("adapt")
def adapt_cli(
    encoder: str = typer.Argument(..., metavar="ENCODER", help="Folder or hub name of an encoder"),
    corpus: Path = typer.Argument(..., metavar="CORPUS", help="Corpus folder made by convert"),
    output: Path = typer.Argument(..., metavar="OUTPUT", help="Folder of the adapted encoder"),
    langs: str = typer.Option(
        "", "--langs", "-l", help="Languages, as in en:5000,de with or without limits; all if empty"
    ),
    splits: str = typer.Option(
        "train,unlabelled", "--splits", help="Parts of the corpus to read; tags are not"
    ),
    limit: int = typer.Option(
        0, "--limit", "-n", min=0, help="First N sentences of each language and part; 0 for all"
    ),
    epochs: int = typer.Option(3, "--epochs", min=1, help="Passes over the text"),
    batch_size: int = typer.Option(32, "--batch-size", min=1, help="Sentences a step"),
    learn_rate: float = typer.Option(1e-4, "--learn-rate", min=0, help="Peak learning rate"),
    warmup: float = typer.Option(
        0.1, "--warmup", min=0, max=1, help="Share of the steps until the peak"
    ),
    mask_share: float = typer.Option(
        0.15, "--mask-share", min=0.01, max=1, help="Share of the words that are to be guessed"
    ),
    mixed_precision: bool = typer.Option(
        True, "--mixed-precision/--no-mixed-precision", help="bfloat16 where the machine has it"
    ),
    seed: int = typer.Option(0, "--seed", help="Random seed"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Adapt an encoder to the text of a corpus, before stage 1, by guessing masked words.

    Annotations are not read. The output is an encoder like the input: name it where the config of
    stage 1 names the encoder. The loss on sentences held back is measured before and after.

    \b
    Examples:
      python -m spacy dualner adapt xlm-roberta-base corpus adapted --langs en,de,sw --gpu-id 0
      python -m spacy dualner adapt encoder corpus adapted --langs en:5000,de --splits unlabelled
    """
    use_device(gpu_id)
    from ..adaptation.loop import adapt
    from ..training.corpus import parse_langs

    results = adapt(
        encoder,
        corpus,
        output,
        parse_langs(langs),
        splits=split_list(splits),
        limit=limit,
        epochs=epochs,
        batch_size=batch_size,
        learn_rate=learn_rate,
        warmup=warmup,
        mask_share=mask_share,
        mixed_precision=mixed_precision,
        seed=seed,
        progress=True,
    )
    print_losses(results)
    msg.good(f"Encoder written to {output}")


def print_losses(results: dict[str, Any]) -> None:
    """Print the loss on sentences held back, before and after, by language."""
    before, after = results["losses"][0], results["losses"][-1]
    rows = [
        [lang, f"{number:,}", f"{results['held_back'].get(lang, 0):,}"]
        + [f"{losses[lang]:.3f}" if lang in losses else "" for losses in (before, after)]
        for lang, number in results["sentences"].items()
    ]
    header = ["", "sentences", "held back", "loss before", "after"]
    msg.table(rows, header=header, divider=True, aligns=["l", "r", "r", "r", "r"])
    total = sum(results["sentences"].values()) * (len(results["losses"]) - 1)
    seconds = results["seconds"]
    msg.info(f"{seconds:,.0f} seconds, {1000 * seconds / total:.1f} for 1,000 sentences")
