"""`spacy train` with the component among others: shared, frozen, annotating and sourced."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import torch
from helpers.corpus import entities
from helpers.pipeline import listening_part, time_limit, train_parts, transformer_part, write_docs
from spacy.language import Language
from spacy.util import load_config

from spacy_dualner.encoder.loading import load_encoder

pytestmark = pytest.mark.slow

DUALNER = listening_part("dualner", "spacy-dualner.DualNer.v1")
TAGGER = listening_part("tagger", "spacy.Tagger.v2")
# A tagger that sees nothing of a word but the entity that an earlier component found there.
ENTITY_TAGGER = {
    "factory": "tagger",
    "model": {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {
                "@architectures": "spacy.MultiHashEmbed.v2",
                "width": 16,
                "attrs": ["ENT_TYPE"],
                "rows": [50],
                "include_static_vectors": False,
            },
            "encode": {
                "@architectures": "spacy.MaxoutWindowEncoder.v2",
                "width": 16,
                "depth": 1,
                "window_size": 1,
                "maxout_pieces": 2,
            },
        },
    },
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_docs(tmp_path_factory.mktemp("corpus") / "docs.spacy")


@pytest.fixture(scope="module")
def shared(corpus: Path, encoder_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose tagger and dualner were trained together over one transformer."""
    folder = tmp_path_factory.mktemp("shared")
    parts = {"transformer": transformer_part(encoder_path), "tagger": TAGGER, "dualner": DUALNER}
    train_parts(folder, corpus, parts, max_steps=120, eval_frequency=120)
    return folder / "model-last"


def performance(folder: Path) -> dict[str, float]:
    return spacy.load(folder / "model-last").meta["performance"]


def transformer_weights(nlp: Language) -> dict[str, torch.Tensor]:
    return nlp.get_pipe("transformer").model.transformer.state_dict()


def moved(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(first[name], second[name]) for name in first)


# One transformer for several components


def test_a_transformer_is_trained_by_tagger_and_dualner(shared: Path, encoder_path: Path) -> None:
    nlp = spacy.load(shared)
    assert nlp.get_pipe("transformer").listening_components == ["tagger", "dualner"]
    assert nlp.meta["performance"]["ents_f"] > 0.8
    assert nlp.meta["performance"]["tag_acc"] > 0.8
    for name in ("transformer", "tagger", "dualner"):
        assert nlp.meta["performance"][f"{name}_loss"] > 0
    assert moved(load_encoder(str(encoder_path)).transformer.state_dict(), transformer_weights(nlp))


def test_dualner_alone_trains_the_transformer(
    corpus: Path, encoder_path: Path, tmp_path: Path
) -> None:
    """The gradient reaches what the component listens to."""
    parts = {"transformer": transformer_part(encoder_path), "dualner": DUALNER}
    train_parts(tmp_path, corpus, parts, max_steps=4)
    nlp = spacy.load(tmp_path / "model-last")
    assert nlp.meta["performance"]["transformer_loss"] > 0
    assert moved(load_encoder(str(encoder_path)).transformer.state_dict(), transformer_weights(nlp))


def test_a_frozen_transformer_stays(shared: Path, corpus: Path, tmp_path: Path) -> None:
    parts = {"transformer": {"source": str(shared)}, "dualner": DUALNER}
    frozen = ["transformer"]
    train_parts(tmp_path, corpus, parts, frozen_components=frozen, annotating_components=frozen)
    nlp = spacy.load(tmp_path / "model-last")
    assert not moved(transformer_weights(spacy.load(shared)), transformer_weights(nlp))
    assert nlp.meta["performance"]["ents_f"] > 0.8


def test_two_processes_after_a_forward_pass(shared: Path) -> None:
    nlp = spacy.load(shared)
    texts = ["Anna Smith lives in Berlin ."] * 9

    def found(n_process: int) -> list[list[tuple]]:
        docs = nlp.pipe(texts, n_process=n_process, batch_size=2)
        return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in docs]

    with time_limit(60):
        alone = found(1)
        assert any(alone)
        assert found(2) == alone


# Frozen, and read by others


