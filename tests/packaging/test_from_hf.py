"""Hugging Face token classifiers as pipelines: the same entities, and something to teach from."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import spacy
import torch
from helpers.corpus import entities, run_cli, stage2_config, write_corpus
from helpers.families import LABELS, write_classifier, write_family
from helpers.pipeline import GOLD
from helpers.tiny import SENTENCES, make_examples, make_nlp, train_nlp
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from transformers import AutoModelForTokenClassification, pipeline

from spacy_dualner.data.docbin import corpus_path
from spacy_dualner.encoder.loading import load_encoder
from spacy_dualner.errors import DualNerError
from spacy_dualner.model import heads_module
from spacy_dualner.packaging.from_hf import from_hf
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import teach

RNG = random.Random(0)
WORDS = sorted({word for words, _ in SENTENCES for word in words})
TEXTS = [" ".join(RNG.choices(WORDS, k=n)) for n in [*range(1, 8)] * 3]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def trained(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that knows the test sentences by heart."""
    folder = write_classifier(encoder, tmp_path_factory.mktemp("hf") / "classifier")
    model = AutoModelForTokenClassification.from_pretrained(folder)
    nlp = train_nlp(encoder)
    assert entities(nlp) == GOLD
    model.base_model.load_state_dict(
        find_encoder(nlp, "dualner").transformer.state_dict(), strict=False
    )
    tag, tags = heads_module(nlp.get_pipe("dualner").model).tag, nlp.get_pipe("dualner").scheme.tags
    with torch.no_grad():
        for i, label in enumerate(LABELS):
            model.classifier.weight[i] = tag.weight[tags.index(label)]
            model.classifier.bias[i] = tag.bias[tags.index(label)]
    model.save_pretrained(folder)
    return folder


def theirs(folder: Path, texts: list[str]) -> list[list[tuple[int, int, str]]]:
    """What transformers' own pipeline finds, in characters."""
    find = pipeline("token-classification", str(folder), aggregation_strategy="first")
    found = []
    for text in texts:
        # The space before a word belongs to it with some tokenizers.
        spans = [(e["start"] + (text[e["start"]] == " "), e) for e in find(text)]
        found.append([(start, e["end"], e["entity_group"]) for start, e in spans])
    return found


def ours(nlp: Language, texts: list[str]) -> list[list[tuple[int, int, str]]]:
    docs = [Doc(nlp.vocab, words=text.split()) for text in texts]
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(docs)]


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        ["O", "I-PER", "I-LOC"],  # each entity goes on until the type changes
        ["PER", "LOC", "O", "ORG"],
        ["O", "B-PER", "I-PER", "B-MISC"],
        ["O", "B-PER NAME", "I-PER NAME", "I-LOC"],
    ],
    ids=["bio", "io", "bare", "without I-MISC", "of two words"],
)
def test_a_random_classifier_finds_what_transformers_finds(
    encoder: Path, tmp_path: Path, labels: list[str]
) -> None:
    folder = write_classifier(encoder, tmp_path / "hf", labels)
    from_hf(str(folder), tmp_path / "out")
    nlp = spacy.load(tmp_path / "out")
    found = ours(nlp, TEXTS)
    assert found == theirs(folder, TEXTS) and any(found)
    assert set(nlp.get_pipe("dualner").labels) == {
        label[2:] if label[:2] in ("B-", "I-") else label for label in labels if label != "O"
    }


@pytest.mark.parametrize("family", ["xlm-roberta", "mdeberta", "electra", "distilbert", "t5"])
def test_other_encoders(family: str, tmp_path: Path) -> None:
    encoder = write_family(family, tmp_path / "encoder")
    folder = write_classifier(encoder, tmp_path / "hf")
    from_hf(str(folder), tmp_path / "out")
    found = ours(spacy.load(tmp_path / "out"), TEXTS)
    assert found == theirs(folder, TEXTS) and any(found)


