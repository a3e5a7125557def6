"""The work of `inspect`: a page of what a pipeline finds and misses in text, and how sure it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import nsmallest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..component import DualNer
from ..data.docbin import read_docs, split_paths
from ..data.outputs import check_file, write_text
from ..errors import need
from ..pipeline import load_pipeline
from ..scorer import mean_scores, score_entities
from .examples import Example, is_from_right
from .fingerprint import sentence_hashes, share_known
from .jinja import environment
from .mistakes import KINDS, Pair, pair
from .predicting import Judged, judge
from .reliability import measure
from .text_settings import InspectSettings

COMMAND = "python -m spacy dualner inspect"
"""Stands on the page, and tells it from any other."""

# As many as there are colours to tell curves apart by.
_N_CURVES = 10


def inspect(
    model: str | Path,
    corpus: Path,
    output: Path,
    settings: InspectSettings = InspectSettings(),
    *,
    progress: bool = False,
) -> None:
    """Write a page of what a pipeline finds in text.

    model (Union[str, Path]): Folder or package of a pipeline that sets `doc.ents`.
    corpus (Path): Corpus folder, or one `xx.spacy`.
    output (Path): The HTML file; an earlier page is replaced.
    settings (InspectSettings): Which text is read, and what is shown.
    progress (bool): Whether to show a progress bar.
    Raises DualNerError where text or a package for the figures is missing, or the file is another.
    """
    check_file(output, "page of inspect", lambda text: COMMAND in text)
    if settings.figures:
        need("The figures need", "report", "matplotlib", instead=", or add --no-figures")
    nlp = load_pipeline(model)
    pipe = next((own for _, own in reversed(nlp.pipeline) if isinstance(own, DualNer)), None)
    paths = split_paths(corpus, settings.split, settings.langs)
    findings = Findings(settings.examples)
    for lang, path in tqdm(paths.items(), leave=False, disable=None if progress else True):
        docs = list(read_docs(path, nlp.vocab, settings.limit))
        annotated = any(doc.ents for doc in docs)
        findings.add(lang, list(judge(nlp, docs, pipe, unknown=not annotated)), annotated)
    template = environment().get_template("inspect.html.j2")
    page = template.render(
        findings=findings,
        figures=findings.figures() if settings.figures else [],
        known=share_known(findings.hashes, pipe.cfg["calibrated_on"]) if pipe else 0.0,
        kinds=KINDS,
        nlp=nlp,
        pipe=pipe,
        settings=settings,
        command=f"{COMMAND} {model} {corpus} {output}",
    )
    write_text(output, page)


class Table(NamedTuple):
    """A table: its heading, and its rows, each with a heading of its own."""

    head: list[str]
    rows: Sequence[Sequence[object]]


class Findings:
    """What a pipeline finds, language by language, and most examples of a kind or type."""

    def __init__(self, n_examples: int) -> None:
        self.n_examples = n_examples
        self.sentences: dict[str, int] = {}  # how many there are of each language
        # Of each with annotations what `score_entities` gives.
        self.scores: dict[str, dict[str, Any]] = {}
        self.kinds: Counter[tuple[str, str]] = Counter()  # by language and kind of mistake
        self.types: Counter[tuple[str, str]] = Counter()  # by annotated and found type, "" for none
        self.found: Counter[tuple[str, str]] = Counter()  # by language and type, not annotated
        self.hashes: list[int] = []
        self._curves: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        self._guesses: dict[str, list[float]] = defaultdict(list)
        # Of each kind or type, with its number among those of its language.
        self._examples: dict[str, list[tuple[int, Example]]] = defaultdict(list)

    def add(self, lang: str, judged: list[Judged], annotated: bool) -> None:
        """Add the sentences of a language."""
        self.sentences[lang] = len(judged)
        from_right = is_from_right("".join(own.gold.text for own in judged))
        examples: dict[str, list[Example]] = defaultdict(list)
        for own in judged:
            if annotated:
                for one in pair(own.annotated, own.found):
                    gold, found = (place.type if place else "" for place in one[1:])
                    self.kinds[lang, one.kind] += 1
                    self.types[gold, found] += 1
                    if one.kind != "correct":
                        examples[one.kind].append(Example(lang, own, one, from_right))
                for place, sure in own.sure.items():
                    self._curves[place.type].append((sure, place in own.annotated))
                continue
            for place in own.found:
                self.found[lang, place.type] += 1
                self._guesses[place.type] += [own.sure[place]] if place in own.sure else []
                one = Pair("found", None, place)
                examples[place.type].append(Example(lang, own, one, from_right))
        if annotated:
            self.hashes += sentence_hashes(own.gold for own in judged)
            pairs = ((set(own.annotated), set(own.found)) for own in judged)
            self.scores[lang] = score_entities(pairs)
        for heading, every in examples.items():
            least = nsmallest(self.n_examples, every, key=lambda example: example.sure)
            self._examples[heading] += enumerate(least)

    def examples(self) -> dict[str, list[dict[str, Any]]]:
        """Of each kind of mistake or type, of each language in turn; the least sure first."""
        chosen = {}
        hues: dict[str, int] = {}
        order = {kind: number for number, kind in enumerate(KINDS)}
        for heading in sorted(self._examples, key=lambda own: (order.get(own, len(order)), own)):
            every = sorted(self._examples[heading], key=lambda own: (own[0], own[1].sure))
            least = sorted((own for _, own in every[: self.n_examples]), key=lambda own: own.sure)
            chosen[heading] = [own.drawn(hues) for own in least]
        return chosen

    def judged(self) -> dict[str, Table]:
        """Tables of text with annotations: scores, kinds of mistakes, confusion of types."""
        types = sorted({type_ for pair in self.types for type_ in pair} - {""})
        scores = {**self.scores}
        if len(scores) > 1:
            scores["mean"] = {**mean_scores(scores.values()), "per_type": {}}
        rows = []
        for lang, own in scores.items():
            f1 = [own["per_type"].get(type_, {}).get("f") for type_ in types]
            cells = [own["p"], own["r"], own["f"], *f1]
            rows.append([lang, *("" if cell is None else f"{cell:.1f}" for cell in cells)])
        kinds = [[lang, *(self.kinds[lang, kind] for kind in KINDS)] for lang in self.scores]
        confusion = [
            [gold or "spurious", *(self.types[gold, found] for found in (*types, ""))]
            for gold in (*types, "")
        ]
        confusion[-1][-1] = ""
        return {
            "scores": Table(["", "P", "R", "F1", *types], rows),
            "kinds": Table(["", *KINDS], kinds),
            "types": Table(["annotated / found", *types, "missed"], confusion),
        }

    def guessed(self) -> dict[str, Table]:
        """Tables of text without annotations: entities of each type, and by confidence."""
        types = sorted({type_ for _, type_ in self.found})
        langs = [lang for lang in self.sentences if lang not in self.scores]
        found = [[lang, *(self.found[lang, type_] for type_ in types)] for lang in langs]
        bands = [np.histogram(self._guesses[type_], 10, (0, 1))[0] for type_ in types]
        sure = [
            [f"{i / 10:.1f} to {(i + 1) / 10:.1f}", *(int(own[i]) for own in bands)]
            for i in reversed(range(10))
        ]
        tables = {"found": Table(["", *types], found), "sure": Table(["confidence", *types], sure)}
        return tables if any(self._guesses.values()) else {"found": tables["found"]}

    def figures(self) -> list[tuple[str, str]]:
        """Titles and SVG files of what confidences are worth; none without confidences."""
        from .diagram import Curve, reliability_svg, threshold_svg

        if not self._curves:
            return []
        n_gold: Counter[str] = Counter()
        for (gold, _), n in self.types.items():
            n_gold[gold] += n
        often = sorted(self._curves, key=lambda type_: (-n_gold[type_], type_))[:_N_CURVES]
        columns = {type_: np.array(own).T for type_, own in self._curves.items()}
        curves = {t: Curve(columns[t][0], columns[t][1] > 0, n_gold[t]) for t in often}
        sure, right = np.concatenate([*columns.values()], axis=1)
        about = "all languages"
        return [
            ("Precision and recall by threshold", threshold_svg(curves, about)),
            ("Reliability", reliability_svg({"": measure(sure, right > 0)}, about)),
        ]
