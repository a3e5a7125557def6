"""Scores on raw text: what a pipeline finds in the text itself, by character offsets and type."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import srsly
from helpers.corpus import run_cli, write_corpus
from helpers.tiny import SENTENCES, make_nlp
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.errors import DualNerError
from spacy_dualner.evaluation.predicting import as_written
from spacy_dualner.evaluation.raw_text import raw_scores
from spacy_dualner.evaluation.scores import evaluate, evaluate_docs
from spacy_dualner.tokenizer import make_tokenizer

KNOWN = {"Rome": "LOC", "Paris": "LOC", "Anna Smith": "PER", "李明": "PER", "北京大学": "ORG"}


@pytest.fixture(scope="module")
def ruled_nlp(encoder_path: Path) -> Language:
    """Finds the KNOWN entities alone: a ruler comes first, and dualner finds nothing beside."""
    nlp = make_nlp(encoder_path, overwrite=False)
    nlp.tokenizer = make_tokenizer()(nlp)
    nlp.config["nlp"]["tokenizer"] = {"@tokenizers": "spacy-dualner.Tokenizer.v1"}
    ruler = nlp.add_pipe("entity_ruler", before="dualner")
    nlp.add_pipe("merge_entities")  # what comes after dualner has no say
    nlp.get_pipe("dualner").add_label("LOC")
    nlp.initialize()
    ruler.add_patterns([{"label": label, "pattern": text} for text, label in KNOWN.items()])
    heads = nlp.get_pipe("dualner").model.get_ref("heads").shims[0]._model
    for head in (heads.start, heads.end):
        head.weight.data.zero_()
        head.bias.data.zero_()[0] = 9.0
    return nlp


def gold(words: list[str], tags: list[str], lang: str = "de", spaces: list | None = None) -> Doc:
    doc = Doc(Vocab(), words=words, spaces=spaces, ents=tags)
    doc.user_data["lang"] = lang
    return doc


def prf(p: float, r: float, f: float) -> dict[str, float]:
    return {"p": pytest.approx(p), "r": pytest.approx(r), "f": pytest.approx(f)}


def test_equal_to_gold_tokens_where_the_tokens_agree(weak_nlp: Language) -> None:
    docs = [gold(*sentence) for sentence in SENTENCES]
    for doc in docs:
        assert [t.text for t in weak_nlp.tokenizer(as_written(doc).text)] == [t.text for t in doc]
    for decode in ("span", "tag"):
        weak_nlp.get_pipe("dualner").cfg["decode"] = decode
        expected = evaluate_docs(weak_nlp, docs)[decode]
        assert 0 < expected["f"] < 100
        assert raw_scores(weak_nlp, docs) == pytest.approx(expected)
    weak_nlp.get_pipe("dualner").cfg["decode"] = "span"


def test_an_entity_that_no_token_of_the_text_has_is_missed(ruled_nlp: Language) -> None:
    """`Romes` is one word to the pipeline, also where the gold tokens have `Rome` in it."""
    words, tags = ["Romes", "Rome", "Paris"], ["B-LOC", "B-LOC", "B-LOC"]
    assert raw_scores(ruled_nlp, [gold(words, tags)]) == prf(100, 200 / 3, 80)
    words, tags = ["Rome", "s", "Rome", "Paris"], ["B-LOC", "O", "B-LOC", "B-LOC"]
    text = gold(words, tags, spaces=[False, True, True, False])
    assert raw_scores(ruled_nlp, [text]) == prf(100, 200 / 3, 80)


def test_offsets_and_type_have_to_be_exact(ruled_nlp: Language) -> None:
    right = gold(["Anna", "Smith", "in", "Rome"], ["B-PER", "I-PER", "O", "B-LOC"])
    assert raw_scores(ruled_nlp, [right]) == prf(100, 100, 100)
    part = gold(["Anna", "Smith", "in", "Rome"], ["B-PER", "O", "O", "B-LOC"])
    assert raw_scores(ruled_nlp, [part]) == prf(50, 50, 50)
    other = gold(["Anna", "Smith", "in", "Rome"], ["B-ORG", "I-ORG", "O", "B-LOC"])
    assert raw_scores(ruled_nlp, [other]) == prf(50, 50, 50)
    assert raw_scores(ruled_nlp, [right, other]) == prf(75, 75, 75)
    unknown = gold(["Anna", "Smith", "in", "Rome"], ["O", "O", "O", "B-PET"])
    assert raw_scores(ruled_nlp, [unknown]) == prf(0, 0, 0)


def test_tokens_that_are_cut_otherwise_cost_nothing_where_offsets_agree(ruled_nlp) -> None:
    """PAN-X leaves `(Rome),` together as often as not; a pipeline's tokenizer parts it."""
    words, tags = ["(", "Rome", "),", "x"], ["O", "B-LOC", "O", "O"]
    text = gold(words, tags, spaces=[False, False, True, False])
    assert len(ruled_nlp.tokenizer(text.text)) != len(words)
    assert raw_scores(ruled_nlp, [text]) == prf(100, 100, 100)


def test_chinese_is_read_without_spaces(ruled_nlp: Language, monkeypatch) -> None:
    words = [*"李明在北京大学工作", "。"]
    tags = ["B-PER", "I-PER", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "O", "O"]
    assert raw_scores(ruled_nlp, [gold(words, tags, "zh")]) == prf(100, 100, 100)
    # All of it is one word to spaCy's own tokenizer.
    monkeypatch.setattr(ruled_nlp, "tokenizer", spacy.blank("xx").tokenizer)
    assert raw_scores(ruled_nlp, [gold(words, tags, "zh")]) == prf(0, 0, 0)


