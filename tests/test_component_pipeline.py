"""`nlp`, `nlp.pipe` and `nlp.evaluate` with the component: streams, processes, errors, scorers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import spacy
from helpers.pipeline import time_limit
from helpers.tiny import SENTENCES, make_examples, make_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import ignore_error

from spacy_dualner.component import DualNer

TEXTS = [" ".join(words) for words, _ in SENTENCES]
Found = list[list[tuple[int, int, str]]]


@pytest.fixture
def nlp(encoder_path: Path, learned: bytes) -> Language:
    """The trained pipeline, for one test alone."""
    return make_nlp(encoder_path).from_bytes(learned)


def found(docs: Iterable[Doc]) -> Found:
    return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]


# Streams


def test_a_stream_without_end(trained_nlp: Language) -> None:
    """Docs come while the stream still runs, in its order, a batch at a time."""
    taken: list[int] = []

    def stream() -> Iterator[str]:
        for i in count():
            taken.append(i)
            yield TEXTS[i % 5]

    docs = list(islice(trained_nlp.pipe(stream(), batch_size=4), 10))
    assert [doc.text for doc in docs] == (TEXTS * 2)[:10]
    assert found(docs) == (found(trained_nlp.pipe(TEXTS)) * 2)[:10]
    assert len(taken) <= 12


def test_each_docs_batch_size_is_heeded(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline's, the call's and the component's own."""
    sizes: list[int] = []
    predict = DualNer.predict

    def counting(self: DualNer, docs: list[Doc]) -> object:
        sizes.append(len(list(docs)))
        return predict(self, docs)

    monkeypatch.setattr(DualNer, "predict", counting)
    nlp.batch_size = 3
    list(nlp.pipe(TEXTS))
    list(nlp.pipe(TEXTS, batch_size=4))
    list(nlp.pipe(TEXTS, component_cfg={"dualner": {"batch_size": 5}}))
    assert sizes == [3, 2, 4, 1, 5]


def test_docs_keep_what_they_carry(trained_nlp: Language) -> None:
    docs = [trained_nlp.make_doc(text) for text in TEXTS]
    for i, doc in enumerate(docs):
        doc.user_data["number"] = i
        doc.cats = {"odd": i % 2}
        doc.spans["mine"] = [doc[:1]]
    for i, (before, after) in enumerate(zip(docs, trained_nlp.pipe(docs), strict=True)):
        assert after is before
        assert after.user_data["number"] == i and after.cats == {"odd": i % 2}
        assert [span.text for span in after.spans["mine"]] == [after[0].text]


def test_one_doc_alone_as_in_a_stream(trained_nlp: Language) -> None:
    assert found(map(trained_nlp, TEXTS)) == found(trained_nlp.pipe(TEXTS))
    assert any(found(map(trained_nlp, TEXTS)))


# Several processes, after the parent has computed


def test_two_processes_after_a_forward_pass(trained_nlp: Language) -> None:
    with time_limit(60):
        alone = found(trained_nlp.pipe(TEXTS * 4))
        assert any(alone)
        assert found(trained_nlp.pipe(TEXTS * 4, n_process=2, batch_size=3)) == alone
        # And once more, with what the first workers left behind.
        assert found(trained_nlp.pipe(TEXTS * 4, n_process=2, batch_size=20)) == alone


def test_two_processes_keep_contexts_and_order(trained_nlp: Language) -> None:
    pairs = [(text, {"number": i}) for i, text in enumerate(TEXTS * 3)]
    with time_limit(60):
        alone = list(trained_nlp.pipe(pairs, as_tuples=True))
        both = list(trained_nlp.pipe(pairs, as_tuples=True, n_process=2, batch_size=2))
    assert [context for _, context in both] == [context for _, context in pairs]
    assert found(doc for doc, _ in both) == found(doc for doc, _ in alone)


