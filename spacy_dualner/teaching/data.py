"""The text of stage 2, read once into arrays, and which of it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from ..encoder.arrays import ArraysBuilder, SentenceArrays
from ..encoder.subwords import Ints
from ..errors import DualNerError
from ..labels.gold_types import check_types, noting_types
from ..training.batching import length_groups
from ..training.corpus import Corpus
from .config import TeachingConfig
from .network import Recogniser


@dataclass
class TeachingData:
    """What stage 2 is run on. Made by `read_data`."""

    corpus: SentenceArrays  # source sentences, then target sentences
    n_source: int  # how many of them are source sentences
    source_langs: list[str]  # languages of those
    dev: SentenceArrays  # annotated development sentences; may be empty
    target: dict[str, Ints]  # numbers of each target language's sentences that have words
    partners: Ints | None  # FILTER: the source sentence of each translation
    held_back: Ints  # numbers of target sentences that are scored and not trained on
    trained_on: Ints  # numbers of those that are; of FILTER the translations alone

    @property
    def n_target(self) -> int:
        """Target sentences that are trained on."""
        return int((self.trained_on >= self.n_source).sum())

    def with_partners(self, sentences: Ints) -> Ints:
        """Translations with the sentences that they are of before them."""
        if self.partners is None:
            return sentences
        return np.concatenate((self.partners[sentences], sentences))

    def batches(self, size: int, seed: int, epoch: int) -> list[Ints]:
        """Batches of like length, as sentence numbers: with the same seed and epoch the same."""
        lengths = self.corpus.subword_counts()[self.trained_on]
        groups = length_groups(lengths, size, np.random.default_rng([seed, epoch]))
        return [self.trained_on[group] for group in groups]


def read_data(
    nlp: Language, recogniser: Recogniser, config: TeachingConfig, folder: Path
) -> TeachingData:
    """Read the corpora of a config.

    nlp (Language): The pipeline, for readers other than `spacy-dualner.Corpus.v1`.
    folder (Path): Where the rest lies, in files without a name.
    Raises DualNerError where a corpus is missing, source or target text has no sentence, or
    annotated entities are of types that the pipeline does not know.
    """
    settings = config.settings
    memory = settings.max_memory_mb * 1_000_000
    make = partial(
        ArraysBuilder, recogniser.words, recogniser.scheme, max_memory=memory, folder=folder
    )
    # Of translations the k-th is of the k-th sentence: all keep their places.
    builder, dev = make(keep_empty=settings.method == "filter"), make()

    def add(builder: ArraysBuilder, reader: Callable | None, annotated: str = "") -> int:
        """Add what a reader gives. annotated (str): Its name, if its entities are gold."""
        if reader is None:
            return 0
        if settings.method == "filter" and isinstance(reader, Corpus) and reader.cut:
            raise DualNerError(
                f"The k-th translation is of the k-th source sentence, and cut = {reader.cut} puts "
                "others between. Set it to 0."
            )
        shards: Iterable[Iterable[Doc]] = [(eg.reference for eg in reader(nlp))]
        if isinstance(reader, Corpus):
            shards = reader.shards()
        types: set[str] = set()
        n_added = sum(
            builder.add(noting_types(docs, types) if annotated else docs, labelled=bool(annotated))
            for docs in shards
        )
        check_types(types, recogniser.scheme.types, annotated)
        return n_added

    corpora = config.corpora
    n_source = add(builder, corpora.source, "corpora.source")
    if not n_source:
        raise DualNerError("corpora.source holds no sentence. Give annotated source text.")
    source_langs = builder.lang_names
    if not add(builder, corpora.target) and corpora.target is not None:
        raise DualNerError("corpora.target holds no sentence. Give raw text, or set it to null.")
    add(dev, corpora.dev, "corpora.dev")
    corpus = builder.build()
    sentences = np.flatnonzero(corpus.word_counts())
    of_target = sentences[sentences >= n_source]
    target = {name: np.intersect1d(corpus.of_lang(name), of_target) for name in corpus.lang_names}
    target = {name: own for name, own in target.items() if len(own)}
    most = settings.held_back if settings.select == "agreement" else 0
    # Of a language with little text, half of it at most.
    few = [own[: min(most, len(own) // 2)] for own in target.values()]
    held_back = np.concatenate([np.zeros(0, dtype=np.int64), *few])
    partners = None
    if settings.method == "filter":
        partners = find_partners(corpus, n_source, recogniser.shape.window)
        sentences = np.flatnonzero(partners >= 0)
    return TeachingData(
        corpus,
        n_source,
        source_langs,
        dev.build(),
        target,
        partners,
        held_back,
        np.setdiff1d(sentences, held_back),
    )


def find_partners(corpus: SentenceArrays, n_source: int, longest: int) -> Ints:
    """The source sentence of each translation: of every language the k-th is of the k-th.

    corpus (SentenceArrays): Source sentences, then translations, each language in source order.
    longest (int): Sub-words of a window; pairs in which a sentence has more, or none, are left out.
    RETURNS (Ints1d): A source sentence's number for each sentence, or -1 where there is none.
    Raises DualNerError where there are no translations, or more than source sentences.
    """
    partners = np.full(len(corpus), -1)
    sizes = corpus.subword_counts()
    for name in corpus.lang_names:
        own = corpus.of_lang(name)
        own = own[own >= n_source]
        if len(own) > n_source:
            raise DualNerError(
                f"There are {len(own):,} translated sentences ({name}) of {n_source:,} source "
                "sentences. FILTER needs the k-th to be of the k-th: mend corpora.target, for "
                "instance by its limit."
            )
        pair = np.stack((sizes[own], sizes[: len(own)]))
        fits = (pair.min(0) > 0) & (pair.max(0) <= longest)
        partners[own[fits]] = np.flatnonzero(fits)
    if partners.max() < 0:
        raise DualNerError(
            "FILTER needs translations of the source sentences: set corpora.target to text made "
            "by `convert --form translated`."
        )
    return partners
