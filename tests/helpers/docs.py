"""Code blocks of Markdown pages: found by markdown-it, and run or checked by their language."""

from __future__ import annotations

import glob
import json
import re
import shlex
import shutil
import subprocess
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import metadata
from itertools import takewhile
from pathlib import Path
from typing import Any

import srsly
import torch
import typer
from accelerate.commands.launch import launch_command_parser
from helpers.corpus import run_cli
from helpers.tiny import ROOT
from huggingface_hub.commands.upload import UploadCommand
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from spacy.cli import app
from spacy.util import registry
from thinc.api import Config

import experiments.__main__
import spacy_dualner.cli
from experiments.study.schema import ConfigSchema
from spacy_dualner import __version__
from spacy_dualner.errors import DualNerError

MARK = re.compile(r"<!-- (not run|printed by|raised by)\b:?(.*?)-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code.

    page (Path): The file.
    line (int): Its first line there, from 1.
    language (str): As the fence names it.
    text (str): Its text.
    mark (str): `not run`, `printed by`, `raised by`, or empty.
    said (str): What the mark says: a reason, or what prints the text.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str
    said: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """The blocks of a page in order, each with the mark in a comment before it."""
    blocks, mark = [], ("", "")
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf8")):
        if token.type == "html_block":
            match = MARK.search(token.content)
            mark = (match[1], match[2].strip()) if match else ("", "")
            continue
        if token.type in ("fence", "code_block"):
            line = token.map[0] + 2 if token.map else 0
            language = token.info.split()[0] if token.info else ""
            blocks.append(Block(page, line, language, token.content, *mark))
        elif any(mark):
            raise AssertionError(f"{page}: a mark with no block after it: {' '.join(mark)}")
        mark = ("", "")
    return blocks


class Runner:
    """Runs the blocks of one page in the working folder. Python blocks share their names.

    languages (Tuple[str, ...]): What it knows. A block of another language is an error.
    """

    languages = ("python", "bash", "json", "ini", "math", "text")

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "page"}

    def run(self, block: Block) -> None:
        """Run a block, or check it where it is marked `not run`."""
        assert block.language in self.languages, f"{block.place}: what is '{block.language}'?"
        getattr(self, f"_run_{block.language}")(block)

    def _run_python(self, block: Block) -> None:
        # Empty lines before it give errors the line of the page.
        text = "\n" * (block.line - 1) + block.text
        code = compile(text, str(block.page), "exec")
        if block.mark != "not run":
            exec(code, self.names)

    def _run_bash(self, block: Block) -> None:
        for line in shell_lines(block.text):
            if block.mark == "not run":
                check_line(line)
            else:
                status, output = run_line(line)
                assert status == 0, f"{block.place}: {line}\n{output}"

    def _run_json(self, block: Block) -> None:
        json.loads(block.text)

    def _run_ini(self, block: Block) -> None:
        config = Config().from_str(block.text, interpolate=False)
        check_registered(config)
        if "study" in config:
            ConfigSchema(**config)

    def _run_math(self, block: Block) -> None:
        for line in block.text.splitlines():
            convert(line)

    def _run_text(self, block: Block) -> None:
        """A message: what the mark names has to print it, white space and box apart."""
        if block.mark == "raised by":
            try:
                exec(block.said, self.names)
            except ValueError as error:
                output = str(error)
            else:
                raise AssertionError(f"{block.place}: no error")
        else:
            assert block.mark == "printed by", f"{block.place}: what prints this?"
            for line in shell_lines(block.said):
                try:
                    _, output = run_line(line)
                except DualNerError as error:  # spaCy's own commands print a traceback
                    output = str(error)
        expected = " ".join(block.text.split())
        assert expected in " ".join(output.split()), f"{block.place}: {output}"


