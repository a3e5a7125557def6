"""The loop of a study: run after run, each once, its results as a line."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import srsly
import torch

from spacy_dualner.data.outputs import check_entries, locked, write_json, write_text
from spacy_dualner.errors import DualNerError
from spacy_dualner.system.interrupts import deaf_to_interrupts
from spacy_dualner.training.corpus import parse_langs

from .corpora import RECORD, prepare_corpus, prepare_share
from .grid import Run, plan
from .schema import Study
from .worker import LOG, RESULT, SCORED, is_trained, work

RESULTS, STUDY = "results.jsonl", "study.json"
_IDENTITY = "run.json"


def run_studies(
    studies: Sequence[Study],
    results: Path,
    *,
    jobs: int = 1,
    gpu_id: int = -1,
    keep_models: bool = False,
) -> list[str]:
    """Run some studies of one corpus, what is done left out, and write their results.

    studies (Sequence[Study]): The studies; runs that they have in common are done once.
    results (Path): The results folder. An interrupted study goes on from what is there.
    jobs (int): Processes at once, which share the machine's threads.
    gpu_id (int): As in `spacy train`.
    keep_models (bool): Whether to keep all pipelines; otherwise those of methods that others begin
        from.
    RETURNS (List[str]): Keys of the runs that failed, or that wait for one that failed.
    RAISES (DualNerError): If the folder is in use, or holds runs of other data or settings, or
        what no study wrote.
    """
    data = studies[0].data
    if any(study.data != data for study in studies):
        raise DualNerError(
            "The studies differ in [data]. Run each with an --output of its own, or make their "
            "[data] the same."
        )
    if not (results / RECORD).exists():
        # What a study writes, under names that others use too.
        check_entries(results, other=["corpus", "corpus-*", "runs", RESULTS, STUDY])
    results.mkdir(parents=True, exist_ok=True)
    with locked(results, results):
        record = prepare_corpus(data, results)
        runs = plan(studies, results, record)
        for share in {run.cell.share for run in runs}:
            prepare_share(data, results, share)
        for run in runs:
            path = run.folder / _IDENTITY
            if path.is_file() and srsly.read_json(path)["fingerprint"] != run.fingerprint:
                raise DualNerError(
                    f"{run.folder} was made with other settings. Choose another --output, or "
                    "remove that folder to have it made again."
                )
        _write_study(studies, results, jobs)
        # Another study may begin from them.
        parents = {method.stage1 for study in studies for method in study.known.values()}
        failed = []
        with closing(_done(runs, jobs, gpu_id)) as done:
            for number, (run, seconds) in enumerate(done, 1):
                result = _result(run)
                _print_line(run, result, seconds, f"[{number:>{len(str(len(runs)))}}/{len(runs)}]")
                if result is None and not run.skipped:
                    failed.append(run.cell.key)
                if not keep_models and run.cell.method not in parents:
                    shutil.rmtree(run.model, ignore_errors=True)
                _write_results(runs, results)
    return failed


def _done(runs: Sequence[Run], jobs: int, gpu_id: int) -> Generator[tuple[Run, float], None, None]:
    """Do runs, each once the one that it begins from has ended.

    YIELDS (Tuple[Run, float]): Each run when it has ended, and its seconds; 0 if done before.
    """
    waiting, ended = list(runs), dict[str, Run]()
    # A pipeline that was not kept has to be made again for what now begins from it.
    wanted = {run.stage1 for run in runs if not (run.skipped or _result(run))}
    active: dict[int, tuple[Run, BaseProcess, float]] = {}
    threads = max(1, torch.get_num_threads() // jobs)
    try:
        while waiting or active:
            for run in list(waiting):
                if run.stage1 and run.stage1 not in ended:
                    continue
                done = _result(run) and (run.cell.key not in wanted or is_trained(run))
                hopeless = run.stage1 and not _result(ended[run.stage1])
                if run.skipped or done or hopeless:
                    ended[run.cell.key] = run
                    waiting.remove(run)
                    yield run, 0.0
                elif len(active) < jobs:
                    process = _start(run, threads, gpu_id)
                    active[process.sentinel] = run, process, time.perf_counter()
                    waiting.remove(run)
            for sentinel in connection.wait(list(active)) if active else ():
                run, process, began = active.pop(cast(int, sentinel))
                process.join()
                ended[run.cell.key] = run
                yield run, time.perf_counter() - began
    finally:
        for _, process, _ in active.values():
            process.terminate()
            process.join()


def _start(run: Run, threads: int, gpu_id: int) -> BaseProcess:
    """In a process of its own a run does not depend on what ran before it."""
    run.folder.mkdir(parents=True, exist_ok=True)
    write_json(run.folder / _IDENTITY, {"fingerprint": run.fingerprint})
    # Of a pipeline that has to be made again: if that fails, nothing is to begin from it.
    (run.folder / RESULT).unlink(missing_ok=True)
    process = get_context("spawn").Process(target=work, args=(run, threads, gpu_id), daemon=True)
    with deaf_to_interrupts():
        process.start()
    return process


def _print_line(run: Run, result: dict[str, Any] | None, seconds: float, place: str) -> None:
    cell = run.cell
    name = f"{place} {cell.backbone}  {cell.method:<14}  {cell.share:>3}%  seed {cell.seed}"
    if run.skipped:
        outcome = f"skipped: {run.skipped}"
        write_json(run.folder / RESULT, run.facts() | {"skipped": run.skipped})
    elif result is None:
        outcome = f"failed: see {run.folder / LOG}"
        if not (run.folder / LOG).exists():
            outcome = f"not run: it begins from {run.stage1}"
    else:
        means = (result["scores"][split] for split in SCORED)
        # Where no target language is scored there is the mean of the source languages.
        dev, test = ((own["mean_targets"] or own["mean"])["f"] for own in means)
        took = f"{seconds:,.0f} s" if seconds else "done before"
        outcome = f"dev {dev:5.2f}  test {test:5.2f}  {took}"
    print(f"{name}  {outcome}", flush=True)


def _result(run: Run) -> dict[str, Any] | None:
    """The result of a run that is done; None if it is not, or was skipped."""
    path = run.folder / RESULT
    result = srsly.read_json(path) if path.is_file() else {"skipped": ""}
    return None if "skipped" in result else result


def _write_results(runs: Sequence[Run], results: Path) -> None:
    """Write the results of all runs in the folder: those planned in their order, others after."""
    folders = dict.fromkeys(run.folder for run in runs)
    folders |= dict.fromkeys(sorted((results / "runs").iterdir()))
    paths = [folder / RESULT for folder in folders]
    lines = [srsly.json_dumps(srsly.read_json(path)) for path in paths if path.is_file()]
    write_text(results / RESULTS, "".join(f"{line}\n" for line in lines))


def _write_study(studies: Sequence[Study], results: Path, jobs: int) -> None:
    path, data = results / STUDY, studies[0].data
    earlier = srsly.read_json(path)["titles"] if path.is_file() else []
    limits = data.model_dump(
        include={"source_limit", "unlabelled_limit", "dev_limit", "test_limit"}
    )
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    facts = {
        "titles": list(dict.fromkeys([*earlier, *(study.title for study in studies)])),
        "source": data.source_langs,
        "targets": data.target_langs,
        "limits": {name.removesuffix("_limit"): limit for name, limit in limits.items()},
        "picture_langs": list(parse_langs(data.picture)),
        "machine": f"{os.cpu_count()} x {platform.processor() or platform.machine()}, {cuda}, "
        f"{platform.platform()}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{jobs} runs at once",
    }
    write_json(path, facts)
