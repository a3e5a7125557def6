"""Kill the commands at every place where they write and at random moments, go on, and compare.

python -m experiments.reliability.kills --kills 1000 --jobs 2 OUT

OUT holds `results.jsonl`, a line a kill. The same command goes on with it, also after a kill.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import BinaryIO

import psutil

from .cases import CASES, prepare
from .trial import ACTOR, FULL, SIGNALS, Calm, Room, Row, places_of

_DISK = "64m"
# After so many kills comes a line.
_OFTEN = 50


class Results:
    """The rows of all trials, which several processes write.

    path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with self.path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file  # type: ignore[misc]

    def _rows(self, file: BinaryIO) -> list[Row]:
        """Those of whole trials; a last line that was cut short goes."""
        file.seek(0)
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        file.truncate(len(whole))
        return [row for line in whole.splitlines() for row in json.loads(line)]

    def read(self) -> list[Row]:
        """All rows."""
        with self._locked() as file:
            return self._rows(file)

    def add(self, rows: list[Row]) -> list[Row]:
        """Write those of a trial. Returns all, these included."""
        with self._locked() as file:
            known = self._rows(file)
            file.write(f"{json.dumps(rows)}\n".encode())
            os.fsync(file.fileno())
        return known + rows


def work(options: Namespace, number: int) -> None:
    """Trial after trial, each with a number of its own, until there were so many kills.

    options (Namespace): Of the command.
    number (int): Of this process.
    """
    room, results, parent = Room(options.out, number), results_of(options), os.getppid()
    calms = {name: room.calm(name) for name in options.only}
    trial, cost = number, _processor_seconds()
    if options.disk_full:
        room.disk.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(room.disk)]
        subprocess.run(mount, check=True)
    try:
        while time.time() < options.until and os.getppid() == parent:
            rows = results.read()
            if sum(row["hit"] for row in rows) >= options.kills:
                break
            if trial not in {row["trial"] for row in rows}:
                rng = random.Random(f"{options.seed} {trial}")
                left = places_of(calms, rows)
                if options.disk_full:
                    left = {name: list(filter(_fills, own)) for name, own in left.items()}
                    if not any(left.values()):
                        break
                name = _choose(options, left, trial, rng, number)
                new = room.trial(name, rng, left[name], options.disk_full)
                for row in new:
                    row |= {"trial": trial, "case": name, "processor": 0.0}
                new[-1]["processor"] = round(_processor_seconds() - cost, 2)
                cost = _processor_seconds()
                _tell(results.add(new), new, calms)
            trial += options.jobs
    finally:
        if options.disk_full:
            subprocess.run(["umount", "--lazy", str(room.disk)], check=True)


def results_of(options: Namespace) -> Results:
    """Where the rows are."""
    return Results(options.out / ("full.jsonl" if options.disk_full else "results.jsonl"))


def _fills(place: str) -> bool:
    """Whether something begins to take room there."""
    return place.split()[2] in ("open", "os.mkdir", "os.rename")


def _choose(
    options: Namespace, left: dict[str, list[str]], trial: int, rng: random.Random, number: int
) -> str:
    """A case: those with many places that were not hit yet come more often."""
    # One cluster at a time is enough for a machine.
    names = [name for name in left if not number or ACTOR not in CASES[name].faults]
    if options.disk_full:  # as often each
        names = [name for name in names if left[name]] or names
        return names[trial // options.jobs % len(names)]
    return rng.choices(names, [CASES[n].share * (len(left[n]) + 1) for n in names])[0]


def _tell(rows: list[Row], new: list[Row], calms: dict[str, Calm]) -> None:
    for row in new:
        for problem in row["problems"]:
            print(f"trial {row['trial']}, {row['case']}, {row['at']}: {problem}", flush=True)
    n_kills = sum(row["hit"] for row in rows)
    if n_kills // _OFTEN > (n_kills - sum(row["hit"] for row in new)) // _OFTEN:
        n_left = sum(map(len, places_of(calms, rows).values()))
        n_places = sum(len(calm.places) for calm in calms.values())
        seconds = sum(row["processor"] for row in rows)
        n_bad = sum(bool(row["problems"]) for row in rows)
        print(
            f"{time.strftime('%H:%M:%S')}: {n_kills} kills, {n_places - n_left} of {n_places} "
            f"places, {n_bad} differing, {seconds / 60:.1f} minutes of a processor",
            flush=True,
        )


def _processor_seconds() -> float:
    """What this process and those that it began have taken, as far as they have ended."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    times = [psutil.Process(pid).cpu_times() for pid in (os.getpid(), server) if pid]
    return sum(sum(one[:4]) for one in times)


def table(rows: list[Row], calms: dict[str, Calm], full: bool) -> str:
    """Kills and problems by command and signal, as Markdown."""
    columns = [FULL] if full else [*SIGNALS, ACTOR]
    lines = [
        "| command | " + " | ".join(columns) + " | places hit, of all | differing |",
        "| --- |" + " ---: |" * (len(columns) + 2),
    ]
    left = places_of(calms, rows)
    sums: Counter[str] = Counter()
    n_bad = 0
    for name, calm in calms.items():
        own = [row for row in rows if row["case"] == name]
        counts = Counter(row["signal"] for row in own if row["hit"])
        bad = sum(bool(row["problems"]) for row in own)
        n_hit, n_places = len(calm.places) - len(left[name]), len(calm.places)
        sums += counts + Counter(hit=n_hit, places=n_places)
        n_bad += bad
        cells = [f"`{name}`", *(counts[kind] for kind in columns), f"{n_hit} of {n_places}", bad]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    cells = ["all", *(sums[kind] for kind in columns), f"{sums['hit']} of {sums['places']}", n_bad]
    return "\n".join([*lines, "| " + " | ".join(map(str, cells)) + " |"])


def main() -> None:
    """Run the trials and print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="Folder of the results, new or begun")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="Trials at once")
    parser.add_argument("--minutes", type=float, default=600, help="After these no trial begins")
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    full = "In place of kills a small disk is full, once at each place. Needs root, to mount it"
    parser.add_argument("--disk-full", action="store_true", help=full)
    options = parser.parse_args()
    options.out = options.out.absolute()
    options.until = time.time() + 60 * options.minutes
    options.out.mkdir(parents=True, exist_ok=True)
    prepare(options.out)
    (options.out / "calm").mkdir(exist_ok=True)
    room, calms = Room(options.out), {}
    for name in options.only:
        calms[name] = room.calm(name)
        print(f"{name}: {len(calms[name].places)} places, {calms[name].seconds:.1f} s", flush=True)
    context = get_context("spawn")
    others = [context.Process(target=work, args=(options, n)) for n in range(1, options.jobs)]
    for process in others:
        process.start()
    work(options, 0)
    for process in others:
        process.join()
    print(table(results_of(options).read(), calms, options.disk_full))


if __name__ == "__main__":
    main()
