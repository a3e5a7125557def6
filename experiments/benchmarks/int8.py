"""8-bit weights and inputs on a CPU against bfloat16 and float32: time, F1, the same entities.

python -m experiments.benchmarks.int8 training/stage2/model-best --corpus corpus --limit 100
"""

from __future__ import annotations

import time
from copy import deepcopy
from itertools import zip_longest
from pathlib import Path
from typing import Any

import spacy
import torch
import typer
from spacy.tokens import Doc
from torch import Tensor, nn
from wasabi import msg

from experiments.benchmarks import common
from spacy_dualner.data.docbin import corpus_path, languages, read_docs
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.pipeline import find_component

BATCH = 250
BASE = "float32"

# Of each text its entities.
Entities = list[set[tuple[int, int, str]]]


class Int8Linear(nn.Module):
    """Weights in 8 bits with a scale for each row, inputs quantised as they come.

    linear (nn.Linear): The layer in float32.
    by_row (bool): Whether each row of the inputs has a scale of its own, or all have one.
    """

    def __init__(self, linear: nn.Linear, by_row: bool) -> None:
        super().__init__()
        weight, self.bias, self.by_row = linear.weight.detach(), linear.bias.detach(), by_row
        scales, zeros = weight.abs().amax(1).double() / 127, torch.zeros(len(weight)).long()
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = None if by_row else self.bias
        self.packed: Any = torch.ops.quantized.linear_prepack(rounded, bias)

    def forward(self, x: Tensor) -> Tensor:
        product: Any = torch.ops.quantized.linear_dynamic
        if not self.by_row:
            return product(x, self.packed)
        most = x.abs().amax(-1, keepdim=True)
        return torch.addcmul(self.bias, product(x / most, self.packed), most)


def to_int8(module: nn.Module, by_row: bool) -> nn.Module:
    """A module whose linear layers become such, in place."""
    for name, part in list(module.named_children()):
        new = Int8Linear(part, by_row) if isinstance(part, nn.Linear) else to_int8(part, by_row)
        setattr(module, name, new)
    return module


def shared(a: Entities, b: Entities) -> int:
    """Number of entities that both have."""
    return sum(len(one & other) for one, other in zip(a, b, strict=True))


def main(
    model: Path = typer.Argument(..., help="Folder of a pipeline"),
    corpus: Path = common.Corpus,
    split: str = typer.Option("dev", "--split", help="Annotated part of the corpus"),
    langs: str = typer.Option("", "--langs", help="Languages; all that have the split if empty"),
    limit: int = typer.Option(100, "--limit", help="First N sentences of each language"),
    output: Path | None = common.Output,
) -> None:
    """Annotate by each kind of arithmetic in turn, in one thread."""
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "onednn"
    nlp = spacy.load(model)
    shim = encoder_shim(find_component(nlp, "dualner").model.get_ref("tok2vec"))
    kinds = {
        BASE: (shim.transformer, False),
        "bfloat16": (shim.transformer, True),
        "int8": (to_int8(deepcopy(shim.transformer), by_row=False), False),
        "int8, by row": (to_int8(deepcopy(shim.transformer), by_row=True), False),
    }
    names = langs.split(",") if langs else languages(corpus, [split])
    columns = [read_docs(corpus_path(corpus, split, name), nlp.vocab, limit) for name in names]
    # Each batch has all languages.
    docs = [doc for row in zip_longest(*columns) for doc in row if doc is not None]
    seconds = dict.fromkeys(kinds, 0.0)
    gold: Entities = [{(e.start, e.end, e.label_) for e in doc.ents} for doc in docs]
    found: dict[str, Entities] = {kind: [] for kind in kinds}
    for at in (-1, *range(0, len(docs), BATCH)):
        batch = docs[at : at + BATCH] if at >= 0 else docs[:20]  # to warm up
        for kind, (encoder, bf16) in kinds.items():
            shim._model, shim.bf16 = encoder, bf16
            bare = [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in batch]
            begin = time.process_time()
            bare = list(nlp.pipe(bare, batch_size=BATCH))
            if at >= 0:
                seconds[kind] += time.process_time() - begin
                found[kind] += [{(e.start, e.end, e.label_) for e in doc.ents} for doc in bare]
    f1, equal = {}, {}
    for kind, own in found.items():
        n, n_gold, n_base = (shared(x, x) for x in (own, gold, found[BASE]))
        f1[kind] = 200 * shared(own, gold) / max(n + n_gold, 1)
        both = shared(own, found[BASE])
        equal[kind] = 100 * both / max(n + n_base - both, 1)
    rows = [[k, *(f"{x[k]:.2f}" for x in (seconds, f1, equal))] for k in kinds]
    header = ["", "CPU seconds", "F1", "% equal"]
    msg.table(rows, header=header, divider=True, aligns=["l", "r", "r", "r"])
    common.save(output, sentences=len(docs), seconds=seconds, f1=f1, equal=equal)


if __name__ == "__main__":
    typer.run(main)
