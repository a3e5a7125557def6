"""The commands that are killed: what each is given, writes, may leave, and how it goes on."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from spacy.vocab import Vocab

from spacy_dualner.cli._endings import clear_endings
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs

from .processes import ROOT, Command

LANGS = "en,de,sw"


@dataclass(frozen=True)
class Case:
    """A command.

    words (Sequence[str]): Module and arguments. `given` is a folder that it only reads.
    outputs (Sequence[str]): Patterns of what it writes; each is old or new at any moment.
    resume (Optional[str]): The option that goes on; empty if it does by itself, None if it begins
        from the beginning.
    again (Sequence[str]): Other arguments, which make an earlier output that is replaced.
    may_stay (Sequence[str]): Patterns of what Ctrl-C and SIGTERM may leave, to go on from.
    others_write (bool): Whether spaCy writes the outputs, so that nothing is promised of them
        before the command ends.
    timeless (bool): Whether outputs are compared without the times that stand in them.
    in_temp (Sequence[str]): Patterns of what others leave in the folder for temporary files.
    faults (Sequence[str]): What it is disturbed by.
    share (float): How often it comes, beside others with as many places.
    patience (float): How many seconds its processes may outlive it.
    """

    words: Sequence[str]
    outputs: Sequence[str]
    resume: str | None = None
    again: Sequence[str] = ()
    may_stay: Sequence[str] = ()
    others_write: bool = False
    timeless: bool = False
    in_temp: Sequence[str] = ()
    faults: Sequence[str] = ("KILL", "TERM", "Ctrl-C")
    share: float = 1
    patience: float = 30

    @property
    def goes_on(self) -> bool:
        """Whether it is not begun from the beginning after a kill."""
        return self.resume is not None


def _dualner(words: str) -> list[str]:
    return ["spacy", "dualner", *words.split()]


_CONVERT = f"convert given/panx corpus --langs {LANGS} --train-limit 200 --unlabelled-limit 100"
_TEACH = "teach given/stage2.cfg -o out --paths.model given/model --paths.corpus given/corpus"
_TEACH += " --teaching.max_epochs 1 --teaching.eval_frequency 1 --teaching.batch_size 16"
_TEACH += " --corpora.source.limit 24 --corpora.target.limit 12 --corpora.dev.limit 2"
_CALIBRATE = "given/model out --corpus given/corpus --langs en --unlabelled-langs de"
_CALIBRATE += " --test-langs en"
_TRAIN = ["spacy", "train", "given/stage1.cfg", "--paths.train", "given/corpus/train"]
_TRAIN += ["--paths.dev", "given/corpus/dev", "--corpora.dev.limit", "4", "--output"]

CASES = {
    "convert": Case(_dualner(_CONVERT), ["corpus/*/*.spacy"], again=["--train-limit", "20"]),
    "convert, shards": Case(
        ["experiments.reliability.cases", "given/panx", "corpus"],
        ["corpus/*/*.spacy"],
        again=["20"],
    ),
    "spacy train": Case(
        [*_TRAIN, "out", "--training.max_steps", "3", "--training.eval_frequency", "1"],
        ["out/model-*"],
        others_write=True,
        may_stay=["out"],
    ),
    "teach": Case(
        _dualner(_TEACH),
        ["out/model-best"],
        "--resume",
        again=["--teaching.seed", "1"],
        may_stay=["out/checkpoint.pt", "out/.lock"],
    ),
    "calibrate": Case(
        _dualner(f"calibrate {_CALIBRATE} --limit 5 -o out.json"),
        ["out", "out.json"],
        again=["--limit", "3"],
    ),
    "card": Case(_dualner("card given/model -o out"), ["out"], again=["--author", "Somebody"]),
    "shrink": Case(
        _dualner("shrink given/model out --corpus given/corpus --limit 5 --tolerance 100"),
        ["out"],
        again=["--limit", "3"],
    ),
    "spacy package": Case(
        [
            "spacy",
            "package",
            "given/carded",
            ".",
            "--name",
            "dualner",
            "--build",
            "none",
            "--force",
        ],
        ["xx_dualner-*"],
        others_write=True,
        may_stay=["xx_dualner-*"],
    ),
    "annotate": Case(
        _dualner("annotate given/model given/text.jsonl out.jsonl -b 12 --force"),
        ["out.jsonl", "out.jsonl.errors.jsonl"],
        "--resume",
        again=["-k", "title"],
        may_stay=["out.jsonl.partial"],
    ),
    "annotate to Docs": Case(
        _dualner("annotate given/model given/text.jsonl out.spacy -b 12 --force"),
        ["out.spacy", "out.spacy.errors.jsonl"],
        "--resume",
        again=["-k", "title"],
        may_stay=["out.spacy.partial"],
    ),
    "annotate -n 2": Case(
        _dualner("annotate given/model given/text.jsonl out.jsonl -b 20 -n 2 --force"),
        ["out.jsonl", "out.jsonl.errors.jsonl"],
        "--resume",
        again=["-k", "title"],
        may_stay=["out.jsonl.partial"],
    ),
    "annotate --ray": Case(
        _dualner(
            "annotate given/model given/text.jsonl out.jsonl -b 12 --force "
            "--ray --actors 2 --shard-batches 1"
        ),
        ["out.jsonl/*", "out.jsonl.errors.jsonl"],
        "--resume",
        may_stay=["out.jsonl", "out.jsonl.partial"],
        timeless=True,
        # An actor that still begins when all is done is killed.
        in_temp=["torchinductor_*", "spacy-dualner-*"],
        faults=("KILL", "TERM", "Ctrl-C", "actor"),
        share=0.5,  # Ray takes seconds to begin
        patience=120,  # Ray's agents try for 60 s to say why they end
    ),
    "select": Case(
        _dualner("select given/model given/text.jsonl out.jsonl -n 20 -b 12 --force"),
        ["out.jsonl"],
        again=["-n", "5"],
    ),
    "study": Case(
        ["experiments", "study", "given/study.cfg", "-o", "out"],
        ["out/corpus", "out/runs/*/result.json", "out/runs/*/predictions.npz"],
        "",
        may_stay=["out"],
        timeless=True,
    ),
    "study -j 2": Case(
        ["experiments", "study", "given/study.cfg", "-o", "out", "-j", "2"],
        ["out/corpus", "out/runs/*/result.json", "out/runs/*/predictions.npz"],
        "",
        may_stay=["out"],
        timeless=True,
    ),
}

_STUDY = """
[study]
title = "A study"
methods = ["DualNER"]
seeds = [0]

