"""Runs of `annotate` that meet bad records, are interrupted, or share the work."""

from __future__ import annotations

import io
import json
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from helpers.annotate import ROWS, TEXTS, expected, files_of, read_output, write_input
from helpers.commands import small_files_for_others
from helpers.corpus import run_cli
from helpers.tiny import make_examples
from spacy.language import Language
from spacy.tokens import Doc

from experiments.reliability.processes import WARM, Command
from spacy_dualner.annotation.annotate import annotate
from spacy_dualner.annotation.annotate_settings import AnnotateSettings
from spacy_dualner.annotation.journal import Journal, Unfinished
from spacy_dualner.annotation.writers import OUTPUTS
from spacy_dualner.errors import DataError, DualNerError


@Language.component("test_stumbling")
def stumbling(doc: Doc) -> Doc:
    """Raises on a text that says so; Ctrl-C stands for a kill, of which nothing is caught."""
    for error in (ValueError, KeyboardInterrupt):
        if error.__name__ in doc.text and error.__name__ in STUMBLE:
            raise error("stumbled")
    return doc


@Language.factory("test_dropping")
class Dropping:
    """Lets no text pass that begins with `drop`."""

    def __init__(self, nlp: Language, name: str) -> None:
        pass

    def __call__(self, doc: Doc) -> Doc:
        return doc

    def pipe(self, stream: Iterable[Doc], batch_size: int) -> Iterator[Doc]:
        yield from (doc for doc in stream if not doc.text.startswith("drop"))


STUMBLE: set[str] = set()


@pytest.fixture
def stumble() -> Iterator[set[str]]:
    """The names of the errors that the component raises."""
    STUMBLE.clear()
    yield STUMBLE
    STUMBLE.clear()


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, model: str) -> str:
    """A pipeline with that component."""
    folder = tmp_path_factory.mktemp("fragile")
    nlp = spacy.load(model)
    nlp.add_pipe("test_stumbling", first=True)
    nlp.to_disk(folder)
    return str(folder)


# Bad records


BAD = [
    {"id": 0, "text": TEXTS[0]},
    "{not JSON",
    {"id": 2, "words": TEXTS[1]},
    {"id": 3, "text": 3},
    {"id": 4, "text": TEXTS[1]},
    {"id": 5, "text": "lone \ud800 surrogate"},
    {"id": 6, "text": TEXTS[3]},
]
BAD_LINES = [2, 3, 4, 6]


def write_bad(path: Path) -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in BAD]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("output", OUTPUTS)
def test_bad_records_are_reported_by_line(
    model: str,
    tmp_path: Path,
    output: str,
    batch_size: int,
) -> None:
    source = write_bad(tmp_path / "in.jsonl")
    target = tmp_path / f"out{output}"
    faults: list[DataError] = []
    done = annotate(
        model, source, target, AnnotateSettings(batch_size=batch_size), on_fault=faults.append
    )
    good = [TEXTS[0], TEXTS[1], TEXTS[3]]
    assert read_output(target) == expected(model, good)
    assert [fault.line for fault in faults] == BAD_LINES
    assert (done.texts, done.faults) == (3, 4)
    report = list(srsly.read_jsonl(tmp_path / f"out{output}.errors.jsonl"))
    assert [row["line"] for row in report] == BAD_LINES
    assert {row["file"] for row in report} == {source}
    assert report[0]["text"] == "{not JSON" and "not JSON" in report[0]["error"]
    assert "surrogate" in report[3]["text"]


