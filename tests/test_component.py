"""The `dualner` component: its factory, labels, prediction and annotation."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from helpers.corpus import entities
from helpers.pipeline import GOLD
from helpers.tiny import SENTENCES, make_examples, make_nlp
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from experiments.reliability.processes import WARM
from spacy_dualner.errors import DualNerError

# The factory


def test_factory_meta() -> None:
    meta = Language.get_factory_meta("dualner")
    assert set(meta.assigns) == {"doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"}
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
    assert "CITY" in nlp.vocab.strings


def test_initialize_without_examples_but_with_added_labels(encoder_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    assert nlp.get_pipe("dualner").add_label("PER") == 1
    nlp.initialize()
    assert nlp.get_pipe("dualner").labels == ("PER",)
    assert entities(nlp)


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
@pytest.mark.parametrize("untrained", [set(), {"tag_loss"}, {"span_loss"}])
def test_reading_heads_that_are_not_trained_is_warned_of(
    decode: str, untrained: set[str], encoder_path: Path
) -> None:
    read = {"span": {"span_loss"}, "tag": {"tag_loss"}}.get(decode, {"span_loss", "tag_loss"})
    nlp = make_nlp(encoder_path, decode=decode, **dict.fromkeys(untrained, 0.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp.initialize(lambda: make_examples(nlp))
    said = [str(w.message) for w in caught if "are not trained" in str(w.message)]
    assert len(said) == len(read & untrained)
    for message in said:
        assert f"decode = '{decode}'" in message
        assert f"{(read & untrained).pop()} = 0" in message


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


def test_overwritten_entities_leave_no_ids(trained_nlp: Language) -> None:
    doc = trained_nlp.make_doc("Anna Smith lives in Berlin .")
    spans = [(0, 1), (2, 4)]
    doc.ents = [Span(doc, *span, label="X", kb_id="Q1", span_id="id") for span in spans]
    trained_nlp(doc)
    assert [ent.text for ent in doc.ents] == ["Anna Smith", "Berlin"]
    assert {ent.id_ for ent in doc.ents} == {""}
    assert {(token.ent_id_, token.ent_kb_id_) for token in doc} == {("", "")}


def test_without_overwrite_earlier_entities_stay(own: Language) -> None:
    own.get_pipe("dualner").cfg["overwrite"] = False
    doc = Doc(own.vocab, words=SENTENCES[0][0])
    doc.set_ents([Span(doc, 1, 3, label="OLD")])
    doc = own.get_pipe("dualner")(doc)
    assert [(e.start, e.end, e.label_) for e in doc.ents] == [(1, 3, "OLD"), (4, 5, "LOC")]
    assert all(token.ent_iob for token in doc)


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("blocked", [[0], [1], [4], [0, 1, 2, 3, 4, 5], [2, 5]])
def test_blocked_tokens_stay_blocked_as_with_ner(
    own: Language, overwrite: bool, blocked: list[int]
) -> None:
    """spaCy's `ner` puts no entity on them, and leaves them as they are."""
    own.get_pipe("dualner").cfg |= {"overwrite": overwrite, "keep_candidates": True}
    doc = Doc(own.vocab, words=SENTENCES[0][0])
    doc.set_ents([], blocked=[doc[i : i + 1] for i in blocked], default="missing")
    doc = own.get_pipe("dualner")(doc)
    assert [t.i for t in doc if t.ent_iob == 3 and not t.ent_type] == blocked
    expected = [e for e in GOLD[0] if not set(blocked) & set(range(e[0], e[1]))]
    assert [(e.start, e.end, e.label_) for e in doc.ents] == expected
    assert [(e.start, e.end, e.label_) for e in doc.spans["dualner"]] == expected
    # The same tokens, with spaCy's own recogniser and any weights.
    other = spacy.blank("xx")
    other.add_pipe("ner").add_label("PER")
    other.initialize()
    again = Doc(other.vocab, words=SENTENCES[0][0])
    again.set_ents([], blocked=[again[i : i + 1] for i in blocked], default="missing")
    again = other.get_pipe("ner")(again)
    assert [t.i for t in again if t.ent_iob == 3 and not t.ent_type] == blocked


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


def test_a_wrong_decoding_is_a_clear_error(
    encoder_path: Path, own: Language, tmp_path: Path
) -> None:
    with pytest.raises(DualNerError, match=r"'both'.*span, tag"):
        make_nlp(encoder_path, decode="both")
    own.get_pipe("dualner").cfg["decode"] = "crf"
    with pytest.raises(DualNerError, match="crf"):
        own("Anna")
    # Stored settings win over the config: they are looked at when they are loaded.
    stored = own.to_bytes()
    with pytest.raises(DualNerError, match=r"'crf'.*span, tag"):
        make_nlp(encoder_path).from_bytes(stored)
    own.to_disk(tmp_path)
    with pytest.raises(DualNerError, match=r"'crf'.*span, tag"):
        spacy.load(tmp_path)
    with pytest.raises(DualNerError, match=r"'beam'.*span, tag"):
        make_nlp(encoder_path, temperature={"beam": 2.0})


def test_a_name_of_the_span_group_that_is_none_is_a_clear_error(own: Language) -> None:
    own.get_pipe("dualner").cfg["spans_key"] = {}
    with pytest.raises(DualNerError, match=r"spans_key is \{\}\. Give a name"):
        own("Anna")


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


def test_docs_travel_as_bytes(trained_nlp: Language) -> None:
    doc = trained_nlp.get_pipe("dualner")(Doc(trained_nlp.vocab, words=SENTENCES[0][0]))
    again = Doc(spacy.blank("xx").vocab).from_bytes(doc.to_bytes())
    assert [(e.start, e.end, e.label_) for e in again.ents] == GOLD[0]


def check_two_processes(model: Path) -> None:
    torch.set_num_threads(2)
    nlp = spacy.load(model)
    texts = ["Anna Smith lives in Berlin . " * 150] * 4

    def found(n_process: int) -> list[list[tuple[int, int, str]]]:
        docs = nlp.pipe(texts, n_process=n_process, batch_size=1)
        return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]

    before = found(2)
    first = found(1)
    assert len(first) == 4 and all(first)
    assert before == first
    assert found(2) == first


@pytest.mark.slow
def test_two_processes(trained_nlp: Language, tmp_path: Path) -> None:
    """Forked children must not wait for the torch threads of their parent."""
    trained_nlp.to_disk(tmp_path / "model")
    process = WARM.Process(target=check_two_processes, args=(tmp_path / "model",))
    process.start()
    process.join(300)
    assert process.exitcode == 0
