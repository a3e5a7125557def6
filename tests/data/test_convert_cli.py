"""`python -m spacy dualner convert`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.forms import put
from helpers.panx import contents, files, pack, run

import spacy_dualner.cli  # noqa: F401
from spacy_dualner.cli._util import read_preset
from spacy_dualner.errors import DataError


def preset(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "preset.cfg").write_text(text)
    return folder


@pytest.mark.slow
def test_as_a_process_with_the_same_bytes_each_time(panx, tmp_path) -> None:
    """As this one writes, which hashes with another seed."""
    outputs = [tmp_path / "one", tmp_path / "two"]
    command = [sys.executable, "-m", "spacy", "dualner", "convert", str(panx), str(outputs[0])]
    result = subprocess.run(
        command,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "de train 3 7 2 1 1" in " ".join(result.stdout.split())
    assert not result.stderr
    assert run(panx, outputs[1])[0] == 0
    assert len(contents(outputs[0])) == 7
    assert contents(outputs[0]) == contents(outputs[1])


def test_the_table(panx, tmp_path) -> None:
    status, output = run(panx, tmp_path / "corpus", "--langs", " de, sw,", "--train-limit", "2")
    assert status == 0
    assert "Language Split Sentences Tokens LOC ORG PER" in output
    assert "de train 2 6 2 1 1" in output
    assert "de unlabelled 3 7 - - -" in output
    assert "sw test 1 1 1 0 0" in output


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["{panx}", "{out}", "--langs", "fr"], "no fr here, only de, sw"),
        (["", "{out}"], 'INPUT is "". Name it'),
        (["{panx}", "{out}", "--form", "csv"], "Unknown form 'csv'"),
        (["{panx}", "{out}", "--types", "GPE"], "unknown tag 'B-PER', the entity types are GPE."),
        (["{panx}", "{out}", "--map", "MISC"], "--map: 'MISC' is not of the form OLD=NEW"),
        (["{panx}", "{out}", "--preset", "{out}"], "preset.cfg: no such file"),
        (["{panx}", "{panx}/de.tar.gz"], "Check the path"),
    ],
)
def test_errors_are_messages(panx, tmp_path, arguments, fault) -> None:
    places = {"panx": panx, "out": tmp_path / "corpus"}
    status, output = run(*(argument.format(**places) for argument in arguments))
    assert status == 1
    assert fault in output
    assert not (tmp_path / "corpus").exists()


def test_the_form_is_recognised_and_said(panx, tmp_path) -> None:
    status, output = run(panx, tmp_path / "a")
    assert status == 0
    assert "Form: raw" in output
    data = put(tmp_path / "data", {"train-de.tsv": "Ulm\tB-GPE\n", "test-de.tsv": "Ulm\n"})
    status, output = run(data, tmp_path / "b", "--map", "GPE=LOC,ORG=O")
    assert status == 0
    assert "Form: tsv" in output
    assert "Split Sentences Tokens LOC PER --" in output
    assert "de train 1 1 1 0" in output
    assert output.count("cannot be scored and is not written as annotated text: de test") == 1
    status, output = run(data, tmp_path / "c", "--types", "GPE", "--form", "tsv")
    assert status == 0
    assert "Form:" not in output
    assert "Tokens GPE --" in output
    assert files(tmp_path / "b") == files(tmp_path / "c")


def test_translations_are_counted_without_entities(tmp_path) -> None:
    data = put(tmp_path / "data", {"train-en-de.tsv": "Ein Satz\nNoch einer da\n"})
    status, output = run(data, tmp_path / "corpus", "--train-limit", "1")
    assert status == 0
    assert "de translated 1 2 - - -" in output


def test_negative_limits_are_refused(panx, tmp_path) -> None:
    assert run(panx, tmp_path, "--train-limit", "-1")[0] == 2


def test_a_preset_fills_what_is_left_empty(panx, tmp_path) -> None:
    pack(panx / "fr.tar.gz", {})
    data = f'[data]\npath = "{panx}"\nsource = "sw"\ntargets = ["de"]\n'
    folder = preset(tmp_path / "preset", data)
    status, output = run("", tmp_path / "a", "--preset", folder)
    assert status == 0, output
    assert {Path(name).stem for name in files(tmp_path / "a")} == {"sw", "de"}
    assert run(panx, tmp_path / "b", "--preset", folder, "--langs", "de", "--types", "")[0] == 0
    assert {Path(name).stem for name in files(tmp_path / "b")} == {"de"}


def test_text_takes_the_targets_of_a_preset(tmp_path) -> None:
    (tmp_path / "de.txt").write_text("Ein Satz.")
    folder = preset(
        tmp_path / "preset", f'[data]\npath = "{tmp_path}"\nsource = "en"\ntargets = "de"\n'
    )
    assert run("", tmp_path / "corpus", "--form", "text", "--preset", folder)[0] == 0
    assert files(tmp_path / "corpus") == ["unlabelled/de.spacy"]


def test_presets(tmp_path) -> None:
    read = read_preset(str(preset(tmp_path / "a", '[data]\nsource = "en"\ntargets = "de, fr"\n')))
    assert (read.path, read.source, read.targets) == ("", ("en",), ("de", "fr"))
    read = read_preset(str(preset(tmp_path / "b", "[data]\npath = null\n")))
    assert (read.path, read.source, read.targets) == ("", (), ())
    assert read_preset(str(preset(tmp_path / "c", "[other]\n"))) == read
    odd = ["[data]\ntargets = 3\n", "[data\n", "[data]\npath = ${a.b}\n"]
    odd += ["[data]\n[data]\n", "[data]\npath = 1\npath = 2\n", "x"]
    odd += [f"[data]\ntest_limit = {limit}\n" for limit in ('"1J"', "1e400", "-1", "[1]", "true")]
    for number, text in enumerate(odd):
        with pytest.raises(DataError, match=r"preset.cfg: ") as caught:
            read_preset(str(preset(tmp_path / str(number), text)))
        assert "\n" not in str(caught.value)


def test_translations_of_a_preset(tmp_path) -> None:
    (tmp_path / "translated").mkdir()
    (tmp_path / "translated" / "de.txt").write_text("Bonn liegt da\n")
    with_text = f'[data]\ntranslated = "{tmp_path / "translated"}"\ntargets = "de"\n'
    folder = preset(tmp_path / "preset", with_text)
    options = ["--form", "translated", "--preset"]
    assert run("", tmp_path / "corpus", *options, folder)[0] == 0
    assert (tmp_path / "corpus" / "translated" / "de.spacy").is_file()
    without = preset(tmp_path / "without", '[data]\ntargets = "de"\n')
    status, output = run("", tmp_path / "none", *options, without)
    assert status == 0 and "no translations" in output
    assert not (tmp_path / "none").exists()