def test_a_bad_doc_in_another_process(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker's handler drops is missing; nothing waits for it."""
    refuse(monkeypatch)
    nlp.set_error_handler(ignore_error)
    with time_limit(60):
        docs = list(nlp.pipe([*TEXTS, "bad", *TEXTS], n_process=2, batch_size=1))
    assert [doc.text for doc in docs] == TEXTS * 2


# Errors


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the component fail wherever a Doc begins with `bad`."""
    predict = DualNer.predict

    def failing(self: DualNer, docs: Iterable[Doc]) -> object:
        docs = list(docs)
        if any(doc.text.startswith("bad") for doc in docs):
            raise ValueError("a bad doc")
        return predict(self, docs)

    monkeypatch.setattr(DualNer, "predict", failing)


class Seen(list):
    """An error handler that keeps what it is given."""

    def __call__(self, name: str, pipe: object, docs: list[Doc], error: Exception) -> None:
        assert isinstance(pipe, DualNer) and str(error) == "a bad doc"
        self.append((name, [doc.text for doc in docs]))


def test_without_a_handler_errors_are_raised(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    with pytest.raises(ValueError, match="a bad doc"):
        list(nlp.pipe([TEXTS[0], "bad"]))
    with pytest.raises(ValueError, match="a bad doc"):
        nlp("bad")


@pytest.mark.parametrize("of_the_component", [True, False])
def test_a_failing_batch_goes_to_the_handler_whole(
    nlp: Language, monkeypatch: pytest.MonkeyPatch, of_the_component: bool
) -> None:
    """As with spaCy's own components: a bad Doc's batch is lost, the others are not."""
    refuse(monkeypatch)
    seen = Seen()
    (nlp.get_pipe("dualner") if of_the_component else nlp).set_error_handler(seen)
    texts = [*TEXTS[:2], TEXTS[2], "bad", *TEXTS[3:]]
    docs = list(nlp.pipe(texts, batch_size=2))
    assert seen == [("dualner", [TEXTS[2], "bad"])]
    assert [doc.text for doc in docs] == TEXTS[:2] + TEXTS[3:]
    assert found(docs) == found(nlp.pipe(TEXTS[:2] + TEXTS[3:]))


def test_batches_of_one_lose_a_bad_doc_alone(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    seen = Seen()
    nlp.set_error_handler(seen)
    docs = list(nlp.pipe(["bad 1", *TEXTS, "bad 2"], batch_size=1))
    assert seen == [("dualner", ["bad 1"]), ("dualner", ["bad 2"])]
    assert [doc.text for doc in docs] == TEXTS


def test_a_single_call_asks_the_handler(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch)
    seen = Seen()
    nlp.get_pipe("dualner").set_error_handler(seen)
    # spaCy's E005: a handler that returns leaves no Doc to go on with.
    with pytest.raises(ValueError, match="E005"):
        nlp("bad")
    assert seen == [("dualner", ["bad"])]


# Switched off and on


def is_off(doc: Doc) -> bool:
    return not doc.has_annotation("ENT_IOB") and not doc.spans


def test_switching_off(nlp: Language) -> None:
    text = TEXTS[0]
    expected = found([nlp(text)])
    assert any(expected)
    with nlp.select_pipes(disable="dualner"):
        assert is_off(nlp(text)) and is_off(next(nlp.pipe([text])))
    with nlp.select_pipes(enable=[]):
        assert is_off(nlp(text))
    assert is_off(nlp(text, disable=["dualner"]))
    assert is_off(next(nlp.pipe([text], disable=["dualner"])))
    nlp.disable_pipe("dualner")
    assert is_off(nlp(text))
    nlp.enable_pipe("dualner")
    assert found([nlp(text)]) == expected


def test_switching_off_when_loading(nlp: Language, tmp_path: Path) -> None:
    text, expected = TEXTS[0], found([nlp(TEXTS[0])])
    nlp.to_disk(tmp_path / "on")
    assert is_off(spacy.load(tmp_path / "on", exclude=["dualner"])(text))
    assert found([spacy.load(tmp_path / "on", enable=["dualner"])(text)]) == expected
    nlp.disable_pipe("dualner")
    nlp.to_disk(tmp_path / "off")
    for loaded in (
        spacy.load(tmp_path / "on", disable=["dualner"]),
        spacy.load(tmp_path / "off"),
    ):
        assert is_off(loaded(text))
        loaded.enable_pipe("dualner")
        assert found([loaded(text)]) == expected


def test_what_the_pipeline_tells_of_the_component(trained_nlp: Language) -> None:
    assert trained_nlp.pipe_labels["dualner"] == ["LOC", "ORG", "PER"]
    assert trained_nlp.meta["labels"]["dualner"] == ["LOC", "ORG", "PER"]
    analysis = trained_nlp.analyze_pipes()
    assert set(analysis["summary"]["dualner"]["assigns"]) == {
        "doc.ents", "doc.spans", "token.ent_iob", "token.ent_type",
    }  # fmt: skip
    assert set(analysis["summary"]["dualner"]["scores"]) == {
        "ents_f", "ents_p", "ents_r", "ents_per_type",
    }  # fmt: skip


# Scores


def test_evaluate(trained_nlp: Language) -> None:
    scores = trained_nlp.evaluate(make_examples(trained_nlp))
    assert scores["ents_f"] == scores["ents_p"] == scores["ents_r"] == 1.0
    assert set(scores["ents_per_type"]) == {"LOC", "ORG", "PER"}


def test_the_configured_scorer_scores(encoder_path: Path, learned: bytes) -> None:
    """It is given the component's settings, as spaCy's `Pipe.score` does."""
    given: list[dict[str, Any]] = []

    @spacy.registry.scorers("test.recording_scorer")
    def make_scorer():
        def score(examples: Iterable[Example], **kwargs: Any) -> dict[str, float]:
            given.append(kwargs)
            return {"sentences": len(list(examples))}

        return score

    nlp = make_nlp(encoder_path, scorer={"@scorers": "test.recording_scorer"})
    nlp.from_bytes(learned)
    nlp.get_pipe("dualner").cfg |= {"decode": "tag", "threshold": 0.25}
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["sentences"] == 5 and "ents_f" not in scores
    assert given[0]["labels"] == ("LOC", "ORG", "PER") and given[0]["decode"] == "tag"
    assert given[0]["threshold"] == 0.25


def test_no_scorer(encoder_path: Path, learned: bytes) -> None:
    nlp = make_nlp(encoder_path, scorer=None).from_bytes(learned)
    assert "ents_f" not in nlp.evaluate(make_examples(nlp))


def test_the_default_scorer_takes_every_setting(trained_nlp: Language) -> None:
    pipe = trained_nlp.get_pipe("dualner")
    examples = make_examples(trained_nlp)
    for example in examples:
        example.predicted = pipe(example.predicted)
    assert pipe.score(examples, of_tomorrow=1)["ents_f"] == 1.0
