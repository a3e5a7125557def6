"""`spacy-dualner.Corpus.v1`: labelled sentences of several languages as spaCy Examples."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from ..data.docbin import read_docs, read_shards, shard_paths
from ..data.tally import LONG_SENTENCE
from ..errors import DataError, DualNerError
from ..labels.gold_types import check_types, foreign_types, noting_types
from .cutting import cut_words

FILE_SUFFIX = ".spacy"


def parse_langs(langs: str) -> dict[str, int]:
    """Read languages, each with its own limit if it has one: `en,de:100`.

    RETURNS (Dict[str, int]): Limit of each language, 0 for none, in the order given.
    Raises DualNerError where a limit is no number.
    """
    limits = {}
    for item in filter(None, (part.strip() for part in langs.split(","))):
        lang, _, limit = item.partition(":")
        if limit and not limit.isdecimal():
            raise DualNerError(f"langs = '{langs}': '{limit}' is no number. Write it as in de:100.")
        limits[lang] = int(limit or 0)
    return limits


@registry.readers("spacy-dualner.Corpus.v1")
@dataclass(eq=False)
class Corpus:
    """Examples with gold tokens from a folder that holds one `xx.spacy` per language.

    path (Path): The folder, for instance `corpus/train`.
    langs (str): Comma-separated languages, each with its own limit if wanted (`en,de:100`); empty
        for all that are there.
    limit (int): First N sentences of each language; 0 for all.
    optional (bool): Skip languages that have no file, as long as one has.
    cut (float): Share of the sentences that come a second time with their words cut into pieces,
        others at each reading (`cutting.cut_words`).
    Raises DualNerError for a share or a limit that is none.
    """

    path: Path
    _: KW_ONLY
    langs: str = ""
    limit: int = 0
    optional: bool = False
    cut: float = 0.0

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        if not 0 <= self.cut <= 1:
            raise DualNerError(f"cut = {self.cut} is no share of sentences. Give 0 to 1.")
        if self.limit < 0:
            raise DualNerError(f"limit = {self.limit} is no number of sentences. Give 0 for all.")

    def files(self) -> dict[str, tuple[Path, int]]:
        """File and limit of each language. Raises DataError where there is none to read."""
        there = {p.stem: p for p in sorted(self.path.glob(f"*{FILE_SUFFIX}"))}
        wanted = parse_langs(self.langs) or dict.fromkeys(there, 0)
        missing = [lang for lang in wanted if lang not in there]
        if not wanted or (missing and (not self.optional or len(missing) == len(wanted))):
            raise DataError(
                self.path / f"{(missing or ['xx'])[0]}{FILE_SUFFIX}",
                f"no corpus for {', '.join(missing) or 'any language'}; there is "
                f"{', '.join(there) or 'nothing'} in {self.path}. Make it with: "
                f"python -m spacy dualner convert INPUT {self.path.parent} --langs "
                f"{','.join(missing) or 'en,de'}",
            )
        return {
            lang: (there[lang], limit or self.limit)
            for lang, limit in wanted.items()
            if lang in there
        }

    def count(self) -> int:
        """Number of sentences, without those that are too long and with those in pieces."""
        total = 0
        for path, limit in self.files().values():
            words = [len(rows) for s in shard_paths(path) for rows in DocBin().from_disk(s).tokens]
            n_kept = sum(n <= LONG_SENTENCE for n in words[: limit or None])
            total += n_kept + int(n_kept * self.cut)
        return total

    def docs(self, vocab: Vocab) -> Iterator[Doc]:
        """The annotated Docs of all languages, one language after the other."""
        for path, limit in self.files().values():
            sentences = _Sentences(path, self.cut)
            yield from sentences.of(read_docs(path, vocab, limit))
            sentences.warn()

    def shards(self) -> Iterator[Iterator[Doc]]:
        """The annotated Docs of all languages, shard by shard, none to be kept (`read_shards`).

        An empty Doc stands for one that is too long: translations stay with their sentences.
        """
        for path, limit in self.files().values():
            sentences = _Sentences(path, self.cut)
            yield from (sentences.of(docs, keep_places=True) for docs in read_shards(path, limit))
            sentences.warn()

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Examples of all languages. Gold tokens are kept where the original text is unknown.

        Raises DualNerError where no entity is of a type that the pipeline's `dualner` knows, as one
        that was sourced for other text; warns where some are not.
        """
        names = [name for name, factory in nlp.pipe_factories.items() if factory == "dualner"]
        known = {label for name in names for label in nlp.get_pipe(name).labels}  # type: ignore[attr-defined]
        types: set[str] = set()
        for doc in noting_types(self.docs(nlp.vocab), types):
            if doc.has_unknown_spaces:
                predicted = Doc(nlp.vocab, words=[token.text for token in doc])
            else:
                predicted = nlp.make_doc(doc.text)
            yield Example(predicted, doc)
        if known and types.isdisjoint(known):
            check_types(types, known, str(self.path))
        elif known and (message := foreign_types(types, known, str(self.path))):
            warnings.warn(message, stacklevel=2)


@dataclass
class _Sentences:
    """The sentences of a language, without those that are too long to be one."""

    path: Path
    cut: float
    _n_read: int = 0
    _n_kept: int = 0
    _too_long: list[tuple[int, int]] = field(default_factory=list)

    def of(self, docs: Iterable[Doc], *, keep_places: bool = False) -> Iterator[Doc]:
        """Docs as they come; those left out, or emptied, are noted."""
        for doc in docs:
            self._n_read += 1
            if len(doc) <= LONG_SENTENCE:
                yield doc
                # Spread evenly, and as many each time: the schedule counts them.
                if int((self._n_kept + 1) * self.cut) > int(self._n_kept * self.cut):
                    yield cut_words(doc)
                self._n_kept += 1
            else:
                self._too_long.append((self._n_read, len(doc)))
                if keep_places:
                    yield Doc(doc.vocab, user_data=doc.user_data)

    def warn(self) -> None:
        """Say what was left out, if anything was. Raises DataError where nothing is left."""
        if not self._too_long:
            return
        number, words = self._too_long[0]
        message = (
            f"{len(self._too_long):,} of {self._n_read:,} sentences have more than "
            f"{LONG_SENTENCE:,} words and are left out; the first is number {number:,}, of "
            f"{words:,} words. Is a blank line missing between sentences? Convert the text again, "
            "a sentence at a time."
        )
        if len(self._too_long) == self._n_read:
            raise DataError(self.path, message)
        warnings.warn(f"{self.path}: {message}", stacklevel=2)
