"""New entity types for a trained component: what it knows stays, and the new ones can be learnt."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from helpers.corpus import (
    entities,
    make_other_nlp,
    run_cli,
    stage1_config,
    stage2_config,
    write_corpus,
)
from helpers.pipeline import GOLD, same, weights
from helpers.tiny import SENTENCES, make_examples, make_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from thinc.api import Adam

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.decoding.decodings import DECODINGS
from spacy_dualner.errors import DualNerError
from spacy_dualner.model import heads_module
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import teach
from spacy_dualner.training.optimizer import AdamW

# "far" and "here" are of types that the pipeline does not know.
TYPE = {"far": "B-PET", "here": "B-AGE"}
NEW = [
    (words, [TYPE.get(word, tag) for word, tag in zip(words, tags, strict=True)])
    for words, tags in SENTENCES
]
NEW_GOLD = [
    [(e.start, e.end, e.label_) for e in Doc(spacy.blank("xx").vocab, words, ents=tags).ents]
    for words, tags in NEW
]


def new_examples(nlp: Language) -> list[Example]:
    return [
        Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=tags))
        for words, tags in NEW
    ]


def learn(nlp: Language, sgd: object, steps: int = 60) -> None:
    for _ in range(steps):
        nlp.update(new_examples(nlp), sgd=sgd)


def logits(nlp: Language) -> torch.Tensor:
    docs = [Doc(nlp.vocab, words=words) for words, _ in SENTENCES]
    return torch.as_tensor(nlp.get_pipe("dualner").predict(docs))


def of_old_types(values: torch.Tensor, n_types: int = 5, n_old: int = 3) -> torch.Tensor:
    """The columns of the first types among the logits of all heads."""
    tag, start, end = values.split((2 * n_types + 1, n_types + 1, n_types + 1), -1)
    return torch.cat((tag[:, : 2 * n_old + 1], start[:, : n_old + 1], end[:, : n_old + 1]), -1)


def widened(nlp: Language) -> Language:
    assert [nlp.get_pipe("dualner").add_label(label) for label in ("PET", "AGE")] == [1, 1]
    return nlp


# What is known


@pytest.mark.parametrize("kind", ["own", "cnn", "listener"])
def test_rows_of_known_types_stay_bit_for_bit(kind: str, encoder_path: Path, nlp: Language) -> None:
    if kind != "own":
        nlp = make_other_nlp(kind, encoder_path)
        nlp.initialize(lambda: make_examples(nlp))
    heads = heads_module(nlp.get_pipe("dualner").model)
    old = {name: value.clone() for name, value in heads.state_dict().items()}
    widened(nlp)
    new = heads_module(nlp.get_pipe("dualner").model).state_dict()
    assert {name: len(value) for name, value in new.items() if name.endswith("weight")} == {
        "tag.weight": 11, "start.weight": 6, "end.weight": 6,
    }  # fmt: skip
    assert all(torch.equal(new[name][: len(value)], value) for name, value in old.items())
    assert nlp.get_pipe("dualner").labels == ("LOC", "ORG", "PER", "PET", "AGE")
    assert nlp.get_pipe("dualner").add_label("PET") == 0


@pytest.mark.parametrize("decode", DECODINGS)
def test_a_type_is_not_found_before_it_is_taught(own: Language, decode: str) -> None:
    pipe = own.get_pipe("dualner")
    pipe.cfg["decode"] = decode
    docs = [Doc(own.vocab, words=words) for words, _ in SENTENCES]
    before, known = logits(own), [doc.spans["dualner"].attrs["scores"] for doc in own.pipe(docs)]
    widened(own)
    assert entities(own) == GOLD
    torch.testing.assert_close(of_old_types(logits(own)), before, rtol=0, atol=1e-5)
    after = [doc.spans["dualner"].attrs["scores"] for doc in own.pipe(docs)]
    for old, new in zip(known, after, strict=True):
        assert new == pytest.approx(old, abs=0.02)


def test_a_random_recogniser_finds_no_new_type_either(nlp: Language) -> None:
    widened(nlp)
    pipe = nlp.get_pipe("dualner")
    docs = [Doc(nlp.vocab, words=words * 3) for words, _ in SENTENCES]
    for decode in DECODINGS:
        found = {e.label_ for es in pipe.decode(docs, pipe.predict(docs), decode) for e in es}
        assert found <= {"LOC", "ORG", "PER"}


# Learning


@pytest.mark.parametrize("ours", [True, False])
def test_update_learns_new_types_and_keeps_the_old(own: Language, ours: bool) -> None:
    sgd = AdamW(3e-3) if ours else Adam(3e-3)
    own.update(make_examples(own), sgd=sgd)
    widened(own)
    learn(own, sgd)
    assert entities(own) == NEW_GOLD


def test_the_optimizer_keeps_what_it_knows_of_the_encoder(own: Language) -> None:
    sgd = AdamW(1e-4)
    own.update(make_examples(own), sgd=sgd)
    pipe = own.get_pipe("dualner")
    encoder = pipe.model.get_ref("tok2vec").shims[0].transformer
    weight = encoder.get_input_embeddings().weight
    moment = sgd._torch[pipe.model.id][1].state[weight]["exp_avg"]
    widened(own)
    own.update(new_examples(own), sgd=sgd)
    (_, optimizer) = sgd._torch[pipe.model.id]
    assert optimizer.state[weight]["exp_avg"] is moment
    assert int(optimizer.state[weight]["step"]) == 2
    (tag,) = (p for p in heads_module(pipe.model).parameters() if p.shape == (11, 32))
    assert int(optimizer.state[tag]["step"]) == 1


def test_resume_training(own: Language) -> None:
    widened(own)
    sgd = own.resume_training(sgd=AdamW(3e-3))
    learn(own, sgd)
    assert entities(own) == NEW_GOLD


def test_a_sourced_component_learns_new_types(own: Language) -> None:
    other = spacy.blank("xx")
    other.add_pipe("dualner", source=own)
    widened(other)
    learn(other, AdamW(3e-3))
    assert entities(other) == NEW_GOLD


def test_unknown_types_in_update_are_warned_of_once(own: Language) -> None:
    examples = new_examples(own)
    with pytest.warns(UserWarning, match=r"types AGE, PET, .*cannot find AGE, PET.*add_label"):
        own.update(examples, sgd=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.update(examples, sgd=None)
        own.update(make_examples(own), sgd=None)
    third = Doc(own.vocab, words=["far"], ents=["B-TOY"])
    with pytest.warns(UserWarning, match="cannot find TOY"):
        own.update([Example(Doc(own.vocab, words=["far"]), third)], sgd=None)


def test_known_types_are_not_warned_of(own: Language) -> None:
    widened(own)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.update(new_examples(own), sgd=None)


# What was fitted to the types


def test_a_calibration_goes_with_a_word_and_a_threshold_stays(own: Language) -> None:
    pipe = own.get_pipe("dualner")
    pipe.cfg["threshold"] = 0.25
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe.add_label("PET")
    pipe.set_calibration("tag", 2.0)
    with pytest.warns(UserWarning, match="not calibrated any more.*AGE"):
        pipe.add_label("AGE")
    assert set(pipe.cfg["temperature"].values()) == {1.0} and pipe.cfg["threshold"] == 0.25


# Storing


def by_bytes(nlp: Language, folder: Path, encoder: Path) -> Language:
    return make_nlp(encoder).from_bytes(nlp.to_bytes())


def by_disk(nlp: Language, folder: Path, encoder: Path) -> Language:
    nlp.to_disk(folder / "model")
    return spacy.load(folder / "model")


def by_pickle(nlp: Language, folder: Path, encoder: Path) -> Language:
    return pickle.loads(pickle.dumps(nlp))


@pytest.mark.parametrize("way", [by_bytes, by_disk, by_pickle])
def test_a_widened_pipeline_travels(
    own: Language, encoder_path: Path, tmp_path: Path, way: Callable
) -> None:
    widened(own)
    learn(own, AdamW(3e-3))
    again = way(own, tmp_path, encoder_path)
    assert again.get_pipe("dualner").labels == ("LOC", "ORG", "PER", "PET", "AGE")
    assert torch.equal(logits(again), logits(own)) and entities(again) == NEW_GOLD
    again.get_pipe("dualner").add_label("TOY")
    assert entities(again) == NEW_GOLD


def test_a_pipeline_of_more_types_is_loaded_over_one_of_fewer(
    own: Language, learned: bytes
) -> None:
    wider = widened(own).to_bytes()
    own.from_bytes(learned)
    assert own.get_pipe("dualner").labels == ("LOC", "ORG", "PER")
    assert entities(own) == GOLD
    own.from_bytes(wider)
    assert own.get_pipe("dualner").labels == ("LOC", "ORG", "PER", "PET", "AGE")
    assert entities(own) == GOLD


def test_types_and_heads_of_two_models_are_an_error(own: Language, encoder_path: Path) -> None:
    pipe = own.get_pipe("dualner")
    cfg = dict(pipe.cfg)
    stored = widened(own).get_pipe("dualner").to_bytes(exclude=["cfg"])
    loaded = make_nlp(encoder_path).get_pipe("dualner")
    loaded.from_bytes(stored).cfg |= cfg
    with pytest.raises(DualNerError, match="3 entity types, but heads of 23 classes"):
        loaded(Doc(own.vocab, words=["Anna"]))


# `spacy train` and `teach`


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose English has new types."""
    folder = write_corpus(tmp_path_factory.mktemp("types") / "corpus", copies=4)
    for split in ("train", "dev"):
        path = corpus_path(folder, split, "en")
        path.unlink()
        with DocBinWriter(path, "en", labelled=True) as writer:
            for words, tags in NEW * 4:
                writer.add(words, tags)
    return folder


