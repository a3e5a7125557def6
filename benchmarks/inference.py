"""`nlp.pipe` with dualner against the bare encoder and spaCy's own way to the same vectors.

python -m benchmarks.inference --data corpus/test/en.spacy --encoder DIR --limit 2000
"""

from __future__ import annotations

from pathlib import Path

import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from benchmarks.common import DEMO_ENCODER, interleaved, report
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.encoder.blocks import make_blocks
from spacy_dualner.encoder.encode import encode_words
from spacy_dualner.encoder.transformer import encoder_shim

# The same encoder as spaCy users wrap it: sub-words of whole texts, padded per batch.
SPACY_ENCODER = {
    "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
    "get_spans": {
        "@span_getters": "spacy-transformers.strided_spans.v1",
        "window": 128,
        "stride": 96,
    },
    "tokenizer_config": {"use_fast": True},
    "pooling": {"@layers": "reduce_mean.v1"},
}


def make_nlp(tok2vec: dict, words: list[list[str]]) -> Language:
    """A pipeline with one dualner over an encoder; its heads are random."""
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("dualner", config={"model": {"tok2vec": tok2vec}})
    docs = [Doc(nlp.vocab, words=w) for w in words[:2]]
    pipe.initialize(lambda: [Example(doc, doc) for doc in docs], labels=["LOC", "ORG", "PER"])
    return nlp


def main(
    data: Path = typer.Option(Path("corpus/test/en.spacy"), help="A .spacy file"),
    encoder: Path = typer.Option(DEMO_ENCODER, help="Folder of an encoder"),
    limit: int = typer.Option(2000, help="First N sentences"),
    repeats: int = typer.Option(3, help="Timed rounds"),
    batch_size: int = typer.Option(1000, help="Docs a batch of dualner's nlp.pipe"),
    bf16: bool = typer.Option(False, help="Also time bfloat16"),
    output: Path | None = typer.Option(None, help="JSON file to write"),
) -> None:
    """Time inference in one process, interleaved."""
    words = [[t.text for t in d] for d in read_docs(data, spacy.blank("xx").vocab, limit)]
    torch.manual_seed(0)
    ours = make_nlp({"name": str(encoder)}, words)
    theirs = make_nlp({**SPACY_ENCODER, "name": str(encoder)}, words)
    layer = ours.get_pipe("dualner").model.get_ref("tok2vec")
    shim = encoder_shim(layer)
    docs = [Doc(ours.vocab, words=w) for w in words]
    blocks = []
    for at in range(0, len(docs), batch_size):
        batch = shim.words().encode_docs(docs[at : at + batch_size])
        blocks.append((make_blocks(batch, shim.shape()), len(batch.word_lengths)))

    def bare() -> None:
        shim.transformer.eval()
        with torch.no_grad():
            for group, n_words in blocks:
                encode_words(shim.transformer, group, n_words)

    def pipe(nlp: Language, size: int, mixed: bool = False) -> None:
        shim.bf16 = mixed
        fresh = [Doc(nlp.vocab, words=w) for w in words]
        for _ in nlp.pipe(fresh, batch_size=size):
            pass

    jobs = {
        "bare encoder, sub-words ready": bare,
        "dualner, nlp.pipe": lambda: pipe(ours, batch_size),
        "Tok2VecTransformer.v3, batch 64": lambda: pipe(theirs, 64),
    }
    if bf16:
        jobs["dualner, nlp.pipe, bfloat16"] = lambda: pipe(ours, batch_size, mixed=True)
    seconds = interleaved(jobs, repeats)
    report(
        seconds,
        "dualner, nlp.pipe",
        output,
        data=data.name,
        sentences=len(words),
        words=sum(map(len, words)),
        encoder=encoder.name,
    )


if __name__ == "__main__":
    typer.run(main)
