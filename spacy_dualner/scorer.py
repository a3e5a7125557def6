"""Entity scores: spaCy's, as `spacy-dualner.scorer.v1`, and seqeval's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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


Scores = dict[str, float]


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Precision, recall and F1 of entities.

    gold (Sequence[Sequence[str]]): BIO tags of each sentence.
    RETURNS (Dict[str, Any]): `p`, `r`, `f` in percent over all entities, and `per_type` with the
        same of each type. Without any entity, all are 0.
    """
    from seqeval.metrics import classification_report  # imports scikit-learn: slow, so only here

    gold, predicted = [list(tags) for tags in gold], [list(tags) for tags in predicted]
    if not any(tag != "O" for tags in (*gold, *predicted) for tag in tags):
        return {"p": 0.0, "r": 0.0, "f": 0.0, "per_type": {}}
    report = classification_report(gold, predicted, output_dict=True, zero_division=0)
    rows = {
        name: {
            "p": 100 * float(row["precision"]),
            "r": 100 * float(row["recall"]),
            "f": 100 * float(row["f1-score"]),
        }
        for name, row in report.items()
    }
    average = rows["micro avg"]
    per_type = {name: row for name, row in rows.items() if not name.endswith(" avg")}
    return {**average, "per_type": per_type}


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """The mean of `p`, `r` and `f` over languages, of which there has to be one."""
    scores = list(scores)
    return {key: sum(s[key] for s in scores) / len(scores) for key in ("p", "r", "f")}
