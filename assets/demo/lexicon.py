"""Reads the hand-written lists beside this file: people, places, templates, words, patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grammar import CASES, LANGS, Noun, greek, phrase, russian, russian_surname, russian_word

HERE = Path(__file__).resolve().parent
SCRIPTS = {"ru": 1, "el": 2}  # every other language writes Latin letters
GREEK_ARTICLES = {"ο": "m", "η": "f", "το": "n"}
TEMPLATE_SLOT = re.compile(r"^\{(\w)(?::(\w+))?\}(\S*)$")


@dataclass(frozen=True)
class Part:
    """A given name, a surname or an invented brand in its three scripts, each (male, female)."""

    split: str
    origin: str
    kind: str
    scripts: tuple[tuple[str, str], ...]

    def noun(self, lang: str, feminine: bool = False) -> Noun:
        """This part in one language, inflected for a man or a woman."""
        word = self.scripts[SCRIPTS.get(lang, 0)][feminine]
        gender = "f" if feminine else "m"
        forms = {"n": word}
        if self.kind == "br":
            return Noun(forms, "f" if lang in SCRIPTS else "-", lang == "el", "br")
        if lang == "ru" and self.kind == "sn":
            forms = russian_surname(word, feminine, self.origin == "ru")
        elif lang == "ru":
            forms = russian(word, feminine, animate=True)
        elif lang == "el" and (self.origin == "el" or self.kind == "gf"):
            own_female_surname = feminine and self.kind == "sn"
            forms = {"n": word} if own_female_surname else greek(word, gender)
        return Noun(forms, gender, lang == "el", self.kind)


@dataclass(frozen=True)
class Place:
    """A town, a country or a water with its name in every language."""

    split: str
    kind: str
    nouns: dict[str, Noun]

    def noun(self, lang: str) -> Noun:
        """This place in one language."""
        return self.nouns[lang]


@dataclass(frozen=True)
class Template:
    """A name built on another name, with one or more wordings for each language."""

    name: str
    kind: str
    lines: dict[str, list[tuple[str, str]]]

    @property
    def inner(self) -> str:
        """The kind of name it is built on: C, K, S (surname) or X (brand)."""
        found = re.search(r"\{(\w)", self.lines["en"][0][1])
        assert found is not None
        return found.group(1)

    def noun(self, lang: str, variant: int, inside: Part | Place) -> Noun:
        """The whole name in one language around the name ``inside``."""
        options = self.lines[lang]
        gender, text = options[variant % len(options)]
        cases = CASES.get(lang, "n")
        forms: dict[str, list[str]] = {case: [] for case in cases}
        for token in text.split():
            for case, words in forms.items():
                words.extend(_template_token(lang, token, case, inside))
        joined = {case: " ".join(words) for case, words in forms.items()}
        if gender == "the":
            return Noun(joined, "-", True, "O")
        return Noun(joined, gender, gender != "-", "O")


def _template_token(lang: str, token: str, case: str, inside: Part | Place) -> list[str]:
    """The words that one token of a template stands for, in one case."""
    slot = TEMPLATE_SLOT.match(token)
    if slot:
        noun = inside.noun(lang)
        if lang == "de" and slot.group(2) == "s":
            return [noun.case("n") + "s"]
        before, words = phrase(lang, noun, slot.group(2) or "")
        return [*before, *words[:-1], words[-1] + slot.group(3)]
    if token.startswith("~"):
        return [russian_word(token[1:])[case]]
    options = token.split("/")
    index = CASES.get(lang, "n").index(case)
    if index >= len(options):  # a neuter or feminine accusative equals the nominative
        index = 0
    return [options[index]]


def _lines(name: str) -> list[str]:
    text = (HERE / name).read_text(encoding="utf8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("# ")]


@cache
def parts() -> list[Part]:
    """All parts of person names and the invented brands."""
    found = []
    for line in _lines("people.txt"):
        head, names = line.split(": ", 1)
        split, origin, kind = head.split()
        for name in names.split(", "):
            pairs = []
            for script, field in enumerate(name.split("/")):
                male, _, female = field.partition(":")
                if kind == "sn" and origin == "ru":
                    female = (male[:-1] + "βα" if male[-1] == "φ" else male + "α") * (script == 2)
                    female = female or male + ("a" if script == 0 else "а")
                pairs.append((male, female or male))
            assert len(pairs) == 3, name
            found.append(Part(split, origin, kind, tuple(pairs)))
    return found


def _place_noun(lang: str, kind: str, field: str) -> Noun:
    gender, article = "-", False
    first, _, rest = field.partition(" ")
    if lang == "el":
        gender, field, article = GREEK_ARTICLES[first], rest, True
    elif first in ("m", "f", "n", "the"):
        gender, field, article = ("-" if first == "the" else first), rest, True
    nominative, *given = field.split(";")
    forms = {"n": nominative}
    if lang == "el":
        fixed = nominative.endswith("!")
        nominative = nominative.rstrip("!")
        forms = {"n": nominative} if fixed else greek(nominative, gender)
        forms["g"] = given[0] if given else forms.get("g", nominative)
    elif lang == "ru":
        nominative, _, feminine = nominative.partition("/")
        forms = russian(nominative, feminine == "f")
        if given:
            forms = {"n": nominative, "g": given[0], "p": given[1], "a": nominative}
        gender = "f" if nominative[-1] in "ая" or feminine else "m"
    return Noun(forms, gender, article, kind)


@cache
def places() -> list[Place]:
    """All places."""
    found = []
    for line in _lines("places.txt"):
        head, *fields = [field.strip() for field in line.split(" | ")]
        split, kind = head.split()
        english = fields[0]
        fields = [english if field == "=" else field for field in fields]
        nouns = {
            lang: _place_noun(lang, kind, field) for lang, field in zip(LANGS, fields, strict=True)
        }
        found.append(Place(split, kind, nouns))
    return found


@cache
def templates() -> list[Template]:
    """All templates for names of organisations, streets and regions."""
    found: list[Template] = []
    for line in _lines("templates.txt"):
        if line.startswith("["):
            name, kind = line[1:].split("] ")
            found.append(Template(name, kind, {lang: [] for lang in LANGS}))
        else:
            lang, gender, text = line.split(" ", 2)
            found[-1].lines[lang].append((gender, text))
    assert all(options for template in found for options in template.lines.values())
    return found


@cache
def words() -> dict[str, list[dict[str, list[str]]]]:
    """Common words by class, each with its forms in every language."""
    found: dict[str, list[dict[str, list[str]]]] = {}
    for line in _lines("words.txt"):
        kind, *fields = [field.strip() for field in line.split(" | ")]
        entry = {lang: field.split("/") for lang, field in zip(LANGS, fields, strict=True)}
        found.setdefault(kind, []).append(entry)
    return found


@dataclass(frozen=True)
class Pattern:
    """One meaning, worded in every language."""

    name: str
    held_out: bool
    lines: dict[str, str]


@cache
def patterns() -> list[Pattern]:
    """All sentence patterns in the order of the file."""
    found: list[Pattern] = []
    for line in _lines("patterns.txt"):
        if line.startswith("["):
            name, _, flag = line.strip("[]").partition(" ")
            found.append(Pattern(name, flag == "eval", {}))
        else:
            lang, text = line.split(" ", 1)
            found[-1].lines[lang] = text
    assert all(set(pattern.lines) == set(LANGS) for pattern in found)
    return found
