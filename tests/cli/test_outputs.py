"""What stands where an output is to be written: it is of the same kind, or it stays."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import srsly
from helpers.commands import tree
from helpers.corpus import run_cli
from helpers.tiny import ROOT
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import ShardWriter
from spacy_dualner.data.outputs import (
    check_docs,
    check_file,
    check_output,
    write_json,
    written_aside,
)
from spacy_dualner.errors import DualNerError
from spacy_dualner.system.scratch import hold

KEPT = "is not replaced"


# All that is refused is so before there is a cluster.
RAY = ("--force", "--ray")
# What each command writes, and the output.
WRITES: dict[str, tuple[list[str], str]] = {
    "annotate jsonl": (["annotate", "model", "text.txt", "out.jsonl", "--force"], "out.jsonl"),
    "annotate conll": (["annotate", "model", "text.txt", "out.conll", "--force"], "out.conll"),
    "annotate spacy": (["annotate", "model", "text.txt", "out.spacy", "--force"], "out.spacy"),
    "annotate --ray": (["annotate", "model", "text.txt", "out.jsonl", *RAY], "out.jsonl"),
    "partial --ray": (["annotate", "model", "text.txt", "o.jsonl", *RAY], "o.jsonl.partial"),
    "errors --ray": (["annotate", "model", "text.txt", "o.jsonl", *RAY], "o.jsonl.errors.jsonl"),
    "partial": (["annotate", "model", "text.txt", "o.jsonl", "--force"], "o.jsonl.partial"),
    "errors": (["annotate", "model", "text.txt", "o.jsonl", "--force"], "o.jsonl.errors.jsonl"),
    "calibrate": (["calibrate", "model", "out", "--limit", "2"], "out"),
    "calibrate -o": (["calibrate", "model", "new", "--limit", "2", "-o", "out"], "out"),
    "diagram": (["calibrate", "model", "new", "--limit", "2", "--diagram", "out"], "out"),
    "select": (["select", "model", "text.txt", "out.jsonl", "--force"], "out.jsonl"),
    "from-hf": (["from-hf", "hf", "out"], "out"),
    "shrink": (["shrink", "model", "out", "--tolerance", "100"], "out"),
    "shrink -o": (["shrink", "model", "new", "--tolerance", "100", "-o", "out"], "out"),
    "evaluate -o": (["evaluate", "model", "corpus", "-o", "out"], "out"),
    "card -o": (["card", "model", "-o", "out"], "out"),
    "card": (["card", "model"], "model/README.md"),
    "hub card": (["card", "model"], "model/HUB_README.md"),
    "convert": (["convert", "in", "corpus"], "corpus/train/en.spacy"),
    "unlabelled": (["convert", "in", "corpus"], "corpus/unlabelled/en.spacy"),
    "teach": (["teach", "stage2.cfg", "-o", "out"], "out/model-best"),
    "threshold -o": (["threshold", "model", "corpus", "-o", "out"], "out"),
    "inspect": (["inspect", "model", "corpus", "out", "--no-figures"], "out"),
}


@pytest.fixture(params=WRITES)
def written(request: pytest.FixtureRequest) -> tuple[list[str], str]:
    return WRITES[request.param]


def put(path: Path, make: Callable[[Path], object]) -> None:
    """Something else where a command writes to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        path.unlink()
    make(path)


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("important")


def test_a_folder_of_other_files_stays(here: Path, written: tuple[list[str], str]) -> None:
    arguments, output = written
    put(here / output, a_folder)
    before = tree(here)
    status, printed = run_cli("dualner", *arguments)
    assert status == 1
    assert KEPT in printed or "is a folder" in printed
    assert tree(here) == before


def test_a_file_of_something_else_stays(here: Path, written: tuple[list[str], str]) -> None:
    """All but where --force asks for it."""
    arguments, output = written
    put(here / output, lambda path: path.write_text("important"))
    before = tree(here)
    status, printed = run_cli("dualner", *arguments)
    if output in ("out.jsonl", "out.conll") and "--ray" not in arguments:
        assert status == 0 and (here / output).read_text() != "important"
        return
    assert status == 1
    assert KEPT in printed or "is no" in printed or "File exists" in printed
    assert tree(here) == before


@pytest.mark.parametrize("to", ["file", "folder", "nothing"])
def test_a_link_and_what_it_points_to_stay(
    here: Path, written: tuple[list[str], str], to: str
) -> None:
    arguments, output = written
    (here / "else" / "folder").mkdir(parents=True)
    (here / "else" / "folder" / "thesis.txt").write_text("important")
    (here / "else" / "file").write_text("important")
    put(here / output, lambda path: path.symlink_to(here / "else" / to))
    before = tree(here)
    status, printed = run_cli("dualner", *arguments)
    assert status == 1
    assert "is a link to" in printed or KEPT in printed
    assert tree(here) == before


