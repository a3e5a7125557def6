"""What users would pick instead, over the same encoder: each function builds one, to be timed.

Heads are random. Packages that spacy-dualner does not need itself (`pip install .[bench]`) are
imported where they are used; one that is missing or does not work raises PeerMissing.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerBase,
    pipeline,
)

from spacy_dualner.data.tags import Sentence
from spacy_dualner.encoder.loading import quiet_loading

# Takes pre-tokenised sentences, returns the number of entities found.
Run = Callable[[list[list[str]]], int]

TYPES = ("LOC", "ORG", "PER")
LABELS = ("O", *(f"{prefix}-{name}" for name in TYPES for prefix in "BI"))
SAMPLE = [
    (["Anna", "Smith", "lives", "in", "Berlin", "."], ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]),
    (["Acme", "Corp", "hired", "Anna", "."], ["B-ORG", "I-ORG", "O", "B-PER", "O"]),
    (["Paris", "is", "far", "from", "Rome"], ["B-LOC", "O", "O", "O", "B-LOC"]),
]

# spaCy's own ways to an encoder's vectors, with the settings of `spacy init config --gpu`.
SPACY_SPANS = {
    "tokenizer_config": {"use_fast": True},
    "get_spans": {
        "@span_getters": "spacy-transformers.strided_spans.v1",
        "window": 128,
        "stride": 96,
    },
}
SPACY_POOLING = {"pooling": {"@layers": "reduce_mean.v1"}}
SPACY_ENCODER = {
    "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
    **SPACY_SPANS,
    **SPACY_POOLING,
}
SPACY_TRANSFORMER = {"@architectures": "spacy-transformers.TransformerModel.v3", **SPACY_SPANS}
SPACY_NER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": False,
    "tok2vec": {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        **SPACY_POOLING,
    },
}


class PeerMissing(Exception):
    """A peer cannot be timed here; the message says why."""


@contextmanager
def optional(name: str) -> Iterator[None]:
    """Turn any failure of a package into PeerMissing. name (str): The package."""
    try:
        yield
    except Exception as error:
        raise PeerMissing(f"{name}: {type(error).__name__}: {error}") from error


def examples(nlp: Language) -> list[Example]:
    """A few annotated sentences to initialise with."""
    return [
        Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=tags))
        for words, tags in SAMPLE
    ]


def dualner_nlp(tok2vec: dict[str, Any]) -> Language:
    """A pipeline with one dualner. tok2vec (dict): Config of its encoder."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner", config={"model": {"tok2vec": tok2vec}})
    with quiet_loading():
        nlp.initialize(lambda: examples(nlp))
    return nlp


def pipe_words(nlp: Language, sentences: list[list[str]], batch_size: int) -> int:
    """Send sentences through `nlp.pipe`. Returns the number of entities."""
    docs = [Doc(nlp.vocab, words=words) for words in sentences]
    return sum(len(doc.ents) for doc in nlp.pipe(docs, batch_size=batch_size))


def spacy_tok2vec(encoder: str | Path, batch_size: int = 64) -> Run:
    """dualner's heads over spacy-transformers' inline encoder.

    encoder (str | Path): Folder of an encoder.
    batch_size (int): Docs a batch of `nlp.pipe`; a batch is padded to its longest text.
    """
    nlp = dualner_nlp({**SPACY_ENCODER, "name": str(encoder)})
    return lambda sentences: pipe_words(nlp, sentences, batch_size)


def spacy_transformer_ner(encoder: str | Path, batch_size: int = 64) -> Run:
    """spaCy's `transformer` and `ner`, as its quickstart sets them up.

    encoder (str | Path): Folder of an encoder.
    batch_size (int): Docs a batch of `nlp.pipe`; `transformer` sorts and splits them by length.
    """
    nlp = spacy.blank("xx")
    nlp.add_pipe("transformer", config={"model": {**SPACY_TRANSFORMER, "name": str(encoder)}})
    nlp.add_pipe("ner", config={"model": SPACY_NER})
    with quiet_loading():
        nlp.initialize(lambda: examples(nlp))
    return lambda sentences: pipe_words(nlp, sentences, batch_size)


def load_tokenizer(encoder: str | Path) -> PreTrainedTokenizerBase:
    """The encoder's fast tokenizer, fit for sentences that are split into words."""
    tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True)
    if getattr(tokenizer, "add_prefix_space", None) is False:
        tokenizer = AutoTokenizer.from_pretrained(
            encoder, local_files_only=True, add_prefix_space=True
        )
    return tokenizer


def load_classifier(encoder: str | Path) -> torch.nn.Module:
    """The encoder with a random token-classification head, in float32."""
    with quiet_loading():
        return AutoModelForTokenClassification.from_pretrained(
            encoder,
            local_files_only=True,
            torch_dtype=torch.float32,
            id2label=dict(enumerate(LABELS)),
            label2id={name: i for i, name in enumerate(LABELS)},
        )


