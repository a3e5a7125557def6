"""How commands end: what a user can mend is one line and an exit status, a fault of ours is not."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from helpers.commands import COMMANDS, limit_files
from helpers.corpus import run_cli
from typer.testing import CliRunner

from spacy_dualner.cli import dualner_cli
from spacy_dualner.cli._endings import Commands, Stopped, going_on
from spacy_dualner.errors import DataError, DualNerError
from spacy_dualner.pipeline import load_pipeline

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


# Any command


def ending(error: BaseException) -> tuple[int, str]:
    """Status and output of a command that raises."""
    app = typer.Typer(cls=Commands)

    @app.command()
    def first() -> None:
        raise error

    @app.command()
    def second() -> None:
        pass

    result = CliRunner().invoke(app, ["first"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def test_every_command_is_of_the_group() -> None:
    assert typer.main.get_command(dualner_cli).__class__ is Commands
    assert set(typer.main.get_command(dualner_cli).commands) == set(COMMANDS)


@pytest.mark.parametrize(
    "error,status,said",
    [
        (DualNerError("mend it"), 1, "mend it"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 1, "No space left on device: 'x'."),
        (OSError("[E050] Can't find model"), 1, "[E050] Can't find model"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "Permission denied: 'x'."),
        (
            shutil.Error([("a", "b", "[Errno 28] No space: 'b'")] * 2),
            1,
            "[Errno 28] No space: 'b'.",
        ),
        (KeyboardInterrupt(), 130, "Interrupted. Each output is whole, or as it was: begin again."),
        (KeyboardInterrupt("Interrupted after 3 texts."), 130, "Interrupted after 3 texts."),
        (Stopped(signal.SIGTERM), 143, "Interrupted."),
        (typer.Exit(3), 3, ""),
    ],
)
def test_an_error_is_a_line_and_a_status(error: BaseException, status: int, said: str) -> None:
    found, output = ending(error)
    assert found == status
    assert said in output and output.count("space") <= 2


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        ending(RuntimeError("a bug"))


def test_the_innermost_says_how_to_go_on() -> None:
    stopped = Stopped(signal.SIGTERM)
    with pytest.raises(Stopped), going_on("Outer."), going_on("Inner."):
        raise stopped
    status, output = ending(stopped)
    assert status == 143 and "Interrupted. Inner." in output and "Outer" not in output


def run(folder: Path, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "spacy", "dualner", *map(str, arguments)]
    env = {**os.environ, **options.pop("env", {})}  # type: ignore[dict-item]
    return subprocess.run(  # type: ignore[call-overload]
        command, cwd=folder, env=env, stderr=subprocess.PIPE, timeout=120, **options
    )


@pytest.mark.slow
def test_what_ascii_lacks_is_a_question_mark(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train-en.conll").write_text("a B-人名\nb O\n", "utf8")
    arguments = ("convert", "in", "out", "--types", "人名")
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    done = run(tmp_path, *arguments, env=ascii_only, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Tokens   ??" in done.stdout and b"Corpus written to out" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
def test_output_that_nobody_takes(here: Path, full: bool) -> None:
    """A reader like `head` that went early, or a full disk."""
    arguments = ("convert", "in", "out")
    if full:
        with open("/dev/full", "wb") as output:
            done = run(here, *arguments, stdout=output)
        assert done.returncode == 1
        assert done.stderr.count(b"\n") == 1 and b"No space left on device" in done.stderr
        return
    read, write = os.pipe()
    os.close(read)
    done = run(here, *arguments, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("command", ["annotate", "calibrate", "card", "convert", "teach"])
def test_a_full_disk(
    folder: Path,
    tmp_path: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line, whichever library it is that writes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    lines = (f"word{n} B-PER\n\n" for n in range(5000))
    (tmp_path / "in" / "train-en.conll").write_text("".join(lines))
    (tmp_path / "text.txt").write_text("Anna in Berlin\n" * 500)
    arguments: dict[str, list[str | Path]] = {
        "annotate": [folder / "model", "text.txt", "out.jsonl"],
        "calibrate": [folder / "model", "out", "--corpus", folder / "corpus"],
        "card": [folder / "model", "--output", "out"],
        "convert": ["in", "out"],
        "teach": [folder / "stage2.cfg", "--output", "out"],
    }
    before = limit_files(20_000)
    try:
        status, output = run_cli("dualner", command, *arguments[command])
    finally:
        limit_files(before)
    assert status == 1
    # torch says it in words of its own.
    assert ("Make room" if command == "teach" else "File too large") in output
    assert "Traceback" not in output
    left = {path.name for path in tmp_path.rglob("*")}
    assert left <= {"in", "train-en.conll", "text.txt", "out", "train", "unlabelled"}


# Options


@pytest.mark.parametrize(
    "arguments",
    [
        ("teach", "stage2.cfg", "--output", "out"),
        ("evaluate", "model", "corpus"),
        ("calibrate", "model", "out"),
        ("shrink", "model", "out"),
        ("from-hf", "hf", "out"),
        ("sources", "text.txt", "--encoder", "encoder"),
        ("annotate", "model", "text.txt", "out.jsonl"),
        ("threshold", "model", "corpus", "--output", "out"),
        ("inspect", "model", "corpus", "out"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_gpu_that_is_not_there(
    folder: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_dualner.cli._util.find_spec", lambda name: None)
    monkeypatch.chdir(folder)
    status, output = run_cli("dualner", *arguments, "--gpu-id", 0)
    assert status == 1
    assert "(CuPy is not installed: pip install 'cupy-cuda12x[ctk]')" in " ".join(output.split())
    assert "Leave --gpu-id out for the CPU." in output
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "option,said",
    [
        ("--resum", "No such option: --resum (Possible options: --resume)"),
        ("--resum=1.5", "No such option: --resum (Possible options: --resume)"),
        ("-x", "No such option: -x"),
        ("extra", "Got unexpected extra argument (extra)"),
    ],
)
def test_a_mistyped_option_of_teach(folder: Path, tmp_path: Path, option: str, said: str) -> None:
    status, output = run_cli(
        "dualner", "teach", folder / "stage2.cfg", "-o", tmp_path / "out", option
    )
    assert status == 2 and said in output


def test_settings_still_pass(folder: Path, tmp_path: Path) -> None:
    """Values may look like options, and a flag stands alone."""
    arguments = ["--teaching.max_epochs=1", "--teaching.eval_frequency", "100"]
    arguments += ["--teaching.teacher.templates", "-0.5"]
    status, output = run_cli("dualner", "teach", folder / "stage2.cfg", "-o", tmp_path, *arguments)
    assert status == 1 and "templates" in output
    arguments = [*arguments[:-2], "--teaching.mixed_precision", "--teaching.seed", "3"]
    status, output = run_cli("dualner", "teach", folder / "stage2.cfg", "-o", tmp_path, *arguments)
    assert status == 0 and (tmp_path / "model-best").is_dir()


def test_a_config_that_is_none(tmp_path: Path) -> None:
    for content in (b"\xff\xfe", b"hello"):
        (tmp_path / "stage2.cfg").write_bytes(content)
        status, output = run_cli(
            "dualner", "teach", tmp_path / "stage2.cfg", "-o", tmp_path / "out"
        )
        assert status == 1 and "stage2.cfg: not a config file" in output


# Pipelines


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline."""
    return shutil.copytree(folder / "model", tmp_path / "bad")


