"""What the benchmarks share: sentences, encoders, repeated interleaved runs, a table, JSON."""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

import spacy
import torch
import typer
from spacy.cli._util import setup_gpu
from spacy.tokens import Doc
from thinc.api import Config
from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel
from wasabi import msg

from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.outputs import write_json
from spacy_dualner.data.panx import Sentence, read_splits
from spacy_dualner.teaching.config import TeachingConfig, resolve_config

PACKAGES = (
    "spacy",
    "spacy-transformers",
    "thinc",
    "torch",
    "transformers",
    "accelerate",
    "span_marker",
    "gliner",
)
DEMO = Path("assets/demo/panx")
DEMO_DATA = DEMO / "en.tar.gz"
DEMO_ENCODER = Path("assets/demo/encoder")

# Options that all benchmarks have.
Corpus = typer.Option(Path("corpus"), "--corpus", help="Corpus made by convert")
Archives = typer.Option(DEMO, "--data", help="Folder of archives, xx.tar.gz")
Data = typer.Option(DEMO_DATA, "--data", help="A .spacy file, or an archive xx.tar.gz")
Encoder = typer.Option(DEMO_ENCODER, "--encoder", help="Folder of an encoder")
Weights = typer.Option(
    "6x384", "--shape", help="LAYERSxWIDTH of random weights in its place; empty for its own"
)
Vocabulary = typer.Option(0, "--vocabulary", help="Rows of the random embedding; 0: tokenizer's")
Limit = typer.Option(1000, "--limit", help="First N sentences")
Repeats = typer.Option(3, "--repeats", help="Timed rounds")
Gpu = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU")
Output = typer.Option(None, "--output", "-o", help="JSON file to write")


@dataclass(frozen=True)
class EncoderSettings:
    """What pipelines over one encoder are timed on."""

    data: Path = Data
    encoder: Path = Encoder
    shape: str = Weights
    limit: int = Limit
    repeats: int = Repeats
    gpu_id: int = Gpu
    output: Path | None = Output


Prepared = Callable[[], Any]


def load_sentences(data: Path, limit: int, split: str = "test") -> list[Sentence]:
    """Words and tags of the first sentences of a corpus file or of an archive's split."""
    if data.name.endswith(".tar.gz"):
        lang = data.name.removesuffix(".tar.gz")
        for name, sentences in read_splits(data, lang):
            if name == split:
                return list(islice(sentences, limit or None))
            for _ in sentences:
                pass
        raise typer.BadParameter(f"{data} holds no {split}")
    return [
        ([t.text for t in doc], _tags(doc))
        for doc in read_docs(data, spacy.blank("xx").vocab, limit)
    ]


def _tags(doc: Doc) -> list[str]:
    return [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc]


@contextmanager
def encoder_folder(encoder: Path, shape: str, vocabulary: int = 0) -> Iterator[Path]:
    """The encoder's own folder, or a temporary one with random weights of another shape.

    encoder (Path): Gives the tokenizer.
    shape (str): LAYERSxWIDTH, heads of 64 (of 32 below 512) and a feed-forward four times as wide;
        empty for the encoder as it is.
    vocabulary (int): Rows of the embedding; 0 for the tokenizer's.
    """
    if not shape:
        yield encoder
        return
    layers, width = map(int, shape.split("x"))
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    config = XLMRobertaConfig(
        vocab_size=max(len(tokenizer), vocabulary),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // (64 if width >= 512 else 32),
        intermediate_size=4 * width,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        XLMRobertaModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        yield Path(folder)


def teaching_config(folder: Path, **settings: Any) -> TeachingConfig:
    """Stage 2 of the pipeline `folder/model` on `folder/corpus`, without development sets.

    settings (Any): Of the `[teaching]` section.
    """
    reader = {"@readers": "spacy-dualner.Corpus.v1"}
    corpora = {
        name: {**reader, "path": str(folder / "corpus" / split)}
        for name, split in (("source", "train"), ("target", "unlabelled"))
    }
    teaching = {"model": str(folder / "model"), "select": "agreement", **settings}
    return resolve_config(Config({"corpora": corpora, "teaching": teaching}))


def use_gpu(gpu_id: int) -> str:
    """Make spaCy compute there. Returns torch's name of the device."""
    setup_gpu(gpu_id)
    return "cpu" if gpu_id < 0 else f"cuda:{gpu_id}"


def finish() -> None:
    """Wait for a GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(
    jobs: dict[str, Prepared], repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Run all jobs in turn, `repeats` times. Returns seconds per job.

    warm_up (bool): Whether to run each once before, untimed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(-int(warm_up), repeats):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            finish()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def table(seconds: dict[str, list[float]], base: str, per: dict[str, float] | None = None) -> None:
    """Print medians, spread, and ratios to one of the jobs.

    per (Optional[Dict[str, float]]): What to divide a job's seconds by.
    """
    per = per or dict.fromkeys(seconds, 1.0)
    values = {name: [t / per[name] for t in times] for name, times in seconds.items()}
    middle = statistics.median(values[base])
    rows = [
        [
            name,
            f"{statistics.median(times):.4g}",
            f"{min(times):.4g} to {max(times):.4g}",
            f"{statistics.median(times) / middle:.2f}",
        ]
        for name, times in values.items()
    ]
    msg.table(
        rows,
        header=["", "median s", "range", f"x {base}"],
        divider=True,
        aligns=["l", "r", "r", "r"],
        max_col=60,
    )


def save(output: Path | None, **facts: Any) -> None:
    """Write results with the machine's facts."""
    if output is None:
        return
    cuda = torch.cuda.is_available()
    machine = {
        "machine": platform.machine(),
        "processor": torch.cuda.get_device_name() if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }
    write_json(output, machine | facts)
    msg.good(f"Written to {output}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
