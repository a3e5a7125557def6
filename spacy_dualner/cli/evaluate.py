"""The commands `evaluate` and `compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from ..errors import DataError, DualNerError, readable
from . import dualner_cli
from ._options import option, with_settings
from ._util import print_table, read_preset, use_device, write_results


@dataclass(frozen=True)
class EvaluateOptions:
    """What `evaluate` scores, and where it writes."""

    langs: Sequence[str] = option((), "Languages, as in de,es; all if empty")
    source: Sequence[str] = option(
        (), "Languages left out of mean_targets; those trained on if empty"
    )
    output: Path | None = option(None, "JSON file to write")
    split: str = option("test", "test or dev")
    limit: str = option("", "First N sentences of each language")
    preset: str = option("", "Folder of a preset.cfg")
    component: str = option("dualner", "Name of the dualner component")
    raw: bool = option(
        False, "Score on raw text too, which takes as long again", option="raw/--no-raw"
    )
    gpu_id: int = option(-1, "GPU ID or -1 for CPU")


@dualner_cli.command("evaluate")
@with_settings(langs="l", output="o", limit="n", preset="p", gpu_id="g")
def evaluate_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    corpus: Path = typer.Argument(..., metavar="CORPUS_DIR", help="Corpus made by convert"),
    options: EvaluateOptions = EvaluateOptions(),
) -> None:
    """Score a pipeline on each language: entity precision, recall, F1, for all decodings.

    These are scores on gold tokens. With --raw the pipeline also reads the sentences as text, with
    its own tokenizer and decoding, and entities count as right where their characters are.

    \b
    Examples:
      python -m spacy dualner evaluate training/stage2/model-best corpus --langs en,de,es
      python -m spacy dualner evaluate xx_dualner corpus --langs de --limit 2000 --output de.json
      python -m spacy dualner evaluate training/stage2/model-best corpus --langs zh,ja --raw
    """
    from ..data.outputs import check_json

    check_json(options.output, "result of evaluate", "languages", "mean")
    use_device(options.gpu_id)
    from ..evaluation.scores import evaluate

    defaults = read_preset(options.preset)
    results = evaluate(
        model,
        corpus,
        options.langs or [*defaults.source, *defaults.targets],
        source=options.source or defaults.source,
        split=options.split,
        limit=_number(options.limit) if options.limit else defaults.test_limit,
        component=options.component,
        raw=options.raw,
        progress=True,
    )
    print_scores(results)
    write_results(options.output, results, "Scores")


def print_scores(results: dict[str, Any]) -> None:
    """Print a table of all languages and their means, and one of the entity types."""
    means = [(name, results[name]) for name in ("mean", "mean_targets")]
    languages, decode = results["languages"], own_decoding(results)
    # Decodings, and raw text if it was scored.
    kinds = list(results["mean"])
    rows = [
        [name, *(cell for kind in kinds for cell in _cells(scores.get(kind)))]
        for name, scores in (*languages.items(), *means)
    ]
    print_table(["", *(cell for kind in kinds for cell in (f"{kind} P", "R", "F"))], rows)
    per_type = {lang: scores["per_type"][decode] for lang, scores in languages.items()}
    types = sorted({type_ for scores in per_type.values() for type_ in scores})
    rows = [
        [lang, *(f"{scores[t]['f']:.1f}" if t in scores else "" for t in types)]
        for lang, scores in per_type.items()
    ]
    print_table([f"{decode} F", *types], rows)


def _number(limit: str) -> int:
    if not limit.isdecimal():
        raise DualNerError(f"--limit is no number: '{limit}'.")
    return int(limit)


def read_results(path: Path) -> dict[str, Any]:
    """Read what `evaluate` wrote: `languages`, `mean` and `mean_targets` as in docs/training.md.

    Raises DataError where there is no such file, or it is no result of `evaluate`.
    """
    if not path.is_file():
        raise DataError(path, "no such file. Make it with evaluate --output.")
    with readable(path, "not a result of evaluate", "Make it with evaluate --output."):
        results = json.loads(path.read_bytes())
        for scores in (*results["languages"].values(), results["mean"], results["mean_targets"]):
            # Earlier versions wrote no `joint`, and `raw` is there where it was asked for. There is
            # no mean over no language.
            for kind in {"span", "tag", own_decoding(results), *results["mean"]}:
                if scores or scores is not results["mean_targets"]:
                    _cells({**scores[kind]})
    return results


def own_decoding(results: dict[str, Any]) -> str:
    """What the pipeline decodes that results are of; versions that did not say read `span`."""
    return results.get("decode", "span")


def _cells(scores: dict[str, float] | None) -> list[str]:
    return ["-"] * 3 if scores is None else [f"{scores[key]:.1f}" for key in ("p", "r", "f")]


@dualner_cli.command("compare")
def compare_cli(
    before: Path = typer.Argument(..., metavar="BEFORE", help="JSON of evaluate"),
    after: Path = typer.Argument(..., metavar="AFTER", help="JSON of evaluate"),
) -> None:
    """Compare two results of `evaluate`, language by language: F1 of what each pipeline decodes.

    Where the two decode in different ways, the means of one and the same decoding follow.

    \b
    Examples:
      python -m spacy dualner compare metrics/stage1.json metrics/stage2.json
    """
    first, second = read_results(before), read_results(after)
    if first["languages"].keys() != second["languages"].keys():
        raise DualNerError(f"{before} and {after} are of different languages.")
    # Earlier versions wrote neither.
    texts = [(own["split"], own.get("limit")) for own in (first, second) if "split" in own]
    if len(set(texts)) > 1:
        said = " and ".join(f"{split} (limit {limit})" for split, limit in texts)
        msg.warn(f"The two are of different text: {said}")
    pairs = [(n, first["languages"][n], second["languages"][n]) for n in first["languages"]]
    pairs += [(n, first[n], second[n]) for n in ("mean", "mean_targets")]
    old, new = own_decoding(first), own_decoding(second)
    rows = []
    for name, one, two in pairs:
        cells = ["-"] * 3
        if one and two:
            f_one, f_two = one[old]["f"], two[new]["f"]
            cells = [f"{f_one:.1f}", f"{f_two:.1f}", f"{f_two - f_one:+.1f}"]
        rows.append([name, *cells])
    header = [f"{old} F1", before.stem, after.stem, "gain"]
    if old != new:
        header = ["F1", f"{before.stem} ({old})", f"{after.stem} ({new})", "gain"]
    print_table(header, rows)
    targets = first["mean_targets"], second["mean_targets"]
    name = "mean_targets" if all(targets) else "mean"
    if old != new and new in first[name]:
        # Part of the gain is the decoding's.
        f_one, f_two = (results[name][new]["f"] for results in (first, second))
        msg.info(f"{name} with both decoded by {new}: {f_one:.1f} to {f_two:.1f}")
    if all(targets) and targets[1][new]["f"] <= targets[0][old]["f"]:
        msg.warn(f"No gain on the target languages: {after.stem} is not above {before.stem}")
