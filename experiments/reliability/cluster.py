"""Disturb `annotate --ray` at random moments, and compare what it writes with an undisturbed run.

An actor is killed, a node of the cluster goes, or the command is killed and begun again.

python -m experiments.reliability.cluster training/stage2/model-best news.txt --times 20
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import typer
from wasabi import msg

from experiments.benchmarks import common

# So that a dead node is noticed after seconds, in place of half a minute.
_SYSTEM = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500}
_SYSTEM |= {"health_check_timeout_ms": 2000, "health_check_failure_threshold": 3}
_NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100_000_000}
KINDS = ("actor", "node", "SIGKILL", "SIGTERM", "SIGINT")


@contextmanager
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes with a CPU each, heard on the loopback alone."""
    os.environ.update(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_worker_niceness="0")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray._common.utils import get_default_ray_temp_dir
    from ray.cluster_utils import Cluster

    # Here it notes where the cluster is, whatever its folder.
    os.makedirs(get_default_ray_temp_dir(), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        head = {**_NODE, "include_dashboard": False, "temp_dir": temp, "_system_config": _SYSTEM}
        on_sigterm = signal.getsignal(signal.SIGTERM)
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(**_NODE)
            yield cluster
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)  # which Ray has replaced
            cluster.shutdown()


def actors(cluster: Any) -> list[psutil.Process]:
    """The processes that annotate, or are about to, on any node."""
    found: list[psutil.Process] = []
    for node in cluster.list_all_nodes():
        for info in node.all_processes["raylet"]:
            raylet = psutil.Process(info.process.pid)
            found += filter(_annotates, raylet.children())
    return found


def _annotates(process: psutil.Process) -> bool:
    try:
        return "ray::Worker" in "".join(process.cmdline())
    except psutil.NoSuchProcess:  # or it is about to go
        return False


def remove_node(cluster: Any) -> None:
    """Have a node that is not the head go without notice, and another come."""
    cluster.remove_node(min(cluster.worker_nodes, key=str), allow_graceful=False)
    cluster.add_node(**_NODE)


def done(output: Path) -> int:
    """How many shards a run has noted that is not finished."""
    path = output.with_name(f"{output.name}.partial") / "journal.json"
    try:
        return len(json.loads(path.read_bytes())["shards"])
    except (OSError, ValueError):
        return 0


def content(output: Path) -> dict[str, Any]:
    """All files of an output, times aside, and its report of faults."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in output.iterdir()}
    found["manifest.json"] = json.loads(found["manifest.json"]) | {"seconds": 0}
    report = output.with_name(f"{output.name}.errors.jsonl")
    return found | {"errors": report.read_bytes() if report.exists() else b""}


def disturb(kind: str, cluster: Any, run: subprocess.Popen, rng: random.Random) -> None:
    """Have one thing go wrong."""
    if kind == "node":
        remove_node(cluster)
    elif kind == "actor":
        if found := actors(cluster):
            rng.choice(found).kill()
    else:
        run.send_signal(getattr(signal, kind))
        run.wait()


def main(
    model: Path = typer.Argument(..., help="A pipeline, such as the demo's"),
    text: Path = typer.Argument(..., help="A file of lines, for a minute or so"),
    times: int = typer.Option(20, help="How often anything goes wrong"),
    seed: int = typer.Option(0, help="Of what it is, and when"),
    shard_batches: int = typer.Option(4, help="Batches of each shard"),
    batch_size: int = typer.Option(32, help="Texts of each batch"),
    output: Path | None = common.Output,
) -> None:
    """Exit with status 1 where a run writes anything else than an undisturbed one."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    runs = n_faults = 0
    with two_nodes() as cluster, tempfile.TemporaryDirectory() as temp:
        options = [f"--batch-size={batch_size}", f"--shard-batches={shard_batches}"]
        options += ["--ray", cluster.address, "--actors", "2"]
        annotate = [sys.executable, "-m", "spacy", "dualner", "annotate", str(model), str(text)]
        calm = Path(temp) / "calm.jsonl"
        subprocess.run([*annotate, str(calm), *options], check=True)
        expected = content(calm)
        while counts.total() < times:
            target = Path(temp) / f"run{runs}.jsonl"
            while not (target / "manifest.json").exists():
                command = [*annotate, str(target), *options, "--resume"]
                run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                while run.poll() is None and counts.total() < times:
                    before = done(target)
                    while run.poll() is None and done(target) == before:
                        time.sleep(0.02)
                    time.sleep(rng.uniform(0, 1))
                    if run.poll() is None:
                        kind = rng.choice(KINDS)
                        disturb(kind, cluster, run, rng)
                        counts[kind] += 1
                        msg.info(f"{counts.total()} of {times}: {kind} after {done(target)} shards")
                said, _ = run.communicate()
                if run.returncode not in (0, -signal.SIGKILL, 130, 143):
                    msg.fail(f"Ended with {run.returncode}: {said}", exits=1)
            is_same = content(target) == expected
            n_left = len(list(Path(temp).glob("*.partial"))) + len(actors(cluster))
            n_faults += not is_same
            runs += 1
            msg.info(f"Run {runs}: {'the same' if is_same else 'ANOTHER'} output, {n_left} left")
    common.save(output, times=dict(counts), runs=runs, other_outputs=n_faults)
    if n_faults:
        msg.fail(f"{n_faults} of {runs} outputs are other than undisturbed", exits=1)
    msg.good(f"{runs} outputs, disturbed {counts.total()} times ({dict(counts)}), are the same")


if __name__ == "__main__":
    typer.run(main)
