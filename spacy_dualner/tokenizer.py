"""`spacy-dualner.Tokenizer.v1`: spaCy's tokenizer, with Han, kana and Thai split by character."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from spacy.attrs import IDX, LENGTH, NORM, ORTH, SPACY
from spacy.lang.char_classes import HYPHENS
from spacy.language import Language, create_tokenizer
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import compile_infix_regex, registry

from .errors import DualNerError

# Characters of which PAN-X makes a word each, wherever they stand in Chinese, Japanese and Thai.
CHARACTERS = (
    # Han: radicals, iteration and closing marks, zero, numerals, ideographs and their extensions
    "\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3005-\u3007\u3021-\u3029\u3038-\u303b"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00016fe2-\U00016fe3\U00016ff0-\U00016ff6\U00020000-\U0003ffff"
    # Hiragana and Katakana with their marks and middle dots, also half-width
    "\u3031-\u3035\u303c\u3040-\u30ff\u31f0-\u31ff\uff65-\uff9f\U0001aff0-\U0001b16f"
    # Thai without the sign of its currency
    "\u0e01-\u0e3a\u0e40-\u0e5b"
)
_CHARACTER = re.compile(f"[{CHARACTERS}]")
# spaCy's time grows with the square of a word's length: a line of brackets would take hours.
_LONG = re.compile(r"\S{1000}(?=\S)")


class MultilingualTokenizer(Tokenizer):
    """A tokenizer for text of all languages in one pipeline.

    Han, hiragana, katakana and Thai are split into characters (code points), as in PAN-X, and what
    stands between them is split by spaCy's rules, as a word of its own. Text without such
    characters gets the tokens that spaCy's `Tokenizer` gives, but that what has no white space for
    more than 1,000 characters is cut there. The arguments, methods and bytes are
    those of spaCy's; a special case of such characters is found anywhere, as these scripts have no
    space around words.
    """

    def __call__(self, string: str) -> Doc:
        """Split a text.

        string (str): The text.
        RETURNS (Doc): Its tokens; `doc.text` is the text.
        """
        pieces = self._cut(string)
        if len(pieces) == 1:
            return super().__call__(string)
        # With spaces put in, spaCy's rules and its memory of words see one piece at a time.
        doc = super().__call__(" ".join(pieces))
        lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
        put_in = np.cumsum(lengths[:-1] + 1) - 1
        values = doc.to_array([ORTH, NORM, SPACY, IDX, LENGTH])
        spaces = values[:, 2].astype(bool)
        ends = values[:, 3] + values[:, 4]
        spaces[np.searchsorted(ends, put_in)] = False
        doc = Doc(self.vocab, words=values[:, 0].tolist(), spaces=spaces.tolist())
        return doc.from_array([NORM], values[:, 1:2])

    def explain(self, text: str) -> list[tuple[str, str]]:
        """Tell which rule made each token.

        text (str): The text.
        RETURNS (List[Tuple[str, str]]): Rule and token, white space left out.
        """
        return super().explain(" ".join(self._cut(text)))

    def add_special_case(self, string: str, substrings: Iterable[dict]) -> None:
        """Add a special case.

        string (str): What to split in its own way.
        substrings (Iterable[dict]): Attributes of its tokens, as for spaCy's `Tokenizer`.
        Raises DualNerError where it holds white space beside Han, kana or Thai.
        """
        if _CHARACTER.search(string) and any(map(str.isspace, string)):
            raise DualNerError(
                f"The special case '{string}' holds white space beside characters that are split "
                "one by one. Add one without white space."
            )
        super().add_special_case(string, substrings)
        self.__dict__.pop("_pieces", None)

    @property
    def rules(self) -> dict[str, list[dict]] | None:
        """The special cases."""
        return Tokenizer.rules.__get__(self)

    @rules.setter
    def rules(self, rules: dict[str, list[dict]] | None) -> None:
        Tokenizer.rules.__set__(self, rules)
        self.__dict__.pop("_pieces", None)

    @cached_property
    def _pieces(self) -> re.Pattern:
        """Finds stretches of text in which all words have white space between them."""
        special = sorted(filter(_CHARACTER.search, self.rules or ()), key=len, reverse=True)
        alone = "|".join([*map(re.escape, special), f"[{CHARACTERS}]"])
        # Another word ends where one of these may begin.
        others = rf"[^\s{CHARACTERS}{re.escape(''.join(string[0] for string in special))}]*"
        word = rf"(?:{alone}|\S{others}(?:(?!{alone})\S{others})*)"
        return re.compile(rf"\s*{word}(?:\s+{word})*\s*")

    def _cut(self, string: str) -> list[str]:
        pieces = self._pieces.findall(string) if _CHARACTER.search(string) else [string]
        if not _LONG.search(string):
            return pieces
        places = ([0, *(m.end() for m in _LONG.finditer(p)), len(p)] for p in pieces)
        return [p[i:j] for p, at in zip(pieces, places, strict=True) for i, j in pairwise(at)]


_DASHES = "|".join(dash for dash in HYPHENS.split("|") if dash != "-")


@registry.tokenizers("spacy-dualner.Tokenizer.v1")
def make_tokenizer(split_hyphens: bool = True) -> Callable[[Language], MultilingualTokenizer]:
    """The tokenizer as spaCy's registry hands it out.

    split_hyphens (bool): Whether a hyphen between letters is a word, as spaCy has it. PAN-X, like
        much annotated text, keeps `Saint-Denis` whole.
    RETURNS (Callable[[Language], MultilingualTokenizer]): Makes one with the punctuation rules and
        exceptions of a pipeline's language, as `spacy.Tokenizer.v1` does.
    """
    spacys: Callable[[Language], Tokenizer] = create_tokenizer()

    def make(nlp: Language) -> MultilingualTokenizer:
        settings: tuple[Any, ...] = spacys(nlp).__reduce__()[1]
        tokenizer = MultilingualTokenizer(*settings)
        if not split_hyphens:
            infixes = [
                rule.replace(HYPHENS, _DASHES) if isinstance(rule, str) else rule
                for rule in nlp.Defaults.infixes or ()
            ]
            tokenizer.infix_finditer = compile_infix_regex(infixes).finditer
        return tokenizer

    return make