@pytest.mark.parametrize(
    "name,content,said",
    [
        ("dualner/model", POINTER, "bad/dualner/model: is a git-lfs pointer"),
        ("dualner/model", "", "bad/dualner/model: is damaged"),
        ("dualner/cfg", "{", "bad/dualner/cfg: is damaged"),
        ("vocab/strings.json", "", "bad/vocab/strings.json: is damaged"),
        ("meta.json", "{", "bad/meta.json: is damaged"),
        ("config.cfg", "x", "bad/config.cfg: is damaged"),
        ("dualner/model", None, "bad/dualner/model: cannot be read"),
        ("tokenizer", None, "bad/tokenizer: cannot be read"),
        ("tokenizer", "x", "bad: is damaged, or of another version"),
        ("vocab/vectors.cfg", "", "bad: is damaged, or of another version"),
        ("vocab/lookups.bin", "x", "bad: is damaged, or of another version"),
        ("dualner/cfg", "3", "bad: is damaged, or of another version"),
    ],
)
def test_a_damaged_pipeline(damaged: Path, name: str, content: str | None, said: str) -> None:
    path = damaged / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(DataError, match=said) as caught:
        load_pipeline(damaged)
    assert "Get the pipeline anew." in str(caught.value) or "git lfs pull" in str(caught.value)


