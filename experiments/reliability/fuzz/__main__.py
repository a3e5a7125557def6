"""Fuzz all readers: `python -m experiments.reliability.fuzz --inputs 1000000 --seed 0 OUT`.

Each input is made from the seed and its number alone. It is read in a process of its own kind, so
that one that ends the interpreter is a finding too. OUT gets `state.json`, from where the same
command goes on, and a folder `findings` of what failed, cut down.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
import zlib
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from random import Random
from typing import Any

from spacy_dualner.data import offsets, text
from spacy_dualner.errors import DualNerError

from .mutate import Case, mutate
from .readers import Reader, readers, sane

_SAVED = 500
_MORE_MEMORY = 3 << 30
_STUCK = 300


class Hang(BaseException):
    """An input takes more than a second per KB."""


def make(reader: Reader, random: Random) -> Case:
    """A seed of a reader with one of its files damaged."""
    case = dict(random.choice(reader.seeds))
    name = random.choice([*case])
    return case | {name: mutate(case[name], random)}


def fault(reader: Reader, case: Case, folder: Path) -> tuple[str, str]:
    """Read one input: what kind of failure there was, if any, and all that is known of it."""

    def stop(*_: Any) -> None:
        raise Hang

    for name, content in case.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, 5 + sum(map(_size, case.values())) / 1024)
    try:
        with (
            open(os.devnull, "w", errors="replace") as null,
            redirect_stdout(null),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            reader.read(folder)
        return "", "read"
    except DualNerError as error:
        place = f"{error}"
        return ("", "refused") if sane(place) else ("message", repr(place))
    except (Exception, Hang, KeyboardInterrupt) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if "spacy_dualner" in f.filename] or frames
        where = f"{Path(own[-1].filename).name}:{own[-1].name}"
        return f"{type(error).__name__} {where}", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _size(content: bytes) -> int:
    """Bytes of a file, of a compressed one those that it unpacks to, if not more than 2^20."""
    unpacked = b""
    with suppress(zlib.error):
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, 1 << 20)
    return max(len(content), len(unpacked))


def reduced(reader: Reader, case: Case, kind: str, folder: Path) -> Case:
    """The input without most of what does not matter for a failure."""
    tries = int(400 * reader.share)
    for name in case:
        size = len(case[name])
        while size := size // 2:
            at = 0
            while at < len(case[name]) and tries:
                tries -= 1
                less = case | {name: case[name][:at] + case[name][at + size :]}
                if fault(reader, less, folder)[0] == kind:
                    case = less
                else:
                    at += size
    return case


def work(
    args: Namespace, every: dict[str, Reader], report: Callable[[int], object] = lambda number: None
) -> Counter[str]:
    """Try inputs from the last saved state on. RETURNS: how many came out how, by reader."""
    state_path, folder = args.out / "state.json", args.out / "current"
    state: dict[str, Any] = {"done": 0, "counts": {}}
    if state_path.exists():
        state = json.loads(state_path.read_text())
    counts = Counter[str](state["counts"])
    ended = {int(path.name) for path in (args.out / "ended").glob("*")}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names, shares = [*every], [reader.share for reader in every.values()]
    for number in range(state["done"], args.inputs):
        if number % _SAVED == 0 and number > state["done"]:
            _save(state_path, number, counts)
        report(number)
        random = Random(f"{args.seed}:{number}")
        (name,) = random.choices(names, shares)
        case = make(every[name], random)
        if number in ended:
            counts[f"{name}: ended the process"] += 1
            continue
        kind, said = fault(every[name], case, folder)
        counts[f"{name}: {kind or said}"] += 1
        if kind and counts[f"{name}: {kind}"] == 1:
            small = reduced(every[name], case, kind, folder)
            found = args.out / "findings" / f"{number}"
            for file, content in small.items():
                (found / file).parent.mkdir(parents=True, exist_ok=True)
                if content != every[name].seeds[0].get(file):
                    (found / file).write_bytes(content)
            (found / "WHAT").write_text(f"{name}: {kind}\n{said}", "utf8", "backslashreplace")
    _save(state_path, args.inputs, counts)
    return counts


def _save(path: Path, done: int, counts: Counter[str]) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps({"done": done, "counts": counts}, indent=1))
    os.replace(aside, path)


def worker(args: Namespace) -> None:
    """Try all inputs in this process; where it is, stands in a file."""
    every = readers(args.pipeline, args.real)
    if args.only:
        every = {name: reader for name, reader in every.items() if args.only in name}
    # To build one takes ten times as long as an input does.
    splitter = text.WordSplitter()
    text.WordSplitter = offsets.WordSplitter = lambda: splitter  # type: ignore
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + _MORE_MEMORY, resource.RLIM_INFINITY))
    place = os.open(args.out / "at", os.O_CREAT | os.O_WRONLY)
    work(args, every, lambda number: os.pwrite(place, b"%012d" % number, 0))


def main() -> None:
    """Start processes that try inputs until all are done, and print what came out."""
    parser = ArgumentParser("python -m experiments.reliability.fuzz", description=__doc__)
    parser.add_argument("out", type=Path, help="Folder of the results")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="Readers with this in their name")
    parser.add_argument("--pipeline", type=Path, help="A small pipeline, to be damaged as well")
    parser.add_argument("--real", type=Path, help="Folder of PAN-X archives, to begin with as well")
    parser.add_argument("--worker", action="store_true", help="Of no use by hand")
    args = parser.parse_args()
    if args.worker:
        worker(args)
        return
    (args.out / "ended").mkdir(parents=True, exist_ok=True)
    at = args.out / "at"
    while True:
        command = [sys.executable, "-m", "experiments.reliability.fuzz", "--worker", *sys.argv[1:]]
        process = subprocess.Popen(command)
        before, since = "", time.monotonic()
        while process.poll() is None:
            time.sleep(0.2)
            now = at.read_text() if at.exists() else ""
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > _STUCK:
                process.kill()
        if process.returncode == 0:
            break
        if not before or process.returncode == 1:
            raise SystemExit("The fuzzer itself failed.")
        # What is on the disk is the input that ended it.
        shutil.copytree(args.out / "current", args.out / "ended" / str(int(before)))
        print(f"Input {int(before)} ended the process: {process.returncode}")
    counts = json.loads((args.out / "state.json").read_text())["counts"]
    for name in sorted(counts):
        print(f"{counts[name]:>9,} {name}")


if __name__ == "__main__":
    main()
