"""The `dualner` component through the steps of spaCy's life cycle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from conftest import SENTENCES, make_examples, make_nlp, train_nlp
from helpers_corpus import entities, make_other_nlp
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from thinc.api import Config

from spacy_dualner.component import DualNer
from spacy_dualner.errors import DualNerError
from spacy_dualner.teaching.network import Recogniser
from spacy_dualner.training.optimizer import make_adamw

VOCAB = spacy.blank("xx").vocab
GOLD_DOCS = [Doc(VOCAB, words=words, ents=tags) for words, tags in SENTENCES]
GOLD = [[(e.start, e.end, e.label_) for e in doc.ents] for doc in GOLD_DOCS]


def python(code: str, *arguments: str | Path, timeout: float = 120, **env: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights(nlp: Language, name: str = "dualner") -> dict[str, torch.Tensor]:
    """All torch weights of a component."""
    model = nlp.get_pipe(name).model
    shims = [shim for node in model.walk() for shim in node.shims]
    return {
        f"{i}.{key}": value.clone()
        for i, shim in enumerate(shims)
        for key, value in shim._model.state_dict().items()
    }


def gradients(nlp: Language) -> dict[str, torch.Tensor]:
    """Accumulated gradients of all torch weights."""
    model = nlp.get_pipe("dualner").model
    shims = [shim for node in model.walk() for shim in node.shims]
    return {
        f"{i}.{key}": p.grad.clone()
        for i, shim in enumerate(shims)
        for key, p in shim._model.named_parameters()
        if p.grad is not None and p.grad.any()
    }


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def nlp(encoder_path: Path) -> Language:
    """An initialised pipeline with random heads."""
    torch.manual_seed(0)
    nlp = make_nlp(encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


@pytest.fixture(scope="module")
def learned(encoder_path: Path) -> bytes:
    """Bytes of a pipeline that knows the test sentences by heart."""
    return train_nlp(encoder_path).to_bytes()


@pytest.fixture
def own(encoder_path: Path, learned: bytes) -> Language:
    """The same pipeline, for one test alone."""
    return make_nlp(encoder_path).from_bytes(learned)


# Entry points


@pytest.mark.slow
def test_everything_is_registered_without_an_import() -> None:
    code = """
import json, sys
import spacy
from spacy.util import registry
assert not [m for m in sys.modules if m.startswith("spacy_dualner")]
nlp = spacy.blank("xx")
nlp.add_pipe("dualner")
names = {
    "architectures": ["spacy-dualner.DualNer.v1", "spacy-dualner.Transformer.v1"],
    "scorers": ["spacy-dualner.scorer.v1"],
    "readers": ["spacy-dualner.Corpus.v1"],
    "batchers": ["spacy-dualner.batch_by_length.v1"],
    "optimizers": ["spacy-dualner.AdamW.v1"],
    "schedules": ["spacy-dualner.warmup_epochs.v1"],
    "callbacks": ["spacy-dualner.without_paths.v1"],
    "cli": ["dualner"],
}
for table, entries in names.items():
    for entry in entries:
        getattr(registry, table).get(entry)
