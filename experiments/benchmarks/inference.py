"""Inference: `nlp.pipe` with dualner against the bare encoder and what users would pick instead.

python -m experiments.benchmarks.inference --data corpus/test/en.spacy --encoder DIR --shape "" \\
    --limit 10000
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from experiments.benchmarks import common, peers
from spacy_dualner.cli._options import with_settings
from spacy_dualner.encoder.encode import autocast, bf16_pays, encode_words
from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.encoder.windows import make_blocks
from spacy_dualner.pipeline import find_component

Words = list[list[str]]
# Gives what is timed for some sentences: what it prepares is not timed.
Prepare = Callable[[Words], common.Prepared]

BASE = "dualner"
BATCH = 64
PEERS = "tok2vec,ner,hf64,hf1,span_marker,gliner"


@dataclass(frozen=True)
class Settings(common.EncoderSettings):
    """What is measured, and how."""

    batch_size: int = typer.Option(1000, help="Docs a batch of dualner's nlp.pipe")
    block_size: int = typer.Option(0, help="model.tok2vec.block_size")
    compiled: bool = typer.Option(False, "--compile", help="Also time torch.compile")
    others: str = typer.Option(PEERS, "--peers", help="Which others to time, or none")


@with_settings()
def main(settings: Settings) -> None:
    """Time inference in one process, interleaved."""
    device = common.use_gpu(settings.gpu_id)
    words = [w for w, _ in common.load_sentences(settings.data, settings.limit)]
    with common.encoder_folder(settings.encoder, settings.shape) as folder:
        jobs = own_jobs(folder, settings.batch_size, settings.block_size, settings.compiled)
        for name in filter(None, settings.others.split(",")):
            try:
                jobs |= peer_job(name, folder, device)
            except peers.PeerMissing as error:
                msg.warn(f"{name} is left out", str(error))
        # A few sentences are enough to warm up.
        common.interleaved({name: job(words[:100]) for name, job in jobs.items()}, 0)
        timed = {name: job(words) for name, job in jobs.items()}
        seconds = common.interleaved(timed, settings.repeats, warm_up=False)
    common.table(seconds, BASE)
    common.save(
        settings.output,
        data=settings.data.name,
        sentences=len(words),
        words=sum(map(len, words)),
        encoder=settings.encoder.name,
        shape=settings.shape or "its own",
        batch_size=settings.batch_size,
        block_size=settings.block_size,
        seconds=seconds,
    )


def own_jobs(encoder: Path, batch_size: int, block_size: int, compiled: bool) -> dict[str, Prepare]:
    """dualner, and the bare encoder with its sub-words ready."""
    nlp = peers.dualner_nlp({"name": str(encoder), "block_size": block_size})
    shim = encoder_shim(find_component(nlp, "dualner").model.get_ref("tok2vec"))
    jobs: dict[str, Prepare] = {}
    for bf16 in (False, True) if bf16_pays(torch.device(shim.device)) else (False,):
        suffix = ", bf16" if bf16 else ""
        jobs |= {
            f"bare encoder{suffix}": bare(nlp, shim, batch_size, bf16),
            f"bare encoder, dualner's blocks{suffix}": bare_blocks(
                nlp, shim, shim.transformer, batch_size, bf16
            ),
            f"{BASE}{suffix}": pipe(nlp, shim, batch_size, bf16, raw=False),
            f"{BASE}, raw text{suffix}": pipe(nlp, shim, batch_size, bf16, raw=True),
        }
        if compiled:
            faster: Any = torch.compile(shim.transformer, dynamic=True)
            jobs[f"dualner's blocks, compiled{suffix}"] = bare_blocks(
                nlp, shim, faster, batch_size, bf16
            )
    return jobs


def make_docs(nlp: Language, words: Words) -> list[Doc]:
    return [Doc(nlp.vocab, words=w) for w in words]


def bare(nlp: Language, shim: EncoderShim, batch_size: int, bf16: bool) -> Prepare:
    """The encoder on padded batches, sorted by length within what `nlp.pipe` sees at once."""

    def prepare(words: Words) -> common.Prepared:
        shape, device = shim.shape(), torch.device(shim.device)
        batches = []
        for at in range(0, len(words), batch_size):
            chunk = shim.words().encode_docs(make_docs(nlp, words[at : at + batch_size]))
            of_words = torch.from_numpy(chunk.ids).split(chunk.word_lengths.tolist())
            texts, begin = [], 0
            for n_words in chunk.sentence_lengths:
                ids = torch.cat(of_words[begin : begin + n_words])[: shape.window]
                special = map(torch.tensor, (shape.prefix, shape.suffix))
                texts.append(torch.cat([next(special), ids, next(special)]))
                begin += n_words
            texts.sort(key=len)
            for i in range(0, len(texts), BATCH):
                ids = torch.nn.utils.rnn.pad_sequence(
                    texts[i : i + BATCH], batch_first=True, padding_value=shape.pad
                )
                batches.append((ids.to(device), (ids != shape.pad).long().to(device)))

        def run() -> None:
            shim.transformer.eval()
            with torch.no_grad(), autocast(device, bf16):
                for ids, mask in batches:
                    shim.transformer(input_ids=ids, attention_mask=mask)

        return run

    return prepare


def bare_blocks(
    nlp: Language, shim: EncoderShim, transformer: torch.nn.Module, batch_size: int, bf16: bool
) -> Prepare:
    """The encoder on the blocks that dualner makes."""

    def prepare(words: Words) -> common.Prepared:
        batches = []
        for at in range(0, len(words), batch_size):
            chunk = shim.words().encode_docs(make_docs(nlp, words[at : at + batch_size]))
            batches.append((make_blocks(chunk, shim.shape()), len(chunk.word_lengths)))

        def run() -> None:
            shim.transformer.eval()
            with torch.no_grad():
                for blocks, n_words in batches:
                    # As in use, weights are cast once for each batch.
                    with autocast(torch.device(shim.device), bf16):
                        encode_words(transformer, blocks, n_words)

        return run

    return prepare


def pipe(nlp: Language, shim: EncoderShim, batch_size: int, bf16: bool, raw: bool) -> Prepare:
    """`nlp.pipe` over Docs, made within the time, or over texts."""

    def prepare(words: Words) -> common.Prepared:
        texts = [" ".join(w) for w in words]

        def run() -> None:
            shim.bf16 = bf16
            for _ in nlp.pipe(texts if raw else make_docs(nlp, words), batch_size=batch_size):
                pass

        return run

    return prepare


def peer_job(name: str, encoder: Path, device: str) -> dict[str, Prepare]:
    """One of the others by its short name. Raises PeerMissing."""
    known: dict[str, tuple[str, Callable[[], peers.Run]]] = {
        "tok2vec": (
            "spaCy, Tok2VecTransformer, batch 64",
            lambda: peers.spacy_tok2vec(encoder, BATCH),
        ),
        "ner": (
            "spaCy, transformer + ner, batch 64",
            lambda: peers.spacy_transformer_ner(encoder, BATCH),
        ),
        "hf64": (
            "Hugging Face pipeline, batch 64",
            lambda: peers.hf_pipeline(encoder, BATCH, device),
        ),
        "hf1": ("Hugging Face pipeline, batch 1", lambda: peers.hf_pipeline(encoder, 1, device)),
        "span_marker": ("SpanMarker, batch 4", lambda: peers.span_marker(encoder, device=device)),
        "gliner": ("GLiNER, batch 8", lambda: peers.gliner(encoder, device=device)),
    }
    if name not in known:
        raise typer.BadParameter(f"unknown peer {name}, known: {', '.join(known)}")
    title, make = known[name]
    run = make()
    return {title: lambda words: lambda: run(words)}


if __name__ == "__main__":
    typer.run(main)
