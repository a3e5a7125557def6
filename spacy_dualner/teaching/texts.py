"""The text of stage 2, read once into arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import DualNerError
from ..labels.gold_types import check_types, noting_types
from ..training.corpus import Corpus
from .arrays import ArraysBuilder, SentenceArrays
from .config import TeachingConfig
from .network import Recogniser


@dataclass
class Texts:
    """What stage 2 is run on.

    corpus (SentenceArrays): Source sentences, then target sentences.
    n_source (int): How many of them are source sentences.
    source_langs (List[str]): Languages of those.
    dev (SentenceArrays): Annotated development sentences; may be empty.
    """

    corpus: SentenceArrays
    n_source: int
    source_langs: list[str]
    dev: SentenceArrays


def read_texts(
    nlp: Language, recogniser: Recogniser, config: TeachingConfig, folder: Path
) -> Texts:
    """Read the corpora of a config.

    nlp (Language): The pipeline, for readers other than `spacy-dualner.Corpus.v1`.
    recogniser (Recogniser): Its tokenizer and entity types.
    config (TeachingConfig): The readers, and how much text is kept in memory.
    folder (Path): Where the rest lies, in files without a name.
    RETURNS (Texts): The text.
    Raises DualNerError where a corpus is missing, there is no source text, or annotated entities
    are of types that the pipeline does not know.
    """
    builder, dev = (
        ArraysBuilder(
            recogniser.words,
            recogniser.scheme,
            max_memory=config.settings.max_memory_mb * 1_000_000,
            folder=folder,
            keep_empty=keep_empty,
        )
        # Of translations the k-th is of the k-th sentence: all keep their places.
        for keep_empty in (config.settings.method == "filter", False)
    )

    def add(builder: ArraysBuilder, reader: Callable | None, annotated: str = "") -> int:
        """Add what a reader gives. annotated (str): Its name, if its entities are gold."""
        if reader is None:
            return 0
        if config.settings.method == "filter" and isinstance(reader, Corpus) and reader.cut:
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
    add(builder, corpora.target)
    add(dev, corpora.dev, "corpora.dev")
    return Texts(builder.build(), n_source, source_langs, dev.build())