print(json.dumps(nlp.pipe_names))
"""
    assert json.loads(python(code).splitlines()[-1]) == ["dualner"]


def test_factory_meta() -> None:
    meta = Language.get_factory_meta("dualner")
    assert set(meta.assigns) == {"doc.ents", "token.ent_iob", "token.ent_type"}
    assert meta.default_score_weights == {
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
    }


def test_settings_reach_the_component(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path, decode="tag", overwrite=False, tag_loss=0.5, span_loss=0.25)
    cfg = nlp.get_pipe("dualner").cfg
    assert cfg["decode"] == "tag" and cfg["overwrite"] is False
    assert cfg["tag_loss"] == 0.5 and cfg["span_loss"] == 0.25


def test_encoder_settings_reach_the_model(encoder_path: Path) -> None:
    nlp = spacy.blank("xx")
    tok2vec = {"name": str(encoder_path), "pooling": "mean", "window": 20, "block_size": 64}
    nlp.add_pipe("dualner", config={"model": {"tok2vec": {**tok2vec, "mixed_precision": True}}})
    layer = nlp.get_pipe("dualner").model.get_ref("tok2vec")
    assert layer.shims[0].pooling == "mean"
    assert layer.shims[0].window == 20 and layer.shims[0].block_size == 64
    assert layer.shims[0].bf16 is True


# Initialisation and labels


def test_initialize_from_examples(nlp: Language) -> None:
    pipe = nlp.get_pipe("dualner")
    assert pipe.labels == ("LOC", "ORG", "PER")
    assert pipe.label_data == ["LOC", "ORG", "PER"]
    assert pipe.model.get_dim("nO") == 4 * 3 + 3
    assert pipe.predict([Doc(nlp.vocab, words=["a", "b"])]).shape == (2, 15)


def test_initialize_from_given_labels(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    examples = make_examples(nlp)
    nlp.get_pipe("dualner").initialize(lambda: examples, nlp=nlp, labels=["PER", "CITY"])
    assert nlp.get_pipe("dualner").labels == ("CITY", "PER")


def test_initialize_without_examples_but_with_added_labels(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    assert nlp.get_pipe("dualner").add_label("PER") == 1
    nlp.initialize()
    assert nlp.get_pipe("dualner").labels == ("PER",)
    assert entities(nlp)


def test_no_entity_type_is_a_clear_error(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    words = ["nothing", "here"]
    docs = Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=["O", "O"])
    with pytest.raises(DualNerError, match=r"no entity type.*initialize\.components\.dualner"):
        nlp.initialize(lambda: [Example(*docs)])


def test_add_label_before_initialisation(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    pipe = nlp.get_pipe("dualner")
    assert pipe.add_label("PET") == 1
    assert pipe.add_label("PET") == 0
    assert "PET" in nlp.vocab.strings
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == ("LOC", "ORG", "PER", "PET")
    with pytest.raises(ValueError, match="E187"):
        pipe.add_label(3)


def test_add_label_after_initialisation_is_spacys_error(nlp: Language) -> None:
    pipe = nlp.get_pipe("dualner")
    with pytest.raises(ValueError, match="E922"):
        pipe.add_label("PET")
    assert pipe.add_label("PER") == 0
    assert pipe.labels == ("LOC", "ORG", "PER")


def test_add_label_after_loading_is_spacys_error(own: Language) -> None:
    with pytest.raises(ValueError, match="E922"):
        own.get_pipe("dualner").add_label("PET")


def test_not_initialised_is_spacys_error(encoder_path: Path) -> None:
    with pytest.raises(ValueError, match="E109"):
        make_nlp(encoder_path)("Anna")


def test_missing_weights_name_encoder_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner")
    examples = make_examples(nlp)
    with pytest.raises(DualNerError) as caught:
        nlp.initialize(lambda: examples)
    assert "xlm-roberta-base" in str(caught.value)
    assert "components.dualner.model.tok2vec.name" in str(caught.value)


def test_a_folder_without_encoder_is_a_clear_error(tmp_path: Path) -> None:
    nlp = make_nlp(tmp_path)
    with pytest.raises(DualNerError, match="neither a folder"):
        nlp.initialize(lambda: make_examples(nlp))


# Training


def test_update_accumulates_until_finish_update(nlp: Language) -> None:
    pipe, examples = nlp.get_pipe("dualner"), make_examples(nlp)
    before = weights(nlp)
    pipe.update(examples[:2], sgd=None, losses={})
    once = gradients(nlp)
    pipe.update(examples[:2], sgd=None, losses={})
    twice = gradients(nlp)
    assert same(before, weights(nlp))
    assert any(key.startswith("0.") for key in once) and any(k.startswith("1.") for k in once)
    # Dropout makes the two passes differ in the encoder, not in kind.
    assert not same(once, twice)
    pipe.finish_update(make_adamw(1e-3))
    after = weights(nlp)
    assert not gradients(nlp)
    assert all(not torch.equal(before[key], after[key]) for key in once)


@pytest.mark.parametrize("ours", [True, False])
def test_update_with_an_optimizer_learns(nlp: Language, ours: bool) -> None:
    from thinc.api import Adam

    examples = make_examples(nlp)
    sgd = make_adamw(3e-3) if ours else Adam(3e-3)
    losses: list[float] = []
    for _ in range(12):
        losses.append(nlp.update(examples, sgd=sgd, losses={})["dualner"])
    assert losses[-1] < 0.7 * losses[0]


def test_losses_add_up_under_the_components_name(encoder_path: Path) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("dualner", name="ents", config={"model": {"tok2vec": {"name": str(encoder_path)}}})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    losses = nlp.update(examples, sgd=None, losses={})
    first = losses["ents"]
    assert first > 0
    nlp.update(examples, sgd=None, losses=losses)
    assert losses["ents"] > 1.5 * first


@pytest.mark.parametrize("key,silent", [("tag_loss", [0]), ("span_loss", [1, 2])])
def test_a_head_with_loss_weight_zero_does_not_learn(nlp: Language, key, silent) -> None:
    pipe = nlp.get_pipe("dualner")
    pipe.cfg[key] = 0.0
    _, gradient = pipe.get_loss(
        make_examples(nlp), pipe.predict([eg.predicted for eg in make_examples(nlp)])
    )
    heads = np.split(gradient, [7, 11], axis=1)
    assert [i for i, head in enumerate(heads) if not head.any()] == silent


def test_dropout_of_the_update_acts_on_word_vectors(nlp: Language) -> None:
    module = nlp.get_pipe("dualner").model.get_ref("heads").shims[0]._model
    nlp.update(make_examples(nlp), sgd=None, drop=0.3)
    assert module.dropout.p == 0.3
    assert entities(nlp) == entities(nlp)


def odd_docs(nlp: Language) -> list[Doc]:
    """Docs with nothing, or nothing visible, in them."""
    return [
        Doc(nlp.vocab),
        Doc(nlp.vocab, words=[" "]),
        Doc(nlp.vocab, words=["Anna", "\n\n", "Berlin"]),
        nlp.make_doc(""),
        nlp.make_doc("  \t "),
        Doc(nlp.vocab, words=["Anna"]),
        Doc(nlp.vocab, words=["שלום", "برلين", "مرحبا"]),
        Doc(nlp.vocab, words=["e\u0301\u0302\u0323", "न्‍क", "\u200b", "\u200d"]),
        Doc(nlp.vocab, words=["👩‍👩‍👧", "🏳️‍🌈", "Anna"]),
    ]


def test_odd_docs_in_update_and_predict(own: Language) -> None:
    examples = [Example(doc, doc.copy()) for doc in odd_docs(own)]
    for example in examples:
        example.reference.set_ents([], default="outside")
    own.update(examples, sgd=make_adamw(1e-4), losses={})
    own.update(examples[:1], sgd=make_adamw(1e-4), losses={})
    for doc in own.pipe(odd_docs(own)):
        assert all(token.ent_iob for token in doc)
    assert len(own.get_pipe("dualner").predict([Doc(own.vocab)])) == 0
    assert own.get_pipe("dualner").predict([]).shape == (0, 15)


def test_words_without_gold_label_give_no_loss(nlp: Language) -> None:
    words = ["Anna", "here"]
    unknown = Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words))
    assert nlp.update([unknown], sgd=None, losses={})["dualner"] == 0


def test_other_tokens_than_gold_still_teach(nlp: Language) -> None:
    predicted = Doc(nlp.vocab, words=["Anna", "Smith", "'s", "home"])
    gold = Doc(nlp.vocab, words=["Anna", "Smith's", "home"], ents=["B-PER", "O", "O"],
               spaces=[True, True, False])  # fmt: skip
    predicted = Doc(nlp.vocab, words=["Anna", "Smith", "'s", "home"],
                    spaces=[True, False, True, False])  # fmt: skip
    assert nlp.update([Example(predicted, gold)], sgd=None, losses={})["dualner"] > 0


def test_frozen_component_keeps_its_weights(own: Language) -> None:
    before = weights(own)
    own.update(make_examples(own), sgd=make_adamw(1e-2), exclude=["dualner"])
    assert same(before, weights(own))


def test_annotating_component_sets_entities_in_update(own: Language) -> None:
    seen: list[list[tuple[int, int, str]]] = []

    def spy(doc: Doc) -> Doc:
        seen.append([(e.start, e.end, e.label_) for e in doc.ents])
        return doc

    Language.component("spy", func=spy)
    own.add_pipe("spy")
    own.update(make_examples(own), sgd=None, annotates=["dualner", "spy"])
    assert seen == GOLD


# Prediction


def test_predict_changes_no_doc(trained_nlp: Language) -> None:
    docs = [Doc(trained_nlp.vocab, words=words) for words, _ in SENTENCES]
    docs[2].set_ents([Span(docs[2], 0, 1, label="OLD")])
    before = [doc.to_bytes() for doc in docs]
    scores = trained_nlp.get_pipe("dualner").predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert scores.any()


def test_finds_what_it_learned(trained_nlp: Language) -> None:
    assert entities(trained_nlp) == GOLD


def test_entities_are_set_where_nothing_is_found(trained_nlp: Language) -> None:
    doc = Doc(trained_nlp.vocab, words=SENTENCES[2][0])
    doc.set_ents([Span(doc, 0, 1, label="OLD")], default="missing")
    trained_nlp.get_pipe("dualner")(doc)
    assert doc.ents == ()
    assert [token.ent_iob for token in doc] == [2, 2, 2]


def test_overwrite_replaces_earlier_entities(trained_nlp: Language) -> None:
    doc = Doc(trained_nlp.vocab, words=SENTENCES[0][0])
    doc.set_ents([Span(doc, 1, 3, label="OLD")])
    doc = trained_nlp.get_pipe("dualner")(doc)
    assert [(e.start, e.end, e.label_) for e in doc.ents] == GOLD[0]


def test_without_overwrite_earlier_entities_stay(own: Language) -> None:
    own.get_pipe("dualner").cfg["overwrite"] = False
    doc = Doc(own.vocab, words=SENTENCES[0][0])
    doc.set_ents([Span(doc, 1, 3, label="OLD")])
    doc = own.get_pipe("dualner")(doc)
    assert [(e.start, e.end, e.label_) for e in doc.ents] == [(1, 3, "OLD"), (4, 5, "LOC")]
    assert all(token.ent_iob for token in doc)


def test_decode_setting_picks_the_heads(own: Language) -> None:
    """A zeroed head finds nothing; the setting is read at each call."""
    pipe = own.get_pipe("dualner")
    heads = pipe.model.get_ref("heads").shims[0]._model
    for parameter in heads.tag.parameters():
        parameter.data.zero_()
    assert entities(own) == GOLD
    pipe.cfg["decode"] = "tag"
    assert entities(own) == [[]] * 5
    pipe.cfg["decode"] = "span"
    assert entities(own) == GOLD


def test_tag_decoding(own: Language) -> None:
    pipe = own.get_pipe("dualner")
    heads = pipe.model.get_ref("heads").shims[0]._model
    for parameter in heads.start.parameters():
        parameter.data.zero_()
    assert entities(own) == [[]] * 5
    pipe.cfg["decode"] = "tag"
    assert entities(own) == GOLD


def test_a_wrong_decoding_is_a_clear_error(encoder_path: Path, own: Language) -> None:
    with pytest.raises(DualNerError, match=r"'both'.*span, tag"):
        make_nlp(encoder_path, decode="both")
    own.get_pipe("dualner").cfg["decode"] = "crf"
    with pytest.raises(DualNerError, match="crf"):
        own("Anna")


def test_pipe_is_batched(own: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    predict = DualNer.predict

    def counting(self: DualNer, docs: list[Doc]) -> object:
        docs = list(docs)
        sizes.append(len(docs))
        return predict(self, docs)

    monkeypatch.setattr(DualNer, "predict", counting)
    docs = [Doc(own.vocab, words=words) for words, _ in SENTENCES]
    found = [[(e.start, e.end, e.label_) for e in d.ents] for d in own.pipe(docs, batch_size=2)]
    assert found == GOLD
    assert sizes == [2, 2, 1]


def test_batches_change_no_prediction(own: Language) -> None:
    docs = [Doc(own.vocab, words=words * n) for n in (1, 7, 40, 2) for words, _ in SENTENCES]
    alone = [own.get_pipe("dualner").predict([doc]) for doc in docs]
    together = own.get_pipe("dualner").predict(docs)
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)


def test_memory_zones(trained_nlp: Language) -> None:
    """Words come and go with each zone; what is found in known ones stays right, in and after."""
    words_at_rest = len(trained_nlp.vocab)
    for i in range(3):
        texts = [[f"new{i}a", *words, f"new{i}b"] for words, _ in SENTENCES]
        with trained_nlp.memory_zone():
            docs = [Doc(trained_nlp.vocab, words=words) for words in texts]
            found = [[(e.text, e.label_) for e in doc.ents] for doc in trained_nlp.pipe(docs)]
            assert len(trained_nlp.vocab) > words_at_rest
        assert f"new{i}a" not in trained_nlp.vocab.strings
        docs = [Doc(trained_nlp.vocab, words=words) for words in texts]
        assert [[(e.text, e.label_) for e in doc.ents] for doc in trained_nlp.pipe(docs)] == found
    assert entities(trained_nlp) == GOLD


def test_as_tuples(own: Language) -> None:
    pairs = list(own.pipe([("Anna Smith lives in Berlin.", 1), ("", 2)], as_tuples=True))
    assert [context for _, context in pairs] == [1, 2]
    assert "Berlin" in [e.text for e in pairs[0][0].ents]


def test_select_pipes(own: Language) -> None:
    with own.select_pipes(disable=["dualner"]):
        assert not own("Anna lives in Berlin").has_annotation("ENT_IOB")
    assert own("Anna lives in Berlin").has_annotation("ENT_IOB")


def test_error_handler_is_honoured(own: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = DualNer.predict

    def failing(self: DualNer, docs: list[Doc]) -> object:
        if any(doc.text.startswith("bad") for doc in docs):
            raise ValueError("bad doc")
        return predict(self, docs)

    monkeypatch.setattr(DualNer, "predict", failing)
    seen: list[tuple[str, list[str]]] = []
    own.set_error_handler(
        lambda name, proc, docs, error: seen.append((name, [d.text for d in docs]))
    )
    docs = list(own.pipe(["Anna lives in Berlin", "bad", "Paris is far from Rome"], batch_size=1))
    assert [doc.text for doc in docs] == ["Anna lives in Berlin", "Paris is far from Rome"]
    assert seen == [("dualner", ["bad"])]


def test_docs_travel_as_bytes(trained_nlp: Language) -> None:
    doc = trained_nlp.get_pipe("dualner")(Doc(trained_nlp.vocab, words=SENTENCES[0][0]))
    again = Doc(spacy.blank("xx").vocab).from_bytes(doc.to_bytes())
    assert [(e.start, e.end, e.label_) for e in again.ents] == GOLD[0]


PROCESSES = """
import sys, spacy, torch
torch.set_num_threads(2)
nlp = spacy.load(sys.argv[1])
texts = ["Anna Smith lives in Berlin . " * 150] * 12

