"""A web service over one pipeline: `PIPELINE=xx_dualner uvicorn app:app --app-dir examples/serve`.

Requests that wait are joined into one call of `nlp.pipe`, in one thread: batches are what makes
prediction fast, and `nlp.memory_zone()` allows no second thread.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import spacy
import torch
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field
from spacy.language import Language
from spacy.tokens import Doc

MAX_TEXTS = int(os.environ.get("MAX_TEXTS", 100))  # of a request
MAX_CHARACTERS = int(os.environ.get("MAX_CHARACTERS", 10_000))  # of a text
MAX_BATCH = int(os.environ.get("MAX_BATCH", 256))  # texts in one call of `nlp.pipe`
MAX_WAITING = int(os.environ.get("MAX_WAITING", 64))  # requests
# After so many new words the pipeline is loaded anew: spaCy's table of strings keeps the place of
# every word that was ever in it, also when a memory zone ends.
MAX_NEW_WORDS = int(os.environ.get("MAX_NEW_WORDS", 2_000_000))


class Question(BaseModel):
    """Texts, and their language, which is only handed back: the pipeline needs none."""

    texts: list[Annotated[str, Field(max_length=MAX_CHARACTERS)]] = Field(max_length=MAX_TEXTS)
    lang: str | None = Field(None, max_length=20)


class Entity(BaseModel):
    """Offsets count code points. Without a score: from another component, such as a ruler."""

    start: int
    end: int
    text: str
    label: str
    score: float | None


class Found(BaseModel):
    lang: str | None
    entities: list[Entity]


def entities(doc: Doc) -> list[Entity]:
    """What is kept of a Doc, which does not outlive its memory zone."""
    group = doc.spans.get("dualner", [])
    scores = group.attrs.get("scores", []) if group else []
    known = {(s.start, s.end, s.label): score for s, score in zip(group, scores, strict=True)}
    return [
        Entity(
            start=ent.start_char,
            end=ent.end_char,
            text=ent.text,
            label=ent.label_,
            score=known.get((ent.start, ent.end, ent.label)),
        )
        for ent in doc.ents
    ]


Job = tuple[list[str], asyncio.Future]
"""The texts of a request, and what its sender waits for."""


class Batches:
    """Joins requests. The one who asks waits for a Future."""

    def __init__(self, load: Callable[[], Language]) -> None:
        self.load = load
        self.nlp = load()
        self.new_words = 0
        self.waiting: asyncio.Queue[Job] = asyncio.Queue(MAX_WAITING)
        self.thread = ThreadPoolExecutor(1)

    def find(self, texts: list[str]) -> list[list[Entity]]:
        if self.new_words > MAX_NEW_WORDS:
            self.nlp, self.new_words = self.load(), 0
        strings = self.nlp.vocab.strings
        before = len(strings)
        with self.nlp.memory_zone():
            found = [entities(doc) for doc in self.nlp.pipe(texts, batch_size=MAX_BATCH)]
            self.new_words += len(strings) - before
        if len(found) != len(texts):  # else answers would be of other texts
            raise ValueError(f"{len(found)} Docs came out of the pipeline, not {len(texts)}.")
        return found

    async def ask(self, texts: list[str]) -> list[list[Entity]]:
        """Raises QueueFull where too many wait already."""
        answer = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((texts, answer))
        return await answer

    async def serve(self) -> None:
        while True:
            jobs = [await self.waiting.get()]
            while not self.waiting.empty() and sum(len(texts) for texts, _ in jobs) < MAX_BATCH:
                jobs.append(self.waiting.get_nowait())
            await self.answer([job for job in jobs if not job[1].cancelled()])

    async def answer(self, jobs: list[Job]) -> None:
        """Answers requests together; where that fails each alone, as the fault is that of one."""
        joined = [text for texts, _ in jobs for text in texts]
        loop = asyncio.get_running_loop()
        try:
            found = iter(await loop.run_in_executor(self.thread, self.find, joined))
        except Exception as error:
            for job in jobs:
                if len(jobs) > 1:
                    await self.answer([job])
                elif not job[1].done():
                    job[1].set_exception(error)
            return
        for texts, answer in jobs:
            own = [next(found) for _ in texts]
            if not answer.done():
                answer.set_result(own)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    torch.set_num_threads(int(os.environ.get("TORCH_THREADS", 1)))
    app.state.batches = Batches(partial(spacy.load, os.environ.get("PIPELINE", "xx_dualner")))
    app.state.serving = asyncio.create_task(app.state.batches.serve())
    yield
    app.state.serving.cancel()


app = FastAPI(title="Named entities", lifespan=lifespan)


@app.post("/entities")
async def find_entities(question: Question, request: Request) -> list[Found]:
    try:
        found = await request.app.state.batches.ask(question.texts)
    except asyncio.QueueFull:
        raise HTTPException(503, "Too many requests wait", {"Retry-After": "1"}) from None
    return [Found(lang=question.lang, entities=own) for own in found]


@app.get("/health")
async def health() -> dict[str, Any]:
    """The process answers."""
    return {}


@app.get("/ready")
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """It takes requests: the pipeline is loaded, and not too many wait."""
    state = request.app.state
    taking = not state.serving.done() and not state.batches.waiting.full()
    response.status_code = 200 if taking else 503
    return {"pipeline": state.batches.nlp.meta["name"], "waiting": state.batches.waiting.qsize()}
