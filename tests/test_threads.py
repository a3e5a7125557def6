"""One pipeline in several threads, as in every web server: what one thread gives."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import numpy as np
import pytest
from helpers.many import many
from helpers.tiny import SENTENCES, make_nlp
from spacy.language import Language
from spacy.strings import get_string_id
from spacy.tokens import Doc
from transformers import AutoTokenizer

from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.encoder.subwords import TOKENIZER_LOCK, WordTokenizer
from spacy_dualner.model import heads_module
from spacy_dualner.pipeline import find_encoder

N_THREADS = 8
LONG = "Anna Smith " + "of nowhere in particular " * 30 + "lives in Berlin."


@pytest.fixture(autouse=True)
def eager_switches() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(job: Callable[[int], Any]) -> list[Any]:
    """What a job returns in each of some threads, which begin at the same time."""
    barrier = Barrier(N_THREADS)

    def begin(number: int) -> Any:
        barrier.wait()
        return job(number)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(begin, range(N_THREADS)))


def make_texts(n: int) -> list[str]:
    """Texts of known and ever-new words, of all lengths, in several scripts."""
    rng = random.Random(0)
    known = [word for words, _ in SENTENCES for word in words] + ["柏林", "เบอร์ลิน", " "]
    texts = []
    for i in range(n):
        words = rng.choices(known, k=rng.randint(0, 12))
        words.insert(rng.randint(0, len(words)), f"x{i * 2654435761 % 2**32:x}")
        texts.append(" ".join(words))
    return [*texts, LONG]


Found = dict[tuple[int, int, str], float]


def found(doc: Doc) -> Found:
    """Entities with their scores."""
    group = doc.spans["dualner"]
    scores = group.attrs["scores"]
    return {(e.start, e.end, e.label_): s for e, s in zip(group, scores, strict=True)}


def alike(first: Found, second: Found) -> bool:
    """A batch sums in another order than a text alone."""
    return first.keys() == second.keys() and first == pytest.approx(second, abs=1e-4)


def test_the_memory_of_sub_words(encoder_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder_path)
    words = [f"w{i}x{i * 7919 % 1000}" for i in range(600)]
    strings = {get_string_id(word): word for word in words}
    direct = tokenizer([[w] for w in words], is_split_into_words=True, add_special_tokens=False)
    expected = dict(zip(words, direct["input_ids"], strict=True))
    # So few that it is emptied over and over.
    memory = WordTokenizer(tokenizer, max_word=31, max_cached=150)

    def ask(number: int) -> int:
        rng, wrong = random.Random(number), 0
        for _ in range(60):
            some = rng.choices(words, k=10)
            hashes = np.array([get_string_id(word) for word in some], dtype=np.uint64)
            ids, lengths = memory.encode_words(hashes, strings.__getitem__)
            parts = np.split(ids, np.cumsum(lengths)[:-1])
            wrong += [part.tolist() for part in parts] != [expected[word] for word in some]
        return wrong

    assert in_threads(ask) == [0] * N_THREADS
    assert ask(0) == 0


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_calls_and_pipes(decode: str, encoder_path: Path, learned: bytes) -> None:
    texts = make_texts(many(60))
    alone, shared = (make_nlp(encoder_path).from_bytes(learned) for _ in range(2))
    for nlp in (alone, shared):
        nlp.get_pipe("dualner").cfg["decode"] = decode
    expected = [found(alone(text)) for text in texts]
    assert sum(map(len, expected)) > 50 / 61 * len(texts)

    def ask(number: int) -> bool:
        order = random.Random(number).sample(range(len(texts)), len(texts))
        if number % 2:
            docs = shared.pipe([texts[i] for i in order], batch_size=7)
        else:
            docs = (shared(texts[i]) for i in order)
        return all(alike(found(doc), expected[i]) for doc, i in zip(docs, order, strict=True))

    for _cold_then_warm in range(2):
        assert all(in_threads(ask))


def test_the_tokenizer_is_asked_by_one_thread_at_a_time(own: Language) -> None:
    """A fast tokenizer that a second thread changes while it works says "Already borrowed"."""
    shim = find_encoder(own, "dualner")
    tokenizer, busy = shim.words().tokenizer, []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            busy.append(1)
            assert len(busy) == 1
            result = tokenizer(*args, **kwargs)
            busy.pop()
            return result

    shim.words().tokenizer = shim._hfmodel.tokenizer = Watched()
    texts = make_texts(40)
    in_threads(lambda number: [own(f"{number}{text}") for text in texts])
    assert not busy


def test_no_dropout_whatever_the_mode(own: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = own.get_pipe("dualner")
    docs = [own.make_doc(" ".join(words)) for words, _ in SENTENCES]
    expected = pipe.predict(docs)
    pipe.model.attrs["dropout_rate"] = 0.5
    heads = heads_module(pipe.model)
    find_encoder(own, "dualner").transformer.train()
    # As where another thread's prediction has just ended, and left the heads in training mode.
    monkeypatch.setattr(heads, "eval", heads.train)
    np.testing.assert_array_equal(pipe.predict(docs), expected)


def test_copies_share_no_memory(own: Language) -> None:
    shim = find_encoder(own, "dualner")
    own("Anna lives in Berlin.")
    copy: EncoderShim = shim.copy()
    assert copy.words() is not shim.words()
    assert copy.shape() == shim.shape()


def test_a_fork_waits_for_the_tokenizer() -> None:
    """As for `nlp.pipe(n_process=2)`: else its lock would be held for ever, by no thread at all."""
    held = Event()

    def hold() -> None:
        with TOKENIZER_LOCK:
            held.set()
            time.sleep(0.5)

    holder = Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if not child:
        os._exit(not TOKENIZER_LOCK.acquire(timeout=10))
    assert os.waitpid(child, 0)[1] == 0
    holder.join()
