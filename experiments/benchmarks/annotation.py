"""Memory of `annotate` as it reads.

python -m experiments.benchmarks.annotation training/stage2/model-best --megabytes 50
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psutil
import srsly
import typer
from wasabi import msg

from experiments.benchmarks import common
from spacy_dualner.cli._options import with_settings

CASES = "repeated,new"
# Of ten words.
NEW_WORDS = 2


@dataclass(frozen=True)
class Settings:
    """What is measured, and how."""

    cases: str = typer.Option(CASES, help="Which to run, out of " + CASES)
    megabytes: float = typer.Option(50, help="Text whose words are repeated, or ever new")
    ending: str = typer.Option("jsonl", help="Form of the output")
    n_process: int = typer.Option(1, help="Processes at once")
    data: Path = common.Archives
    output: Path | None = common.Output


@with_settings()
def main(
    settings: Settings, model: Path = typer.Argument(..., help="A pipeline, such as the demo's")
) -> None:
    """Run `annotate` on made text, and look at the memory of all its processes."""
    results: dict[str, dict[str, float]] = {}
    options = ["--n-process", str(settings.n_process)]
    with tempfile.TemporaryDirectory() as temp:
        for case in settings.cases.split(","):
            path, size = Path(temp) / f"{case}.txt", settings.megabytes
            text = write_text(path, settings.data, size, new=case == "new")
            annotate = [sys.executable, "-m", "spacy", "dualner", "annotate", str(model)]
            command = [*annotate, str(text), str(text.with_suffix(f".{settings.ending}")), *options]
            results[f"{case} words"] = watched(command, size)
    for name, found in results.items():
        msg.info(f"{name}: " + ", ".join(f"{k} {v:,.1f}" for k, v in found.items()))
    common.save(settings.output, megabytes=settings.megabytes, results=results)


def write_text(path: Path, data: Path, megabytes: float, *, new: bool) -> Path:
    """Write sentences of all archives of a folder, over and over, up to a size.

    new (bool): Whether to put words between theirs that were not there before.
    """
    archives = sorted(data.glob("*.tar.gz"))
    sentences = [words for archive in archives for words, _ in common.load_sentences(archive, 0)]
    random.Random(0).shuffle(sentences)
    with path.open("w", encoding="utf-8") as file:
        for line in _lines(sentences, new):
            file.write(line)
            if file.tell() >= megabytes * 1e6:
                return path
    raise typer.BadParameter(f"{data} holds no archive")


def _lines(sentences: list[list[str]], new: bool) -> Iterator[str]:
    n_words = 0.0
    for words in cycle(sentences):
        # A made-up word for every few others.
        last = n_words + len(words) * NEW_WORDS / 10 if new else n_words
        more = [f"x{number * 2654435761 % 2**32:x}" for number in range(int(n_words), int(last))]
        n_words = last
        yield " ".join([*words, *more]) + "\n"


def watched(command: list[str], megabytes: float) -> dict[str, float]:
    """Run the command; resident memory of all its processes after each tenth of the text."""
    began, found, most = time.perf_counter(), {}, 0.0
    process = subprocess.Popen(command, stdout=sys.stderr)
    journal = Path(f"{command[7]}.partial") / "journal.json"
    tenths = 1
    while process.poll() is None:
        used = resident(process.pid)
        most = max(most, used)
        while read_bytes(journal) >= tenths * megabytes * 1e5:
            found[f"MB after {tenths * megabytes / 10:g} MB"] = used
            msg.info(f"{tenths} of 10 after {time.perf_counter() - began:,.0f} s: {used:,.0f} MB")
            tenths += 1
        time.sleep(0.2)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return found | {"MB at most": most, "seconds": time.perf_counter() - began}


def resident(pid: int) -> float:
    """Megabytes of a process and those that it started."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def read_bytes(journal: Path) -> int:
    """How much of the input is read, as the journal says."""
    try:
        return srsly.read_json(journal)["done"]
    except (FileNotFoundError, ValueError):
        return 0


if __name__ == "__main__":
    typer.run(main)
