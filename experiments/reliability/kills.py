"""Kill the commands at random moments and at every write, go on, and compare with calm runs.

python -m experiments.reliability.kills --kills 1000 --seed 0 OUT

OUT holds `results.jsonl`, a line a kill. The same command goes on with it, also after a kill.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spacy_dualner.data.outputs import write_json

from .cases import CASES, Case, prepare
from .points import Points
from .processes import Command, NewCommand
from .state import Tree, besides, part, tree, units, wait_for_end

SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
FULL = {"disk full": 0}
_FILLING = {"open", "os.mkdir", "os.rename"}
# Of a hundred trials, so many are of processes that are begun anew.
_NEW = 3
_MOST_KILLS = 6
_SECONDS = 240
# What a run removes that an earlier one left beside an output.
_SWEPT = (".*.part", "*/.*.part", "*/*/.*.part")

Row = dict[str, Any]


@dataclass
class Calm:
    """Runs of a case that nobody disturbs.

    final (Tree): What is there in the end.
    older (Tree): What an earlier run with other arguments leaves.
    points (List[str]): `leader 1 open name`: where files are changed.
    seconds (float): How long it takes.
    """

    final: Tree
    older: Tree
    points: list[str]
    seconds: float


class Trials:
    """All trials in a folder.

    out (Path): The folder.
    names (Sequence[str]): The cases.
    faults (Mapping[str, int]): What happens to a command: signals, or 0 for a disk that is full.
    """

    def __init__(self, out: Path, names: Sequence[str], faults: Mapping[str, int]) -> None:
        self.out = out.absolute()
        self.cases = {name: CASES[name] for name in names}
        self.faults = faults
        self.results = self.out / ("full.jsonl" if faults is FULL else "results.jsonl")
        self.work, self.temp = self.out / "trial" / "work", self.out / "trial" / "tmp"
        self.said = self.out / "said"
        self.out.mkdir(parents=True, exist_ok=True)
        prepare(self.out)
        self.calm = {name: self._calm(name, case) for name, case in self.cases.items()}
        for name, calm in self.calm.items():
            print(f"{name}: {len(calm.points)} points, {calm.seconds:.1f} s", flush=True)
        self.begin_seconds = self._begin_seconds() if _NEW else 0.0

    def _fresh(self) -> None:
        shutil.rmtree(self.work.parent, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.temp.mkdir()
        (self.work / "given").symlink_to(self.out / "given")

    def _start(self, case: Case, words: Sequence[str], hook: Points, new: bool = False) -> Command:
        shutil.rmtree(self.said, ignore_errors=True)
        self.said.mkdir()
        kind = NewCommand if new else Command
        environment = {"TMPDIR": str(self.temp)}
        return kind(self.work, self.said, *words, environment=environment, hook=hook, warm_all=True)

    def _calm(self, name: str, case: Case) -> Calm:
        """What an earlier process found, or else now is found, in two runs."""
        known = self.out / "calm" / f"{name}.json"
        if known.exists():
            return Calm(**json.loads(known.read_text()))
        trees, seconds = [], 0.0
        log = self.said / "points"
        for again in (case.again, ()):
            self._fresh()
            began = time.perf_counter()
            hook = Points(self.work.parent, log)
            with self._start(case, [*case.words, *again], hook) as command:
                assert command.wait() == 0, command.read()
            seconds = time.perf_counter() - began
            assert not any(self.temp.iterdir()), sorted(self.temp.iterdir())
            trees.append(tree(self.work, timeless=case.timeless))
            if again:
                older = self.out / "older" / name
                shutil.rmtree(older, ignore_errors=True)
                older.parent.mkdir(exist_ok=True)
                self.work.rename(older)
        # Of many like ones the first and the last.
        lines = log.read_text().splitlines()
        kinds = [(line.split()[0], *line.split()[2:]) for line in lines]
        ends = dict(zip(kinds, lines, strict=True)).values()
        begins = dict(zip(reversed(kinds), reversed(lines), strict=True)).values()
        points = sorted({*begins, *ends}, key=lines.index)
        calm = Calm(trees[-1], trees[0] if case.again else {}, points, seconds)
        known.parent.mkdir(exist_ok=True)
        write_json(known, asdict(calm))
        return calm

    def _begin_seconds(self) -> float:
        """What a new process takes longer than one that is forked."""
        name, case = next(iter(self.cases.items()))
        self._fresh()
        began = time.perf_counter()
        with self._start(case, case.words, Points(self.work.parent), new=True) as command:
            assert command.wait() == 0, command.read()
        return max(0.0, time.perf_counter() - began - self.calm[name].seconds)

    def run(self, kills: int, seed: int) -> None:
        """Trial after trial, until there were so many kills."""
        rows = self._read()
        done = {(row["trial"], row["case"]) for row in rows}
        n_kills = sum(map(_hit, rows))
        for number, (name, at) in enumerate(self._plan(seed)):
            if n_kills >= kills:
                break
            if (number, name) in done:
                continue
            rng = random.Random(f"{seed} {number}")
            rows = self._trial(name, at, rng)
            for row in rows:
                row |= {"trial": number, "case": name}
            self._write(rows)
            n_kills += sum(map(_hit, rows))
            for problem in {p for row in rows for p in row["problems"]}:
                print(f"trial {number}, {name}: {problem}", flush=True)

    def _plan(self, seed: int) -> Iterator[tuple[str, str]]:
        """Each point once, in turn with random moments; then these alone."""
        rng = random.Random(seed)
        points = [(name, point) for name, calm in self.calm.items() for point in calm.points]
        rng.shuffle(points)
        if self.faults is FULL:
            yield from (place for place in points if place[1].split()[2] in _FILLING)
            return
        # As much time for each.
        weights = [1 / calm.seconds for calm in self.calm.values()]
        while True:
            if points:
                yield points.pop()
            yield rng.choices(list(self.cases), weights)[0], ""

    def _trial(self, name: str, at: str, rng: random.Random) -> list[Row]:
        """Kill a command, and what goes on from there, some times; then let it end."""
        case, calm = self.cases[name], self.calm[name]
        self._fresh()
        older: Tree = {}
        if case.again and rng.random() < 0.5:
            shutil.rmtree(self.work)
            shutil.copytree(self.out / "older" / name, self.work, symlinks=True)
            older = calm.older
        rows: list[Row] = []
        words = list(case.words)
        for n in range(1 if self.faults is FULL else rng.randint(1, _MOST_KILLS)):
            if n:
                at = rng.choice([*calm.points, ""]) if rng.random() < 0.3 else ""
            row = self._kill(case, words, at, calm, rng)
            row["problems"] += self._compare(case, calm, older, row["signal"] == "KILL")
            rows.append(row)
            words = [*case.words, *filter(None, [case.resume])]
        with self._start(case, words, Points(self.work.parent)) as command:
            status = command.wait(_SECONDS)
            said = command.read()
            left = wait_for_end(command.pid, self.work.parent)
        row = rows[-1]
        if status:
            row["problems"].append(f"goes on with status {status}: {' '.join(said)[-500:]}")
        now = tree(self.work, timeless=case.timeless)
        for what in sorted({n for n, _ in now.items() ^ calm.final.items()}):
            row["problems"].append(f"other than undisturbed: {what}")
        for path in sorted(self.temp.iterdir()):
            row["problems"].append(f"left in TMPDIR: {path.name}")
        if left:
            row["problems"].append(f"{len(left)} processes left in the end")
        return rows

    def _kill(self, case: Case, words: list[str], at: str, calm: Calm, rng: random.Random) -> Row:
        kind = rng.choice(list(self.faults))
        number, group = self.faults[kind], rng.random() < 0.5
        new = not at and rng.random() < _NEW / 100
        log = self.said / "points"
        hook = Points(self.work.parent, log)
        inside = rng.random() < 0.5
        if at:
            place = " ".join(at.split()[:2])
            hook = Points(self.work.parent, log, place, inside, number, group)
        began = time.perf_counter()
        row: Row = {"signal": kind, "group": group, "new": new, "at": at, "problems": []}
        with self._start(case, words, hook, new) as command:
            if not at:
                while not new and not log.exists():
                    time.sleep(0.001)
                began = time.perf_counter()
                moment = rng.uniform(0, calm.seconds + (self.begin_seconds if new else 0))
                row["at"] = f"{moment:.3f} s"
                ended = command.ends_within(moment)
                row["late"] = ended
                if not ended:
                    (os.killpg if group else os.kill)(command.pid, number)
            else:
                row["inside"] = inside
            try:
                row["status"] = command.wait(_SECONDS)
            except AssertionError:
                row["problems"].append("does not end")
                os.killpg(command.pid, signal.SIGKILL)
                row["status"] = command.wait()
            left = wait_for_end(command.pid, self.work.parent)
            row["seconds"] = round(time.perf_counter() - began, 2)
            row["said"] = [text[-800:] for text in command.read()]
        for pid in left:
            row["problems"].append(f"process {pid} left")
            os.kill(pid, signal.SIGKILL)
        row["problems"] += self._ending(case, row, -number)
        return row

    def _ending(self, case: Case, row: Row, died: int) -> Iterator[str]:
        """What is wrong with how a command that got a signal ended."""
        status, (out, err) = row["status"], row["said"]
        if status in (0, -signal.SIGKILL) or case.others_write:
            return
        if not died:
            if status != 1 or ("Make room" not in out and "No space left" not in out):
                yield f"status {status} on a full disk: {out[-200:]}"
        elif status == died or (status == 128 - died and not (out + err).strip()):
            row["outside"] = True  # before or after what the command does; typer is silent then
            return
        elif status != 128 - died:
            yield f"status {status} after {row['signal']}"
        elif out.count("Interrupted") != 1:
            yield "does not say once that it was interrupted"
        for word in ("Traceback", "Exception ignored", "leaked"):
            if word in err + out:
                yield f"{word}"

    def _compare(self, case: Case, calm: Calm, older: Tree, killed: bool) -> list[str]:
        """What is wrong on disk after a signal."""
        now = tree(self.work, timeless=case.timeless)
        problems = []
        for unit in units(case.outputs, now, calm.final, older):
            own = part(now, unit)
            known = [part(calm.final, unit), part(older, unit)]
            if case.others_write or own in known or (not own and not known[1]):
                continue
            problems.append(f"{unit} is {'half-written' if own else 'gone'}")
        if not killed:
            # What a command cannot clean up any more goes with the next run.
            extra = besides(now, [calm.final, older], [*case.may_stay, *_SWEPT])
            problems += [f"stays: {name}" for name in extra]
            others = [
                path.name for path in self.temp.iterdir() if not path.match("spacy-dualner-*")
            ]
            problems += [f"stays in TMPDIR: {name}" for name in others]
        return problems

    def _read(self) -> list[Row]:
        """The rows of whole trials; a last line that was cut short goes."""
        if not self.results.exists():
            return []
        content = self.results.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        os.truncate(self.results, len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def _write(self, rows: list[Row]) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        with self.results.open("ab", buffering=0) as file:
            file.write(lines.encode())
            os.fsync(file.fileno())

    def table(self) -> str:
        """Kills and problems by command and signal, as Markdown."""
        rows = [row for row in self._read() if row["case"] in self.cases]
        lines = [
            "| command | " + " | ".join(self.faults) + " | points hit | differing |",
            "| --- |" + " ---: |" * (len(self.faults) + 2),
        ]
        for name, calm in self.calm.items():
            own = [row for row in rows if row["case"] == name]
            counts = Counter(row["signal"] for row in own if _hit(row))
            hit = {row["at"] for row in own if _hit(row)} & set(calm.points)
            bad = sum(bool(row["problems"]) for row in own)
            cells = [*(counts[s] for s in self.faults), f"{len(hit)} of {len(calm.points)}", bad]
            lines.append(f"| `{name}` | " + " | ".join(map(str, cells)) + " |")
        return "\n".join(lines)


def _hit(row: Row) -> bool:
    """Whether it ended the command: some come too late."""
    return bool(row["status"])


def main() -> None:
    """Run the trials and print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="Folder of the results, new or begun")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    full = "In place of signals: the disk is full, once at each write"
    parser.add_argument("--disk-full", action="store_true", help=full)
    options = parser.parse_args()
    trials = Trials(options.out, options.only, FULL if options.disk_full else SIGNALS)
    trials.run(options.kills, options.seed)
    print(trials.table())


if __name__ == "__main__":
    main()
