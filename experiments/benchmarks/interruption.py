"""Kill a study at random moments, resume it, and compare it with one left undisturbed.

python -m experiments.benchmarks.interruption experiments/configs/demo/*.cfg --output DIR --kills 5
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import srsly
import typer
from wasabi import msg


def main(
    studies: list[Path] = typer.Argument(..., help="Study files"),
    output: Path = typer.Option(..., "--output", "-o", help="New folder for both results"),
    kills: int = typer.Option(5, "--kills", help="How often it is killed"),
    seed: int = typer.Option(0, "--seed", help="Of the moments"),
    encoder: str = typer.Option("", "--encoder", help="Hub name or folder"),
    jobs: int = typer.Option(1, "--jobs", "-j", help="Runs at once"),
) -> None:
    """Exit with status 1 where the results differ, times aside."""
    options = ["--encoder", encoder, "--jobs", str(jobs)]
    study = [sys.executable, "-m", "experiments", "study", *map(str, studies), *options]
    calm, killed = output / "undisturbed", output / "killed"
    began = time.perf_counter()
    subprocess.run([*study, "--output", str(calm)], check=True)
    whole = time.perf_counter() - began
    rng = random.Random(seed)
    moments = sorted(rng.uniform(0, whole) for _ in range(kills))
    for number, (last, moment) in enumerate(zip([0.0, *moments], moments, strict=False), 1):
        process = subprocess.Popen([*study, "--output", str(killed)], stdout=subprocess.DEVNULL)
        time.sleep(moment - last)
        process.kill()
        process.wait()
        msg.info(f"Kill {number} of {kills} after {moment - last:.1f} s: {_state(killed)}")
    subprocess.run([*study, "--output", str(killed)], check=True)
    one, two = _lines(calm), _lines(killed)
    different = [a["key"] for a, b in zip(one, two, strict=True) if a != b]
    if different:
        msg.fail(f"Other results than undisturbed: {', '.join(different)}", exits=1)
    msg.good(f"The same results after {kills} kills: {len(one)} cells")


def _lines(results: Path) -> list[dict[str, Any]]:
    """Scores and predictions of each cell, times aside."""
    lines: list[dict[str, Any]] = list(srsly.read_jsonl(results / "results.jsonl"))
    for line in lines:
        line.pop("seconds", None)
        path = results / line["folder"] / "predictions.npz"
        line["predictions"] = path.read_bytes() if path.exists() else b""
    return lines


def _state(results: Path) -> str:
    done = len(list(results.glob("runs/*/result.json")))
    begun = [path.parent.name for path in results.glob("runs/*/run.json")]
    begun = [name for name in begun if not (results / "runs" / name / "result.json").exists()]
    return f"{done} cells done, in the middle of {', '.join(begun) or 'none'}"


if __name__ == "__main__":
    typer.run(main)
