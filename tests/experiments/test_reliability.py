"""The harness that kills the commands sees what is wrong, and goes on after a kill of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import srsly
from helpers.tiny import ROOT

from experiments.reliability.kills import main
from experiments.reliability.points import Points
from experiments.reliability.state import besides, part, tree, units


@pytest.mark.slow
def test_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    words = ["kills", str(tmp_path / "out"), "--only", "card", "convert", "--kills"]
    for kills in (3, 5):
        monkeypatch.setattr("sys.argv", [*words, str(kills)])
        main()
        results = tmp_path / "out" / "results.jsonl"
        trials = list(srsly.read_jsonl(results))
        assert len({trial[0]["trial"] for trial in trials}) == len(trials)
        rows = [row for trial in trials for row in trial]
        assert sum(row["hit"] for row in rows) >= kills
        assert [row["problems"] for row in rows] == [[]] * len(rows)
        # As if it had been killed while it wrote.
        results.write_text(results.read_text() + '{"trial": 1')
    assert "| `card` |" in capsys.readouterr().out


# At which point a process is killed that makes `a` twice, and names it `b`; how, what is left.
_TRIED = [
    ("", 0, ["b"]),
    ("leader 1 open a", -9, []),
    ("leader 2 open a", -9, ["b"]),
    ("leader 1 os.rename b", -9, ["a"]),
]


def test_a_point_is_where_a_file_changes(tmp_path: Path) -> None:
    folder, log = tmp_path / "work", tmp_path / "points"
    folder.mkdir()
    for at, status, left in _TRIED:
        pid = os.fork()
        if not pid:
            Points(folder, log, at)(os.getpid())
            for _ in range(2):
                (folder / "a").write_text("")
                os.replace(folder / "a", folder / "b")
            (folder / "b").read_text()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
        assert [path.name for path in folder.iterdir()] == left
        for path in folder.iterdir():
            path.unlink()
    assert log.read_text().splitlines()[1:3] == ["leader 1 os.rename b", "leader 2 open a"]


def test_what_is_half_written_or_left_is_seen(tmp_path: Path) -> None:
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "sub" / "a").write_text("whole")
    (tmp_path / "out" / "meta.json").write_text('{"b": 1, "a": {"seconds": 2}}')
    calm = tree(tmp_path)
    assert units(["out"], calm) == ["out"]
    (tmp_path / "out" / "meta.json").write_text('{"a": {"seconds": 2}, "b": 1}')
    assert part(tree(tmp_path), "out") == part(calm, "out")
    (tmp_path / "out" / "sub" / "a").write_text("who")
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "new").write_text("")
    now = tree(tmp_path)
    assert part(now, "out") != part(calm, "out")
    assert besides(now, [calm], []) == [".out.part", ".out.part/new"]
    assert besides(now, [calm], [".*.part"]) == []
