"""Ctrl-C and SIGTERM: one line that says how to go on, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import srsly
from helpers.commands import tree
from helpers.corpus import MINI, run_cli
from helpers.experiments import run_experiments
from helpers.tiny import ROOT
from thinc.api import Config

from experiments.reliability.processes import Command
from spacy_dualner.system.interrupts import deaf_to_interrupts

AGAIN = "Interrupted. Each output is whole, or as it was: begin again."
PARTS = "Each language is in OUTPUT whole, or as it was."

# What each command is at when the signal comes, at which of its calls, and what is then said.
AT: dict[str, tuple[list[str], str, int, str]] = {
    "annotate": (
        ["annotate", "model", "text.txt", "out.jsonl", "--batch-size", "1"],
        "annotation.work.Annotator._annotate",
        3,
        "Interrupted after 2 texts. Go on with --resume.",
    ),
    # Before there is a cluster; tests/annotation has what comes then.
    "annotate --ray": (
        ["annotate", "model", "text.txt", "out.jsonl", "--ray"],
        "annotation.cluster.identify",
        1,
        AGAIN,
    ),
    "calibrate": (
        ["calibrate", "model", "out"],
        "pipeline.without_paths",
        1,
        AGAIN,
    ),
    "card": (
        ["card", "model", "-o", "out"],
        "packaging.card.read_settings",
        1,
        AGAIN,
    ),
    "convert": (["convert", "in", "new"], "data.docbin.DocBinWriter.flush", 4, PARTS),
    "evaluate": (
        ["evaluate", "model", "corpus"],
        "evaluation.scores.evaluate_docs",
        2,
        AGAIN,
    ),
    "fetch": (["fetch", "new"], "data.fetch._Repository.find_cached", 1, PARTS),
    "report": (["report", "results", "out"], "report.results.read_results", 1, AGAIN),
    "select": (
        ["select", "model", "text.txt", "out.jsonl", "--batch-size", "1"],
        "annotation.select.doubts",
        2,
        AGAIN,
    ),
    "from-hf": (["from-hf", "hf", "out"], "packaging.from_hf.without_paths", 1, AGAIN),
    "shrink": (["shrink", "model", "out"], "packaging.shrinking.measure", 2, AGAIN),
    "sources": (
        ["sources", "text.txt", "-e", "encoder", "-c", "corpus/train", "-o", "out"],
        "evaluation.sources.compare",
        1,
        AGAIN,
    ),
    "study": (
        ["study", "study.cfg", "-o", "out"],
        "study.corpora._write",
        3,
        "Interrupted. Go on with the same command.",
    ),
    "teach": (
        ["teach", "stage2.cfg", "-o", "out", "--teaching.eval_frequency", "1"],
        "teaching.checkpoint.torch.save",
        2,
        "Interrupted. Go on with the same command and --resume.",
    ),
    "threshold": (
        ["threshold", "model", "corpus", "-o", "out"],
        "pipeline.without_paths",
        1,
        AGAIN,
    ),
    "inspect": (["inspect", "model", "corpus", "out"], "evaluation.inspecting.judge", 2, AGAIN),
}
EXPERIMENTS = ("report", "study")
# What an interrupted run leaves, to go on from or to keep others out.
LEFT = {
    "annotate": {f"out.jsonl.partial/{name}" for name in ("errors.jsonl", "journal.json", "output")}
    | {"out.jsonl.partial"},
    "convert": {"new", "new/train", "new/unlabelled"},
    "study": {"out", "out/corpus.json"},
    "teach": {"out", "out/checkpoint.pt"},
}


@pytest.fixture(autouse=True)
def hears_ctrl_c() -> Iterator[None]:
    """As in a terminal: what is begun in the background ignores Ctrl-C, and so do its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stopping(patch: pytest.MonkeyPatch, name: str, call: int, number: signal.Signals) -> None:
    """Have a function send this process a signal after one of its calls."""
    function: Callable = resolve_name(name)
    calls = 0

    def stop(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        try:
            return function(*arguments, **options)
        finally:
            if calls == call:
                signal.raise_signal(number)

    patch.setattr(name, stop)


@pytest.mark.parametrize("number,status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", AT)
def test_a_command_that_is_stopped(
    here: Path,
    encoder_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    number: signal.Signals,
    status: int,
) -> None:
    (here / "encoder").symlink_to(encoder_path)
    (here / "results").mkdir()
    (here / "text.txt").write_text("Anna in Berlin\n" * 9)
    write_study(here, encoder_path)
    before = tree(here)
    arguments, name, call, said = AT[command]
    with monkeypatch.context() as patch:
        stopping(patch, f"{module_of(command)}.{name}", call, number)
        found, printed = run(*arguments)
    assert found == status
    assert said in printed
    assert printed.count("Interrupted") == 1 and "Traceback" not in printed
    after = tree(here)
    assert {name for name in after if name not in before} == LEFT.get(command, set())
    assert {name: after[name] for name in before} == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if command in ("annotate", "teach"):
        assert run(*arguments, "--resume")[0] == 0


def module_of(command: str) -> str:
    return "experiments" if command in EXPERIMENTS else "spacy_dualner"


def run(command: str, *arguments: str) -> tuple[int, str]:
    """Status and output of a command of the package, or of the experiments."""
    if command in EXPERIMENTS:
        return run_experiments(command, *arguments)
    return run_cli("dualner", command, *arguments)


def write_study(here: Path, encoder: Path) -> None:
    config = {
        "study": {"title": "A study", "methods": ["MLT"], "seeds": [0, 1]},
        "data": {"corpus": "corpus", "source": "en", "targets": "de"},
        "backbones": {"tiny": {"preset": str(MINI), "encoder": str(encoder)}},
    }
    Config(config).to_disk(here / "study.cfg")


# In processes of their own, as from a terminal


@pytest.fixture
def long_text(here: Path) -> str:
    lines = (f"Anna Smith{n} lives in Berlin\n" for n in range(100_000))
    (here / "long.txt").write_text("".join(lines))
    return "long.txt"


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun,n_process,number",
    [
        (False, 1, signal.SIGTERM),
        (False, 2, signal.SIGINT),
        (True, 2, signal.SIGINT),
        (True, 2, signal.SIGTERM),
    ],
)
def test_annotate_is_stopped(
    here: Path,
    long_text: str,
    begun: bool,
    n_process: int,
    number: signal.Signals,
) -> None:
    """While its processes begin, and in the midst of the work."""
    # Only what a terminal sends to all of them depends on how the others were begun.
    warm = begun and number == signal.SIGTERM
    options = ("--batch-size", "50", "--n-process", str(n_process))
    arguments = ("dualner", "annotate", "model", long_text, "out.jsonl", *options)
    partial = here / "out.jsonl.partial"
    journal = partial / "journal.json"
    with Command(here, here / "said", "spacy", *arguments, warm_all=warm) as annotate:
        if begun:
            annotate.until(journal.exists)
        else:
            annotate.until(partial.exists)
            if n_process > 1:
                annotate.until(lambda: len(annotate.children()) >= n_process)
        assert annotate.stop(number, group=True) == 128 + number
    printed, errors = annotate.read()
    assert "Traceback" not in errors and "leaked" not in errors
    # One that only begins may have begun by then.
    journal = partial / "journal.json"
    assert journal.exists() or not begun
    if journal.exists():
        texts = srsly.read_json(journal)["texts"]
        assert f"Interrupted after {texts:,} texts. Go on with --resume." in printed
    else:
        assert AGAIN in printed


