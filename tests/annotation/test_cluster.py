"""`annotate --ray`: what does not depend on Ray, with a worker in this process for all actors."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from helpers.annotate import ROWS, TEXTS, files_of, read_output, write_input
from helpers.corpus import run_cli
from thinc.util import has_gpu

from spacy_dualner.annotation import cluster
from spacy_dualner.annotation.actors import Job, Record, Shard, Worker
from spacy_dualner.annotation.annotate import annotate
from spacy_dualner.annotation.annotate_settings import (
    AnnotateSettings,
    ClusterSettings,
    SelectSettings,
)
from spacy_dualner.annotation.journal import Unfinished
from spacy_dualner.annotation.select import select
from spacy_dualner.annotation.writers import OUTPUTS
from spacy_dualner.data.lines import read_chunks, split_lines
from spacy_dualner.data.urls import as_path, checksum, open_bytes, upload
from spacy_dualner.errors import DataError, DualNerError

SETTINGS = AnnotateSettings(batch_size=2)
CLUSTER = ClusterSettings(ray="local", shard_batches=2)
NOT_READ = [{"id": 0, "text": TEXTS[0]}, "{not JSON", {"id": 2}, *ROWS[3:], "[]"]


class Actors:
    """A worker in this process; stops after some shards, as by Ctrl-C.

    annotated (List[str]): The shards that it did, and not those that were whole.
    """

    def __init__(self) -> None:
        self.annotated: list[str] = []
        self.stop_after = 1000

    def hand_out(
        self, job: Job, n_actors: int, shards: Iterator[Shard]
    ) -> Iterator[tuple[Shard, Record]]:
        worker = Worker(job)
        for shard in shards:
            if len(self.annotated) == self.stop_after:
                raise KeyboardInterrupt
            record = worker.annotate(shard)
            if record is not shard.known:
                self.annotated.append(shard.name)
            yield shard, record


@pytest.fixture(autouse=True)
def actors(monkeypatch: pytest.MonkeyPatch) -> Actors:
    @contextmanager
    def connected(settings: ClusterSettings) -> Iterator[int]:
        yield 1

    found = Actors()
    monkeypatch.setattr(cluster, "connected", connected)
    monkeypatch.setattr(cluster, "hand_out", found.hand_out)
    monkeypatch.setattr(cluster, "need", lambda *_, **__: None)
    return found


def share(model: str, source: str, output: Path, **settings: Any) -> Any:
    settings = {"batch_size": 2, **settings}
    return cluster.annotate_on_cluster(model, source, output, AnnotateSettings(**settings), CLUSTER)


def write_lines(path: Path, rows: list[Any]) -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def shards_of(output: Path) -> list[Path]:
    return sorted(path for path in output.iterdir() if path.name != "manifest.json")


# The same as on one machine


@pytest.mark.parametrize("form", ["txt", "jsonl", "csv", "tsv"])
@pytest.mark.parametrize("ending", [".jsonl", ".conll"])
def test_shards_of_a_file_are_its_output_in_parts(
    model: str, tmp_path: Path, form: str, ending: str
) -> None:
    source = write_input(tmp_path / f"in.{form}", ROWS)
    one = annotate(model, source, tmp_path / f"one{ending}", SETTINGS)
    done = share(model, source, tmp_path / f"out{ending}")
    parts = shards_of(tmp_path / f"out{ending}")
    assert [path.name for path in parts] == [f"in-{n:06}{ending}" for n in range(len(parts))]
    assert len(parts) == -(-len(ROWS) // 4)
    whole = b"".join(path.read_bytes() for path in parts)
    assert whole == (tmp_path / f"one{ending}").read_bytes()
    names = ("texts", "words", "entities", "faults", "lines")
    assert [getattr(done, name) for name in names] == [getattr(one, name) for name in names]
    assert not (tmp_path / f"out{ending}.partial").exists()


def test_shards_of_docs_and_of_a_list(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", ROWS)
    annotate(model, source, tmp_path / "one.spacy", SETTINGS)
    share(model, source, tmp_path / "out.spacy")
    found = [doc for path in shards_of(tmp_path / "out.spacy") for doc in read_output(path)]
    assert found == read_output(tmp_path / "one.spacy")
    settings = AnnotateSettings(batch_size=2, output_form="label-studio")
    annotate(model, source, tmp_path / "one.json", settings)
    share(model, source, tmp_path / "out.json", output_form="label-studio")
    parts = shards_of(tmp_path / "out.json")
    assert [task for path in parts for task in srsly.read_json(path)] == srsly.read_json(
        tmp_path / "one.json"
    )


@pytest.mark.parametrize("ending", [".jsonl", ".conll", ".spacy"])
def test_a_folder_becomes_what_its_files_become(model: str, tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for form in ("txt", "jsonl", "csv", "tsv", "spacy"):
        write_input(folder / f"{form}-in.{form}", ROWS)
    with gzip.open(folder / "zip.txt.gz", "wb") as file:
        file.write((folder / "txt-in.txt").read_bytes())
    (folder / "_SUCCESS").touch()
    (folder / ".hidden").touch()
    (tmp_path / "one").mkdir()
    for path in [*sorted(folder.glob("*-*")), folder / "zip.txt.gz"]:
        target = tmp_path / "one" / f"{path.name.partition('.')[0]}{ending}"
        annotate(model, str(path), target, SETTINGS)
    done = share(model, str(folder), tmp_path / f"out{ending}")
    assert not done.lines  # of Docs there are none
    found = files_of(tmp_path / f"out{ending}")
    del found["manifest.json"]
    assert found == files_of(tmp_path / "one")
    assert len(found) == 6


def test_a_compressed_file_and_an_empty_one_are_one_shard(model: str, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "in.txt.gz", "wb") as file:
        file.write("".join(f"{text}\n" for text in TEXTS).encode())
    (tmp_path / "none.txt").touch()
    annotate(model, str(tmp_path / "in.txt.gz"), tmp_path / "one.jsonl", SETTINGS)
    share(model, str(tmp_path / "in.txt.gz"), tmp_path / "out.jsonl")
    (part,) = shards_of(tmp_path / "out.jsonl")
    assert part.read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert part.name == "in.jsonl"
    assert share(model, str(tmp_path / "none.txt"), tmp_path / "none.jsonl").texts == 0
    assert files_of(tmp_path / "none.jsonl")["none-000000.jsonl"] == b""


def test_the_only_file_of_a_folder_is_one_shard(model: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_input(tmp_path / "in" / "a.txt", ROWS)
    share(model, str(tmp_path / "in"), tmp_path / "out.jsonl")
    assert [path.name for path in shards_of(tmp_path / "out.jsonl")] == ["a.jsonl"]


def test_what_is_to_be_replaced_stays_without_a_cluster(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    share(model, source, tmp_path / "out.jsonl")
    before = files_of(tmp_path / "out.jsonl")

    def connected(settings: ClusterSettings) -> None:
        raise DualNerError("no cluster")

    monkeypatch.setattr(cluster, "connected", connected)
    for target, force in (("out.jsonl", True), ("new.jsonl", False)):
        with pytest.raises(DualNerError, match="no cluster"):
            share(model, source, tmp_path / target, force=force)
    assert files_of(tmp_path / "out.jsonl") == before
    assert {path.name for path in tmp_path.iterdir()} == {"in.txt", "out.jsonl"}


def test_bad_records_are_in_one_file_in_order(model: str, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", NOT_READ * 4)
    one = annotate(model, source, tmp_path / "one.jsonl", SETTINGS)
    done = share(model, source, tmp_path / "out.jsonl")
    files = files_of(tmp_path)
    assert files["out.jsonl.errors.jsonl"] == files["one.jsonl.errors.jsonl"]
    assert done.faults == one.faults == 12
    whole = b"".join(path.read_bytes() for path in shards_of(tmp_path / "out.jsonl"))
    assert whole == files["one.jsonl"]
    with pytest.raises(DataError, match=r"in\.jsonl:2: not JSON"):
        share(model, source, tmp_path / "strict.jsonl", strict=True)


def test_the_manifest(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    share(model, source, tmp_path / "out.jsonl")
    found = srsly.read_json(tmp_path / "out.jsonl" / "manifest.json")
    assert found["texts"] == len(ROWS) == sum(shard["texts"] for shard in found["shards"])
    assert [shard["name"] for shard in found["shards"]] == [
        path.name for path in shards_of(tmp_path / "out.jsonl")
    ]
    lines = Path(source).read_bytes().splitlines(keepends=True)
    for shard in found["shards"]:
        output = (tmp_path / "out.jsonl" / shard["name"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(output).hexdigest()
        first, last = shard["lines"]
        part = b"".join(lines[first - 1 : last])
        assert shard["input sha256"] == hashlib.sha256(part).hexdigest()


# Interrupted runs


@pytest.mark.parametrize("damage", ["", "cut", "gone"])
def test_a_run_that_goes_on_redoes_only_what_is_not_whole(
    model: str, tmp_path: Path, actors: Actors, damage: str
) -> None:
    source = write_lines(tmp_path / "in.jsonl", NOT_READ * 4)
    share(model, source, tmp_path / "calm.jsonl")
    calm = files_of(tmp_path / "calm.jsonl") | {"manifest.json": b""}
    actors.annotated.clear()
    actors.stop_after = 5
    with pytest.raises(KeyboardInterrupt, match=r"Interrupted after 20 texts\. Go on with --res"):
        share(model, source, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl" / "manifest.json").exists()
    leftover = tmp_path / "out.jsonl.partial" / ".part-left"
    leftover.mkdir()
    before = actors.annotated[:]
    if damage == "cut":
        (tmp_path / "out.jsonl" / before[1]).write_text("half")
    elif damage == "gone":
        (tmp_path / "out.jsonl" / before[1]).unlink()
    with pytest.raises(DualNerError, match=r"interrupted run .* --resume"):
        share(model, source, tmp_path / "out.jsonl")
    actors.annotated.clear()
    actors.stop_after = 1000
    share(model, source, tmp_path / "out.jsonl", resume=True)
    assert (before[1] in actors.annotated) == bool(damage)
    assert not {*before[2:], before[0]} & {*actors.annotated}
    assert files_of(tmp_path / "out.jsonl") | {"manifest.json": b""} == calm
    names = ("calm.jsonl.errors.jsonl", "out.jsonl.errors.jsonl")
    one, two = (files_of(tmp_path)[name] for name in names)
    assert one == two
    assert not leftover.parent.exists()


def test_a_run_that_ended_before_its_journal_went(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(tmp_path / "in.jsonl", NOT_READ * 4)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            share(model, source, tmp_path / "out.jsonl")
    share(model, source, tmp_path / "out.jsonl", resume=True)
    assert (tmp_path / "out.jsonl" / "manifest.json").exists()
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_a_run_of_something_else_does_not_go_on(model: str, tmp_path: Path, actors: Actors) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    actors.stop_after = 1
    with pytest.raises(KeyboardInterrupt):
        share(model, source, tmp_path / "out.jsonl")
    with pytest.raises(DualNerError, match=r"another batch size.*--force"):
        share(model, source, tmp_path / "out.jsonl", resume=True, batch_size=3)
    nlp = spacy.load(model)
    nlp.meta["version"] = "9.9.9"
    nlp.to_disk(tmp_path / "model")
    with pytest.raises(DualNerError, match="another pipeline"):
        share(str(tmp_path / "model"), source, tmp_path / "out.jsonl", resume=True)
    write_input(tmp_path / "in.txt", ROWS[1:])
    with pytest.raises(DualNerError, match="another input"):
        share(model, source, tmp_path / "out.jsonl", resume=True)
    actors.stop_after = 1000
    share(model, source, tmp_path / "out.jsonl", force=True)
    found = srsly.read_json(tmp_path / "out.jsonl" / "manifest.json")
    assert found["texts"] == len(ROWS) - 1
    assert len(shards_of(tmp_path / "out.jsonl")) == len(found["shards"])


def test_a_kill_while_what_is_replaced_goes(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of an earlier run is left between the new shards."""
    source = write_input(tmp_path / "in.txt", ROWS)
    output = tmp_path / "out.jsonl"
    share(model, source, output)
    write_input(tmp_path / "in.txt", ROWS[:4])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "remove_folder", stop)
        with pytest.raises(KeyboardInterrupt):
            share(model, source, output, force=True)
    (output / "thesis.txt").write_text("important")
    with pytest.raises(DualNerError, match=r"other files \(thesis\.txt\)"):
        share(model, source, output, resume=True)
    (output / "thesis.txt").unlink()
    share(model, source, output, resume=True)
    found = srsly.read_json(output / "manifest.json")
    assert len(shards_of(output)) == len(found["shards"]) == 1