def test_a_trained_classifier(trained: Path, tmp_path: Path) -> None:
    """With text, its start and end heads say what its tags say."""
    corpus = write_corpus(tmp_path / "corpus")
    status, output = run_cli("dualner", "from-hf", trained, tmp_path / "out", "-c", corpus)
    assert status == 0 and "fitted to 9 sentences" in output and "100.0%" in output
    nlp = spacy.load(tmp_path / "out")
    assert not {"Anna", "Berlin", "Acme"} & {*nlp.vocab.strings}, "words of the text"
    texts = [" ".join(words) for words, _ in SENTENCES]
    assert ours(nlp, texts) == theirs(trained, texts)
    assert entities(nlp) == GOLD
    nlp.get_pipe("dualner").cfg["decode"] = "span"
    assert entities(nlp) == GOLD
    assert str(trained.parent) not in nlp.config.to_str()


def test_how_well_they_fit_is_measured_on_other_sentences(trained: Path, tmp_path: Path) -> None:
    """Words of their own at random places: the fitted sentences say little of the others."""
    words = [[f"{a}{b}" for a in RNG.choices(WORDS, k=3)] for b in range(60)]
    docs = [Doc(Vocab(), words=RNG.sample(own + WORDS, 6)) for own in words]
    # As convert writes it: nothing is held out that stands in the other part.
    for split in ("train", "unlabelled"):
        path = corpus_path(tmp_path / "corpus", split, "xx")
        path.parent.mkdir(parents=True)
        DocBin(docs=docs).to_disk(path)
    few = from_hf(str(trained), tmp_path / "few", tmp_path / "corpus", limit=9)
    assert few.n_sentences == 9 and few.share is None
    options = ["--corpus", tmp_path / "corpus"]
    status, output = run_cli("dualner", "from-hf", trained, tmp_path / "many", *options)
    assert status == 0 and "fitted to 54 sentences" in output
    share = re.search(r"in ([\d.]+)% of the words", output)
    assert share is not None and 30 < float(share[1]) < 97


def test_without_text_the_other_heads_know_nothing(trained: Path, tmp_path: Path) -> None:
    status, output = run_cli("dualner", "from-hf", trained, tmp_path / "out")
    assert status == 0 and "--corpus before teach" in output
    assert entities(spacy.load(tmp_path / "out")) == GOLD


def test_teaching_begins_with_it(trained: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    from_hf(str(trained), tmp_path / "out", corpus)
    config = stage2_config(tmp_path / "out", corpus, teaching__max_epochs=1)
    taught = spacy.load(teach(resolve_config(config), tmp_path / "two"))
    assert entities(taught) == GOLD


# What cannot be taken over


@pytest.mark.parametrize(
    "labels",
    [
        ["LABEL_0", "LABEL_1", "LABEL_2"],
        ["O", "B-PER", "I-PER", "L-PER", "U-PER"],
        ["O", "B-PER", "I-PER", "E-PER", "S-PER"],
        ["B-PER", "I-PER"],
        ["O", "PER", "I-PER"],
        ["O"],
    ],
)
def test_labels_of_another_scheme(encoder_path: Path, tmp_path: Path, labels: list[str]) -> None:
    folder = write_classifier(encoder_path, tmp_path / "hf", labels)
    status, output = run_cli("dualner", "from-hf", folder, tmp_path / "out")
    assert status == 1 and "no BIO tags" in output and labels[-1] in output
    assert not (tmp_path / "out").exists()


def test_a_head_of_several_layers(tmp_path: Path) -> None:
    folder = write_classifier(write_family("modernbert", tmp_path / "encoder"), tmp_path / "hf")
    with pytest.raises(DualNerError, match="more than one linear layer") as error:
        from_hf(str(folder), tmp_path / "out")
    assert "\n" not in str(error.value)


def test_no_classifier(encoder_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match="is no token classifier, but XLMRobertaModel"):
        from_hf(str(encoder_path), tmp_path / "out")


def test_a_classifier_as_encoder_says_that_its_head_is_left_out(trained: Path) -> None:
    with pytest.warns(UserWarning, match="head is left out.*from-hf"):
        found = load_encoder(str(trained))
    assert not hasattr(found.transformer, "classifier")
    with pytest.warns(UserWarning, match="head is left out"):
        nlp = make_nlp(trained)
        nlp.initialize(lambda: make_examples(nlp))


def test_where_it_lies_is_not_written_over(trained: Path, tmp_path: Path) -> None:
    for out in (trained, trained / "out"):
        with pytest.raises(DualNerError, match="lie in one another"):
            from_hf(str(trained), out)
    assert json.loads((trained / "config.json").read_text())["architectures"]
