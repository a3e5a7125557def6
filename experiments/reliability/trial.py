"""One command in a folder of its own: undisturbed, or killed and begun again until it ends."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from spacy_dualner.data.outputs import write_json

from .cases import CASES, Case
from .points import BALLAST, Points
from .processes import Command, NewCommand
from .state import Tree, besides, part, tree, units, wait_for_end

SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
ACTOR, FULL = "actor", "disk full"
# Of a hundred kills, so many are at places not hit yet; of a hundred others, so many of processes
# that are begun anew.
_AT_PLACES, _NEW = 80, 3
_MOST_KILLS = 6
_SECONDS = 300
# What a run removes that an earlier one left beside an output.
_SWEPT = (".*.part", "*/.*.part", "*/*/.*.part")

Row = dict[str, Any]


@dataclass
class Calm:
    """Runs of a case that nobody disturbs.

    final (Tree): What is there in the end.
    older (Tree): What an earlier run with other arguments leaves.
    places (List[str]): `leader 1 open name`: where files are changed, in order.
    seconds (float): How long it takes.
    """

    final: Tree
    older: Tree
    places: list[str]
    seconds: float


class Room:
    """A folder in which one command runs at a time.

    out (Path): The folder of all trials.
    number (int): Of this room.
    """

    def __init__(self, out: Path, number: int = 0) -> None:
        self.out, self.folder = out, out / f"room{number}"
        self.disk, self.said = self.folder / "disk", self.folder / "said"
        self.work, self.temp, self.log = self.disk / "work", self.disk / "tmp", self.said / "points"

    def clear(self) -> None:
        """Have nothing in it but what commands are given."""
        self.disk.mkdir(parents=True, exist_ok=True)
        for path in self.disk.iterdir():  # the folder itself may be a disk
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.work.mkdir()
        self.temp.mkdir()
        (self.work / "given").symlink_to(self.out / "given")

    def start(self, words: Sequence[str], hook: Points, new: bool = False) -> Command:
        """Begin a command."""
        shutil.rmtree(self.said, ignore_errors=True)
        kind = NewCommand if new else Command
        environment = {"TMPDIR": str(self.temp)}
        return kind(self.work, self.said, *words, environment=environment, hook=hook, warm_all=True)

    def passed(self) -> list[str]:
        """The places that the last command came to."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def calm(self, name: str) -> Calm:
        """What an earlier process found of a case, or else now is found, in two runs."""
        case, known = CASES[name], self.out / "calm" / f"{name}.json"
        if known.exists():
            return Calm(**json.loads(known.read_text()))
        trees: list[Tree] = []
        older = self.out / "older" / name
        shutil.rmtree(older, ignore_errors=True)
        for again in (case.again, ()) if case.again else ((),):
            self.clear()
            with self.start([*case.words, *again], Points(self.disk, self.log)) as command:
                began = time.perf_counter()
                assert command.wait() == 0, command.read()
                seconds = time.perf_counter() - began
                assert not wait_for_end(command.pid, self.disk, case.patience)
            assert not list(self._temporary(case))
            trees.append(tree(self.work, timeless=case.timeless))
            if again:
                older.parent.mkdir(exist_ok=True)
                self.work.rename(older)
        # Of many like ones the first and the last.
        lines = self.passed()
        kinds = [(line.split()[0], *line.split()[2:]) for line in lines]
        ends = dict(zip(kinds, lines, strict=True)).values()
        begins = dict(zip(reversed(kinds), reversed(lines), strict=True)).values()
        places = sorted({*begins, *ends}, key=lines.index)
        calm = Calm(trees[-1], trees[0] if case.again else {}, places, seconds)
        write_json(known, asdict(calm))
        return calm

    def seconds_to_begin(self) -> float:
        """What a new process takes to import everything, which a forked one has done."""
        known = self.out / "calm" / "begin.json"
        if not known.exists():
            began = time.perf_counter()
            with self.start(["spacy", "dualner", "card", "--help"], Points(self.disk), True) as new:
                assert new.wait() == 0, new.read()
            write_json(known, time.perf_counter() - began)
        return float(known.read_text())

    def _temporary(self, case: Case, more: Sequence[str] = ()) -> Iterator[str]:
        for path in self.temp.iterdir():
            if not any(map(path.match, (*case.in_temp, *more))):
                yield f"left in TMPDIR: {path.name}"

    def trial(self, name: str, rng: random.Random, places: list[str], full: bool) -> list[Row]:
        """Kill a command, and what goes on from there, some times; then let it end.

        name (str): Of the case.
        rng (random.Random): What decides.
        places (List[str]): Where to, as long as there are some.
        full (bool): In place of kills, have the disk be full once, from one of the places on.
        RETURNS (List[Dict[str, Any]]): What was done, and the problems.
        """
        case, calm = CASES[name], self.calm(name)
        self.clear()
        older: Tree = {}
        if case.again and rng.random() < 0.5:
            shutil.copytree(
                self.out / "older" / name, self.work, symlinks=True, dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("given"),
            )  # fmt: skip
            older = calm.older
        rows: list[Row] = []
        words, reached = list(case.words), 0
        for _ in range(1 if full else rng.randint(1, _MOST_KILLS)):
            chosen = places and (full or rng.randrange(100) < _AT_PLACES)
            kind = FULL if full else rng.choice(case.faults)
            at = rng.choice(places) if chosen and kind != ACTOR else ""
            row = self._disturb(case, words, at, kind, calm.seconds, rng)
            rows.append(row)
            if not row["status"]:
                break
            row["problems"] += self._ending(case, row, -SIGNALS.get(kind, 0))
            row["problems"] += self._broken(case, calm, older, kind == "KILL")
            words = [*case.words, *filter(None, [case.resume])]
            if case.goes_on:
                reached = max([reached, *map(calm.places.index, {*self.passed()} & {*calm.places})])
            places = [place for place in places if place in calm.places[reached:] and place != at]
        else:
            with self.start(words, Points(self.disk)) as command:
                status = command.wait(_SECONDS)
                if status:
                    said = " ".join(command.read())[-500:]
                    rows[-1]["problems"].append(f"goes on with status {status}: {said}")
                rows[-1]["problems"] += self._left(case, command)
        now = tree(self.work, timeless=case.timeless)
        others = sorted({name for name, _ in now.items() ^ calm.final.items()})
        rows[-1]["problems"] += [f"other than undisturbed: {what}" for what in others]
        rows[-1]["problems"] += self._temporary(case)
        return rows

    def _disturb(
        self, case: Case, words: list[str], at: str, kind: str, seconds: float, rng: random.Random
    ) -> Row:
        """Run a command, and have one thing go wrong, at a place or at some moment."""
        number = SIGNALS.get(kind, 0)
        group, inside = rng.random() < 0.5, rng.random() < 0.5
        new = not at and kind != ACTOR and rng.randrange(100) < _NEW
        row: Row = {"signal": kind, "at": at, "problems": []}
        row |= {"inside": inside} if at else {"new": new}
        seconds += self.seconds_to_begin() if new else 0
        hook = Points(self.disk, self.log, at, inside, number, group)
        with self.start(words, hook, new) as command:
            if not new:
                command.until(self.log.exists)
            began = time.perf_counter()
            if kind == ACTOR:
                row["hit"] = _kill_actor(command, rng)
            elif not at:
                moment = rng.uniform(0, seconds)
                row["at"] = f"{moment:.3f} s"
                if not command.ends_within(moment):
                    with suppress(ProcessLookupError):
                        (os.killpg if group else os.kill)(command.pid, number)
            try:
                row["status"] = command.wait(_SECONDS)
            except AssertionError:
                row["problems"].append("does not end")
                os.killpg(command.pid, signal.SIGKILL)
                row["status"] = command.wait()
            row["problems"] += self._left(case, command)
            row["said"] = [text[-800:] for text in command.read()]
        row |= {"group": group, "seconds": round(time.perf_counter() - began, 2)}
        ballast = self.disk / BALLAST
        row.setdefault("hit", ballast.exists() if kind == FULL else bool(row["status"]))
        ballast.unlink(missing_ok=True)
        return row

    def _left(self, case: Case, command: Command) -> Iterator[str]:
        for pid in wait_for_end(command.pid, self.disk, case.patience):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                yield f"process left: {' '.join(process.cmdline())[:200]}"
                process.kill()

    def _ending(self, case: Case, row: Row, died: int) -> Iterator[str]:
        """What is wrong with how a command that did not come to its end has ended."""
        status, (out, err) = row["status"], row["said"]
        if status == -signal.SIGKILL or case.others_write:
            return
        if not died:
            said = out + err
            if status != 1 or ("Make room" not in said and "No space left" not in said):
                yield f"status {status} after {row['signal']}: {out[-200:]}"
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

    def _broken(self, case: Case, calm: Calm, older: Tree, killed: bool) -> Iterator[str]:
        """What is wrong on disk after a command was disturbed."""
        now = tree(self.work, timeless=case.timeless)
        for unit in units(case.outputs, now, calm.final, older):
            own = part(now, unit)
            known = [part(calm.final, unit), part(older, unit)]
            if case.others_write or own in known or (not own and not known[1]):
                continue
            yield f"{unit} is {'half-written' if own else 'gone'}"
        if not killed:
            # What a command cannot clean up any more goes with the next run.
            extra = besides(now, [calm.final, older], [*case.may_stay, *_SWEPT])
            yield from (f"stays: {name}" for name in extra)
            yield from self._temporary(case, ["spacy-dualner-*"])


def places_of(calms: Mapping[str, Calm], rows: Sequence[Row]) -> dict[str, list[str]]:
    """The places of each case that no row has hit, or had a disk full at."""
    hit = {(row["case"], row["at"]) for row in rows if row["hit"] or row["signal"] == FULL}
    return {name: [p for p in calm.places if (name, p) not in hit] for name, calm in calms.items()}


def _kill_actor(command: Command, rng: random.Random) -> bool:
    """Kill one of the processes in which Ray has actors, once there are some."""
    while not command.ends_within(0.2):
        with suppress(psutil.NoSuchProcess):
            found = [one for one in command.children() if "ray::Worker" in "".join(one.cmdline())]
            if found:
                command.ends_within(rng.uniform(0, 2))
                rng.choice(found).kill()
                return True
    return False
