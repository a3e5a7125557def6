"""The corpus on disk: `ROOT/{train,dev,test,unlabelled}/xx.spacy`, files or folders of shards."""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from itertools import chain, islice
from operator import length_hint
from pathlib import Path

import numpy as np
import srsly
from spacy.strings import get_string_id
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import DataError, DualNerError, readable
from .outputs import aside, check_docs, put_in_place
from .tags import Sentence, is_known, unknown_tag
from .tally import FileTally

SHARD_SIZE = 100_000

# zlib packs zeros a thousand times as dense, text ten times.
_MAX_BYTES, _MAX_RATIO = 1 << 30, 100
_CHUNK = 1 << 13

# Token.ent_iob by the first letter of a tag.
_IOB = {"I": 1, "O": 2, "B": 3}


def corpus_path(root: str | Path, split: str, lang: str) -> Path:
    """Where a language's part of a corpus lies, if it is there: a file, or a folder of shards."""
    return Path(root) / split / f"{lang}.spacy"


def languages(root: Path, splits: Iterable[str]) -> list[str]:
    """The languages that some parts of a corpus have, sorted."""
    return sorted({path.stem for split in splits for path in (root / split).glob("*.spacy")})


def split_paths(corpus: Path, split: str, langs: Iterable[str] = ()) -> dict[str, Path]:
    """Where the text of each language (all by default) in a part of a corpus lies.

    corpus (Path): The corpus folder, or text itself: `xx.spacy`, a file or a folder of shards.
    Raises DualNerError where a language has no text.
    """
    if corpus.suffix == ".spacy":
        return {corpus.stem: corpus}
    found = text_paths(corpus, [split], langs, option="--split")
    return {lang: paths[0] for lang, paths in found.items()}


def text_paths(
    root: Path, splits: Sequence[str], langs: Iterable[str] = (), *, option: str = "--splits"
) -> dict[str, list[Path]]:
    """The files or folders of shards that each language has in some parts of a corpus.

    langs (Iterable[str]): Languages; all by default.
    option (str): Of the command, to name other parts with.
    Raises DualNerError where a language has none of them.
    """
    paths: dict[str, list[Path]] = {}
    for lang in list(langs) or languages(root, splits):
        own = [corpus_path(root, split, lang) for split in splits]
        paths[lang] = [path for path in own if path.exists()]
        if not paths[lang]:
            raise DualNerError(
                f"No text of '{lang}': none of {', '.join(map(str, own))} is there. Make it with "
                f"`python -m spacy dualner convert`, or name another part with {option}."
            )
    if not paths:
        raise DualNerError(
            f"{root} holds no text in {', '.join(splits) or 'no part'}. Make it with "
            f"`python -m spacy dualner convert`, or mend the path of the corpus and {option}."
        )
    return paths


def read_docs(
    path: str | Path, vocab: Vocab, limit: int = 0, *, name_lang: bool = True
) -> Iterator[Doc]:
    """Read a `.spacy` file, or a folder of numbered shards in their order.

    path (Union[str, Path]): The file or folder.
    vocab (Vocab): The vocabulary of the docs.
    limit (int): How many docs to read, from the first; 0 for all.
    name_lang (bool): Whether docs without a language in `user_data["lang"]` get the path's name,
        `xx.spacy`, as theirs.
    RETURNS (Iterator[Doc]): The docs.
    RAISES (DataError): If there is nothing at the path, or (while reading) no DocBin.
    """
    lang = Path(path).stem if name_lang else None
    docs = chain.from_iterable(_read_shard(shard, vocab, lang) for shard in shard_paths(path))
    return islice(docs, limit or None)


def read_shards(path: str | Path, limit: int = 0) -> Iterator[Iterator[Doc]]:
    """Read what `read_docs` reads, shard by shard, each with a vocabulary of its own.

    A vocabulary keeps every word it meets. Here it goes with its shard, so that memory stays flat
    where no Doc is kept.
    """
    rest = iter(range(limit or sys.maxsize))
    for shard in shard_paths(path):
        if length_hint(rest):
            docs = _read_shard(shard, Vocab(), Path(path).stem)
            yield (doc for doc, _ in zip(docs, rest, strict=False))