@pytest.mark.parametrize("form", ["txt", "jsonl", "csv", "spacy"])
def test_a_component_that_fails_costs_one_text(
    fragile: str, stumble: set[str], tmp_path: Path, form: str
) -> None:
    stumble.add("ValueError")
    rows = [*ROWS[:7], {**ROWS[7], "text": "a ValueError"}, *ROWS[8:]]
    source = write_input(tmp_path / f"in.{form}", rows)
    annotate(fragile, source, tmp_path / "out.jsonl", AnnotateSettings(batch_size=6))
    texts = [row["text"] for row in rows if row["text"] != "a ValueError"]
    assert read_output(tmp_path / "out.jsonl") == expected(fragile, texts)
    (fault,) = srsly.read_jsonl(tmp_path / "out.jsonl.errors.jsonl")
    # Each row has a line break in it, and there is a header.
    assert fault["line"] == (16 if form == "csv" else 8)
    assert "ValueError: " in fault["error"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_doc_that_a_component_drops_is_reported(
    model: str,
    tmp_path: Path,
    output: str,
) -> None:
    """As a component does that passes errors over."""
    nlp = spacy.load(model)
    nlp.add_pipe("test_dropping")
    nlp.to_disk(tmp_path / "model")
    rows = [*ROWS[:7], {**ROWS[7], "text": "drop this"}, *ROWS[8:]]
    source = write_input(tmp_path / "in.txt", rows)
    target = tmp_path / f"out{output}"
    done = annotate(str(tmp_path / "model"), source, target, AnnotateSettings(batch_size=6))
    assert (done.texts, done.faults) == (len(ROWS) - 1, 1)
    assert read_output(target) == expected(model, [*TEXTS[:7], *TEXTS[8:]])
    (fault,) = srsly.read_jsonl(tmp_path / f"out{output}.errors.jsonl")
    assert (fault["line"], fault["text"]) == (8, "drop this")


def test_a_text_of_any_length(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond spaCy's limit, which is for components that this pipeline has none of."""
    rows = [{"text": TEXTS[0]}, {"text": " ".join(TEXTS)}]
    found = expected(model, [row["text"] for row in rows])
    load = spacy.load

    def load_limited(name: str) -> Language:
        nlp = load(name)
        nlp.max_length = len(TEXTS[0])
        return nlp

    monkeypatch.setattr(spacy, "load", load_limited)
    done = annotate(model, write_input(tmp_path / "in.txt", rows), tmp_path / "out.jsonl")
    assert (done.texts, done.faults) == (2, 0)
    assert read_output(tmp_path / "out.jsonl") == found


def test_a_text_that_is_too_long(model: str, tmp_path: Path) -> None:
    """For a component of spaCy's that the pipeline has as well."""
    nlp = spacy.load(model)
    nlp.add_pipe("ner").initialize(lambda: make_examples(nlp), nlp=nlp)
    nlp.to_disk(tmp_path / "model")
    rows = [{"text": TEXTS[0]}, {"text": "a " * 500_001}, {"text": TEXTS[1]}]
    source = write_input(tmp_path / "in.txt", rows)
    annotate(str(tmp_path / "model"), source, tmp_path / "out.jsonl")
    assert [text for text, _ in read_output(tmp_path / "out.jsonl")] == TEXTS[:2]
    (fault,) = srsly.read_jsonl(tmp_path / "out.jsonl.errors.jsonl")
    assert fault["line"] == 2
    assert fault["error"] == (
        "1,000,002 characters are too many for the pipeline's parser or ner, which take 1,000,000. "
        "Split the text."
    )
    assert len(fault["text"]) < 1000


def test_keys_that_a_docbin_cannot_hold_cost_one_text(model: str, tmp_path: Path) -> None:
    rows = [{"text": text, "n": 2**70 if n == 1 else n} for n, text in enumerate(TEXTS)]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    annotate(model, str(source), tmp_path / "out.spacy")
    assert read_output(tmp_path / "out.spacy") == expected(model, [TEXTS[0], *TEXTS[2:]])
    assert next(srsly.read_jsonl(tmp_path / "out.spacy.errors.jsonl"))["line"] == 2
    annotate(model, str(source), tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == [row["n"] for row in rows]


@pytest.mark.parametrize("batch_size", [1, 100])
def test_strict_stops_at_the_first(model: str, tmp_path: Path, batch_size: int) -> None:
    source = write_bad(tmp_path / "in.jsonl")
    target = tmp_path / "out.jsonl"
    with pytest.raises(DataError, match=r"in\.jsonl:2: not JSON") as caught:
        annotate(model, source, target, AnnotateSettings(batch_size=batch_size, strict=True))
    assert caught.value.line == 2
    assert not target.exists()
    # What was done before is of use without --strict.
    annotate(model, source, target, AnnotateSettings(batch_size=batch_size, resume=True))
    assert len(read_output(target)) == 3


def test_an_error_file_of_an_earlier_run_goes(model: str, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    annotate(model, write_bad(tmp_path / "bad.jsonl"), target)
    assert (tmp_path / "out.jsonl.errors.jsonl").exists()
    annotate(model, write_input(tmp_path / "in.txt", ROWS), target, AnnotateSettings(force=True))
    assert not (tmp_path / "out.jsonl.errors.jsonl").exists()


# Interruptions


@pytest.mark.parametrize("form", ["txt", "jsonl", "csv", "spacy"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_resumed_run_writes_the_same(
    fragile: str, stumble: set[str], tmp_path: Path, form: str, output: str
) -> None:
    """Interrupted twice, with bad records before and after."""
    rows = [*ROWS, *ROWS]
    for number in (9, 21):
        rows[number] = {**rows[number], "text": "KeyboardInterrupt"}
    for number in (1, 12, 25):
        rows[number] = {**rows[number], "text": f"ValueError {number}"}
    source = write_input(tmp_path / f"in.{form}", rows)
    stumble.add("ValueError")
    calm, target = tmp_path / "calm", tmp_path / "interrupted"
    for folder in (calm, target):
        folder.mkdir()
    annotate(fragile, source, calm / f"out{output}", AnnotateSettings(batch_size=4))
    stumble.add("KeyboardInterrupt")
    options: dict[str, Any] = {"batch_size": 4, "resume": True}
    with pytest.raises(KeyboardInterrupt):
        annotate(fragile, source, target / f"out{output}", AnnotateSettings(**options))
    assert list(files_of(target)) == []
    with pytest.raises(KeyboardInterrupt):
        annotate(fragile, source, target / f"out{output}", AnnotateSettings(**options))
    stumble.remove("KeyboardInterrupt")
    done = annotate(fragile, source, target / f"out{output}", AnnotateSettings(**options))
    assert files_of(target) == files_of(calm)
    assert len(files_of(target)) == 2
    assert (done.texts, done.faults) == (27, 3)


@pytest.fixture
def interrupted(fragile: str, stumble: set[str], tmp_path: Path) -> tuple[str, Path]:
    """Input and output of a run that was interrupted after eight texts."""
    rows = [*ROWS[:10], {**ROWS[10], "text": "KeyboardInterrupt"}, *ROWS[11:]]
    source = write_input(tmp_path / "in.jsonl", rows)
    stumble.add("KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        annotate(fragile, source, tmp_path / "out.jsonl", AnnotateSettings(batch_size=4))
    stumble.clear()
    return source, tmp_path / "out.jsonl"


def test_bytes_after_the_journal_are_written_again(
    fragile: str, interrupted: tuple[str, Path]
) -> None:
    """As a kill leaves them between writing the output and the journal."""
    source, target = interrupted
    for name in ("output", "errors.jsonl"):
        with (target.parent / "out.jsonl.partial" / name).open("ab") as file:
            file.write(b"half a line" * 1000)
    annotate(fragile, source, target, AnnotateSettings(batch_size=4, resume=True))
    assert len(read_output(target)) == len(ROWS)
    assert not (target.parent / "out.jsonl.errors.jsonl").exists()


def test_an_interrupted_run_is_not_lost_by_mistake(
    fragile: str, interrupted: tuple[str, Path]
) -> None:
    source, target = interrupted
    with pytest.raises(DualNerError, match=r"an interrupted run \(8 texts\).*--resume"):
        annotate(fragile, source, target, AnnotateSettings(batch_size=4))
    annotate(fragile, source, target, AnnotateSettings(batch_size=4, resume=True))
    assert len(read_output(target)) == len(ROWS)


def test_force_starts_anew(fragile: str, interrupted: tuple[str, Path]) -> None:
    source, target = interrupted
    done = annotate(fragile, source, target, AnnotateSettings(batch_size=3, force=True))
    assert done.texts == len(read_output(target)) == len(ROWS)


@pytest.mark.parametrize("change", ["input", "form", "pipeline", "batch size"])
def test_a_run_of_something_else_is_not_resumed(
    fragile: str,
    model: str,
    interrupted: tuple[str, Path],
    change: str,
) -> None:
    source, target = interrupted
    options: dict[str, Any] = {"batch_size": 5 if change == "batch size" else 4}
    if change == "form":
        options["form"] = "txt"
    if change == "input":
        text = Path(source).read_text()
        Path(source).write_text(text.replace("nothing", "NOTHING"))
    pipeline = model if change == "pipeline" else fragile
    with pytest.raises(DualNerError, match=f"another {change}.*--force"):
        annotate(pipeline, source, target, AnnotateSettings(resume=True, **options))
    assert (target.parent / "out.jsonl.partial" / "journal.json").exists()


@pytest.mark.parametrize("damage", ["journal.json", "output"])
def test_a_damaged_journal_is_a_clear_error(
    fragile: str, interrupted: tuple[str, Path], damage: str
) -> None:
    source, target = interrupted
    (target.parent / "out.jsonl.partial" / damage).write_text("")
    with pytest.raises(DualNerError, match=r"--force"):
        annotate(fragile, source, target, AnnotateSettings(batch_size=4, resume=True))
    annotate(fragile, source, target, AnnotateSettings(batch_size=4, force=True))
    assert len(read_output(target)) == len(ROWS)


@pytest.mark.parametrize("key", ["output_bytes", "position", "texts", "identity", "finished"])
@pytest.mark.parametrize("value", [0, "1", [5, 2], {}, True])
def test_a_journal_with_another_value_is_refused(
    interrupted: tuple[str, Path], key: str, value: Any
) -> None:
    unfinished = Unfinished(interrupted[1])
    path = unfinished.folder / "journal.json"
    held = json.loads(path.read_bytes())
    assert unfinished.load() is not None and json.dumps(held[key]) != json.dumps(value)
    path.write_text(json.dumps(held | {key: value}))
    with pytest.raises(DualNerError, match=r"not a journal of annotate \(.*--force"):
        unfinished.load()


def test_a_journal_of_a_version_without_checksums_is_taken(
    model: str, interrupted: tuple[str, Path]
) -> None:
    path = Unfinished(interrupted[1]).folder / "journal.json"
    held = json.loads(path.read_bytes())
    del held["checksum"]
    path.write_text(json.dumps(held))
    journal = Unfinished(interrupted[1]).load()
    assert journal is not None and journal.texts == held["texts"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_kill_while_the_output_is_put_in_place(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
) -> None:
    """Before or after it was: nothing is lost, and the folder goes."""
    source = write_bad(tmp_path / "in.jsonl")
    target = tmp_path / f"out{output}"
    annotate(model, source, target)
    whole = files_of(tmp_path)
    for after in (False, True):
        for name in whole:
            if name != "in.jsonl":
                (tmp_path / name).unlink()

        def stop(self: Unfinished, journal: Journal, finish: Any, after: bool = after) -> None:
            if after:
                finish(self._output, self.target)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Unfinished, "finish", stop)
            with pytest.raises(KeyboardInterrupt):
                annotate(model, source, target)
        annotate(model, source, target, AnnotateSettings(resume=True))
        assert files_of(tmp_path) == whole
        assert not (tmp_path / f"out{output}.partial").exists()


# What is there is not lost


def test_an_output_is_replaced_only_with_force(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    target = tmp_path / "out.jsonl"
    target.write_text("precious")
    for resume in (False, True):
        with pytest.raises(DualNerError, match=r"out\.jsonl is there.*--force"):
            annotate(model, source, target, AnnotateSettings(resume=resume))
        assert sorted(files_of(tmp_path)) == ["in.txt", "out.jsonl"]
        assert not (tmp_path / "out.jsonl.partial").exists()
    assert target.read_text() == "precious"
    annotate(model, source, target, AnnotateSettings(force=True))
    assert len(read_output(target)) == len(ROWS)


def test_the_input_is_never_the_output(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", ROWS)
    with pytest.raises(DualNerError, match="the INPUT are one"):
        annotate(
            model,
            source,
            tmp_path / ".." / tmp_path.name / "in.jsonl",
            AnnotateSettings(force=True),
        )


def test_an_output_of_no_form(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    with pytest.raises(DualNerError, match=r"\.jsonl, \.conll, \.spacy"):
        annotate(model, source, tmp_path / "out.csv")


def test_two_runs_at_once(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    with (
        Unfinished(tmp_path / "out.jsonl").locked(),
        pytest.raises(DualNerError, match="by another run"),
    ):
        annotate(model, source, tmp_path / "out.jsonl")
    annotate(model, source, tmp_path / "out.jsonl")


# The command


def test_the_command(model: str, tmp_path: Path) -> None:
    source = write_bad(tmp_path / "in.jsonl")
    status, printed = run_cli("dualner", "annotate", model, source, tmp_path / "out.jsonl")
    assert status == 0
    for line in BAD_LINES:
        assert f"in.jsonl:{line}: " in printed.replace("jsonl: ", "jsonl:")
    assert "4 bad records" in printed and "out.jsonl.errors.jsonl" in printed
    assert "3 texts, " in printed and " words/s)" in printed
    status, printed = run_cli("dualner", "annotate", model, source, tmp_path / "out.jsonl")
    assert status == 1 and "--force" in printed
    arguments = ["--strict", "--force"]
    status, _ = run_cli("dualner", "annotate", model, source, tmp_path / "out.jsonl", *arguments)
    assert status == 1
    assert len(read_output(tmp_path / "out.jsonl")) == 3


def test_nothing_that_could_be_annotated(model: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("one\ntwo\n")
    arguments = ["dualner", "annotate", model, tmp_path / "in.jsonl"]
    status, printed = run_cli(*arguments, tmp_path / "out.jsonl")
    assert status == 1
    assert "No text could be annotated" in printed
    assert sorted(files_of(tmp_path)) == ["in.jsonl", "out.jsonl.errors.jsonl"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_empty_input_makes_an_empty_output(
    model: str,
    tmp_path: Path,
    output: str,
) -> None:
    (tmp_path / "in.txt").write_text("")
    target = tmp_path / f"out{output}"
    status, printed = run_cli("dualner", "annotate", model, tmp_path / "in.txt", target)
    assert status == 0 and "0 texts" in printed
    assert read_output(target) == []


def test_a_missing_pipeline_is_a_clear_error(tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.txt", ROWS)
    status, printed = run_cli("dualner", "annotate", "no_such", source, tmp_path / "out.jsonl")
    assert status == 1 and "no_such" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt"]


@pytest.mark.parametrize("form", ["txt", "jsonl"])
def test_standard_input(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    data = Path(write_input(tmp_path / f"in.{form}", ROWS)).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    annotate(model, "-", tmp_path / "out.jsonl", AnnotateSettings(form=form))
    assert read_output(tmp_path / "out.jsonl") == expected(model, TEXTS)
    with pytest.raises(DualNerError, match="--resume"):
        annotate(model, "-", tmp_path / "out.jsonl", AnnotateSettings(resume=True))


# Processes


@pytest.mark.slow
def test_processes_write_what_one_writes(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: WARM)
    source = tmp_path / "in.jsonl"
    rows = [json.dumps({"text": text}) for text in TEXTS * 10]
    rows[33] = "bad"
    source.write_text("\n".join(rows))
    found = []
    for n_process in (1, 2):
        target = tmp_path / f"out{n_process}.spacy"
        done = annotate(
            model, str(source), target, AnnotateSettings(batch_size=8, n_process=n_process)
        )
        found.append((target.read_bytes(), done.texts, done.words, done.faults))
    assert found[0] == found[1]
    assert found[0][1] == len(TEXTS) * 10 - 1
    assert multiprocessing.active_children() == []


def test_a_process_that_cannot_begin_says_why(model: str, tmp_path: Path) -> None:
    source = write_input(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS])
    words = ("dualner", "annotate", model, source, tmp_path / "out.jsonl", "--n-process", 2)
    hook = small_files_for_others
    with Command(tmp_path, tmp_path / "said", "spacy", *words, hook=hook, warm_all=True) as run:
        assert run.wait() == 1
        assert "File too large" in run.read()[0] and "lack of memory" not in run.read()[0]


@pytest.mark.slow
def test_killed_runs_write_what_an_undisturbed_one_writes(model: str, tmp_path: Path) -> None:
    """Killed at different places; no process outlives the one that was killed."""
    rows = [{"text": text} for text in TEXTS * 50]
    source = write_input(tmp_path / "in.jsonl", rows)
    annotate(model, source, tmp_path / "calm.spacy", AnnotateSettings(batch_size=16))
    target = tmp_path / "killed.spacy"
    options = ("dualner", "annotate", model, source, target, "--batch-size", 16, "--resume")
    journal = tmp_path / "killed.spacy.partial" / "journal.json"
    for n_process, share in ((2, 0.0), (1, 0.3)):
        arguments = ("spacy", *options, "--n-process", n_process)
        with Command(tmp_path, tmp_path / "said", *arguments, warm_all=True) as run:
            run.until(lambda share=share: texts_in(journal) > share * len(rows))
            assert len(run.children()) >= n_process - 1
            assert run.stop(signal.SIGKILL) == -signal.SIGKILL
        assert not target.exists() and texts_in(journal) < len(rows)
    assert run_cli(*options)[0] == 0
    assert target.read_bytes() == (tmp_path / "calm.spacy").read_bytes()
    assert not journal.parent.exists()


def texts_in(journal: Path) -> int:
    try:
        texts: int = srsly.read_json(journal)["texts"]
    except (OSError, ValueError):
        return 0
    return texts
