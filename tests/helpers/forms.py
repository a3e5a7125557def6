"""Write sentences in each form that `convert` reads, and say which form cannot hold which."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path, PurePosixPath

from helpers.panx import TYPES, pack

from spacy_dualner.data.columns import LineForm, read_sentences
from spacy_dualner.data.lines import numbered_lines
from spacy_dualner.data.tags import Sentence
from spacy_dualner.data.tally import FileTally

Tagged = tuple[list[str], list[str]]
"""Words, and tags as the data have them: not repaired."""

BOM = "\ufeff"


def parsed(layout: LineForm, content: bytes, tally: FileTally) -> list[Sentence]:
    """The sentences of a file of columns."""
    lines = numbered_lines(io.BytesIO(content), tally.source)
    return list(read_sentences(lines, layout, TYPES, tally))


class UnwritableError(ValueError):
    """A sentence that a form cannot hold."""


def read_archive(path: Path, limit: int = 0) -> dict[str, list[Tagged]]:
    """The first sentences of each split of a PAN-X archive, with the tags that stand there."""
    lang = path.name.partition(".")[0]
    splits = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name, file = PurePosixPath(member.name).name, archive.extractfile(member)
            if file is not None and name in ("train", "dev", "test"):
                blocks = file.read().decode("utf-8").split("\n\n")
                splits[name] = list(islice(_sentences(blocks, lang), limit or None))
    return splits


def _sentences(blocks: Iterable[str], lang: str) -> Iterable[Tagged]:
    for block in blocks:
        pairs = [line.rsplit("\t", 1) for line in block.split("\n") if line]
        if pairs:
            yield [word[len(lang) + 1 :] for word, _ in pairs], [tag for _, tag in pairs]


def fault(form: str, word: str, first: bool) -> str:
    """Why a form cannot hold a word, or "". first: whether the word is the first of its file."""
    if not word:
        return "it is empty"
    if form == "hub":
        return ""
    ends = [("\n", "line feed"), ("\r", "carriage return"), ("\0", "NUL")]
    for character, name in ends:
        if character in word:
            return f"it holds a {name}"
    if first and form in ("tsv", "conll") and word.startswith(BOM):
        return "it begins the file with a byte order mark"
    if "\t" in word and form in ("conll", "conllu"):
        return "it holds a tab"
    if form == "conll" and " " in word:
        return "it holds a space"
    if form == "conll" and word == "-DOCSTART-":
        return "it reads as the beginning of a document"
    return ""


def check(form: str, lang: str, split: str, sentences: list[Tagged]) -> None:
    """Name the first sentence that a form cannot hold."""
    for number, (words, _) in enumerate(sentences, 1):
        for place, word in enumerate(words, 1):
            if reason := fault(form, word, number == place == 1):
                where = f"{lang} {split}, sentence {number}, token {place}"
                raise UnwritableError(f"{where}: {form} cannot hold {word!r}, {reason}.")
    held = [word for words, _ in sentences for word in words]
    alike = held and (all(word.isdecimal() for word in held) or len(set(held)) == 1)
    if form == "conll" and len(held) > 1 and alike:
        raise UnwritableError(f"{lang} {split}: {form} takes no numbers alone for words.")


def write(form: str, folder: Path, lang: str, splits: dict[str, list[Tagged]]) -> Path:
    """Write one language in a form. Raises UnwritableError where that cannot hold a sentence."""
    for split, sentences in splits.items():
        check(form, lang, split, sentences)
    folder.mkdir(parents=True, exist_ok=True)
    if form == "hub":
        from helpers.hub import write_language

        write_language(folder, lang, splits)
        return folder
    line, name = LINES[form]
    files = {
        split: "\n".join(
            "".join(
                line(lang, place, word, tag) + "\n"
                for place, (word, tag) in enumerate(zip(*sentence, strict=True), 1)
            )
            for sentence in sentences
        ).encode()
        for split, sentences in splits.items()
    }
    if form == "raw":
        pack(folder / f"{lang}.tar.gz", files)
    else:
        for split, content in files.items():
            (folder / name.format(split=split, lang=lang)).write_bytes(content)
    return folder


LINES: dict[str, tuple[Callable[[str, int, str, str], str], str]] = {
    "raw": (lambda lang, place, word, tag: f"{lang}:{word}\t{tag}", ""),
    "tsv": (lambda lang, place, word, tag: f"{word}\t{tag}", "{split}-{lang}.tsv"),
    "conll": (lambda lang, place, word, tag: f"{word} -X- _ {tag}", "{lang}.{split}"),
    "conllu": (lambda lang, place, word, tag: f"{place}\t{word}\t{tag}", "{lang}-{split}.conllu"),
}
FORMS = [*LINES, "hub"]


def plain(pairs: list[list[tuple[str, str]]]) -> list[tuple[list[str], list[str]]]:
    """Sentences of pairs, as those of test_convert, as words and tags."""
    return [([w for w, _ in sentence], [t for _, t in sentence]) for sentence in pairs]


def put(folder: Path, contents: dict[str, str | bytes]) -> Path:
    """A folder with these files, in folders where their names have a slash."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
