"""A tiny corpus on disk, configs for it, and the command line in-process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
from helpers.tiny import ROOT, SENTENCES
from spacy.cli import app
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config
from typer.testing import CliRunner

import spacy_dualner.cli  # noqa: F401
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.training.presets import overridden

MINI = ROOT / "configs" / "mini"


def sentences_of(lang: str) -> list[tuple[list[str], list[str]]]:
    """Sentences of a made-up language: English with each function word changed."""
    if lang == "en":
        return SENTENCES
    return [
        ([w if t != "O" else f"{w[::-1]}{lang}" for w, t in zip(words, tags, strict=True)], tags)
        for words, tags in SENTENCES
    ]


def write_corpus(
    root: Path, langs: Sequence[str] = ("en", "de"), copies: int = 2, dev: Sequence[str] = ()
) -> Path:
    """Write train, dev, test and unlabelled of some languages.

    copies (int): How often each sentence stands in train and unlabelled.
    dev (Sequence[str]): Languages with development sentences; all by default.
    """
    for lang in langs:
        for split in ("train", "dev", "test", "unlabelled"):
            if split == "dev" and dev and lang not in dev:
                continue
            labelled = split != "unlabelled"
            path = corpus_path(root, split, lang)
            with DocBinWriter(path, lang, labelled=labelled) as writer:
                for words, tags in sentences_of(lang) * (1 if split in ("dev", "test") else copies):
                    writer.add(words, tags)
    return root


def mini_config(stage: str, values: dict[str, Any], overrides: dict[str, Any]) -> Config:
    """The mini preset's config of a stage with other values, and with overrides before those."""
    config = Config().from_disk(MINI / stage, interpolate=False)
    values |= {name.replace("__", "."): value for name, value in overrides.items()}
    return overridden(config, values)


def stage1_config(encoder: Path, corpus: Path, **overrides: Any) -> Config:
    """The mini preset's stage 1 on a tiny corpus; `__` in a name stands for a dot."""
    values = {
        "paths.encoder": str(encoder),
        "paths.train": str(corpus / "train"),
        "paths.dev": str(corpus / "dev"),
        "corpora.dev.langs": "en,de",
        "training.max_epochs": 8,
        "training.eval_frequency": 4,
        "training.batcher.size": 5,
        "training.optimizer.learn_rate.initial_rate": 0.003,
        "training.optimizer.learn_rate.warmup_steps": 2,
        "training.logger.progress_bar": None,
        "initialize.after_init.min_steps": 0,
    }
    return mini_config("stage1.cfg", values, overrides)


def stage2_config(model: Path, corpus: Path, **overrides: Any) -> Config:
    """The mini preset's stage 2 on a tiny corpus; `__` in a name stands for a dot."""
    values = {
        "paths.model": str(model),
        "paths.corpus": str(corpus),
        "corpora.target.langs": "de",
        "corpora.dev.langs": "en,de",
        "teaching.batch_size": 5,
        "teaching.max_epochs": 2,
        "teaching.warmup_steps": 2,
        "teaching.eval_frequency": 2,
        "teaching.mixed_precision": False,
        "teaching.optimizer.learn_rate": 0.001,
        "teaching.logger.progress_bar": None,
    }
    return mini_config("stage2.cfg", values, overrides)


def run_cli(*arguments: str | Path | float) -> tuple[int, str]:
    """Run a spaCy command. Exit status and output, white space made even."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def entities(nlp: Language, lang: str = "en") -> list[list[tuple[int, int, str]]]:
    """What a pipeline finds in the sentences of a language."""
    docs = [Doc(nlp.vocab, words=words) for words, _ in sentences_of(lang)]
    return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(docs)]


def files_holding(folder: Path, needle: str) -> list[str]:
    """Files in a folder that contain a string."""
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and needle.encode() in path.read_bytes()
    ]


def other_encoder(kind: str, encoder: Path) -> dict[str, Any]:
    """Config of an encoder at model.tok2vec that is not this package's own."""
    if kind == "cnn":
        return {
            "@architectures": "spacy.HashEmbedCNN.v2",
            "pretrained_vectors": None,
            "width": 32,
            "depth": 1,
            "embed_size": 200,
            "window_size": 1,
            "maxout_pieces": 2,
            "subword_features": True,
        }
    pooling = {"pooling": {"@layers": "reduce_mean.v1"}, "grad_factor": 1.0}
    if kind == "listener":
        return {"@architectures": "spacy-transformers.TransformerListener.v1", **pooling}
    return {**transformer_model(encoder, "Tok2VecTransformer.v3"), **pooling}


def transformer_model(encoder: Path, kind: str = "TransformerModel.v3") -> dict[str, Any]:
    """Config of an encoder of spacy-transformers'."""
    return {
        "@architectures": f"spacy-transformers.{kind}",
        "name": str(encoder),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 48,
            "stride": 32,
        },
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {},
        "mixed_precision": False,
        "grad_scaler_config": {},
    }


def make_other_nlp(kind: str, encoder: Path) -> Language:
    """A blank pipeline with an uninitialised dualner over `cnn`, `listener` or `inline`."""
    nlp = spacy.blank("xx")
    if kind == "listener":
        nlp.add_pipe("transformer", config={"model": transformer_model(encoder)})
    model = {
        "@architectures": "spacy-dualner.DualNer.v1",
        "tok2vec": other_encoder(kind, encoder),
    }
    nlp.add_pipe("dualner", config={"model": model})
    return nlp
