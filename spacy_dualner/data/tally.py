"""What became of every line or row of the data: counts that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .tags import Sentence, count_repairs, repair_tags

LONG_SENTENCE = 2_000
"""More words in a sentence are a sign of missing sentence ends; PAN-X's longest has 1,028."""

# A file of one sentence that has more is a column file without blank lines.
_ALONE = 200

BLANK = "blank"
MARK = "\ufeff"


@dataclass
class FileTally:
    """What was read of one file."""

    source: str  # the file
    read: int = 0  # its lines, or rows of parquet, up to a limit on sentences
    used: int = 0  # those that are in the corpus: words of a column file, sentences of others
    sentences: int = 0  # the sentences
    # The other lines by what they are; `read` is `used` and these together.
    left_out: Counter[str] = field(default_factory=Counter)
    repaired: int = 0  # tags that begin an entity, but do not say so
    # What else came out otherwise than it is in the file: how often, and where first.
    noted: dict[str, list[Any]] = field(default_factory=dict)
    counted: str = ""  # what entities' places in the text count, if not its characters
    marks: int = 0  # lines, but for the first, that begin with a byte order mark
    # Where sentences of more words than LONG_SENTENCE begin, and how many words these have.
    long: list[tuple[int | str, int]] = field(default_factory=list)

    def lines(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Count numbered lines as they are read."""
        for number, line in lines:
            self.read = number
            self.marks += line.startswith(MARK)
            yield number, line

    def add(
        self, line: int | str, words: list[str], tags: Sequence[str] = (), n_used: int = 1
    ) -> Sentence:
        """Count a sentence, which begins in a line or row, and repair its tags.

        n_used (int): The lines or rows that it is made of.
        """
        repaired = repair_tags(tags)
        self.repaired += count_repairs(tags, repaired)
        self.used += n_used
        self.sentences += 1
        if len(words) > LONG_SENTENCE:
            self.long.append((line, len(words)))
        return words, repaired

    def note(self, what: str, place: str) -> None:
        """Count what came out otherwise than it is in the file, at some place there."""
        self.noted.setdefault(what, [0, place])[0] += 1

    def warnings(self) -> list[str]:
        """What of it looks wrong, a line each."""
        found = []
        if self.long:
            (line, n_words), n = self.long[0], len(self.long)
            more = f" ({n:,} above {LONG_SENTENCE:,} words)" if n > 1 else ""
            found.append(
                f":{line}: one sentence of {n_words:,} words{more}. Is a blank line, or a line "
                "end, missing? Cut it into sentences: training on it takes gigabytes of memory."
            )
        elif self.sentences == 1 and self.used > _ALONE:
            found.append(
                f": one sentence of {self.used:,} words. Put a blank line after each sentence."
            )
        if not self.sentences:
            found.append(": holds no sentences.")
        if self.marks:
            found.append(
                ": lines after the first that begin with a byte order mark (U+FEFF): "
                f"{self.marks:,}. Files put together? Remove it, and see to line ends there."
            )
        return [self.source + text for text in found]

    def notes(self) -> list[str]:
        """What else is worth saying, a line each."""
        others = [f"{n:,} {what}" for what, n in self.left_out.items() if what != BLANK]
        found = [f"left out: {', '.join(others)}"] if others else []
        if self.counted:
            found.append(f"its numbers count {self.counted}, not characters, and are read so")
        found += [f"{what}: {n:,} (first: {place})" for what, (n, place) in self.noted.items()]
        if self.repaired:
            found.append(f"entities that begin with I- or the like, written B-: {self.repaired:,}")
        return [f"{self.source}: {text}" for text in found]


class Tally:
    """What was read of some files, in their order."""

    def __init__(self) -> None:
        self.files: list[FileTally] = []

    def begin(self, source: str | Path) -> FileTally:
        """Count a further file."""
        self.files.append(FileTally(str(source)))
        return self.files[-1]

    def summary(self, unit: str = "lines") -> str:
        """One line, whose numbers add up, of the units that were counted."""
        files = self.files
        left_out = sum((file.left_out for file in files), Counter[str]())
        read, used = sum(file.read for file in files), sum(file.used for file in files)
        parts = [f"{used:,} used", *(f"{n:,} {what}" for what, n in left_out.items())]
        held = f"{unit}: {read:,} in {len(files):,} files ({', '.join(parts)})"
        return f"{held}, in sentences: {sum(file.sentences for file in files):,}"
