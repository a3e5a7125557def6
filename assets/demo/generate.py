"""Writes the demo's data: ``python assets/demo/generate.py [OUTPUT_DIR]``.

Fills the hand-written patterns beside this file with names and writes ``panx/xx.tar.gz`` for each
language in the raw form of PAN-X (members ``train``, ``dev``, ``test``; lines
``xx:token<TAB>tag``), and ``translated/xx.txt`` for each language but English: line i translates
sentence i of the English train split, tokens between spaces. Needs only the standard library; the
same bytes come out on every run.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grammar import LANGS, Noun, phrase
from lexicon import HERE, Part, Pattern, Place, Template, parts, patterns, places, templates, words

SEED = 20221207
SOURCE = "en"
SIZES = {"dev": 150, "test": 300}
TRAIN_SIZE = {SOURCE: 2000}
TARGET_TRAIN_SIZE = 700

LABELS = {
    **dict.fromkeys("PSGA", "PER"),
    **dict.fromkeys("CKNTR", "LOC"),
    **dict.fromkeys("UFBVMOXZ", "ORG"),
}
SLOT = re.compile(r"^\{(job|field|month|[A-Z]|g)(\d)(?:([:?@])([^}]*))?\}$")
Sentence = list[tuple[str, str]]


@dataclass(frozen=True)
class Value:
    """What fills a slot in every language: nouns are made when the language is known."""

    kind: str
    names: tuple[Part | Place, ...] = ()
    template: Template | None = None
    variant: int = 0
    feminine: bool = False
    number: int = 0

    def noun(self, lang: str) -> Noun:
        """The filled slot as a name in one language."""
        if self.template is not None:
            return self.template.noun(lang, self.variant, self.names[0])
        nouns = [
            name.noun(lang, self.feminine) if isinstance(name, Part) else name.noun(lang)
            for name in self.names
        ]
        if len(nouns) == 1:
            return nouns[0]
        forms = {case: " ".join(noun.case(case) for noun in nouns) for case in "ngdaip"}
        return Noun(forms, nouns[0].gender, nouns[0].article, self.kind)


class Sampler:
    """Draws the fillers of a pattern from the names of one split."""

    def __init__(self, split: str, origins: tuple[str, ...], seed: str) -> None:
        self.rng = random.Random(seed)
        self.origins = origins
        self.parts: dict[str, list[Part]] = {}
        self.places: dict[str, list[Place]] = {}
        for part in parts():
            if part.split == split:
                self.parts.setdefault(part.kind, []).append(part)
        for place in places():
            if place.split == split:
                self.places.setdefault(place.kind, []).append(place)

    def pick(self, options: list) -> object:
        """One of the options."""
        return options[self.rng.randrange(len(options))]

    def fill(self, pattern: Pattern) -> dict[str, Value]:
        """Fillers for every slot of a pattern; no name stands twice in one sentence."""
        slots: dict[str, Value] = {}
        used: set[int] = set()
        for token in pattern.lines[SOURCE].split():
            found = SLOT.match(token)
            if found and found.group(1) + found.group(2) not in slots:
                slots[found.group(1) + found.group(2)] = self._value(found.group(1), used)
        return slots

    def _fresh(self, options: list, used: set[int]) -> Part | Place:
        while True:
            name = self.pick(options)
            assert isinstance(name, Part | Place)
            if id(name) not in used:
                used.add(id(name))
                return name

    def _part(self, kind: str, origin: str, used: set[int]) -> Part | Place:
        options = [part for part in self.parts[kind] if part.origin == origin]
        return self._fresh(options, used)

    def _value(self, kind: str, used: set[int]) -> Value:
        rng = self.rng
        numbers = {"Y": (1850, 2020), "D": (5, 20), "g": (0, 6)}
        if kind in numbers:
            low, high = numbers[kind]
            return Value(kind, number=rng.randrange(low, high + 1))
        if kind == "E":  # numbers after which Russian takes the genitive plural
            return Value(
                kind, number=10 * rng.randrange(2, 10) + (0, 5, 6, 7, 8, 9)[rng.randrange(6)]
            )
        if kind in ("job", "field", "month"):
            return Value(kind, number=rng.randrange(len(words()[kind])))
        feminine = rng.random() < 0.5 and kind != "A"
        local = rng.random() < 0.5
        origin = self.origins[rng.randrange(len(self.origins))] if local else self.pick(LANGS)
        assert isinstance(origin, str)
        given = "gf" if feminine else "gm"
        if kind == "P":
            # Now and then the given and the family name come from different languages.
            family = origin if rng.random() < 0.8 else self.pick(LANGS)
            assert isinstance(family, str)
            names = (self._part(given, origin, used), self._part("sn", family, used))
            return Value(kind, names, feminine=feminine)
        if kind in "GA":
            return Value(kind, (self._part(given, origin, used),), feminine=feminine)
        if kind in "SZ":
            return Value(kind, (self._part("sn", origin, used),))
        if kind in "CKN":
            return Value(kind, (self._fresh(self.places[kind], used),))
        if kind == "X":
            return Value(kind, (self._fresh(self.places["C"], used),))
        options = [t for t in templates() if t.kind == kind or (kind == "O" and t.kind in "UFBVM")]
        template = self.pick(options)
        assert isinstance(template, Template)
        inner = template.inner
        if inner in "CK":
            inside = self._fresh(self.places[inner], used)
        elif inner == "S":
            inside = self._part("sn", origin, used)
        else:
            inside = self._fresh(self.parts["br"], used)
        return Value(kind, (inside,), template, rng.randrange(12))


def _common(lang: str, value: Value, sign: str, rest: str, slots: dict[str, Value]) -> list[str]:
    """The words for a slot which is not a name."""
    if value.kind not in words():
        return [str(value.number)]
    forms = words()[value.kind][value.number][lang]
    second = rest == "2" if sign == ":" else sign == "@" and slots[rest].feminine
    return forms[-1 if second else 0].split()


def render(pattern: Pattern, lang: str, slots: dict[str, Value]) -> Sentence:
    """A pattern in one language with its slots filled, as (token, tag) pairs."""
    sentence: Sentence = []
    for token in pattern.lines[lang].split():
        found = SLOT.match(token)
        if not found:
            assert "{" not in token, (pattern.name, lang, token)
            sentence.append((token, "O"))
            continue
        kind, digit, sign, rest = found.groups(default="")
        value = slots[kind + digit]
        if kind not in LABELS:
            sentence += [(word, "O") for word in _common(lang, value, sign, rest, slots)]
            continue
        noun = value.noun(lang)
        if sign == "?":
            options = rest.split(":")
            index = max("mfn".find(noun.gender), 0)
            sentence.append((options[min(index, len(options) - 1)], "O"))
            continue
        before, inside = phrase(lang, noun, rest)
        sentence += [(word, "O") for word in before]
        label = LABELS[kind]
        sentence += [(w, f"{'I' if i else 'B'}-{label}") for i, w in enumerate(inside)]
    if lang == "es":  # "y" becomes "e" before the sound i
        for i, (token, _) in enumerate(sentence[:-1]):
            if token == "y" and sentence[i + 1][0][0] in "IÍií":
                sentence[i] = ("e", "O")
    first, tag = sentence[0]
    sentence[0] = (first[0].upper() + first[1:], tag)
    return sentence


@dataclass(frozen=True)
class Meaning:
    """What a sentence says and how rough it is, in whatever language it is said.

    Some sentences lose their capitals, some their full stop, as text of the web does.
    """

    pattern: Pattern
    slots: dict[str, Value]
    lower: bool
    unstopped: bool

    def sentence(self, lang: str) -> Sentence:
        """The sentence in one language, as (token, tag) pairs."""
        sentence = render(self.pattern, lang, self.slots)
        if self.lower:
            sentence = [(token.lower(), tag) for token, tag in sentence]
        return sentence[:-1] if self.unstopped and sentence[-1][0] == "." else sentence


def meanings(lang: str, split: str, size: int, seen: set[str]) -> list[Meaning]:
    """``size`` meanings whose sentences in ``lang`` do not stand in ``seen`` (which grows)."""
    sampler = Sampler(split, (lang,), f"{SEED}/{lang}/{split}")
    usable = [p for p in patterns() if split != "train" or not p.held_out]
    found: list[Meaning] = []
    while len(found) < size:
        pattern = sampler.pick(usable)
        assert isinstance(pattern, Pattern)
        slots = sampler.fill(pattern)
        lower = sampler.rng.random() < 0.05
        stopped = render(pattern, lang, slots)[-1][0] == "."
        meaning = Meaning(pattern, slots, lower, stopped and sampler.rng.random() < 0.1)
        key = " ".join(token for token, _ in meaning.sentence(lang)).lower()
        if key not in seen:
            seen.add(key)
            found.append(meaning)
    return found


def corpora(lang: str) -> dict[str, list[Sentence]]:
    """All splits of one language."""
    seen: set[str] = set()
    sizes = {"train": TRAIN_SIZE.get(lang, TARGET_TRAIN_SIZE), **SIZES}
    return {
        split: [meaning.sentence(lang) for meaning in meanings(lang, split, size, seen)]
        for split, size in sizes.items()
    }


def translations() -> dict[str, str]:
    """The train split of the source language in each other language, one sentence a line."""
    source = meanings(SOURCE, "train", TRAIN_SIZE[SOURCE], set())
    return {
        lang: "".join(" ".join(t for t, _ in m.sentence(lang)) + "\n" for m in source)
        for lang in LANGS
        if lang != SOURCE
    }


def groups(count: int, seed: int = SEED) -> Iterator[dict[str, str]]:
    """Plain sentences that mean the same, one in each language; train patterns and names only."""
    usable = [pattern for pattern in patterns() if not pattern.held_out]
    sampler = Sampler("train", LANGS, f"{seed}/groups")
    for _ in range(count):
        pattern = usable[sampler.rng.randrange(len(usable))]
        slots = sampler.fill(pattern)
        yield {x: " ".join(token for token, _ in render(pattern, x, slots)) for x in LANGS}


def parallel(count: int, seed: int = SEED) -> Iterator[tuple[str, str, str, str]]:
    """Pairs of plain sentences that mean the same: (language, text, language, text).

    They use train patterns and train names only, and carry no labels. English stands on one side of
    every other pair, so that all languages meet the source language often.
    """
    rng = random.Random(f"{seed}/parallel")
    usable = [pattern for pattern in patterns() if not pattern.held_out]
    samplers: dict[tuple[str, str], Sampler] = {}
    for index in range(count):
        one = SOURCE if index % 2 else LANGS[rng.randrange(len(LANGS))]
        others = [lang for lang in LANGS if lang != one]
        two = others[rng.randrange(len(others))]
        if (one, two) not in samplers:
            samplers[one, two] = Sampler("train", (one, two), f"{seed}/parallel/{one}/{two}")
        pattern = usable[rng.randrange(len(usable))]
        slots = samplers[one, two].fill(pattern)
        texts = [" ".join(token for token, _ in render(pattern, x, slots)) for x in (one, two)]
        yield one, texts[0], two, texts[1]


def archive(lang: str, splits: dict[str, list[Sentence]]) -> bytes:
    """The ``xx.tar.gz`` of one language: no time, owner or file name of this run is kept in it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for split, sentences in splits.items():
            blocks = ("".join(f"{lang}:{t}\t{tag}\n" for t, tag in s) + "\n" for s in sentences)
            data = "".join(blocks).encode("utf8")
            member = tarfile.TarInfo(split)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(raw.getvalue())
    return packed.getvalue()


def main(output: Path) -> None:
    """Write the archives of all languages and the translations."""
    files = {f"panx/{lang}.tar.gz": archive(lang, corpora(lang)) for lang in LANGS}
    for lang, text in translations().items():
        files[f"translated/{lang}.txt"] = text.encode("utf8")
    for name, data in files.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"{name}  {len(data):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
