"""Which annotated corpora are nearest to some raw text, to choose the sources of stage 1 by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin_min
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs
from tqdm import tqdm

from ..data.docbin import read_shards
from ..data.lines import is_language, plain_path
from ..data.names import suffix_of
from ..data.structured import check_lines, first_lines
from ..data.text import read_text
from ..encoder.arrays import ArraysBuilder, SentenceArrays
from ..encoder.loading import load_encoder
from ..encoder.shim import EncoderShim
from ..encoder.subwords import Ints
from ..encoder.windows import make_blocks
from ..errors import DataError
from ..labels.scheme import LabelScheme
from ..training.corpus import Corpus

SAMPLE = 500
"""Sentences of each text that are looked at."""

# Sentences that are encoded at once.
_CHUNK = 1000


class Sample(NamedTuple):
    """What is compared of a text.

    vectors (Floats2d): `[sentences, width]`: the mean of each sentence's word vectors.
    subwords (Ints1d): How often each sub-word occurs, `[vocabulary]`.
    """

    vectors: NDArray[np.float32]
    subwords: Ints


def rank_sources(
    targets: Sequence[Path],
    corpus: Path,
    encoder: str,
    langs: Sequence[str] = (),
    *,
    limit: int = SAMPLE,
    progress: bool = False,
) -> dict[str, Any]:
    """Rank annotated corpora by how near they are to raw text.

    targets (Sequence[Path]): Texts: files of one sentence a line, which may be compressed (.gz), or
        Docs (.spacy), whose annotations are not read.
    corpus (Path): Folder of the candidates, `xx.spacy` each.
    encoder (str): Folder or hub name of the encoder, before stage 1.
    langs (Sequence[str]): Candidates; all that are there by default.
    limit (int): First N sentences of each text and candidate; 0 for all.
    progress (bool): Whether to show a progress bar.
    RETURNS (Dict[str, Any]): `sources`, the annotated sentences of each candidate, and `targets`:
        for each text its candidates, best first, each with `source` and what `compare` gives.
    Raises DualNerError where the encoder cannot be had, a candidate is missing, or a text holds no
    sentence or is of another form.
    """
    own = Corpus(corpus, langs=",".join(langs)).files()
    files = {lang: path for lang, (path, _) in own.items()}
    sizes = {lang: Corpus(corpus, langs=lang).count() for lang in files}
    texts = {path: _read_target(path, limit) for path in dict.fromkeys(targets)}
    annotated = [
        (path, Corpus(corpus, langs=lang, limit=limit).shards()) for lang, path in files.items()
    ]
    shim = EncoderShim(mixed_precision=True)
    shim.set_encoder(load_encoder(encoder, "Give a local folder with --encoder."))
    bar = tqdm(
        [*annotated, *texts.items()], "texts", leave=False, disable=None if progress else True
    )
    samples = [_sample(shim, shards, path) for path, shards in bar]
    candidates = dict(zip(files, samples, strict=False))
    ranked = {}
    for path, sample in zip(texts, samples[len(files) :], strict=True):
        scores = compare(sample, candidates)
        order = sorted(scores, key=lambda lang: (-scores[lang]["score"], lang))
        ranked[str(path)] = [{"source": lang, **scores[lang]} for lang in order]
    return {"sources": sizes, "targets": ranked}


def compare(target: Sample, candidates: Mapping[str, Sample]) -> dict[str, dict[str, float]]:
    """How near each candidate is to a text.

    target (Sample): The text.
    candidates (Mapping[str, Sample]): Those to compare with it, and with each other.
    RETURNS (Dict[str, Dict[str, float]]): Of each its `nearness`, the cosine of a sentence of the
        text with the most similar one of the candidate, on the mean; `shared`, the share of the
        text's distinct sub-words that the candidate has, of those that any candidate has; and
        `score`, the product.
    """
    # What all sentences have in common is most of a vector, and tells nothing.
    centre = np.mean([sample.vectors.mean(axis=0) for sample in candidates.values()], axis=0)
    own = target.vectors - centre
    known = np.any([sample.subwords > 0 for sample in candidates.values()], axis=0)
    known &= target.subwords > 0
    found = {}
    for lang, sample in candidates.items():
        theirs = sample.vectors - centre
        _, distances = pairwise_distances_argmin_min(own, theirs, metric="cosine")
        nearness = 1 - distances.mean()
        shared = (known & (sample.subwords > 0)).sum() / max(known.sum(), 1)
        found[lang] = {
            "score": float(nearness * shared),
            "nearness": float(nearness),
            "shared": float(shared),
        }
    return found


def _read_target(path: Path, limit: int) -> Iterable[Iterator[Doc]]:
    """The Docs of a text, shard by shard. Raises DataError where it is missing, or is no text."""
    if not path.exists():
        raise DataError(path, "no such file. Mend the path.")
    if path.is_dir() or suffix_of(path) == ".spacy":
        return read_shards(path, limit)
    check_lines(first_lines(path), path, "Give a file of one sentence a line, or of Docs (.spacy).")
    stem = plain_path(path).stem
    words = islice(read_text(path, stem if is_language(stem) else ""), limit or None)
    vocab = Vocab()
    return [(Doc(vocab, words=own) for own in words)]


def _sample(shim: EncoderShim, shards: Iterable[Iterable[Doc]], path: Path) -> Sample:
    """Encode a text. path (Path): Where it is from, for the error where it holds no sentence."""
    builder = ArraysBuilder(shim.words(), LabelScheme(()))
    for docs in shards:
        builder.add(docs, labelled=False)
    text = builder.build()
    if not len(text):
        raise DataError(path, "holds no sentence. Give text, one sentence a line.")
    parts = range(0, len(text), _CHUNK)
    vectors = [_encode(shim, text, np.arange(at, min(at + _CHUNK, len(text)))) for at in parts]
    subwords = np.bincount(text.ids, minlength=len(shim.words().tokenizer))
    return Sample(np.concatenate(vectors), subwords)


def _encode(shim: EncoderShim, text: SentenceArrays, sentences: Ints) -> NDArray[np.float32]:
    """The mean of the word vectors of each sentence."""
    batch, _ = text.select(sentences)
    inputs = (make_blocks(batch, shim.shape()), len(batch.word_lengths), "mean")
    words = shim.predict(ArgsKwargs(inputs, {})).cpu().numpy()
    lengths = batch.sentence_lengths
    total = np.add.reduceat(words, np.cumsum(lengths) - lengths)
    return total / lengths[:, None].astype(total.dtype)