def shell_lines(text: str) -> Iterator[str]:
    """The commands of a block, each on one line, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        if shlex.split(line, comments=True):
            yield line.strip()


def shell_words(line: str) -> list[str]:
    """The words of a command, its files in place of a pattern; variables before it left out."""
    words = shlex.split(line, comments=True)
    while re.fullmatch(r"\w+=\S*", words[0]):
        words.pop(0)
    found = [sorted(glob.glob(word)) or [word] if "*" in word else [word] for word in words]
    return [name for names in found for name in names]


def run_line(line: str) -> tuple[int, str]:
    """Run a command: spaCy's in this process, others in a shell. Exit status and output.

    Where there is no GPU, `--gpu-id 0` is `--gpu-id -1`.
    """
    words = shell_words(line)
    if words[:3] == ["python", "-m", "spacy"]:
        if not torch.cuda.is_available() and "--gpu-id" in words:
            words[words.index("--gpu-id") + 1] = "-1"
        return run_cli(*words[3:])
    done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


# What is not run


def check_line(line: str) -> None:
    """Check that the command, its options, and the files of the repository that it names exist."""
    *before, line = line.split(" | ")
    assert all(shutil.which(shlex.split(command)[0]) for command in before), line
    words = shell_words(line)
    for word in words:
        if word.startswith(("configs/", "experiments/", "assets/", "scripts/", "constraints.txt")):
            assert glob.glob(str(ROOT / word)), f"no {word}"
    program = Path(words[0]).name
    if program == "python" and words[1:3] == ["-m", "spacy"]:
        parse(app, words[3:])
        if words[3:5] == ["project", "run"]:
            check_project(words[5:])
    elif program == "python" and words[2] == "experiments":
        # Settings come after the options.
        given = takewhile(lambda word: not re.match(r"--\w+\.", word), words[3:])
        parse_arguments(experiments.__main__.arguments(), list(given))
    elif program == "python" and words[2].startswith("experiments.benchmarks."):
        benchmark = typer.Typer()
        benchmark.command()(import_module(words[2]).main)
        parse(benchmark, words[3:])
    elif program == "python" and words[2].startswith("experiments.reliability."):
        # A module, or what a folder of modules begins with.
        path = ROOT / words[2].replace(".", "/")
        path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        source = path.read_text()
        assert all(f'"{word}"' in source for word in words if word.startswith("--")), line
    elif program == "accelerate":
        launched = parse_arguments(launch_command_parser(), words[2:])
        assert launched.module
        check_line(shlex.join(["python", "-m", launched.training_script,
                               *launched.training_script_args]))  # fmt: skip
    elif program == "pip":
        check_install(words[1:])
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words[1:])
    elif program == "huggingface-cli":
        parser = ArgumentParser()
        UploadCommand.register_subcommand(parser.add_subparsers())
        parse_arguments(parser, words[1:])
    else:
        assert words[:3] == ["python3", "-m", "venv"], f"no check for: {line}"


def parse(cli: typer.Typer, words: list[str]) -> None:
    """Have typer parse the arguments of a command, and not run it."""
    command: Any = typer.main.get_command(cli)
    try:
        context = command.make_context("python -m spacy", list(words))
        while hasattr(command, "resolve_command"):
            rest = [*context._protected_args, *context.args]
            name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(name, rest, parent=context)
    except Exception as error:  # typer's own click has no public names for its errors
        raise AssertionError(f"{shlex.join(words)}: {error}") from error


def parse_arguments(parser: ArgumentParser, words: list[str]) -> Any:
    """Have argparse parse the arguments of a command."""
    try:
        return parser.parse_args(words)
    except SystemExit:
        raise AssertionError(f"cannot be parsed: {shlex.join(words)}") from None


def check_project(words: list[str]) -> None:
    """Check that a step or workflow exists, and each variable that is set."""
    project = srsly.read_yaml(ROOT / "project.yml")
    steps = {command["name"] for command in project["commands"]}
    assert words[0] in steps | set(project["workflows"]), f"no step {words[0]}"
    for word in words:
        assert not word.startswith("--vars.") or word[7:] in project["vars"], f"no variable {word}"


def check_install(words: list[str]) -> None:
    """Check extras and the version in the names of this package's wheels."""
    extras = metadata("spacy-dualner").get_all("Provides-Extra")
    for word in words:
        if match := re.fullmatch(r"\.\[(.+)\]", word):
            assert set(match[1].split(",")) <= set(extras), f"no extra {word}"
        if match := re.search(r"spacy_dualner-(.+?)-py3", word):
            assert match[1] == __version__, f"{word} is not of this version"


def check_registered(section: Mapping[str, Any]) -> None:
    """Check that all registered functions that a config names exist."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            check_registered(value)
        elif key.startswith("@"):
            assert registry.has(key[1:], value), f"no {key} {value}"


def examples_of_help() -> list[tuple[str, str]]:
    """The examples in the help of each command, line by line."""
    group: Any = typer.main.get_command(spacy_dualner.cli.dualner_cli)
    return [
        (name, line.strip())
        for name, command in group.commands.items()
        for line in (command.help or "").partition("Examples:")[2].splitlines()
        if line.strip()
    ]