def found(n_process):
    docs = nlp.pipe(texts, n_process=n_process, batch_size=4)
    return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]

before = found(2)
first = found(1)
assert len(first) == 12 and all(first)
assert before == first
assert found(2) == first
"""


@pytest.mark.slow
def test_two_processes(trained_nlp: Language, tmp_path: Path) -> None:
    """Forked children must not wait for the torch threads of their parent."""
    trained_nlp.to_disk(tmp_path / "model")
    python(PROCESSES, tmp_path / "model", timeout=90, OMP_NUM_THREADS="2")


def test_twenty_thousand_words_and_one_word(own: Language) -> None:
    words = [word for words, _ in SENTENCES for word in words] * 770
    long, short = own.pipe([Doc(own.vocab, words=words), Doc(own.vocab, words=["Berlin"])])
    assert len(long) > 20_000 and len(short) == 1
    # Entities at the far end are found as well.
    assert any(ent.start > 19_900 for ent in long.ents)
    assert all(token.ent_iob for token in short)


def test_a_word_of_ten_thousand_letters(own: Language) -> None:
    doc = own.get_pipe("dualner")(Doc(own.vocab, words=["Anna", "x" * 10_000, "Berlin"]))
    assert all(token.ent_iob for token in doc)


# Among other components and other encoders


def config_of(component: dict) -> Config:
    """A training config of a pipeline with one component."""
    config = Config(spacy.blank("xx").config)
    config["nlp"]["pipeline"] = ["dualner"]
    config["components"] = {"dualner": component}
    reader = {"@readers": "test.sentences"}
    config["corpora"] = {"train": reader, "dev": reader}
    return config


@spacy.registry.readers("test.sentences")
def sentences_reader() -> Callable[[Language], list[Example]]:
    return make_examples


@pytest.mark.parametrize("frozen", [[], ["dualner"]])
def test_source_resumes_without_initialising_anew(own: Language, tmp_path: Path, frozen) -> None:
    own.to_disk(tmp_path / "model")
    config = config_of({"source": str(tmp_path / "model")})
    config["training"]["frozen_components"] = frozen
    resumed = init_nlp(config)
    assert same(weights(own), weights(resumed))
    assert entities(resumed) == GOLD


def test_sourced_component(own: Language) -> None:
    other = spacy.blank("xx")
    other.add_pipe("dualner", source=own)
    assert entities(other) == GOLD


def test_labels_of_the_config(encoder_path: Path, tmp_path: Path) -> None:
    labels = tmp_path / "dualner.json"
    labels.write_text('["CITY", "LOC", "ORG", "PER"]')
    tok2vec = {
        "@architectures": "spacy-dualner.Transformer.v1",
        "name": str(encoder_path),
        "pooling": "first",
    }
    model = {"@architectures": "spacy-dualner.DualNer.v1", "tok2vec": tok2vec}
    config = config_of({"factory": "dualner", "model": model})
    reader = {"@readers": "spacy.read_labels.v1", "path": str(labels)}
    config["initialize"]["components"] = {"dualner": {"labels": reader}}
    nlp = init_nlp(config)
    assert nlp.get_pipe("dualner").labels == ("CITY", "LOC", "ORG", "PER")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "listener", "inline"])
@pytest.mark.parametrize("ours", [True, False])
def test_other_encoders_learn(encoder_path: Path, kind: str, ours: bool) -> None:
    from thinc.api import Adam

    torch.manual_seed(0)
    nlp = make_other_nlp(kind, encoder_path)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    sgd = make_adamw(3e-3) if ours else Adam(3e-3)
    losses = [nlp.update(examples, sgd=sgd, losses={})["dualner"] for _ in range(25)]
    assert losses[-1] < 0.6 * losses[0]
    odd = odd_docs(nlp)[:3] + odd_docs(nlp)[5:]
    assert all(token.ent_iob for doc in nlp.pipe(odd) for token in doc)


@pytest.mark.slow
def test_replace_listeners_keeps_predictions(encoder_path: Path) -> None:
    nlp = make_other_nlp("listener", encoder_path)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    for _ in range(25):
        nlp.update(examples, sgd=make_adamw(3e-3))
    before = entities(nlp)
    assert any(before)
    nlp.replace_listeners("transformer", "dualner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert entities(nlp) == before


@pytest.mark.parametrize("kind", ["cnn", "listener", "inline"])
def test_other_encoders_cannot_be_taught(encoder_path: Path, kind: str) -> None:
    nlp = make_other_nlp(kind, encoder_path)
    with pytest.raises(DualNerError, match=r"spacy-dualner\.Transformer\.v1"):
        Recogniser(nlp, "dualner")


def test_a_second_component_of_the_same_kind(own: Language, encoder_path: Path) -> None:
    own.get_pipe("dualner").cfg["overwrite"] = True
    own.add_pipe(
        "dualner",
        name="second",
        config={"overwrite": False, "model": {"tok2vec": {"name": str(encoder_path)}}},
    )
    second = own.get_pipe("second")
    second.add_label("PET")
    second.initialize(lambda: make_examples(own), labels=["PET"])
    assert second.labels == ("PET",)
    found = entities(own)
    assert all(set(gold) <= set(ents) for gold, ents in zip(GOLD, found, strict=True))
