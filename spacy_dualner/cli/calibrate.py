"""The command `calibrate`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from ..evaluation.calibrate_settings import CalibrateSettings
from . import dualner_cli
from ._options import option, with_settings
from ._util import PresetData, print_table, read_preset, use_device, write_results


@dataclass(frozen=True)
class CalibrateFiles:
    """What else `calibrate` reads and writes."""

    preset: str = option("", "Folder of a preset.cfg")
    output: Path | None = option(None, "JSON file of the measures")
    diagram: Path | None = option(None, "SVG file, reliability diagram")


@dualner_cli.command("calibrate")
@with_settings(langs="l", limit="n", preset="p", output="o")
def calibrate_cli(
    model: str = typer.Argument(..., metavar="MODEL", help="Folder or package of a pipeline"),
    out: Path = typer.Argument(..., metavar="OUT", help="Folder of the calibrated pipeline"),
    corpus: Path = typer.Option(Path("corpus"), "--corpus", "-c", help="Corpus made by convert"),
    settings: CalibrateSettings = CalibrateSettings(),
    files: CalibrateFiles = CalibrateFiles(),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Fit confidences, so that of entities at 80% eight in ten are right.

    Writes a copy of the pipeline that has them, and prints how good they are before and after on
    other text. Annotated text of the languages that the pipeline is for helps most. Of languages
    without it unlabelled text is read: the less the heads agree there, the less is right.

    \b
    Examples:
      python -m spacy dualner calibrate training/stage2/model-best training/calibrated
      python -m spacy dualner calibrate xx_dualner calibrated --langs en --diagram reliability.svg
    """
    from ..data.outputs import check_file, check_json
    from ..errors import need

    output, diagram = files.output, files.diagram
    check_json(output, "result of calibrate", "fit", "decodings")
    if diagram is not None:
        check_file(diagram, "SVG file", lambda text: "<svg" in text[:1000])
        need("The reliability diagram needs", "report", "matplotlib", instead=", or omit --diagram")
    use_device(gpu_id)
    from ..data.outputs import write_text
    from ..evaluation.calibrate import calibrate

    defaults = read_preset(files.preset)
    settings = replace(
        settings,
        langs=settings.langs or _present(defaults, corpus, settings.split),
        unlabelled_langs=settings.unlabelled_langs
        or _present(defaults, corpus, settings.unlabelled_split),
        test_langs=settings.test_langs or _present(defaults, corpus, settings.test_split),
        test_limit=settings.test_limit or defaults.test_limit,
    )
    results = calibrate(model, out, corpus, settings, progress=True)
    print_measures(results)
    msg.good(f"Pipeline written to {out}")
    write_results(output, results, "Measures")
    if diagram is not None:
        from ..evaluation.diagram import reliability_svg

        own = results["decodings"][results["decode"]]
        group = "targets" if own["after"]["targets"]["n"] else "all"
        about = ", ".join(results["targets"] if group == "targets" else own["after"]["languages"])
        svg = reliability_svg({when: own[when][group] for when in ("before", "after")}, about)
        write_text(diagram, svg)
        msg.good(f"Reliability diagram written to {diagram}")


def _present(preset: PresetData, corpus: Path, split: str) -> list[str]:
    """The languages of a preset that have such a part of the corpus."""
    langs = dict.fromkeys([*preset.source, *preset.targets])
    return [lang for lang in langs if (corpus / split / f"{lang}.spacy").exists()]


def print_measures(results: dict[str, Any]) -> None:
    """Print what was fitted, and the measures of the pipeline's own decoding."""
    for decode, own in results["decodings"].items():
        what = "and a network" if own["network"] else "alone"
        msg.info(f"{decode}: temperature {own['temperature']:.2f} {what}")
        if own["right"] in (0, own["found"]):
            what = f"{own['right']:,} of {own['found']:,} entities found are right"
            msg.warn(f"{decode}: {what}: nothing to fit confidences to. Give more annotated text")
    if results["unlabelled"]["languages"]:
        msg.info(f"Without annotations: {', '.join(results['unlabelled']['languages'])}")
    own = results["decodings"][results["decode"]]
    rows = []
    for name in ["all", "targets", *own["after"]["languages"]]:
        before, after = (
            own[when]["languages"].get(name) or own[when][name] for when in ("before", "after")
        )
        if after["n"]:
            n, right = f"{after['n']:,}", f"{after['right']:.3f}"
            rows.append([name, n, right, *_before_after(before, after)])
    means = [own[when]["mean_targets"] for when in ("before", "after")]
    if means[0]["ece"] is not None:
        rows.insert(2, ["mean of targets", "", "", *_before_after(*means)])
    if not rows:
        msg.warn("No annotated text to measure on: name it with --test-split and --test-langs")
        return
    header = ["test", "entities", "right", "ECE before", "after", "AUROC before", "after"]
    print_table(header, rows)


def _before_after(*measures: dict[str, float | None]) -> list[str]:
    values = [one[key] for key in ("ece", "auroc") for one in measures]
    return ["-" if value is None else f"{value:.3f}" for value in values]
