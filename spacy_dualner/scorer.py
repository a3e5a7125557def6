"""Entity scores: by `spacy-dualner.scorer.v1`, and of any entities, as seqeval gives them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.scorer import PRFScore, get_ner_prf
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


def score_entities(sentences: Iterable[tuple[set, set]]) -> dict[str, Any]:
    """Precision, recall and F1 of entities.

    sentences (Iterable[Tuple[Set, Set]]): Annotated and found entities of each, tuples that end
        with the type.
    RETURNS (Dict[str, Any]): `p`, `r`, `f` in percent over all entities, and `per_type` with the
        same of each type. Without any entity, all are 0.
    """
    of_type: dict[str, PRFScore] = defaultdict(PRFScore)
    for gold, found in sentences:
        for type_ in {entity[-1] for entity in gold | found}:
            own = ({entity for entity in side if entity[-1] == type_} for side in (found, gold))
            of_type[type_].score_set(*own)
    per_type = {type_: _in_percent(score) for type_, score in sorted(of_type.items())}
    return {**_in_percent(sum(of_type.values(), PRFScore())), "per_type": per_type}


def _in_percent(score: PRFScore) -> Scores:
    return {key: 100 * value for key, value in score.to_dict().items()}


def entity_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """`score_entities` of BIO tags, as seqeval reads them and scores them, to the last bit.

    gold (Sequence[Sequence[str]]): Tags of each sentence.
    """
    from seqeval.metrics.sequence_labeling import get_entities  # imports scikit-learn: slow

    sides = (
        [{(first, last, type_) for type_, first, last in get_entities(list(tags))} for tags in side]
        for side in (gold, predicted)
    )
    return score_entities(zip(*sides, strict=True))


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """The mean of `p`, `r` and `f` over languages, of which there has to be one."""
    scores = list(scores)
    return {key: sum(s[key] for s in scores) / len(scores) for key in ("p", "r", "f")}