def test_an_interrupt_that_another_thread_hears_waits_for_the_end() -> None:
    """Threads that were there before block nothing, and Python acts in its main thread."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    begun: list[bool] = []
    try:
        with pytest.raises(KeyboardInterrupt), deaf_to_interrupts():
            signal.pthread_kill(other.ident or 0, signal.SIGINT)
            time.sleep(0.2)
            begun.append(True)
        assert begun and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        over.set()
        other.join()
        signal.signal(signal.SIGINT, before)


DEAF = """
import multiprocessing, signal
from spacy_dualner.system.interrupts import deaf_to_interrupts

def work():
    exit(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    with deaf_to_interrupts():
        process.start()
    process.join()
    exit(process.exitcode)
"""


def test_the_first_process_that_begins_is_deaf_too(tmp_path: Path) -> None:
    """With it multiprocessing begins one of its own, and lets Ctrl-C through again."""
    (tmp_path / "main.py").write_text(DEAF)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, tmp_path / "main.py"], env=env, timeout=100)
    assert done.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("jobs,number", [(2, signal.SIGINT), (1, signal.SIGTERM)])
def test_a_study_is_stopped(
    here: Path,
    encoder_path: Path,
    jobs: int,
    number: signal.Signals,
) -> None:
    """While its runs train, in processes of their own."""
    write_study(here, encoder_path)
    runs = here / "out" / "runs"
    words = ("experiments", "study", "study.cfg", "-o", "out", "--jobs", str(jobs))
    with Command(here, here / "said", *words, warm_all=True) as study:
        study.until(lambda: len(list(runs.glob("*/log.txt"))) == jobs)
        time.sleep(0.5)
        assert study.stop(number, group=True) == 128 + number, study.read()
    printed, errors = study.read()
    assert printed.count("Interrupted. Go on with the same command.") == 1
    assert "failed" not in printed and "Traceback" not in errors
    assert not list(here.rglob(".*"))
