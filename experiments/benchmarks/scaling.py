"""Cost of a word in `nlp.pipe`, by number of sentences and by their order.

python -m experiments.benchmarks.scaling --data corpus/train/en.spacy --encoder DIR --shape "" \\
    --limit 20000
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass

import typer

from experiments.benchmarks import common, peers
from experiments.benchmarks.inference import pipe
from spacy_dualner.cli._options import with_settings
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.pipeline import find_component


@dataclass(frozen=True)
class Settings(common.EncoderSettings):
    """What is measured, and how."""

    sizes: str = typer.Option("1000,10000,100000", help="Numbers of sentences")
    batch_size: int = typer.Option(1000, help="Docs a batch of nlp.pipe")
    bf16: bool = typer.Option(False, "--bf16", help="bfloat16")


@with_settings()
def main(settings: Settings) -> None:
    """Time random draws of the sentences, and the middle size sorted by length."""
    common.use_gpu(settings.gpu_id)
    known = [w for w, _ in common.load_sentences(settings.data, settings.limit)]
    rng = random.Random(0)
    draws = {
        f"{int(n):,} sentences": rng.choices(known, k=int(n)) for n in settings.sizes.split(",")
    }
    middle = list(draws)[len(draws) // 2]
    draws[f"{middle}, sorted"] = sorted(draws[middle], key=len)
    with common.encoder_folder(settings.encoder, settings.shape) as folder:
        nlp = peers.dualner_nlp({"name": str(folder)})
        shim = encoder_shim(find_component(nlp, "dualner").model.get_ref("tok2vec"))
        run = pipe(nlp, shim, settings.batch_size, settings.bf16, raw=False)
        run(known[:100])()
        jobs = {name: run(words) for name, words in draws.items()}
        seconds = common.interleaved(jobs, settings.repeats, warm_up=False)
    n_words = {name: float(sum(map(len, words))) for name, words in draws.items()}
    common.table(seconds, middle, per=n_words)
    per_word = {n: statistics.median(t) / n_words[n] for n, t in seconds.items()}
    common.save(
        settings.output,
        data=settings.data.name,
        shape=settings.shape,
        bf16=settings.bf16,
        seconds=seconds,
        seconds_per_word=per_word,
    )


if __name__ == "__main__":
    typer.run(main)