def test_a_frozen_dualner_stays(shared: Path, corpus: Path, tmp_path: Path) -> None:
    """What it finds stays too, with an encoder of its own beside a transformer that changes."""
    parts = {
        "transformer": {"source": str(shared)},
        "tagger": {"source": str(shared)},
        "dualner": {"source": str(shared), "replace_listeners": ["model.tok2vec"]},
    }
    train_parts(tmp_path, corpus, parts, max_steps=10, frozen_components=["dualner"])
    nlp = spacy.load(tmp_path / "model-last")
    assert nlp.get_pipe("transformer").listening_components == ["tagger"]
    assert moved(transformer_weights(spacy.load(shared)), transformer_weights(nlp))
    assert entities(nlp) == entities(spacy.load(shared))


@pytest.mark.parametrize("annotating", [["dualner"], []])
def test_a_later_component_learns_from_entities(
    shared: Path, tmp_path: Path, annotating: list[str]
) -> None:
    """Only an annotating component's entities are there to learn from."""
    corpus = write_docs(tmp_path / "types.spacy", tags_are_types=True)
    part = {"source": str(shared), "replace_listeners": ["model.tok2vec"]}
    train_parts(
        tmp_path / "out",
        corpus,
        {"dualner": part, "tagger": ENTITY_TAGGER},
        frozen_components=["dualner"],
        annotating_components=annotating,
    )
    accuracy = performance(tmp_path / "out")["tag_acc"]
    assert accuracy > 0.9 if annotating else accuracy < 0.7


def test_a_component_that_is_trained_annotates_as_well(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    """Entities are on the Docs of a step right after it."""
    seen: list[bool] = []

    @Language.component("entity_spy")
    def spy(doc):
        seen.append(all(token.ent_iob for token in doc))
        return doc

    own = {"@architectures": "spacy-dualner.Transformer.v1", "name": str(encoder_path)}
    model = {"@architectures": "spacy-dualner.DualNer.v1", "tok2vec": own}
    parts = {
        "dualner": {"factory": "dualner", "model": model},
        "entity_spy": {"factory": "entity_spy"},
    }
    names = list(parts)
    train_parts(tmp_path, corpus, parts, max_steps=3, annotating_components=names)
    assert len(seen) >= 3 * 5 and all(seen)


# Sourced


def test_a_sourced_component_goes_on_under_a_new_name(
    shared: Path, corpus: Path, tmp_path: Path
) -> None:
    """At rate 0 it finds what it found before: nothing is initialised anew."""
    parts = {
        "entities": {
            "source": str(shared),
            "component": "dualner",
            "replace_listeners": ["model.tok2vec"],
        }
    }
    still = {"@optimizers": "spacy-dualner.AdamW.v1", "learn_rate": 0.0}
    output = train_parts(tmp_path, corpus, parts, max_steps=2, optimizer=still)
    assert "LOSS ENTIT" in output
    nlp = spacy.load(tmp_path / "model-last")
    assert nlp.pipe_names == ["entities"]
    assert entities(nlp) == entities(spacy.load(shared))


def test_sourced_components_begin_where_they_ended(
    shared: Path, corpus: Path, encoder_path: Path, tmp_path: Path
) -> None:
    """The loss of the first step tells: heads made anew begin at chance."""
    one_step = {"max_steps": 1, "eval_frequency": 1}
    parts = {"transformer": {"source": str(shared)}, "dualner": {"source": str(shared)}}
    train_parts(tmp_path / "on", corpus, parts, **one_step)
    train_parts(tmp_path / "anew", corpus, {**parts, "dualner": DUALNER}, **one_step)
    on, anew = (performance(tmp_path / name)["dualner_loss"] for name in ("on", "anew"))
    assert 0 < on < anew / 4


def test_replaced_listeners_are_saved_loaded_and_trained(
    shared: Path, corpus: Path, tmp_path: Path
) -> None:
    nlp = spacy.load(shared)
    expected = entities(nlp)
    nlp.replace_listeners("transformer", "dualner", ["model.tok2vec"])
    nlp.remove_pipe("tagger")
    nlp.remove_pipe("transformer")
    nlp.to_disk(tmp_path / "alone")
    assert entities(spacy.load(tmp_path / "alone")) == expected
    config = load_config(tmp_path / "alone" / "config.cfg")
    tok2vec = config["components"]["dualner"]["model"]["tok2vec"]
    assert tok2vec["@architectures"] == "spacy-transformers.Tok2VecTransformer.v3"
    parts = {"dualner": {"source": str(tmp_path / "alone")}}
    train_parts(tmp_path / "on", corpus, parts, max_steps=10)
    assert performance(tmp_path / "on")["ents_f"] > 0.8
