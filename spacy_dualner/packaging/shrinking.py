"""Smaller pipelines to ship: only sub-words that some text uses, and weights in half precision."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy_transformers.data_classes import HFObjects
from tqdm import tqdm

from ..data.docbin import corpus_path, languages, read_docs, read_shards, text_paths
from ..data.outputs import check_output, written_aside
from ..encoder.shim import EncoderShim
from ..encoder.subwords import WordTokenizer
from ..encoder.vocabulary import config_ids, kept_ids, read_spec, trim_encoder, trim_tokenizer
from ..errors import DualNerError
from ..evaluation.scores import check_annotated, evaluate_docs
from ..pipeline import find_component, find_encoder, load_pipeline
from ..training.portable import without_paths
from .shrink_settings import ShrinkSettings

BATCH_SIZE = 1000


def shrink(
    model: str | Path,
    output: Path,
    corpus: Path,
    settings: ShrinkSettings = ShrinkSettings(),
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Write a smaller copy of a pipeline, unless it finds entities less well.

    model (Union[str, Path]): Folder or package of the pipeline.
    output (Path): Folder to write; a pipeline that is there is replaced.
    corpus (Path): Corpus folder.
    settings (ShrinkSettings): What is kept, and how much that may cost.
    progress (bool): Whether to show progress bars.
    RETURNS (Dict[str, Any]): `before` and `after`, each as `measure` gives it.
    Raises DualNerError where the pipeline cannot be trimmed, text is missing, or F1 falls by more
    than the tolerance; nothing is written then.
    """
    splits, eval_split, langs = settings.splits, settings.eval_split, settings.langs
    paths = [path for own in text_paths(corpus, splits, langs).values() for path in own]
    found = list(langs) or languages(corpus, [*splits, eval_split])
    scored = {lang: corpus_path(corpus, eval_split, lang) for lang in found}
    scored = {lang: path for lang, path in scored.items() if path.exists()}
    if not scored:
        raise DualNerError(
            f"No text in {corpus / eval_split} to score the pipelines on. Name another part of the "
            "corpus that is annotated with --eval-split."
        )
    check_annotated(scored.values(), settings.limit, "--eval-split")
    nlp = load_pipeline(model)
    check_output(output, nlp.path)
    shim = find_encoder(nlp, settings.component)
    read_spec(shim.words().tokenizer)
    before = measure(nlp, scored, settings, progress=progress)
    # Scoring leaves the words of the text in a pipeline, and they would be written with it.
    del nlp, shim
    nlp = load_pipeline(model)
    bar = tqdm(paths, desc="sub-words", leave=False, disable=None if progress else True)
    shards = (shard for path in bar for shard in read_shards(path))
    shim = find_encoder(nlp, settings.component)
    trim(shim, used_ids(shim.words().tokenizer, shards))
    shim.store_in(torch.float16)
    with written_aside(output) as aside:
        without_paths(nlp).to_disk(aside, exclude=_unneeded(nlp))
        del nlp, shim
        after = measure(load_pipeline(aside), scored, settings, progress=progress)
        lost = before["mean"] - after["mean"]
        if not lost <= settings.tolerance:
            raise DualNerError(
                f"The smaller pipeline loses {lost:.2f} points of mean F1 ({before['mean']:.2f} "
                f"before, {after['mean']:.2f} after), more than the tolerance of "
                f"{settings.tolerance:g}. Nothing was written. Give more text with "
                "--splits, or raise --tolerance."
            )
    return {"before": before, "after": after}


def used_ids(tokenizer: Any, shards: Iterable[Iterable[Doc]]) -> set[int]:
    """The ids of the sub-words that the words of some text are split into."""
    # Of long words the whole: how the part that the encoder sees is split depends on the rest.
    words = WordTokenizer(tokenizer, max_word=sys.maxsize)
    used: set[int] = set()
    for shard in shards:
        for batch in minibatch(shard, BATCH_SIZE):
            used.update(words.encode_docs(batch).ids.tolist())
    return used


def trim(shim: EncoderShim, used: Iterable[int]) -> None:
    """Drop sub-words that no text needs. Raises DualNerError for a tokenizer of another kind."""
    tokenizer, transformer = shim.words().tokenizer, shim.transformer
    ids = config_ids(transformer.config)
    known = set(tokenizer.get_vocab().values())
    needed = {*used, *tokenizer.all_special_ids, *known.intersection(ids.values())}
    kept = kept_ids(read_spec(tokenizer), needed, fixed=ids.get("pad_token_id", -1))
    trimmed = trim_tokenizer(tokenizer, kept)
    trim_encoder(transformer, kept)
    shim.set_encoder(HFObjects(trimmed, transformer, None))


def measure(
    nlp: Language, scored: Mapping[str, Path], settings: ShrinkSettings, *, progress: bool = False
) -> dict[str, Any]:
    """Size, speed and F1 of a pipeline that was loaded from its folder.

    scored (Mapping[str, Path]): The annotated text of each language.
    RETURNS (Dict[str, Any]): `bytes` of the folder, `subwords`, `parameters` of the encoder,
        `words_per_second` of `nlp.pipe`, F1 by `languages` of the pipeline's own `decode`, and
        their `mean`.
    """
    decode = find_component(nlp, settings.component).cfg["decode"]
    shim = find_encoder(nlp, settings.component)
    scores: dict[str, float] = {}
    words, seconds = 0, 0.0
    for lang, path in tqdm(scored.items(), leave=False, disable=None if progress else True):
        docs = list(read_docs(path, nlp.vocab, settings.limit))
        scores[lang] = evaluate_docs(nlp, docs, settings.component)[decode]["f"]
        bare = [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]
        begin = perf_counter()
        deque(nlp.pipe(bare), maxlen=0)
        seconds += perf_counter() - begin
        words += sum(map(len, bare))
    return {
        "bytes": sum(path.stat().st_size for path in nlp.path.rglob("*") if path.is_file()),
        "subwords": len(shim.words().tokenizer),
        "parameters": sum(weight.numel() for weight in shim.transformer.parameters()),
        "words_per_second": words / seconds,
        "decode": decode,
        "languages": scores,
        "mean": sum(scores.values()) / len(scores),
    }


def _unneeded(nlp: Language) -> list[str]:
    """The words of the texts that it was trained on, where no other component can need them."""
    vocab = nlp.vocab
    bare = not len(vocab.lookups) and not vocab.vectors.size
    return ["vocab"] if bare and len(nlp.component_names) == 1 else []
