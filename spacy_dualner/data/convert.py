"""Convert PAN-X archives, or plain text, into the corpus that training and scoring read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from ..errors import DataError, DualNerError
from .docbin import SHARD_SIZE, Counts, DocBinWriter, corpus_path
from .lines import is_language
from .panx import SPLITS, TYPES, Sentence, find_archives, read_splits
from .text import find_texts, read_text

UNLABELLED = "unlabelled"

FORMS: dict[str, tuple[str, Callable[[Path], dict[str, Path]]]] = {
    "raw": ("xx.tar.gz archives or xx/{train,dev,test} folders", find_archives),
    "text": ("xx.txt files", find_texts),
}
"""By name: what a folder of this form holds, and how to find its languages."""

CorpusCounts = dict[tuple[str, str], Counts]
"""What was written, by language and split."""


def convert(
    source: Path,
    output: Path,
    *,
    langs: Sequence[str] = (),
    form: str = "raw",
    types: Sequence[str] = TYPES,
    limits: Mapping[str, int] | None = None,
    shard_size: int = SHARD_SIZE,
    progress: bool = False,
) -> CorpusCounts:
    """Convert each language; its files are replaced together, once all of it was read.

    The training sentences are written twice, the second time without labels. A split that the
    input lacks, or that is empty, is not written.

    source (Path): A folder in the given form; for "text" also a file of one language.
    output (Path): The corpus folder.
    langs (Sequence[str]): The languages, all that are found if empty.
    form (str): "raw" for PAN-X archives, "text" for one sentence a line.
    types (Sequence[str]): The entity types that tags may name.
    limits (Optional[Mapping[str, int]]): The number of sentences to take from the first on, by
        split (train, dev, test, unlabelled); all where it is 0 or not given.
    shard_size (int): The most sentences in one file.
    progress (bool): Whether to show a progress bar, if standard error is a terminal.
    RETURNS (CorpusCounts): What was written.
    RAISES (DualNerError): If the input is not in the given form, or a language is missing.
    """
    paths = _find(source, form, langs)
    limits = limits or {}
    written: CorpusCounts = {}
    for place, (lang, path) in enumerate(paths.items(), 1):
        splits: Iterable[tuple[str, Iterator[Sentence]]]
        if form == "text":
            splits = [(UNLABELLED, ((words, []) for words in read_text(path, lang)))]
        else:
            splits = read_splits(path, lang, types)
        writers: dict[str, DocBinWriter] = {}
        with ExitStack() as stack:
            for split, sentences in splits:
                targets = (split, UNLABELLED) if split == "train" else (split,)
                for name in targets:
                    writer = DocBinWriter(
                        corpus_path(output, name, lang),
                        lang,
                        labelled=name != UNLABELLED,
                        shard_size=shard_size,
                    )
                    writers[name] = stack.enter_context(writer)
                bar = tqdm(
                    sentences,
                    desc=f"{lang} {split} ({place}/{len(paths)})",
                    unit=" sentences",
                    disable=None if progress else True,
                    leave=False,
                )
                _fill({writers[name]: limits.get(name, 0) for name in targets}, bar)
            if not any(writer.counts.sentences for writer in writers.values()):
                raise DataError(path, "holds no sentences. Check that the file is complete.")
            # All bytes are on disk before the first file is replaced.
            for writer in writers.values():
                writer.flush()
        for name in (*SPLITS, UNLABELLED):
            if name in writers and writers[name].counts.sentences:
                written[lang, name] = writers[name].counts
    return written


def _fill(limits: Mapping[DocBinWriter, int], sentences: Iterable[Sentence]) -> None:
    """Add the sentences to each writer, up to its limit; 0 is none."""
    most = 0 if 0 in limits.values() else max(limits.values())
    for number, (words, tags) in enumerate(islice(sentences, most or None)):
        for writer, limit in limits.items():
            if not limit or number < limit:
                writer.add(words, tags)


def _find(source: Path, form: str, langs: Sequence[str]) -> dict[str, Path]:
    """The path of each language to convert, in the order asked for."""
    if form not in FORMS:
        raise DualNerError(f"Unknown form {form!r}. Known forms: {', '.join(FORMS)}.")
    content, find = FORMS[form]
    if not source.exists():
        raise DataError(source, f"no such file or folder. Give a folder of {content}.")
    if form == "text" and source.is_file():
        if len(langs) != 1 or not is_language(langs[0]):
            message = "one file of text needs its one language. Name it, as in `--langs de`."
            raise DataError(source, message)
        return {langs[0]: source}
    if not source.is_dir():
        raise DataError(source, f"not a folder. Give the folder of {content} that holds it.")
    found = find(source)
    if not found:
        forms = " or ".join(f"`--form {name}`" for name in FORMS)
        message = f"holds no {content}. Give another folder, or choose the form with {forms}."
        raise DataError(source, message)
    missing = [lang for lang in langs if lang not in found]
    if missing:
        message = f"no {', '.join(missing)} here, only {', '.join(found)}. Change --langs or INPUT."
        raise DataError(source, message)
    return {lang: found[lang] for lang in langs or found}
