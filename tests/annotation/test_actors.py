"""What becomes of shards whose actors die, with a Ray of this process and then with a cluster."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.annotate import TEXTS

from experiments.reliability.processes import Command
from spacy_dualner.annotation.actors import Job, Shard, hand_out
from spacy_dualner.annotation.annotate import annotate
from spacy_dualner.annotation.annotate_settings import AnnotateSettings, ClusterSettings
from spacy_dualner.annotation.cluster import annotate_on_cluster, connected
from spacy_dualner.annotation.journal import Unfinished
from spacy_dualner.annotation.writers import OUTPUTS
from spacy_dualner.errors import DataError, DualNerError

SHARDS = [Shard(number, f"{number}.jsonl", "in.txt", (0, 0), 2, 1) for number in range(6)]


class RayError(Exception):
    """As Ray's: an actor has died."""


class RayTaskError(RayError):
    """As Ray's: an actor has raised something."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


class Ray:
    """Actors that are not there, whose calls end in their order.

    fails (Dict[str, List[Exception]]): What calls end with, by shard or `load`, before one is well.
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.fails: dict[str, list[Exception]] = {}
        self.placed = 9
        self.made = 0
        self.most = 0

    def remote(self, **options: Any) -> Any:
        assert options == {"num_cpus": 1, "num_gpus": 0, "max_restarts": -1}
        return lambda _: SimpleNamespace(remote=self._actor)

    def _actor(self, job: Job) -> Any:
        self.made += 1
        number = self.made
        load = SimpleNamespace(remote=lambda: (number, "load", object()))
        return SimpleNamespace(
            load=SimpleNamespace(options=lambda max_task_retries: load),
            annotate=SimpleNamespace(remote=lambda shard: (number, shard.name, object())),
        )

    def wait(self, calls: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        self.most = max(self.most, sum(call[1] != "load" for call in calls))
        return [call for call in calls if call[0] <= self.placed][:1], []

    def get(self, call: Any) -> Any:
        _, name, _ = call
        if self.fails.get(name):
            raise self.fails[name].pop()
        return None if name == "load" else {"name": name}


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    found = Ray()
    monkeypatch.setitem(sys.modules, "ray", found)
    return found


def done(n_actors: int = 2) -> list[str]:
    settings, cluster = AnnotateSettings(), ClusterSettings()
    out = Unfinished(Path("out.jsonl"))
    job = Job("model", "", "", out, OUTPUTS[".jsonl"], 2, settings, cluster)
    found = []
    for shard, record in hand_out(job, n_actors, iter(SHARDS)):
        assert record["name"] == shard.name
        found.append(shard.name)
    return sorted(found)


ALL = [shard.name for shard in SHARDS]


def test_each_actor_has_one_shard_at_a_time(ray: Ray) -> None:
    assert done() == ALL
    assert (ray.made, ray.most) == (2, 2)


def test_what_failed_is_done_again(ray: Ray, capsys: pytest.CaptureFixture[str]) -> None:
    ray.fails = {
        "0.jsonl": [RayError()],
        "5.jsonl": [RayError(), RayError(), RayError()],
        "3.jsonl": [RayTaskError(OSError("disk full"))],
        "load": [RayError()],
    }
    assert done() == ALL
    printed = " ".join(capsys.readouterr().out.split())
    assert "5.jsonl failed and is begun again: the process died" in printed
    assert "3.jsonl failed and is begun again: disk full" in printed
    assert "Loading the pipeline failed and is begun again" in printed


@pytest.mark.parametrize("name", ["2.jsonl", "load"])
def test_what_fails_again_and_again_ends_the_run(ray: Ray, name: str) -> None:
    ray.fails = {name: [RayError() for _ in range(9)]}
    with pytest.raises(DualNerError, match=r"failed 4 times: the process died.*--resume"):
        done()


def test_errors_of_the_input_end_the_run_at_once(ray: Ray) -> None:
    ray.fails = {"2.jsonl": [RayTaskError(DataError("in.txt", "bad", line=3))]}
    with pytest.raises(DataError, match=r"in\.txt:3: bad"):
        done()
    ray.fails = {"2.jsonl": [RayTaskError(ZeroDivisionError())]}
    with pytest.raises(RayTaskError):
        done()


def test_an_actor_without_a_place_is_not_waited_for(ray: Ray) -> None:
    ray.placed = 1
    assert done() == ALL
    ray.placed, ray.made = 0, 0
    waits = []

    def wait(calls: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        waits.append(timeout)
        if len(waits) == 3:
            ray.placed = 2
        return Ray.wait(ray, calls, timeout)

    ray.wait = wait  # type: ignore[method-assign]
    assert done() == ALL


def test_sigterm_while_ray_begins_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray answers it in its own way from some moment on."""

    def begin(*_: object, **options: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
        signal.raise_signal(signal.SIGTERM)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    ray = SimpleNamespace(init=begin, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", ray)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(KeyboardInterrupt), connected(ClusterSettings(ray="local")):
            pass
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)


# A cluster


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    if not os.environ.get("NIGHTLY"):
        pytest.skip("a real cluster takes a minute: NIGHTLY=1 asks for it")
    if find_spec("ray") is None:  # it is told how to listen before it is imported
        pytest.skip("ray is not installed")
    from experiments.reliability.cluster import two_nodes

    with two_nodes() as cluster:
        yield cluster


@pytest.mark.slow
def test_a_killed_actor_and_a_killed_command(model: str, tmp_path: Path, two_nodes: Any) -> None:
    from experiments.reliability.cluster import actors, done

    source = tmp_path / "in.txt"
    source.write_text("".join(f"{text}\n" for text in TEXTS * 100))
    annotate(model, str(source), tmp_path / "one.jsonl", AnnotateSettings(batch_size=16))
    target = tmp_path / "out.jsonl"
    settings = ("--batch-size", 16, "--shard-batches", 4, "--ray", two_nodes.address)
    arguments = ("spacy", "dualner", "annotate", model, source, target, *settings)
    with Command(tmp_path, tmp_path / "said", *arguments) as run:
        run.until(lambda: done(target) > 0)
        # Ray itself begins those again that are only loading: one of them is at a shard.
        for actor in actors(two_nodes):
            actor.kill()
        run.until(lambda: "failed and is begun again" in run.read()[0])
        before = done(target)
        run.until(lambda: done(target) > before)
        assert run.stop(signal.SIGKILL) == -signal.SIGKILL
    n_done = done(target)
    assert n_done and not (target / "manifest.json").exists()
    cluster = ClusterSettings(ray=two_nodes.address, shard_batches=4)
    old = {path: path.stat().st_ino for path in target.iterdir()}
    annotate_on_cluster(
        model, str(source), target, AnnotateSettings(batch_size=16, resume=True), cluster
    )
    assert sum(path.stat().st_ino == number for path, number in old.items()) >= n_done
    parts = sorted(target.glob("in-*"))
    assert b"".join(map(Path.read_bytes, parts)) == (tmp_path / "one.jsonl").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("in.txt", "one.jsonl", "out.jsonl", "said")
    }


@pytest.mark.slow
def test_no_cluster_at_an_address(model: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "in.txt").write_text("Anna\n")
    arguments = (model, str(tmp_path / "in.txt"), tmp_path / "out.jsonl", AnnotateSettings())
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(DualNerError, match=f"No Ray cluster can be used at '{address}'"):
            annotate_on_cluster(*arguments, ClusterSettings(ray=address))
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
