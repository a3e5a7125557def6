"""What `shrink` makes of a pipeline with XLM-R-base's shape and number of sub-words.

python -m experiments.benchmarks.shrinking --data PANX --langs en,de,es,fr,ru,sw
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import typer
from spacy.vocab import Vocab
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from experiments.benchmarks import common, peers
from spacy_dualner.cli.shrink import print_sizes
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import corpus_path, read_docs
from spacy_dualner.packaging.shrink_settings import ShrinkSettings
from spacy_dualner.packaging.shrinking import shrink


def main(
    data: Path = typer.Option(common.DEMO_DATA.parent, "--data", help="Folder of archives"),
    langs: str = typer.Option("", "--langs", help="Languages; all if empty"),
    shape: str = typer.Option("12x768", "--shape", help="LAYERSxWIDTH of random weights"),
    vocabulary: int = typer.Option(250_002, "--vocabulary", help="Number of sub-words"),
    limit: int = typer.Option(100, "--limit", help="Scored sentences of each language"),
    output: Path | None = common.Output,
) -> None:
    """Make a tokenizer of so many sub-words and a pipeline around it, and shrink that.

    Heads are random: sizes and speed count here, F1 does not.
    """
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        corpus, wide = temp / "corpus", temp / "wide"
        counts = convert(data, corpus, langs=[lang for lang in langs.split(",") if lang])
        found = list(dict.fromkeys(lang for lang, _ in counts))
        words: Counter[str] = Counter()
        for lang in found:
            docs = read_docs(corpus_path(corpus, "train", lang), Vocab())
            words.update(token.text for doc in docs for token in doc)
        make_tokenizer(list(words), vocabulary).save_pretrained(wide)
        with common.encoder_folder(wide, shape) as folder:
            nlp = peers.dualner_nlp({"name": str(folder)})
        nlp.to_disk(temp / "model")
        del nlp
        results = shrink(
            temp / "model",
            temp / "small",
            corpus,
            ShrinkSettings(found, splits=["train"], limit=limit, tolerance=100.0),
        )
    print_sizes(results)
    share = results["after"]["bytes"] / results["before"]["bytes"]
    print(f"{100 * share:.1f}% of the size before")
    common.save(output, shape=shape, vocabulary=vocabulary, langs=found, **results)


def make_tokenizer(words: list[str], n: int) -> Any:
    """A Unigram tokenizer with the characters of a text, every other word of it, and made-up words.

    As in a vocabulary that was trained on a hundred languages, most sub-words are never met.
    """
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    chars = sorted({"▁", *(char for word in words for char in word)})
    whole = [f"▁{word}" for word in words[::2]]
    pieces = dict.fromkeys([*special, *chars, *whole[: n // 4]])
    pieces |= dict.fromkeys(f"▁{i:x}unmet" for i in range(n - 1 - len(pieces)))
    rows = [(piece, -12.0) for piece in [*pieces, "<mask>"]]
    tokenizer = Tokenizer(models.Unigram(rows, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>"}
    names |= {"pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        **{f"{role}_token": name for role, name in names.items()},
    )


if __name__ == "__main__":
    typer.run(main)
