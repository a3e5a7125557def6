"""Try the packaged pipeline as its user would: from wheels, offline, without this repository.

Makes a new virtual environment that sees this environment's other packages, installs the
pipeline's wheel and spacy-dualner's own, and prints entities of sentences in each target language.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

import spacy
import typer

from spacy_dualner.cli._util import read_preset
from spacy_dualner.data.docbin import corpus_path, read_docs


def find_wheel(folder: Path, pattern: str) -> Path:
    """The newest wheel of a name. Exits where there is none."""
    wheels = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not wheels:
        sys.exit(f"No {pattern} in {folder}: run the project's step `package` first")
    return wheels[-1].resolve()


def make_environment(folder: Path, wheels: list[Path]) -> Path:
    """A virtual environment with the wheels, and this one's packages behind them."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    behind = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site_packages / "behind.pth").write_text("\n".join(behind) + "\n")
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", *map(str, wheels)], check=True)
    return python


def main(
    packages: Path,
    package: str,
    version: str,
    test_corpus: Path,
    preset: str = typer.Option(..., help="Folder of the run's preset.cfg"),
    per_language: int = typer.Option(2, help="Sentences of each target language"),
) -> None:
    """Install the wheels into a new environment and print entities in each target language."""
    wheels = [
        find_wheel(packages / f"{package}-{version}" / "dist", "*.whl"),
        find_wheel(packages, "spacy_dualner-*.whl"),
    ]
    vocab = spacy.blank("xx").vocab
    sentences = []
    for lang in read_preset(preset).targets:
        docs = read_docs(corpus_path(test_corpus.parent, test_corpus.name, lang), vocab, 50)
        chosen = [doc for doc in docs if doc.ents and len(doc) > 3][:per_language]
        sentences += [{"lang": lang, "words": [t.text for t in doc]} for doc in chosen]
    job = json.dumps({"package": package, "sentences": sentences})
    script = Path(__file__).with_name("print_entities.py").resolve()
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(Path(folder) / "env", wheels)
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        # -I: neither this folder nor PYTHONPATH is seen
        command = [str(python), "-I", str(script)]
        done = subprocess.run(
            command, input=job, text=True, cwd=folder, env={**os.environ, **offline}
        )
    sys.exit(done.returncode)


if __name__ == "__main__":
    typer.run(main)
