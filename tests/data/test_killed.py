"""What a killed process leaves: gone with the next run, and two at once keep apart."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.commands import tree
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_dualner.data import outputs
from spacy_dualner.data.docbin import ShardWriter
from spacy_dualner.data.outputs import aside, locked, written_aside
from spacy_dualner.errors import DualNerError
from spacy_dualner.system.scratch import hold, scratch


def killed(work: Callable[[], object]) -> None:
    """Have another process do something in the midst of which it kills itself."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def write_within(writer: ShardWriter) -> None:
    writer.merge(DocBin(docs=[Doc(Vocab(), words=["Anna"])], store_user_data=True))
    writer.flush()


def test_what_a_killed_process_left_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "of others").mkdir()

    def work() -> None:
        with scratch() as folder:
            (folder / "weights").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    killed(work)
    left = [name for name in tree(tmp_path) if name.endswith("weights")]
    with scratch() as first, scratch() as second:
        assert first != second and first.is_dir()
        assert len(left) == 1 and not (tmp_path / left[0]).exists()
    assert tree(tmp_path).keys() == {"of others"}


def test_a_folder_of_somebody_else_with_such_a_name_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of this repository, or a run that was killed and is to go on."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, file in [("main", "README.md"), ("training", ".lock"), ("mine", "files")]:
        (tmp_path / f"spacy-dualner-{name}" / "stage2").mkdir(parents=True)
        (tmp_path / f"spacy-dualner-{name}" / file).write_text("important")
    (tmp_path / "spacy-dualner-empty").mkdir()
    before = tree(tmp_path)
    with scratch():
        pass
    assert tree(tmp_path) == before


def test_a_folder_that_goes_while_it_is_locked_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process takes one that is not locked yet for left, in any moment."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_dir, acquire = Path.is_dir, FileLock.acquire
    moments = ["made", "locked"]

    def gone(folder: Path, moment: str) -> bool:
        if moment not in moments or folder.parent != tmp_path:
            return False
        moments.remove(moment)
        os.rmdir(folder)
        return True

    def look(path: Path) -> bool:  # as mkdir does where there is something
        return not gone(path, "made") and is_dir(path)

    def lock(self: FileLock, **options: float) -> object:
        gone(Path(self.lock_file).parent, "locked")
        return acquire(self, **options)

    monkeypatch.setattr(Path, "is_dir", look)
    monkeypatch.setattr(FileLock, "acquire", lock)
    with scratch() as folder:
        assert is_dir(folder) and not moments
    monkeypatch.undo()
    assert not tree(tmp_path)


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    output = tmp_path / "out"

    def work() -> None:
        with written_aside(output) as folder:
            folder.mkdir()
            (folder / "weights").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    killed(work)
    assert not output.exists() and list(tmp_path.rglob("weights"))
    with written_aside(output) as new:
        assert not new.exists()
        new.mkdir()
    assert tree(tmp_path).keys() == {"out"}


def test_shards_that_a_killed_run_left_go_with_the_next(tmp_path: Path) -> None:
    output = tmp_path / "de.spacy"

    def work() -> None:
        with ShardWriter(output) as writer:
            write_within(writer)
            os.kill(os.getpid(), signal.SIGKILL)

    killed(work)
    assert list(tmp_path.rglob("00000.spacy"))
    with ShardWriter(output) as writer:
        write_within(writer)
    assert tree(tmp_path).keys() == {"de.spacy"}


def test_a_folder_that_stepped_aside_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two renames, where the disk cannot change places in one step."""
    monkeypatch.setattr(outputs, "_exchange", lambda *_: False)
    output = tmp_path / "out"
    output.mkdir()
    (output / "precious").write_text("")
    before, replace = tree(tmp_path), os.replace

    def stop_after(source: Path, target: Path) -> None:
        replace(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        monkeypatch.setattr(os, "replace", stop_after)
        with written_aside(output) as new:
            new.mkdir()

    killed(work)
    assert not output.exists()
    with aside(output):
        assert output.exists()
    assert tree(tmp_path) == before


def test_a_folder_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "old").write_text("")
    with written_aside(output) as new:
        new.mkdir()
        (new / "new").write_text("")
        monkeypatch.setattr(os, "replace", None)
    assert tree(tmp_path).keys() == {"out", "out/new"}


def test_two_runs_keep_apart(tmp_path: Path) -> None:
    said = "being written by another run. Wait for it to end."
    for output in (tmp_path / "out", tmp_path / "de.spacy"):
        with written_aside(output) as new:
            with pytest.raises(DualNerError, match=said), written_aside(output):
                pass
            with pytest.raises(DualNerError, match=said), ShardWriter(output) as writer:
                write_within(writer)
            new.write_text("")
        assert output.is_file()
    assert tree(tmp_path).keys() == {"out", "de.spacy"}


def test_the_end_of_a_run_leaves_the_lock_of_the_next(tmp_path: Path) -> None:
    """Which may begin as soon as the folder has gone."""
    with locked(tmp_path / "part", tmp_path / "out"):
        shutil.rmtree(tmp_path / "part")
        next_run = hold(tmp_path / "part")
        assert next_run is not None
    assert hold(tmp_path / "part") is None
    next_run.release()


def test_a_folder_of_other_files_beside_an_output_stays(tmp_path: Path) -> None:
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "thesis.txt").write_text("important")
    before = tree(tmp_path)
    with pytest.raises(DualNerError, match=r"thesis\.txt"), aside(tmp_path / "out"):
        pass
    assert tree(tmp_path) == before