def shard_paths(path: str | Path) -> list[Path]:
    """The files of a corpus: one, or the numbered shards of a folder in their order.

    Raises DataError where there is none.
    """
    path = Path(path) if isinstance(path, str) else path
    shards = sorted(path.glob("*.spacy")) if path.is_dir() else [path]
    if not shards or not all(shard.is_file() for shard in shards):
        remedy = "Make it with `python -m spacy dualner convert`, or mend the path."
        raise DataError(path, f"no .spacy file or folder of them here. {remedy}")
    return shards


def _check_size(path: Path) -> None:
    """Refuse what would take gigabytes once it is unpacked, far more than text does."""
    most, n_bytes = max(_MAX_BYTES, _MAX_RATIO * path.stat().st_size), 0
    inflating = zlib.decompressobj()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            n_bytes += len(inflating.decompress(piece))
            if n_bytes > most:
                raise ValueError(f"it unpacks to more than {most:,} bytes")


def _read_shard(path: Path, vocab: Vocab, lang: str | None) -> Iterator[Doc]:
    with readable(path, "not a DocBin file", "Convert the corpus again."):
        _check_size(path)
        docbin = DocBin().from_bytes(path.read_bytes())
        # srsly looks up its encoders' entry points at every call, which is seven eighths of the
        # time that DocBin takes: decode equal user data once.
        blobs = docbin.user_data
        docbin.user_data = [None] * len(docbin)
        decode = lru_cache(partial(srsly.msgpack_loads, use_list=False))
        for doc, blob in zip(docbin.get_docs(vocab), blobs, strict=True):
            if blob is not None:
                doc.user_data.update(deepcopy(decode(blob)))
            if lang is not None:
                doc.user_data.setdefault("lang", lang)
            # Raises where the file lacks the name of a type.
            doc.ents  # noqa: B018
            yield doc


def read_docbin(path: Path, types: Sequence[str], tally: FileTally) -> Iterator[Sentence]:
    """Read annotated Docs of others, whose words and entities stay as they are, as sentences.

    Raises DataError where a file is no DocBin, an entity is of another type than these, or only
    some Docs, or some tokens of one, have entities set.
    """
    tagged: bool | None = None
    for number, doc in enumerate(read_docs(path, Vocab(), name_lang=False), 1):
        tally.read = number
        if not len(doc):
            tally.left_out["without a token"] += 1
            continue
        annotated = doc.has_annotation("ENT_IOB")
        tags = ["O"] * len(doc)
        for ent in doc.ents:
            if not is_known(ent.label_, types):
                raise DataError(f"{path}:Doc {number}", unknown_tag(f"B-{ent.label_}", types))
            tags[ent.start] = f"B-{ent.label_}"
            tags[ent.start + 1 : ent.end] = [f"I-{ent.label_}"] * (len(ent) - 1)
        if annotated != (annotated if tagged is None else tagged):
            message = "entities are set in some Docs only. Set them in all: `doc.ents = []` says"
            raise DataError(f"{path}:Doc {number}", f"{message} that there are none.")
        if annotated != doc.has_annotation("ENT_IOB", require_complete=True):
            message = "entities are set at some tokens only. Say of the others that they are none:"
            raise DataError(f"{path}:Doc {number}", f"{message} `doc.set_ents(list(doc.ents))`.")
        tagged = annotated
        yield tally.add(number, [token.text for token in doc], tags if annotated else [])


@dataclass
class Counts:
    """What a corpus holds."""

    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)  # the number of entities of each type


