"""What the benchmarks share: repeated interleaved runs, a table, JSON with the machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from wasabi import msg

from spacy_dualner.data.files import write_json

PACKAGES = ("spacy", "spacy-transformers", "thinc", "torch", "transformers")
DEMO_ENCODER = Path("assets/demo/encoder")


def interleaved(jobs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Run all jobs in turn, `repeats` times after one warm-up round. Returns seconds per job."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def report(seconds: dict[str, list[float]], base: str, output: Path | None, **facts: Any) -> None:
    """Print medians, spread and ratios to one of the jobs; write them with the machine's facts."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    rows = [
        [
            name,
            f"{medians[name]:.2f}",
            f"{min(times):.2f}-{max(times):.2f}",
            f"{medians[name] / medians[base]:.2f}",
        ]
        for name, times in seconds.items()
    ]
    header = ["", "median s", "range", f"x {base}"]
    msg.table(rows, header=header, divider=True, aligns=["l", "r", "r", "r"])
    facts |= {
        "machine": platform.machine(),
        "processor": platform.processor() or _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "seconds": seconds,
    }
    if output is not None:
        write_json(output, facts)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""
