"""Each family of encoders, with random weights: trained, taught, stored, shrunk and packaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import spacy
import torch
from helpers.corpus import entities, stage2_config, write_corpus
from helpers.families import FAMILIES, FAST, write_family
from helpers.tiny import SENTENCES, make_examples, make_nlp
from spacy.cli.package import package
from spacy.language import Language
from spacy.tokens import Doc

from spacy_dualner.encoder.subwords import split_words
from spacy_dualner.errors import DualNerError
from spacy_dualner.packaging.shrink_settings import ShrinkSettings
from spacy_dualner.packaging.shrinking import shrink
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import teach
from spacy_dualner.training.optimizer import AdamW

REFUSED = {
    "bart": "encoder and decoder in one",
    "canine": "change with the other texts",
    "convbert": "change with the other texts",
    "xmod": "language unknown",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("families") / "corpus")


def logits(nlp: Language) -> torch.Tensor:
    docs = [Doc(nlp.vocab, words=words * n) for words, _ in SENTENCES for n in (1, 30)]
    return torch.as_tensor(nlp.get_pipe("dualner").predict([*docs, Doc(nlp.vocab, words=["a"])]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in REFUSED])
def test_a_family_from_training_to_package(
    name: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nlp = make_nlp(write_family(name, tmp_path / "encoder"))
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    sgd = AdamW(3e-3)
    losses = [nlp.update(examples, sgd=sgd, losses={})["dualner"] for _ in range(6)]
    assert losses[-1] < losses[0]
    expected = logits(nlp)
    assert expected.isfinite().all()
    nlp.to_disk("one")
    shutil.rmtree("encoder")
    assert torch.equal(logits(spacy.load("one")), expected)

    config = stage2_config(
        Path("one"), corpus, teaching__max_epochs=1, teaching__select="agreement"
    )
    taught = spacy.load(teach(resolve_config(config), Path("two")))
    assert logits(taught).isfinite().all()

    settings = ShrinkSettings(langs=["en"], tolerance=100)
    if name in FAST:
        sizes = shrink("two/model-best", Path("small"), corpus, settings)
        assert sizes["after"]["subwords"] < sizes["before"]["subwords"]
        small = spacy.load("small")
        # All but the last word, which the corpus has not: it may be split otherwise.
        own, whole = logits(small)[:-1], logits(taught)[:-1]
        torch.testing.assert_close(own, whole, rtol=0.02, atol=0.02)
    else:
        with pytest.raises(DualNerError, match="slow one") as error:
            shrink("two/model-best", Path("small"), corpus, settings)
        assert "\n" not in str(error.value)

    Path("packages").mkdir()
    package(Path("two/model-best"), Path("packages"), create_sdist=False, create_wheel=False)
    (data,) = Path("packages").glob("*/*/*/config.cfg")
    packaged = spacy.load(data.parent)
    assert torch.equal(logits(packaged), logits(taught))
    assert entities(packaged) == entities(taught)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    nlp = make_nlp(write_family(name, tmp_path / "encoder"))
    with pytest.raises(DualNerError, match=REFUSED[name]) as error:
        nlp.initialize(lambda: make_examples(nlp))
    assert "\n" not in str(error.value) and "tok2vec.name" in str(error.value)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in REFUSED])
def test_what_is_trained_has_a_gradient(name: str, tmp_path: Path) -> None:
    """Else several processes that train it wait for one, and end."""
    nlp = make_nlp(write_family(name, tmp_path))
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    for pipeline in (nlp, make_nlp(tmp_path).from_bytes(nlp.to_bytes())):
        pipeline.get_pipe("dualner").update(examples)
        encoder = find_encoder(pipeline, "dualner").transformer
        trained = {n: p.grad for n, p in encoder.named_parameters() if p.requires_grad}
        assert trained and [n for n, gradient in trained.items() if gradient is None] == []


@pytest.mark.parametrize("name", FAST)
def test_words_one_by_one_are_split_as_within_a_text(name: str, tmp_path: Path) -> None:
    """Of Gemma's tokenizer they are, given a space before each."""
    nlp = make_nlp(write_family(name, tmp_path))
    nlp.initialize(lambda: make_examples(nlp))
    words = find_encoder(nlp, "dualner").words()
    for sentence, _ in SENTENCES:
        ids = words.encode_docs([Doc(nlp.vocab, words=["in", *sentence])]).ids.tolist()
        whole = words.tokenizer(" ".join(["in", *sentence]), add_special_tokens=False)["input_ids"]
        first = split_words(words.tokenizer, ["in"])[0]
        n_first = len(words.encode_docs([Doc(nlp.vocab, words=["in"])]).ids)
        assert ids[n_first:] == whole[len(first) :]


def test_a_large_vocabulary(tmp_path: Path) -> None:
    """XLM-V's 901,629 rows, Glot500's 401,145: more than the tokenizer names, here."""
    folder = write_family("xlm-roberta", tmp_path, vocab_size=901_629, hidden_size=8)
    nlp = make_nlp(folder)
    nlp.initialize(lambda: make_examples(nlp))
    nlp.update(make_examples(nlp), sgd=AdamW(1e-3))
    loaded = make_nlp(folder).from_bytes(nlp.to_bytes())
    assert torch.equal(logits(loaded), logits(nlp))
    rows = find_encoder(loaded, "dualner").transformer.get_input_embeddings().num_embeddings
    assert rows == 901_629