def test_words_without_annotation_are_no_false_positives(ruled_nlp: Language) -> None:
    doc = gold(["Anna", "Smith", "in", "Rome", "Paris"], ["O"] * 5)
    rome = Span(doc, 3, 4, label="LOC")
    assert raw_scores(ruled_nlp, [doc]) == prf(0, 0, 0)
    doc.set_ents([rome], missing=[doc[0:2]], default="outside")
    assert raw_scores(ruled_nlp, [doc]) == prf(50, 100, 200 / 3)
    # Annotated in part, it is scored.
    doc.set_ents([rome], missing=[doc[0:1]], default="outside")
    assert raw_scores(ruled_nlp, [doc]) == prf(100 / 3, 100, 50)
    # An entity amid words without annotation counts.
    doc.set_ents([rome], default="missing")
    assert raw_scores(ruled_nlp, [doc]) == prf(100, 100, 100)
    missed = gold(["Umbra", "in", "Rome"], ["B-ORG", "O", "O"])
    missed.set_ents(list(missed.ents), default="missing")
    assert raw_scores(ruled_nlp, [missed]) == prf(0, 0, 0)


def test_the_pipeline_is_left_as_it_was(ruled_nlp: Language) -> None:
    names = list(ruled_nlp.pipe_names)
    docs = [gold(*sentence) for sentence in SENTENCES]
    before = [(doc.text, doc.ents) for doc in docs]
    raw_scores(ruled_nlp, docs)
    assert ruled_nlp.pipe_names == names
    assert [(doc.text, doc.ents) for doc in docs] == before


def test_no_docs_and_empty_docs(ruled_nlp: Language) -> None:
    assert raw_scores(ruled_nlp, []) == prf(0, 0, 0)
    empty = Doc(Vocab(), words=[])
    rome = gold(["Rome"], ["B-LOC"])
    assert raw_scores(ruled_nlp, [empty, rome, Doc(Vocab())]) == prf(100, 100, 100)


def test_no_component_is_a_clear_error() -> None:
    with pytest.raises(DualNerError, match="no dualner component"):
        raw_scores(spacy.blank("xx"), [gold(["Rome"], ["B-LOC"])])


# The text


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4)


@given(st.lists(words, min_size=1, max_size=6), st.sampled_from(["de", "zh", "th", "ja", None]))
@example([" "], "zh")
def test_the_text_of_gold_tokens(words: list[str], lang: str | None) -> None:
    doc = gold(words, [*["B-LOC"] * (len(words) - 1), "O"], lang)
    if lang is None:
        del doc.user_data["lang"]
    written = as_written(doc)
    space = "" if lang in ("zh", "th", "ja") else " "
    assert written.text == "".join(word + space for word in words)
    assert [ent.text for ent in written.ents] == words[:-1]
    assert [ent.label_ for ent in written.ents] == ["LOC"] * (len(words) - 1)


def test_text_whose_spaces_are_known_stays() -> None:
    doc = gold(["东", "A", "B"], ["O"] * 3, "zh", spaces=[True, False, False])
    assert as_written(doc).text == "东 AB"


# Beside the scores on gold tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, ruled_nlp: Language) -> Path:
    """A folder with `model`, and `corpus` in de, sw and zh."""
    folder = tmp_path_factory.mktemp("raw")
    ruled_nlp.to_disk(folder / "model")
    write_corpus(folder / "corpus", ["de", "sw"])
    with DocBinWriter(corpus_path(folder / "corpus", "test", "zh"), "zh", labelled=True) as writer:
        writer.add([*"李明在"], ["B-PER", "I-PER", "O"])
        writer.add([*"李明去"], ["B-LOC", "I-LOC", "O"])
    return folder


def test_evaluate_gives_both(folder: Path) -> None:
    langs = ["de", "sw", "zh"]
    plain = evaluate(folder / "model", folder / "corpus", langs, source=["de"])
    both = evaluate(folder / "model", folder / "corpus", langs, source=["de"], raw=True)
    raw = {lang: scores.pop("raw") for lang, scores in both["languages"].items()}
    mean, targets = both["mean"].pop("raw"), both["mean_targets"].pop("raw")
    assert both == plain
    assert raw["zh"] == prf(50, 50, 50)
    for key in ("p", "r", "f"):
        assert mean[key] == pytest.approx(sum(raw[lang][key] for lang in langs) / 3)
        assert targets[key] == pytest.approx((raw["sw"][key] + raw["zh"][key]) / 2)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    arguments = ["dualner", "evaluate", folder / "model", folder / "corpus", "--langs", "de,zh"]
    for option, output in (("--raw", "raw.json"), ("--no-raw", "plain.json")):
        status, printed = run_cli(*arguments, option, "--limit", 1, "-o", tmp_path / output)
        assert status == 0
        assert ("raw P R F" in printed) == (option == "--raw")
        results = srsly.read_json(tmp_path / output)
        assert (results["split"], results["limit"]) == ("test", 1)
        assert ("raw" in results["mean"]) == (option == "--raw")
    raw = srsly.read_json(tmp_path / "raw.json")["languages"]["zh"]["raw"]
    assert raw == prf(100, 100, 100)
    status, printed = run_cli("dualner", "compare", tmp_path / "raw.json", tmp_path / "plain.json")
    assert status == 0
    assert "mean_targets" in printed