@pytest.mark.slow
def test_stage_1_from_a_pipeline_of_fewer_types_and_then_stage_2(
    own: Language, encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    own.to_disk(tmp_path / "model")
    config = stage1_config(encoder_path, corpus, corpora__dev__langs="en", training__max_epochs=40)
    config["components"]["dualner"] = {"source": str(tmp_path / "model")}
    config.to_disk(tmp_path / "stage1.cfg")
    status, output = run_cli("train", tmp_path / "stage1.cfg", "--output", tmp_path / "one")
    assert status == 0 and "add_label" not in output
    nlp = spacy.load(tmp_path / "one" / "model-last")
    assert nlp.get_pipe("dualner").labels == ("LOC", "ORG", "PER", "AGE", "PET")
    assert entities(nlp) == NEW_GOLD
    two = stage2_config(
        tmp_path / "one" / "model-last",
        corpus,
        corpora__source__langs="en",
        corpora__dev__langs="en",
    )
    taught = spacy.load(teach(resolve_config(two), tmp_path / "two"))
    assert taught.get_pipe("dualner").labels == ("LOC", "ORG", "PER", "AGE", "PET")
    assert {label for found in entities(taught) for _, _, label in found} >= {"AGE", "PET"}
    labels = srsly.read_json(tmp_path / "two" / "model-best" / "meta.json")["labels"]["dualner"]
    assert labels == ["LOC", "ORG", "PER", "AGE", "PET"]


@pytest.mark.parametrize("why", ["frozen", "none of its types"])
def test_some_sourced_recognisers_keep_their_types(
    own: Language, encoder_path: Path, corpus: Path, tmp_path: Path, why: str
) -> None:
    own.to_disk(tmp_path / "model")
    config = stage1_config(encoder_path, corpus)
    config["components"]["dualner"] = {"source": str(tmp_path / "model")}
    if why == "frozen":
        config["training"]["frozen_components"] = ["dualner"]
    else:
        config["corpora"]["train"]["path"] = str(tmp_path)
        with DocBinWriter(tmp_path / "en.spacy", "en", labelled=True) as writer:
            writer.add(["Anna"], ["B-PERSON"])
    nlp = init_nlp(config)
    assert nlp.get_pipe("dualner").labels == ("LOC", "ORG", "PER")
    assert same(weights(nlp), weights(own))