class ShardWriter(AbstractContextManager):
    """Write a DocBin, to a file or above `shard_size` Docs to a folder of numbered shards.

    A context manager: what was at the path is replaced when the block ends well and anything was
    added, and stays as it was when the block raises.

    folder (Optional[Path]): Where to write until the block ends; by default beside the path.
    Raises DualNerError where something else is at the path, or another run writes there.
    """

    def __init__(
        self, path: Path, *, shard_size: int = SHARD_SIZE, folder: Path | None = None
    ) -> None:
        check_docs(path)
        self.path = path
        self.shard_size = shard_size
        self._folder = folder
        self._staging: Path | None = None
        self._end = ExitStack()
        self._n_shards = 0
        self._docbin = self._new_shard()

    def merge(self, docbin: DocBin) -> None:
        """Add at most `shard_size` Docs, which are not spread over two files."""
        if len(self._docbin) + len(docbin) > self.shard_size:
            self.flush()
        self._docbin.merge(docbin)

    def flush(self) -> None:
        """Write what was added so far beside the path, where no reader of the corpus looks."""
        if not len(self._docbin):
            return
        if self._staging is None:
            self._staging = self._end.enter_context(aside(self.path, self._folder))
            (self._staging / "new").mkdir()
        self._docbin.to_disk(self._staging / "new" / f"{self._n_shards:05d}.spacy")
        self._n_shards += 1
        self._docbin = self._new_shard()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._end:
            if kind is None:
                self.flush()
            if kind is None and self._staging is not None:
                new, old = self._staging / "new", self._staging / "old"
                put_in_place(new / "00000.spacy" if self._n_shards == 1 else new, self.path, old)

    def _new_shard(self) -> DocBin:
        return DocBin(store_user_data=True)


@cache
def _no_spans() -> bytes:
    """What a Doc without span groups has in a DocBin. A vocabulary takes long to make."""
    return Doc(Vocab()).spans.to_bytes()


@cache
def _entity(tag: str) -> tuple[int, int]:
    """What a tag is in a DocBin: ENT_IOB and ENT_TYPE."""
    return _IOB[tag[0]], get_string_id(tag[2:])


class DocBinWriter(ShardWriter):
    """Write sentences of one language, one by one, to a file or above `shard_size` to a folder.

    The bytes are those that spaCy writes for `Doc(vocab, words=words, ents=tags)`, made without the
    Docs, which is 20 times as fast.

    path (Path): The path to write to, as `corpus_path` gives it.
    lang (str): The language, for `doc.user_data["lang"]`.
    labelled (bool): Whether to write tags. Without them no entity attribute is in the file.
    shard_size (int): The most sentences in one file.
    """

    def __init__(
        self, path: Path, lang: str, *, labelled: bool, shard_size: int = SHARD_SIZE
    ) -> None:
        self.labelled = labelled
        self.counts = Counts()
        self._user_data = srsly.msgpack_dumps({"lang": lang})
        super().__init__(path, shard_size=shard_size)

    def add(self, words: Sequence[str], tags: Sequence[str] = ()) -> None:
        """Add one sentence.

        words (Sequence[str]): The words, at least one and none of them empty.
        tags (Sequence[str]): Their BIO tags, each entity beginning with `B-`. Left out of a file
            without labels.
        """
        if len(self._docbin) == self.shard_size:
            self.flush()
        docbin = self._docbin
        rows = np.empty((len(words), 3 if self.labelled else 1), dtype="uint64")
        rows[:, 0] = list(map(get_string_id, words))
        docbin.strings.update(words)
        if self.labelled:
            rows[:, 1:] = list(map(_entity, tags))
            types = [tag[2:] for tag in tags if tag.startswith("B-")]
            docbin.strings.update(types)
            self.counts.entities.update(types)
        self.counts.sentences += 1
        self.counts.tokens += len(words)
        docbin.tokens.append(rows)
        docbin.spaces.append(np.ones((len(words), 1), dtype=bool))
        docbin.flags.append({"has_unknown_spaces": True})
        docbin.cats.append({})
        docbin.span_groups.append(_no_spans())
        docbin.user_data.append(self._user_data)

    def _new_shard(self) -> DocBin:
        # Everything that grows with the text belongs to one shard, so that memory stays flat.
        attrs = ["ENT_IOB", "ENT_TYPE"] if self.labelled else []
        docbin = DocBin(attrs=attrs, store_user_data=True)
        docbin.strings.add("")
        return docbin