def hf_pipeline(encoder: str | Path, batch_size: int = 1, device: str = "cpu") -> Run:
    """transformers' token-classification pipeline over texts, words joined by blanks.

    encoder (str | Path): Folder of an encoder.
    batch_size (int): Texts computed at once, in their order, padded to the longest.
    device (str): Where to compute.
    """
    model, tokenizer = load_classifier(encoder), load_tokenizer(encoder)
    with quiet_loading():
        pipe = pipeline(  # type: ignore[call-overload]
            "token-classification",
            model=model,
            tokenizer=tokenizer,
            aggregation_strategy="simple",
            batch_size=batch_size,
            device=device,
        )

    def run(sentences: list[list[str]]) -> int:
        return sum(map(len, pipe([" ".join(words) for words in sentences])))

    return run


def hf_trainer(
    encoder: str | Path,
    sentences: list[Sentence],
    batch_size: int,
    steps: int,
    bf16: bool = False,
    device: str = "cpu",
) -> Callable[[], None]:
    """transformers' Trainer on token classification. Each call trains `steps` steps more.

    encoder (str | Path): Folder of an encoder.
    sentences (List[Sentence]): Words and their BIO tags, out of LABELS.
    batch_size (int): Sentences a step; the last batch of an epoch may be smaller.
    steps (int): Steps a call.
    bf16 (bool): bfloat16 autocast.
    device (str): "cpu", or anything else for the GPU.
    """
    # Trainer imports `datasets` where it is installed, and fails with it.
    with optional("transformers.Trainer"):
        from transformers import Trainer, TrainingArguments
        from transformers.trainer_callback import PrinterCallback
    tokenizer, model = load_tokenizer(encoder), load_classifier(encoder)
    with tempfile.TemporaryDirectory() as folder, own_precision():
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=batch_size,
            max_steps=steps,
            bf16=bf16,
            use_cpu=device == "cpu",
            group_by_length=True,
            max_grad_norm=1.0,
            dataloader_num_workers=0,
            # Trainer sets all random generators to this.
            seed=torch.initial_seed() % 2**32,
            eval_strategy="no",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer: Any = Trainer(
            model=model,
            args=arguments,
            train_dataset=tokenise(tokenizer, *map(list, zip(*sentences, strict=True))),
            data_collator=DataCollatorForTokenClassification(tokenizer),
        )
        trainer.remove_callback(PrinterCallback)
        # Trainers of one process share the precision of the latest; this one's is settled here.
        trainer.accelerator.prepare(model)

    def train() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            trainer.train()

    return train


@contextmanager
def own_precision() -> Iterator[None]:
    """Keep a Trainer's precision from those built before and after it, and the other way round."""
    name = "ACCELERATE_MIXED_PRECISION"
    before = os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def tokenise(
    tokenizer: PreTrainedTokenizerBase, sentences: list[list[str]], tags: list[list[str]]
) -> list[dict[str, list[int]]]:
    """Labelled sub-words, at most 512 a sentence; -100 where a word's label is not learnt.

    tokenizer (PreTrainedTokenizerBase): A fast one.
    sentences (List[List[str]]): Words.
    tags (List[List[str]]): BIO tags.
    """
    limit = min(512, tokenizer.model_max_length)
    batch = tokenizer(sentences, is_split_into_words=True, truncation=True, max_length=limit)
    rows = []
    for i, names in enumerate(tags):
        words = batch.word_ids(i)
        labels = [
            -100 if word is None or word == before else LABELS.index(names[word])
            for before, word in zip([None, *words], words, strict=False)
        ]
        row = {key: values[i] for key, values in batch.items()}
        rows.append({**row, "labels": labels})
    return rows


def span_marker(encoder: str | Path, batch_size: int = 4, device: str = "cpu") -> Run:
    """SpanMarker with the settings of its quickstart. Raises PeerMissing.

    encoder (str | Path): Folder of an encoder.
    batch_size (int): Sentences computed at once, each padded to 512 sub-words and markers.
    device (str): Where to compute.
    """
    with optional("span_marker"), quiet_loading():
        from span_marker import SpanMarkerModel

        model = SpanMarkerModel.from_pretrained(
            str(encoder),
            labels=list(LABELS),
            model_max_length=256,
            marker_max_length=128,
            entity_max_length=8,
        ).to(device)

    def run(sentences: list[list[str]]) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return sum(map(len, model.predict(sentences, batch_size=batch_size)))

    with optional("span_marker"):
        run([words for words, _ in SAMPLE])
    return run


def gliner(encoder: str | Path, batch_size: int = 8, device: str = "cpu") -> Run:
    """GLiNER with its default architecture, over texts. Raises PeerMissing.

    encoder (str | Path): Folder of an encoder.
    batch_size (int): Texts computed at once, in their order, padded to the longest.
    device (str): Where to compute.
    """
    with optional("gliner"), quiet_loading():
        from gliner import GLiNER, GLiNERConfig

        config = GLiNERConfig(model_name=str(encoder))
        model = GLiNER.from_config(config, map_location=device, local_files_only=True)

    def run(sentences: list[list[str]]) -> int:
        texts = [" ".join(words) for words in sentences]
        labels = ["person", "organization", "location"]
        return sum(map(len, model.inference(texts, labels, threshold=0.5, batch_size=batch_size)))

    with optional("gliner"):
        run([words for words, _ in SAMPLE])
    return run
