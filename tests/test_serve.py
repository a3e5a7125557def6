"""`examples/serve` under its real server: the answers of one process, and no word kept."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import spacy
from fastapi.testclient import TestClient
from helpers.many import many
from helpers.tiny import ROOT, SENTENCES
from spacy.language import Language
from spacy.tokens import Doc

SERVE = ROOT / "examples" / "serve"
N_CLIENTS = 8
KNOWN = [word for words, _ in SENTENCES for word in words] + ["柏林", "เบอร์ลิน", "😀"]


@pytest.fixture(scope="module")
def pipeline(trained_nlp: Language, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "pipeline"
    trained_nlp.to_disk(folder)
    return folder


@contextmanager
def server(pipeline: Path | str) -> Iterator[str]:
    """The service's address, once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(SERVE)]
    command += ["--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, env={**os.environ, "PIPELINE": str(pipeline)})
    try:
        url, give_up = f"http://127.0.0.1:{port}", time.monotonic() + 300
        while True:
            assert process.poll() is None and time.monotonic() < give_up
            try:
                if httpx.get(f"{url}/ready", timeout=10).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def make_question(rng: random.Random, new: str) -> dict[str, Any]:
    """Up to three texts of known words, and of one that is nowhere else."""
    texts = [" ".join(rng.choices(KNOWN, k=rng.randint(0, 12))) for _ in range(rng.randint(1, 3))]
    return {"texts": [*texts[1:], f"{texts[0]} {new} Anna"], "lang": rng.choice(["en", "sw"])}


def ask(client: httpx.Client, url: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(f"{url}/entities", json=question, timeout=300)
    assert answer.status_code == 200, answer.text
    return answer.json()


def expected(nlp: Language, question: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer by one process that reads text by text. A batch sums in another order."""
    found = []
    for text in question["texts"]:
        doc = nlp(text)
        group = doc.spans["dualner"]
        entities = [
            {
                "start": span.start_char,
                "end": span.end_char,
                "text": text[span.start_char : span.end_char],
                "label": span.label_,
                "score": pytest.approx(score, abs=1e-4),
            }
            for span, score in zip(group, group.attrs["scores"], strict=True)
        ]
        found.append({"lang": question["lang"], "entities": entities})
    return found


@pytest.mark.slow
def test_many_clients_get_what_one_process_gives(pipeline: Path) -> None:
    """Cold, then warm: each client asks its questions twice."""
    nlp, rng = spacy.load(pipeline), random.Random(0)
    questions = [
        [make_question(rng, f"x{i}y{j}") for j in range(many(100))] for i in range(N_CLIENTS)
    ]
    answers = [[expected(nlp, question) for question in own] for own in questions]
    assert sum(len(found["entities"]) for own in answers for a in own for found in a) > many(1000)

    with server(pipeline) as url, ThreadPoolExecutor(N_CLIENTS) as pool:

        def check(number: int) -> int:
            with httpx.Client() as client:
                got = [ask(client, url, question) for question in questions[number]]
            return sum(a != b for a, b in zip(got, answers[number], strict=True))

        for _cold_then_warm in range(2):
            assert list(pool.map(check, range(N_CLIENTS))) == [0] * N_CLIENTS


@pytest.fixture
def client(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.syspath_prepend(SERVE)
    monkeypatch.setenv("PIPELINE", str(pipeline))
    import app

    with TestClient(app.app) as client:
        yield client


def test_limits(client: TestClient) -> None:
    for texts in (["a"] * 101, ["a" * 10_001], "a", [1]):
        assert client.post("/entities", json={"texts": texts}).status_code == 422
    longest = {"texts": ["", "Anna " * 2000]}
    found = client.post("/entities", json=longest).json()
    assert found[0] == {"lang": None, "entities": []}
    assert len(found[1]["entities"]) > 0
    assert client.post("/entities", json={"texts": []}).json() == []


def test_new_words_are_not_kept(client: TestClient) -> None:
    strings = client.app.state.batches.nlp.vocab.strings
    before = len(strings)
    for i in range(20):
        texts = [f"Anna met new{i}x{j} in Berlin" for j in range(20)]
        assert client.post("/entities", json={"texts": texts}).status_code == 200
    assert len(strings) == before


def test_after_many_new_words_the_pipeline_is_loaded_anew(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = client.app.state.batches
    first, question = batches.nlp, {"texts": [f"Anna new{j} in Berlin" for j in range(20)]}
    before = client.post("/entities", json=question).json()
    assert client.post("/entities", json=question).json() == before
    assert batches.nlp is first
    monkeypatch.setattr("app.MAX_NEW_WORDS", 40)
    assert client.post("/entities", json=question).json() == before
    assert batches.nlp is not first
    assert before[0]["entities"]


def test_where_too_many_wait(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = client.app.state.batches
    assert client.get("/ready").json() == {"pipeline": "pipeline", "waiting": 0}
    full: asyncio.Queue[None] = asyncio.Queue(1)
    full.put_nowait(None)
    monkeypatch.setattr(batches, "waiting", full)
    answer = client.post("/entities", json={"texts": ["Anna"]})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200


def test_a_fault_is_that_of_its_own_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were joined with it are answered, and so are the next ones."""
    batches = client.app.state.batches

    async def together(*texts: str) -> list[Any]:
        asked = (batches.ask([text]) for text in texts)
        return await asyncio.gather(*asked, return_exceptions=True)

    with monkeypatch.context() as patch:
        patch.setattr(batches.nlp, "max_length", 4)
        first, fault, last = client.portal.call(together, "Anna", "Anna Smith", "Rome")
    assert len(first) == len(last) == 1
    assert isinstance(fault, ValueError) and "E088" in str(fault)
    with monkeypatch.context() as patch:
        pipe = batches.nlp.pipe

        def drop(texts: list[str], batch_size: int) -> Iterator[Doc]:
            return (doc for doc in pipe(texts, batch_size=batch_size) if doc.text != "dropped")

        patch.setattr(batches.nlp, "pipe", drop)
        first, fault, last = client.portal.call(together, "Rome", "dropped", "Anna Smith")
    assert isinstance(fault, ValueError) and "not 1" in str(fault)
    assert first != last and len(first) == len(last) == 1
    assert client.post("/entities", json={"texts": ["Anna Smith"]}).status_code == 200
