"""What a Ray cluster on this machine costs: two actors against one, and against two processes.

Each is run on all of a text and on a part of it. What lies between is free of the time that
processes take to begin.

OMP_NUM_THREADS=1 python -m experiments.benchmarks.cluster training/stage2/model-best news.txt
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import typer
from wasabi import msg

from experiments.benchmarks import common

# The part of the text that is the smaller one.
_PART = 8
WAYS = {
    "one actor": ["--ray", "--actors", "1"],
    "two actors": ["--ray", "--actors", "2"],
    "one process": [],
    "two processes": ["--n-process", "2"],
}


def main(
    model: Path = typer.Argument(..., help="A pipeline, such as the demo's"),
    text: Path = typer.Argument(..., help="A file of lines, for a minute or more"),
    repeats: int = typer.Option(3, help="Times of each, in turn"),
    shard_batches: int = typer.Option(8, help="Batches of each shard"),
    ways: str = typer.Option(",".join(WAYS), help="Which, out of these"),
    output: Path | None = common.Output,
) -> None:
    """Time all ways in turn."""
    lines = text.read_bytes().splitlines(keepends=True)
    n_texts = len(lines) - len(lines) // _PART
    wall: dict[str, list[float]] = {name: [] for name in ways.split(",")}
    processor: dict[str, list[float]] = {name: [] for name in wall}
    with tempfile.TemporaryDirectory() as temp:
        part, target = Path(temp) / "part.txt", Path(temp) / "out.jsonl"
        part.write_bytes(b"".join(lines[: len(lines) // _PART]))
        for _ in range(repeats):
            for name in wall:
                costs = []
                for source in (part, text):
                    arguments = ["annotate", str(model), str(source), str(target), "--force"]
                    more = [*WAYS[name], "--shard-batches", str(shard_batches)]
                    costs.append(cost(["dualner", *arguments, *more]))
                    subprocess.run(["rm", "-r", str(target)], check=True)
                wall[name].append(costs[1][0] - costs[0][0])
                processor[name].append(costs[1][1] - costs[0][1])
                msg.info(f"{name}: {wall[name][-1]:.1f} s, of processors {processor[name][-1]:.1f}")
    for what, found in (("", wall), ("of processors ", processor)):
        msg.divider(f"Seconds {what}for {n_texts:,} texts")
        common.table(found, next(reversed(found)))
    rates = {name: n_texts / statistics.median(times) for name, times in wall.items()}
    msg.info("Texts a second: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items()))
    common.save(output, texts=n_texts, seconds=wall, processor_seconds=processor)


def cost(words: list[str]) -> tuple[float, float]:
    """Run a command of spaCy's. Returns its seconds, and those of processors in its processes."""
    command = [sys.executable, "-m", "spacy", *words]
    used: dict[int, float] = {}
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    root = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for one in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    used[one.pid] = times.user + times.system
        time.sleep(0.1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - began, sum(used.values())


if __name__ == "__main__":
    typer.run(main)