[data]
corpus = "given/corpus"
source = "en"
targets = "de"
source_limit = 20
unlabelled_limit = 12
dev_limit = 3
test_limit = 3

[backbones]

[backbones.demo]
preset = "given/preset"
encoder = "given/encoder"

[backbones.demo.stage1]
training.max_steps = 2
training.eval_frequency = 1

[backbones.demo.stage2]
teaching.max_epochs = 1
teaching.eval_frequency = 1
"""


def prepare(folder: Path) -> None:
    """Make what the commands are given of the data and encoder that the repository carries.

    folder (Path): The folder that is to hold `given`.
    """
    given = folder / "given"
    if (given / "study.cfg").exists():
        return
    shutil.rmtree(given, ignore_errors=True)
    (given / "panx").mkdir(parents=True)
    for lang in LANGS.split(","):
        shutil.copy(ROOT / "assets" / "demo" / "panx" / f"{lang}.tar.gz", given / "panx")
    shutil.copytree(ROOT / "assets" / "demo" / "encoder", given / "encoder")
    shutil.copytree(ROOT / "configs" / "demo", given / "preset")
    limits = "--train-limit 300 --dev-limit 20 --test-limit 20 --unlabelled-limit 40"
    run(folder, _dualner(f"convert given/panx given/corpus --langs {LANGS} {limits}"))
    config = "--source en --targets de,sw --encoder given/encoder --data given/panx"
    run(folder, _dualner(f"configure given/preset given {config}"))
    run(folder, [*_TRAIN, "given/trained", "--training.max_steps", "60"])
    (given / "trained" / "model-best").rename(given / "model")
    run(folder, _dualner("card given/model -o given/carded"))
    _write_text(given)
    (given / "study.cfg").write_text(_STUDY)


def run(folder: Path, words: Sequence[str]) -> None:
    """Run a command undisturbed."""
    with Command(folder, folder / "said", *words) as command:
        assert command.wait() == 0, command.read()


def _write_text(given: Path) -> None:
    """JSON lines, some of them broken, with titles in place of the text in an earlier input."""
    texts = [
        " ".join(word.text for word in doc)
        for lang in LANGS.split(",")
        for doc in read_docs(given / "corpus" / "unlabelled" / f"{lang}.spacy", Vocab())
    ]
    lines = [json.dumps({"text": text, "title": text[:20]}) for text in texts]
    lines[7::50] = ["{" for _ in lines[7::50]]
    (given / "text.jsonl").write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    # A corpus in shards, which no option asks for.
    limit = int(sys.argv[3]) if sys.argv[3:] else 200
    limits = dict.fromkeys(("train", "unlabelled"), limit)
    try:
        with clear_endings():
            convert(Path(sys.argv[1]), Path(sys.argv[2]), shard_size=40, limits=limits)
    except typer.Exit as end:
        sys.exit(end.exit_code)
