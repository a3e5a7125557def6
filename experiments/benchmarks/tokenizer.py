"""`spacy-dualner.Tokenizer.v1` against spaCy's own tokenizer on the same text.

python -m experiments.benchmarks.tokenizer --data corpus/train/de.spacy --limit 20000
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import spacy
import typer
from spacy.language import Language, create_tokenizer
from spacy.tokenizer import Tokenizer

from experiments.benchmarks import common
from spacy_dualner.data.text import PER_CHARACTER
from spacy_dualner.tokenizer import make_tokenizer

BASE, OURS = "spacy.Tokenizer.v1", "spacy-dualner.Tokenizer.v1"


def main(
    data: Path = common.Data,
    split: str = typer.Option("test", "--split", help="Of an archive"),
    limit: int = common.Limit,
    repeats: int = common.Repeats,
    output: Path | None = common.Output,
) -> None:
    """Time both on the sentences as text; each round begins with a tokenizer that knows no words.

    In files of Chinese, Japanese and Thai the words are joined without spaces.
    """
    lang = data.name.partition(".")[0]
    space = "" if lang in PER_CHARACTER else " "
    texts = [space.join(words) for words, _ in common.load_sentences(data, limit, split)]
    makers = {BASE: create_tokenizer(), OURS: make_tokenizer()}
    seconds = common.interleaved({name: read(m, texts) for name, m in makers.items()}, repeats)
    common.table(seconds, BASE)
    ratio = statistics.median(seconds[OURS]) / statistics.median(seconds[BASE])
    characters = sum(map(len, texts))
    print(f"{characters:,} characters in {len(texts):,} texts")
    common.save(output, data=data.name, characters=characters, seconds=seconds, ratio=ratio)


def read(make: Callable[[Language], Tokenizer], texts: list[str]) -> common.Prepared:
    """Split all texts with a new tokenizer of one pipeline."""
    nlp = spacy.blank("xx")

    def run() -> None:
        tokenizer = make(nlp)
        for text in texts:
            tokenizer(text)

    return run


if __name__ == "__main__":
    typer.run(main)