def test_no_folder_is_called_as_a_url_begins(here: Path, written: tuple[list[str], str]) -> None:
    arguments, output = written
    top = output.partition("/")[0]
    if top not in arguments[2:]:
        pytest.skip("what is beside an output, or in the pipeline, has no name of its own")
    before = tree(here)
    status, printed = run_cli(
        "dualner", *(f"s3://bucket/{top}" if name == top else name for name in arguments)
    )
    assert status == 1 and "s3:/" in printed
    assert tree(here) == before


@pytest.mark.parametrize("command", ["calibrate", "shrink", "card -o", "teach", "threshold -o"])
def test_a_pipeline_is_replaced_unless_it_holds_other_files(here: Path, command: str) -> None:
    arguments, output = WRITES[command]
    shutil.copytree("model", output)
    (here / output / "README.md").write_text("of an earlier card")
    (here / output / "thesis.txt").write_text("important")
    before = tree(here)
    status, printed = run_cli("dualner", *arguments)
    assert status == 1 and "other files (thesis.txt), so it is not replaced" in printed
    assert tree(here) == before
    (here / output / "thesis.txt").unlink()
    status, _ = run_cli("dualner", *arguments)
    assert status == 0
    assert tree(here / output) != tree(here / "model")
    assert not list(here.glob("**/.*"))


@pytest.mark.parametrize(
    "command", ["calibrate -o", "diagram", "shrink -o", "evaluate -o", "card", "inspect"]
)
def test_what_a_command_wrote_it_replaces(here: Path, command: str) -> None:
    arguments, output = WRITES[command]
    for _ in range(2):
        status, _ = run_cli("dualner", *arguments)
        assert status == 0 and (here / output).stat().st_size
    assert not list(here.glob(".*"))


def test_a_corpus_is_replaced_with_its_shards(here: Path) -> None:
    convert(here / "in", here / "corpus", langs=["en"])
    (here / "corpus" / "train" / "en.spacy").unlink()
    a_folder(here / "corpus" / "train" / "en.spacy")
    path = here / "corpus" / "train" / "en.spacy"
    with pytest.raises(DualNerError, match=r"other files \(thesis\.txt\)"):
        ShardWriter(path)
    (path / "thesis.txt").rename(path / "00000.spacy")
    convert(here / "in", here / "corpus", langs=["en"])
    assert path.is_file()


@pytest.mark.parametrize("meta", ["{", "[]", '{"components": null}', '{"pipeline": [1]}'])
def test_of_a_pipeline_with_damaged_notes_nothing_is_known_as_its_own(
    tmp_path: Path, meta: str
) -> None:
    (tmp_path / "out" / "dualner").mkdir(parents=True)
    (tmp_path / "out" / "config.cfg").write_text("")
    (tmp_path / "out" / "meta.json").write_text(meta)
    with pytest.raises(DualNerError, match=r"other files \(dualner\)"):
        check_output(tmp_path / "out", tmp_path / "model")


