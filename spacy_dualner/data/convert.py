"""Convert data in any of their forms into the corpus that training and scoring read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import DataError, DualNerError
from .convert_settings import ConvertSettings
from .docbin import Counts, DocBinWriter, corpus_path
from .forms import FORMS, Splits, recognise_form
from .lines import is_language
from .names import PARTS, SPLITS, UNLABELLED
from .outputs import check_docs
from .tags import ALL_TYPES, Sentence, map_types
from .tally import Tally

CorpusCounts = dict[tuple[str, str], Counts]
"""What was written, by language and split."""


def convert(
    source: Path,
    output: Path,
    settings: ConvertSettings = ConvertSettings(),
    *,
    progress: bool = False,
    on_untagged: Callable[[str, str], object] = lambda lang, split: None,
    tally: Tally | None = None,
    **options: Any,
) -> CorpusCounts:
    """Convert each language; its files are replaced together, once all of it was read.

    The training sentences are written twice, the second time without labels. A split that the
    input lacks, or that is empty, is not written. Nor is a development or test split without tags,
    which could not be scored; training text without tags is written as unlabelled alone.

    source (Path): A folder in the given form; or, but for `hub`, one file of one language.
    output (Path): The corpus folder.
    settings (ConvertSettings): What is read of it, and how.
    progress (bool): Whether to show a progress bar, if standard error is a terminal.
    on_untagged (Callable[[str, str], object]): Called with the language and the split of annotated
        data that turn out to have no tags.
    tally (Optional[Tally]): Where every line is counted, and what was made of it.
    options (Any): Settings by name, in place of those of `settings`: `langs=["de"]`. The limits
        may also stand in one mapping by split: `limits={"train": 100}`.
    RETURNS (CorpusCounts): What was written.
    RAISES (DualNerError): If the input is not in the given form, a language is missing, or
        something else is in a file's place.
    """
    limits = options.pop("limits", None) or {}
    settings = replace(settings, **options, **{f"{split}_limit": limits[split] for split in limits})
    form = settings.form or recognise_form(source)
    if form not in FORMS:
        raise DualNerError(f"Unknown form {form!r}. Known forms: {', '.join(FORMS)}.")
    places = _find(source, form, settings.langs)
    mapping = settings.new_types()
    tally = tally or Tally()
    read = FORMS[form].read
    if settings.classes:
        if form != "hub":
            raise DualNerError(f"--classes is for class ids, which the form {form} does not have.")
        read = partial(read, classes=settings.classes)
    if FORMS[form].aligned:
        dropped = {old for old, new in mapping.items() if new == "O"}
        read = partial(read, align=settings.align, dropped=dropped)
    known_types = list(dict.fromkeys([*settings.entity_types(), *mapping]))
    for lang, part in product(places, PARTS):
        check_docs(corpus_path(output, part, lang))
    written: CorpusCounts = {}
    for number, (lang, place) in enumerate(places.items(), 1):
        is_empty = True
        with _listing_types(read, places), ExitStack() as stack:
            writers = {}
            for part in PARTS:
                path, size = corpus_path(output, part, lang), settings.shard_size
                writer = DocBinWriter(path, lang, labelled=part in SPLITS, shard_size=size)
                writers[part] = stack.enter_context(writer)
            for split, sentences in read(place, lang, known_types, tally):
                first = next(sentences, None)
                if first is None:
                    continue
                is_empty = False
                sentences = chain([first], sentences)
                if mapping:
                    sentences = map_types(sentences, mapping)
                parts = [split, UNLABELLED] if split == "train" else [split]
                if split in SPLITS and not first[1]:
                    parts.remove(split)
                    on_untagged(lang, split)
                bar = tqdm(
                    sentences,
                    desc=f"{lang} {split} ({number}/{len(places)})",
                    unit=" sentences",
                    disable=None if progress else True,
                    leave=False,
                )
                _fill({writers[part]: settings.limit(part) for part in parts}, bar)
            if is_empty:
                message = f"the files of {lang} hold no sentences. Check that they are complete."
                raise DataError(source, message)
            # All bytes are on disk before the first file is replaced.
            for writer in writers.values():
                writer.flush()
        counts = {(lang, part): writer.counts for part, writer in writers.items()}
        written |= {key: count for key, count in counts.items() if count.sentences}
    return written


@contextmanager
def _listing_types(read: Callable[..., Splits], places: Mapping[str, Any]) -> Iterator[None]:
    """Where reading fails for entity types that are not known, say which ones there are in all."""
    try:
        yield
    except DataError as error:
        if "--types" not in error.message:
            raise
        found = Counter[str]()
        with suppress(DualNerError):
            for lang, place in places.items():
                for _, sentences in read(place, lang, [ALL_TYPES], Tally()):
                    found.update(tag[2:] for _, tags in sentences for tag in tags if tag[0] == "B")
            held = ", ".join(f"{label} ({n:,})" for label, n in found.most_common())
            message = f"{error.message} The data hold {held}: `--types all` takes all of them."
            error = DataError(error.path, message, line=error.line, text=error.text)
        raise error


def _fill(limits: Mapping[DocBinWriter, int], sentences: Iterable[Sentence]) -> None:
    """Add the sentences to each writer, up to its limit; without a writer, read them all."""
    for number, (words, tags) in enumerate(islice(sentences, max(limits.values(), default=None))):
        for writer, limit in limits.items():
            if number < limit:
                writer.add(words, tags)


def _find(source: Path, form: str, langs: Sequence[str]) -> dict[str, Any]:
    """What to read for each language to convert, in the order asked for."""
    content = FORMS[form].content
    if not source.exists():
        raise DataError(source, f"no such file or folder. Give a folder of {content}.")
    if not source.is_dir() and not FORMS[form].file:
        raise DataError(source, f"not a folder. Give the folder of {content} that holds it.")
    found: dict[str, Any] = dict(FORMS[form].find(source))
    if "" in found:
        nameless = found.pop("")
        if found:
            held = ", ".join(path.name for path in nameless)
            message = f"holds {held}, which no name gives a language. Add it, as in train-de.tsv."
            raise DataError(source, message)
        if len(langs) != 1 or not is_language(langs[0]):
            message = "names no language. Give the one that it is in, as in `--langs de`."
            raise DataError(source, message)
        return {langs[0]: nameless}
    cases: dict[str, str] = {}
    for lang in found:
        if (other := cases.setdefault(lang.lower(), lang)) != lang:
            message = f"holds data of {other} and of {lang}, which are one language and would be"
            raise DataError(source, f"{message} one file on some disks. Give both one name.")
    if not found:
        message = f"holds no {content}. Name its files so, or give another folder or --form."
        raise DataError(source, message)
    missing = [lang for lang in langs if lang not in found]
    if missing:
        message = f"no {', '.join(missing)} here, only {', '.join(found)}. Change --langs or INPUT."
        raise DataError(source, message)
    return {lang: found[lang] for lang in langs or found}
