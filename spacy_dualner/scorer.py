"""`spacy-dualner.scorer.v1`: spaCy's entity scores, overall and per language."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import get_ner_prf
from spacy.training import Example
from spacy.util import registry


def dualner_score(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Entity precision, recall and F1.

    examples (Iterable[Example]): Scored Examples. Where reference Docs carry a language in
        `user_data["lang"]`, each language is scored as well.
    RETURNS (Dict[str, Any]): `ents_p`, `ents_r`, `ents_f`, `ents_per_type` over everything;
        `ents_f_xx` of language xx, and `ents_f_mean`, their mean (over everything where no Doc
        names a language).
    """
    examples = list(examples)
    scores = get_ner_prf(examples)
    by_lang: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        lang = example.reference.user_data.get("lang")
        if lang is not None:
            by_lang[lang].append(example)
    per_lang = {f"ents_f_{lang}": get_ner_prf(group)["ents_f"] for lang, group in by_lang.items()}
    known = [f for f in per_lang.values() if f is not None]
    scores["ents_f_mean"] = sum(known) / len(known) if known else scores["ents_f"]
    return {**scores, **per_lang}


@registry.scorers("spacy-dualner.scorer.v1")
def make_scorer() -> Callable[..., dict[str, Any]]:
    """The scorer as spaCy's registry hands it out."""
    return dualner_score