def test_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    """Such as /dev/stdout, which root could replace."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("pipe", "link"):
        write_json(tmp_path / name, {"a": 1})
        assert srsly.json_loads(os.read(reader, 100)) == {"a": 1}
    os.close(reader)
    assert tree(tmp_path).keys() == {"pipe", "link"} and (tmp_path / "link").is_symlink()


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scores.json").write_text("{}")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "scores.json", {"a": 1})
    assert tree(tmp_path) == {"scores.json": b"{}".hex()}


@pytest.mark.parametrize("kind", ["folder", "docs"])
def test_a_replaced_folder_comes_back_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Between stepping aside and the new one's coming, on a disk that needs two steps."""
    monkeypatch.setattr("spacy_dualner.data.outputs._exchange", lambda *_: False)
    output = tmp_path / "out.spacy"
    output.mkdir()
    (output / "00000.spacy").write_text("")
    before, replace = tree(tmp_path), os.replace
    calls = []

    def stop_at_second(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        if kind == "folder":
            with written_aside(output) as aside:
                aside.mkdir()
        else:
            with ShardWriter(output) as writer:
                writer.merge(DocBin(docs=[Doc(Vocab(), words=["Anna"])], store_user_data=True))
    assert tree(tmp_path) == before


# Inputs


def test_the_input_of_annotate_stays(here: Path) -> None:
    cases = [
        ("corpus/test/en.spacy", "corpus/test/en.spacy"),
        ("corpus/test", "corpus/test/new.spacy"),
    ]
    (here / "out.jsonl.errors.jsonl").write_text('{"file": "a", "text": "Anna"}\n')
    cases.append(("out.jsonl.errors.jsonl", "out.jsonl"))
    shutil.copytree("corpus/test", "shards.spacy")
    cases.append(("shards.spacy/en.spacy", "shards.spacy"))
    before = tree(here)
    for source, output in cases:
        status, printed = run_cli("dualner", "annotate", "model", source, output, "--force")
        assert status == 1 and "INPUT" in printed
        assert tree(here) == before


def test_teach_keeps_the_pipeline_that_it_begins_from(here: Path) -> None:
    (here / "stage1").mkdir()
    (here / "model").rename(here / "stage1" / "model-best")
    before = tree(here / "stage1")
    arguments = ["stage2.cfg", "-o", "stage1", "--paths.model", "stage1/model-best"]
    status, printed = run_cli("dualner", "teach", *arguments)
    assert status == 1 and "lie in one another" in printed
    assert tree(here / "stage1") == before


def test_configure_keeps_presets_and_other_files(here: Path) -> None:
    shutil.copytree(ROOT / "configs" / "demo", "preset")
    status, printed = run_cli("dualner", "configure", "preset", "./preset", "--seed", "3")
    assert status == 1 and "the preset itself" in printed
    (here / "configs").mkdir()
    (here / "configs" / "stage1.cfg").write_text("[theatre]\nlights = 3\n")
    before = tree(here)
    status, printed = run_cli("dualner", "configure", "preset", "configs")
    assert status == 1 and KEPT in printed
    assert tree(here) == before
    for _ in range(2):
        status, _ = run_cli("dualner", "configure", "preset", "new")
        assert status == 0


def test_docs_are_told_by_their_bytes(here: Path) -> None:
    check_docs(here / "corpus" / "train" / "en.spacy")
    (here / "notes.spacy").write_text("important")
    with pytest.raises(DualNerError, match=KEPT):
        check_docs(here / "notes.spacy")


# Two runs at once


@pytest.mark.parametrize(
    "command,held",
    [
        ("annotate jsonl", "out.jsonl.partial"),
        ("annotate --ray", "out.jsonl.partial"),
        ("calibrate", ".out.part"),
        ("card -o", ".out.part"),
        ("convert", "corpus/unlabelled/.en.spacy.part"),
        ("select", ".out.jsonl.part"),
        ("teach", "out"),
    ],
)
def test_an_output_is_of_one_run_at_a_time(here: Path, command: str, held: str) -> None:
    before = tree(here)
    lock = hold(here / held)
    assert lock is not None
    with lock:
        status, printed = run_cli("dualner", *WRITES[command][0])
    assert status == 1
    assert "being written by another run. Wait for it to end." in printed
    assert {name: what for name, what in tree(here).items() if held not in name} == before


# Read-only, and clocks


@pytest.mark.parametrize(
    "words,output",
    [
        ("annotate model text.txt", "out.jsonl"),
        ("annotate --ray local model text.txt", "out.jsonl"),
        ("calibrate model", "out"),
        ("card model -o", "out"),
        ("convert in", "corpus"),
        ("evaluate model corpus -o", "out.json"),
        ("select model text.txt", "out.jsonl"),
        ("shrink model", "out"),
        ("teach stage2.cfg -o", "out"),
    ],
)
def test_an_output_where_nobody_may_write(here: Path, words: str, output: str) -> None:
    """Not root either."""
    before = tree(here)
    status, printed = run_cli("dualner", *words.split(), f"/sys/kernel/{output}")
    assert status == 1
    assert f"/sys/kernel/{output}" in printed or f"/sys/kernel/.{output}" in printed
    assert "Check the path, its permissions and the space left." in printed
    assert tree(here) == before


@pytest.mark.parametrize("command", ["annotate jsonl", "calibrate", "convert", "select", "teach"])
def test_a_clock_that_is_set_back(
    here: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs are of the future, and the time runs backwards."""
    arguments, output = WRITES[command]
    found = []
    for back in (False, True):
        if back:
            for path in here.rglob("*"):
                os.utime(path, (2**32, 2**32))
            times = count(2**31, -1000)
            monkeypatch.setattr(time, "time", lambda: float(next(times)))  # noqa: B023
        status, printed = run_cli("dualner", *arguments)
        assert status == 0, printed
        found.append(tree(here / Path(output).parts[0]))
        shutil.rmtree(output) if Path(output).is_dir() else Path(output).unlink()
    assert found[0] == found[1]


def test_a_large_report_is_not_read_whole(tmp_path: Path) -> None:
    report = tmp_path / "out.jsonl.errors.jsonl"
    report.write_text('{"file": "a"}\n')
    os.truncate(report, 2**30)
    tracemalloc.start()
    try:
        check_file(report, "report", lambda text: text.startswith('{"file": '))
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()
