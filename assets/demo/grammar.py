"""How a name looks in a sentence of each demo language: articles, prepositions, case forms.

Every name becomes a :class:`Noun` with its case forms; :func:`phrase` puts it into the grammatical
form that a pattern asks for. Codes (after the colon in ``patterns.txt``):

====  ==========================================================================================
all   no code: the bare name; ``s``: as a subject, with its article where the language uses one
de    ``a`` accusative, ``d`` dative with article, ``s`` of a country in a template its genitive,
      or a preposition (``an``, ``von``, ...), contracted with the article
es    a preposition, contracted with the article (``de`` + ``el`` -> ``del``)
fr    a preposition (``de``, ``à``, ``chez``) with elision and contraction; ``in``: à / en / au
ru    ``g d a i p``: the cases; ``in`` в + prepositional, ``to`` в + accusative, ``from`` из
el    ``g a`` with article, ``g0`` genitive without, ``in`` σε + article
====  ==========================================================================================
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

LANGS = ("en", "de", "es", "fr", "sw", "ru", "el")
CASES = {"ru": "ngdaip", "el": "nga", "de": "nd"}


@dataclass(frozen=True)
class Noun:
    """One name in one language: case forms, gender ("m", "f", "n", "-") and its kind."""

    forms: dict[str, str]
    gender: str = "-"
    article: bool = False
    kind: str = ""

    def case(self, code: str) -> str:
        """The form for a case; languages without that case have one form."""
        return self.forms.get(code, self.forms["n"])


def russian(word: str, feminine: bool = False, animate: bool = False) -> dict[str, str]:
    """Inflect a Russian noun or foreign name by its ending (nominative ... prepositional)."""
    stem, last = word[:-1], word[-1]
    soft, hush = "гкхжшчщ", "жшчщц"
    vowels = "аеёиоуыэюя"
    if word.endswith("ия"):
        forms = [word, stem + "и", stem + "и", stem + "ю", stem + "ей", stem + "и"]
    elif last == "я":
        forms = [word, stem + "и", stem + "е", stem + "ю", stem + "ей", stem + "е"]
    elif last == "а" and stem and stem[-1].lower() not in vowels:
        genitive = stem + ("и" if stem[-1] in soft else "ы")
        instrumental = stem + ("ей" if stem[-1] in hush else "ой")
        forms = [word, genitive, stem + "е", stem + "у", instrumental, stem + "е"]
    elif last == "ь" and feminine:
        forms = [word, stem + "и", stem + "и", word, word + "ю", stem + "и"]
    elif last in vowels or feminine:
        forms = [word] * 6
    else:
        base = stem if last in "ьй" else word
        soft_end = last in "ьй"
        a, u = ("я", "ю") if soft_end else ("а", "у")
        om = "ем" if soft_end or last in hush else "ом"
        prepositional = base + ("и" if word.endswith("ий") else "е")
        accusative = base + a if animate else word
        forms = [word, base + a, base + u, accusative, base + om, prepositional]
    return dict(zip("ngdaip", forms, strict=True))


def russian_surname(word: str, feminine: bool, native: bool) -> dict[str, str]:
    """Inflect a surname; native ones in -ов, -ев, -ин have endings of their own."""
    if not native:
        return russian(word, feminine, animate=True)
    ends = ("а", "ой", "ой", "у", "ой", "ой") if feminine else ("", "а", "у", "а", "ым", "е")
    stem = word[:-1] if feminine else word
    return {case: stem + end for case, end in zip("ngdaip", ends, strict=True)}


def russian_word(word: str) -> dict[str, str]:
    """Inflect a common word of a template: an adjective in -ый/-ий/-ая or a noun."""
    if word.endswith(("ый", "ий")):
        o = "о" if word.endswith("ый") or word[-3] in "гкх" else "е"
        y = word[-2]
        ends = [word[-2:], o + "го", o + "му", word[-2:], y + "м", o + "м"]
        return {case: word[:-2] + end for case, end in zip("ngdaip", ends, strict=True)}
    if word.endswith("ая"):
        ends = ["ая", "ой", "ой", "ую", "ой", "ой"]
        return {case: word[:-2] + end for case, end in zip("ngdaip", ends, strict=True)}
    return russian(word)


def greek(word: str, gender: str) -> dict[str, str]:
    """Inflect a Greek name of the given gender by its ending (nominative, genitive, accusative)."""
    genitive = accusative = word
    if gender == "f" and word[-1] in "αάηή":
        genitive = word + "ς"
    elif gender == "n" and word[-1] in "οό":
        genitive = word[:-1] + ("ού" if word[-1] == "ό" else "ου")
    elif gender == "m" and word[-2:] in ("ος", "ός"):
        genitive = word[:-2] + ("ού" if word[-2] == "ό" else "ου")
        accusative = word[:-1]
    elif gender == "m" and word[-2:] in ("ης", "ής", "ας", "άς"):
        genitive = accusative = word[:-1]
    return {"n": word, "g": genitive, "a": accusative}


def _vowel(text: str) -> bool:
    """Whether French elides before this text."""
    return unicodedata.normalize("NFD", text)[0].lower() in "aeiou"


def _german(noun: Noun, code: str) -> tuple[list[str], str]:
    dative = code not in ("", "s", "a", "für")
    form = noun.case("d" if dative else "n")
    article = ""
    if noun.article:
        table = {"m": "dem", "f": "der", "n": "dem"}
        if code in ("a", "für"):
            table = {"m": "den", "f": "die", "n": "das"}
        elif not dative:
            table = {"m": "der", "f": "die", "n": "das"}
        article = table[noun.gender] if code else ""
    if code in ("", "s", "a", "d"):
        return ([article] if article else []), form
    short = {
        ("an", "dem"): "am",
        ("in", "dem"): "im",
        ("von", "dem"): "vom",
        ("bei", "dem"): "beim",
        ("zu", "dem"): "zum",
        ("zu", "der"): "zur",
    }.get((code, article))
    if short:
        return [short], form
    return [code, article] if article else [code], form


def _spanish(noun: Noun, code: str) -> tuple[list[str], str]:
    form = noun.case("n")
    article = {"m": "el", "f": "la"}[noun.gender] if noun.article and code else ""
    if code in ("", "s"):
        return ([article] if article else []), form
    code = "a" if code == "al" else code
    if article == "el" and code in ("a", "de"):
        return [{"a": "al", "de": "del"}[code]], form
    return [code, article] if article else [code], form


def _french(noun: Noun, code: str) -> tuple[list[str], str]:
    form = noun.case("n")
    vowel = _vowel(form)
    if not code:
        return [], form
    article = ""
    if noun.article:
        article = "l'" if vowel else {"m": "le", "f": "la"}[noun.gender]
    if code == "s":
        return ([article] if article else []), form
    if noun.kind == "K" and (noun.gender == "f" or vowel):
        if code == "in":
            return ["en"], form
        if code == "de":
            return ["d'" if vowel else "de"], form
    code = "à" if code == "in" else code
    if article == "le" and code in ("de", "à"):
        return [{"de": "du", "à": "au"}[code]], form
    if article:
        return [code, article], form
    return ["d'" if code == "de" and vowel else code], form


def _russian(noun: Noun, code: str) -> tuple[list[str], str]:
    case = {"": "n", "s": "n", "in": "p", "to": "a", "from": "g"}.get(code, code)
    form = noun.case(case)
    if code in ("in", "to"):
        start = form[:2].lower()
        cluster = start[0] in "вф" and start[1] not in "аеёиоуыэюя"
        return ["во" if cluster else "в"], form
    return (["из"] if code == "from" else []), form


def _greek(noun: Noun, code: str) -> tuple[list[str], str]:
    if code in ("", "g0"):
        return [], noun.case("g" if code else "n")
    case = {"s": "n", "in": "a"}.get(code, code)
    form = noun.case(case)
    article = {
        "n": {"m": "ο", "f": "η", "n": "το"},
        "g": {"m": "του", "f": "της", "n": "του"},
        "a": {"m": "τον", "f": "τη", "n": "το"},
    }[case][noun.gender]
    if case == "a" and noun.gender == "f":
        start = unicodedata.normalize("NFD", form.lower())
        hard = start[0] in "αεηιουωκπτξψ" or start[:2] in ("μπ", "ντ", "γκ", "τσ", "τζ")
        article = "την" if hard else "τη"
    return ["σ" + article if code == "in" else article], form


def phrase(lang: str, noun: Noun, code: str) -> tuple[list[str], list[str]]:
    """The words before a name (article, preposition) and the words of the name itself."""
    if lang == "en":
        before, form = (["the"] if noun.article and code == "s" else []), noun.case("n")
    elif lang == "de":
        before, form = _german(noun, code)
    elif lang == "es":
        before, form = _spanish(noun, code)
    elif lang == "fr":
        before, form = _french(noun, code)
    elif lang == "ru":
        before, form = _russian(noun, code)
    elif lang == "el":
        before, form = _greek(noun, code)
    else:
        before, form = [], noun.case("n")
    return before, form.split()