def test_an_input_that_changes_meanwhile(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    annotate_shard = Worker.annotate

    def change(worker: Worker, shard: Shard) -> Record:
        with Path(source).open("a") as file:
            file.write("more\n")
        return annotate_shard(worker, shard)

    monkeypatch.setattr(Worker, "annotate", change)
    with pytest.raises(DualNerError, match="was changed while it was read"):
        share(model, source, tmp_path / "out.jsonl")


# What is there is not lost


def test_only_what_such_a_run_wrote_is_replaced(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    output = tmp_path / "out.jsonl"
    share(model, source, output)
    with pytest.raises(DualNerError, match=r"out\.jsonl is there.*--force"):
        share(model, source, output)
    (output / "in-000099.jsonl").write_text("of an earlier run")
    (output / ".manifest.json.part").write_text("of one that was killed")
    share(model, source, output, force=True)
    assert not (output / "in-000099.jsonl").exists()
    (output / "thesis.txt").write_text("important")
    with pytest.raises(DualNerError, match=r"other files \(thesis\.txt\)"):
        share(model, source, output, force=True)
    (output / "thesis.txt").unlink()
    (output / "manifest.json").unlink()
    before = files_of(output)
    with pytest.raises(DualNerError, match="was not written on a cluster"):
        share(model, source, output, force=True)
    assert files_of(output) == before
    shutil.rmtree(output)
    output.write_text("a file")
    with pytest.raises(DualNerError, match="was not written on a cluster"):
        share(model, source, output, force=True)


def test_inputs_that_cannot_be_shared(model: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    output = tmp_path / "out.jsonl"
    with pytest.raises(DataError, match="a folder without files"):
        share(model, str(folder), output)
    write_input(folder / "a.txt", ROWS)
    write_input(folder / "a.jsonl", ROWS)
    with pytest.raises(DataError, match=r"a\.txt: its output would be that of a\.jsonl"):
        share(model, str(folder), output)
    with pytest.raises(DualNerError, match="Standard input"):
        share(model, "-", output)
    (tmp_path / "named").mkdir()
    write_input(tmp_path / "named" / "manifest.txt", ROWS)
    with pytest.raises(DataError, match=r"manifest\.txt: its output would be that of manifest\.js"):
        share(model, str(tmp_path / "named"), tmp_path / "out.json", output_form="label-studio")
    (folder / "a.txt").rename(folder / "b.txt")
    with pytest.raises(DualNerError, match="lie in one another"):
        share(model, str(folder), folder / "out.jsonl")
    for more in ({"n_process": 2}, {"gpu_id": 0}):
        with pytest.raises(DualNerError, match="--actors"):
            share(model, str(folder), output, **more)
    assert not output.exists()


def test_another_pipeline_on_a_node(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    monkeypatch.setattr("spacy_dualner.annotation.actors.checksum", lambda *_: "0")
    with pytest.raises(DualNerError, match="has another pipeline"):
        share(model, source, tmp_path / "out.jsonl")


# URLs


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize("ending", [".jsonl", ".spacy"])
def test_urls(model: str, tmp_path: Path, actors: Actors, storage: str, ending: str) -> None:
    pytest.importorskip("upath")
    where = f"file://{tmp_path}/far" if storage == "file" else f"memory://{tmp_path.name}{ending}"
    far = as_path(where)
    (far / "in").mkdir(parents=True)
    for form in ("txt", "jsonl", "spacy"):
        local = write_input(tmp_path / f"{form}-in.{form}", ROWS)
        (far / "in" / f"{form}-in.{form}").write_bytes(Path(local).read_bytes())
    write_lines(tmp_path / "bad.jsonl", NOT_READ)
    (far / "in" / "bad.jsonl").write_bytes((tmp_path / "bad.jsonl").read_bytes())
    output = far / f"out{ending}"
    actors.stop_after = 2
    with pytest.raises(KeyboardInterrupt):
        share(model, f"{where}/in", output)
    actors.stop_after = 1000
    share(model, f"{where}/in", output, resume=True)
    assert len(actors.annotated) == 4
    for name in ("bad", "txt-in", "jsonl-in", "spacy-in"):
        (source,) = tmp_path.glob(f"{name}.*")
        annotate(model, str(source), tmp_path / f"{name}-one{ending}", SETTINGS)
        one = (tmp_path / f"{name}-one{ending}").read_bytes()
        assert (output / f"{name}{ending}").read_bytes() == one
    faults = [json.loads(line) for line in (far / f"out{ending}.errors.jsonl").open()]
    assert [fault["line"] for fault in faults] == [2, 3, len(NOT_READ)]
    assert {fault["file"] for fault in faults} == {f"{where}/in/bad.jsonl"}
    assert not (far / f"out{ending}.partial").exists()
    if storage == "memory":  # where all who have a file open read on from one place
        return
    share(model, f"{where}/in/txt-in.txt", output, force=True)
    assert len([*output.iterdir()]) == -(-len(ROWS) // 4) + 1


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of a storage that has no folders, only files with `/` in their names."""
    pytest.importorskip("upath")
    from fsspec.implementations.memory import MemoryFileSystem as Memory

    copy = Memory.cp_file

    def copy_file(storage: Memory, old: str, new: str, **more: object) -> None:
        if not storage.isfile(old):
            raise FileNotFoundError(old)
        copy(storage, old, new, **more)

    monkeypatch.setattr(Memory, "store", {})
    monkeypatch.setattr(Memory, "pseudo_dirs", [""])
    monkeypatch.setattr(Memory, "mkdir", lambda *_, **__: None)
    monkeypatch.setattr(Memory, "makedirs", lambda *_, **__: None)
    monkeypatch.setattr(Memory, "cp_file", copy_file)
    return "memory://bucket"


def test_a_folder_goes_where_there_are_only_files(tmp_path: Path, objects: str) -> None:
    (tmp_path / "new").mkdir()
    target, beside = as_path(f"{objects}/out/new.spacy"), as_path(f"{objects}/.new.part")
    (beside / "a.spacy").write_text("of one that was killed")
    for names in ("abc", "bd"):
        shutil.rmtree(tmp_path / "new")
        (tmp_path / "new").mkdir()
        for name in names:
            (tmp_path / "new" / f"{name}.spacy").write_text(names)
        upload(tmp_path / "new", target, beside)
        assert [path.name for path in sorted(target.iterdir())] == [f"{n}.spacy" for n in names]
        assert checksum(target) == checksum(tmp_path / "new")
        assert not beside.exists()


def test_urls_that_cannot_be_written(
    model: str, tmp_path: Path, objects: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem as Memory

    source = write_input(tmp_path / "in.txt", ROWS)
    other = write_input(tmp_path / "in[1].txt", ROWS)
    with pytest.raises(DataError, match=r"^in\[1\]\.txt: .* Rename it"):
        share(model, other, as_path(f"{objects}/out.jsonl"))
    with pytest.raises(DataError, match=r"out\[1\]\.jsonl: .* Rename it"):
        share(model, source, as_path(f"{objects}/out[1].jsonl"))
    exists = Memory.exists
    monkeypatch.setattr(Memory, "exists", lambda fs, path: path.strip("/") and exists(fs, path))
    with pytest.raises(DataError, match=r"out\.jsonl: there is no memory://"):
        share(model, source, as_path(f"{objects}/out.jsonl"))
    assert not Memory.store


def test_a_storage_that_does_not_answer(
    model: str, tmp_path: Path, objects: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem as Memory

    class NoCredentials(Exception):
        """As those of packages: not of OSError."""

    def refuse(*_: object, **__: object) -> None:
        raise NoCredentials("Unable to locate credentials")

    monkeypatch.setattr(Memory, "exists", refuse)
    monkeypatch.setattr(Memory, "info", refuse)
    monkeypatch.setattr(Memory, "_open", refuse)
    said = r"\(NoCredentials: Unable to locate credentials\)\. Check the URL, its access keys"
    for run in (share, annotate):
        with pytest.raises(OSError, match=said):
            run(model, f"{objects}/in.txt", tmp_path / "out.jsonl")
    with pytest.raises(OSError, match=said):
        select(model, f"{objects}/in.txt", tmp_path / "out.jsonl", SelectSettings())
    source = write_input(tmp_path / "in.txt", ROWS)
    shard = Shard(0, "in.jsonl", f"{objects}/in.txt", (0, 0), 0, 1)
    unfinished = Unfinished(tmp_path / "out.jsonl")
    unfinished.folder.mkdir()
    pipeline = checksum(Path(model))
    job = Job(model, pipeline, ".", unfinished, OUTPUTS[".jsonl"], 2, SETTINGS, CLUSTER)
    with pytest.raises(OSError, match=said):
        Worker(job).annotate(shard)

    def fault(*_: object, **__: object) -> None:
        raise NoCredentials

    monkeypatch.setattr(cluster, "identify", fault)
    with pytest.raises(NoCredentials):
        share(model, source, tmp_path / "out.jsonl")


@pytest.mark.parametrize("url", ["nosuch://bucket/in.txt", "s3://bucket/in.txt"])
def test_urls_of_nothing_that_is_installed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    registry = pytest.importorskip("fsspec.registry")
    monkeypatch.setattr(registry, "_registry", {})
    with pytest.raises(DataError, match=r"in\.txt: its storage cannot be used .*or install what"):
        as_path(url)


def test_a_storage_whose_files_only_read(tmp_path: Path) -> None:
    """As those of fsspec's buffered files: bytes into a buffer, and no `read1`."""

    class Far:
        def open(self, mode: str) -> io.FileIO:
            return io.FileIO(tmp_path / "in.txt")

    (tmp_path / "in.txt").write_text("a\nb\n")
    with open_bytes(Far()) as file:  # type: ignore[arg-type]
        assert list(split_lines(read_chunks(file, "in.txt"))) == [b"a\n", b"b\n"]


# The command


def test_the_command(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_lines(tmp_path / "in.jsonl", NOT_READ)
    found = []

    @contextmanager
    def connected(settings: ClusterSettings) -> Iterator[int]:
        found.append(settings)
        yield 1

    monkeypatch.setattr(cluster, "connected", connected)
    arguments = ["dualner", "annotate", model, source, tmp_path / "out.jsonl", "--force"]
    for more in (["--ray"], ["--ray", "--actors", 3], ["--ray", "head:6379"]):
        status, printed = run_cli(*arguments, *more)
        assert status == 0 and "3 bad records" in printed
    assert [(one.ray, one.actors) for one in found] == [
        ("local", 0),
        ("local", 3),
        ("head:6379", 0),
    ]
    for more in (["--gpus"], ["--actors", 3], ["--shard-batches", 9]):
        status, printed = run_cli(*arguments, *more)
        assert status == 1 and "are for a cluster: add --ray" in " ".join(printed.split())
    if not has_gpu:
        status, printed = run_cli(*arguments, "--gpus", "--ray")
        assert status == 1 and "or leave --gpus out" in printed


def test_errors_travel_between_processes() -> None:
    error = DataError("in.txt", "bad", line=3, text="x")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.line, again.text, type(again)) == (str(error), 3, "x", DataError)
