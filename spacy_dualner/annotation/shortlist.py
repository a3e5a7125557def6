"""The texts to annotate: drawn by how doubtful they are, no two of one template."""

from __future__ import annotations

import math
from collections import defaultdict
from heapq import heappop, heappush
from itertools import chain, islice, zip_longest
from random import Random

from spacy.tokens import Doc

Chosen = tuple[str, bytes]
"""The language that a text names under `lang`, empty where it names none; and what is kept."""


def pattern_of(doc: Doc) -> tuple[str, ...]:
    """The words of a text, in which an entity is one word and all digits are the same.

    So texts that were made from one template have one pattern.
    """
    first = {ent.start: ent.label_ for ent in doc.ents}
    later = {i for ent in doc.ents for i in range(ent.start + 1, ent.end)}
    words = (first.get(t.i, t.lower_) for t in doc if t.i not in later and not t.is_space)
    return tuple("".join("0" if c.isdigit() else c for c in word) for word in words)


class Shortlist:
    """Texts of each language, in memory that does not grow with their number.

    Each is drawn with a probability that grows with its doubt. To take the most doubtful ones
    would be to take odd ones: what is learnt from them helps little with the others.

    n (int): How many are to be chosen.
    seed (int): Of the drawing.
    """

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self._random = Random(seed)
        self._best: defaultdict[str, list[tuple[float, int, int, Chosen]]] = defaultdict(list)
        self._patterns: defaultdict[str, set[int]] = defaultdict(set)
        self._n_added = 0

    def add(self, doc: Doc, doubt: float, encoded: bytes) -> None:
        """Draw one text, never if its doubt is 0. Of one template the first one drawn stays.

        doc (Doc): The annotated Doc; its language is `user_data["lang"]`.
        encoded (bytes): What is kept of it.
        """
        self._n_added += 1
        # The highest of such ranks are a sample without replacement (Efraimidis and Spirakis).
        luck = 1.0 - self._random.random()
        rank = math.log(luck) / doubt if doubt > 0 else -math.inf
        lang = doc.user_data.get("lang")
        lang = lang if isinstance(lang, str) else ""
        best, patterns = self._best[lang], self._patterns[lang]
        full = len(best) == self.n
        if rank == -math.inf or (full and rank <= best[0][0]):
            return
        pattern = hash(pattern_of(doc))
        if pattern in patterns:
            return
        heappush(best, (rank, -self._n_added, pattern, (lang, encoded)))
        patterns.add(pattern)
        if full:
            patterns.remove(heappop(best)[2])

    def chosen(self) -> list[Chosen]:
        """The texts, those of highest rank first.

        From one language after the other: however many are taken, each has its share.
        """
        by_lang = (sorted(best, reverse=True) for _, best in sorted(self._best.items()))
        rounds = chain.from_iterable(zip_longest(*by_lang))
        return [text for *_, text in islice(filter(None, rounds), self.n)]