@pytest.mark.parametrize(
    "command", ["annotate", "calibrate", "evaluate", "inspect", "shrink", "teach", "threshold"]
)
def test_every_command_names_what_is_damaged(
    damaged: Path, folder: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (damaged / "dualner" / "model").write_text(POINTER)
    corpus = ["--corpus", folder / "corpus"]
    arguments = {
        "annotate": ["bad", folder / "text.txt", "out.jsonl"],
        "calibrate": ["bad", "out", *corpus],
        "evaluate": ["bad", folder / "corpus"],
        "inspect": ["bad", folder / "corpus", "out.html"],
        "shrink": ["bad", "out", *corpus],
        "teach": [folder / "stage2.cfg", "--output", "out", "--paths.model", "bad"],
        "threshold": ["bad", folder / "corpus"],
    }
    status, output = run_cli("dualner", command, *arguments[command])
    assert status == 1
    assert "bad/dualner/model: is a git-lfs pointer" in output


def test_a_pipeline_cut_short(damaged: Path) -> None:
    path = damaged / "dualner" / "model"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DualNerError, match=r"model: is damaged .*anew"):
        load_pipeline(damaged)


def test_no_room_to_load_a_pipeline(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For what is unpacked: the pipeline itself is whole."""

    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.mkdtemp", fill)
    status, printed = run_cli(
        "dualner", "annotate", folder / "model", folder / "text.txt", "o.conll"
    )
    assert status == 1
    assert "No space left on device: '/tmp/x'. Check the path" in printed and "anew" not in printed


def test_a_pipeline_that_needs_something_else(damaged: Path) -> None:
    config = damaged / "config.cfg"
    config.write_text(config.read_text().replace('factory = "dualner"', 'factory = "no_such"'))
    with pytest.raises(DualNerError, match=r"not installed here.*no_such"):
        load_pipeline(damaged)


def test_a_card_of_a_pipeline_that_tells_odd_things(damaged: Path) -> None:
    path, odd = damaged / "meta.json", ({"dualner": 3}, {"labels": []}, {"license": [1]})
    meta = json.loads(path.read_text())
    for value in odd:
        path.write_text(json.dumps(meta | value))
        status, output = run_cli("dualner", "card", damaged)
        assert status == 1 and "bad: does not tell how it came to be" in output
        assert "Traceback" not in output and not (damaged / "README.md").exists()


@pytest.mark.parametrize("name", ["meta.json", "config.cfg"])
def test_a_card_of_a_damaged_pipeline(damaged: Path, name: str) -> None:
    (damaged / name).write_text(POINTER)
    status, output = run_cli("dualner", "card", damaged)
    assert status == 1 and name in output and "is damaged" in output


def test_a_folder_is_not_looked_for_among_packages(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There spaCy takes any error for an answer, Ctrl-C as well, and goes on."""
    asked: list[str] = []
    monkeypatch.setattr("spacy.util.is_package", lambda name: asked.append(name) or False)
    for name in (str(damaged), damaged):
        load_pipeline(name)
    assert not asked


def test_the_folder_above_a_pipeline_is_told_from_one(damaged: Path) -> None:
    shutil.copytree(damaged, damaged / "model-best")
    (damaged / "config.cfg").unlink()
    (damaged / "meta.json").unlink()
    with pytest.raises(DataError, match=f"is no pipeline.* as in {damaged}/model-best"):
        load_pipeline(damaged)
