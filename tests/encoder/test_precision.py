"""The component's numbers are float32, whatever torch's default; bfloat16 where it is native."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import spacy
import torch
from helpers.corpus import stage2_config, write_corpus
from helpers.pipeline import weights
from helpers.tiny import train_nlp
from spacy.language import Language

from spacy_dualner.encoder.encode import bf16_pays
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.teach import teach

TEXTS = ["Anna Smith lives in Berlin.", " \n ", "", "nothing happens here"]


@contextmanager
def float64() -> Iterator[None]:
    """As where GPyTorch or another library has set it."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def found(nlp: Language) -> list[object]:
    return [(doc.to_json()["ents"], doc.spans["dualner"].attrs) for doc in nlp.pipe(TEXTS)]


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_loading_and_calling(decode: str, own: Language, tmp_path: Path) -> None:
    own.get_pipe("dualner").cfg["decode"] = decode
    own.to_disk(tmp_path)
    expected = found(own)
    with float64():
        assert found(own) == expected
        loaded = spacy.load(tmp_path)
        assert found(loaded) == expected
        assert loaded.get_pipe("dualner").predict(list(map(loaded.make_doc, TEXTS))).dtype == "f4"
    assert {w.dtype for w in weights(loaded).values()} == {torch.float32}


def test_training(encoder_path: Path) -> None:
    expected = weights(train_nlp(encoder_path, steps=3))
    with float64():
        trained = weights(train_nlp(encoder_path, steps=3))
    assert {w.dtype for w in trained.values()} == {torch.float32}
    # The first weights of the heads are drawn as before.
    for name, weight in expected.items():
        assert torch.equal(trained[name], weight), name


def test_teaching(encoder_path: Path, tmp_path: Path) -> None:
    train_nlp(encoder_path, steps=12).to_disk(tmp_path / "model")
    write_corpus(tmp_path / "corpus", ["en", "de"])
    config = stage2_config(tmp_path / "model", tmp_path / "corpus")
    best = teach(resolve_config(config), tmp_path / "out")
    with float64():
        again = teach(resolve_config(config), tmp_path / "again")
        loaded = spacy.load(again)
    assert loaded.meta["performance"] == spacy.load(best).meta["performance"]
    for name, weight in weights(spacy.load(best)).items():
        assert torch.equal(weights(loaded)[name], weight), name


@pytest.mark.parametrize(
    ("capability", "pays"), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_bfloat16_is_for_devices_that_have_it(
    capability: tuple[int, int], pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch says that T4 and V100 support it, as it is emulated; of two cards each has its own."""
    asked = {torch.device("cuda:0"): (9, 9), torch.device("cuda:1"): capability}
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", asked.__getitem__)
    assert bf16_pays(torch.device("cuda:1")) == pays
