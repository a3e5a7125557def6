"""Smaller pipelines: same vectors and entities from fewer sub-words, stored in half precision."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
import torch
from helpers.corpus import entities, files_holding, make_other_nlp, run_cli, write_corpus
from helpers.encoders import docs_of, make_layer, predict
from helpers.tiny import SENTENCES, make_examples, make_nlp, train_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.errors import DualNerError
from spacy_dualner.packaging.shrink_settings import ShrinkSettings
from spacy_dualner.packaging.shrinking import shrink, trim, used_ids
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.training.optimizer import AdamW

TEXTS = [words for words, _ in SENTENCES]
ENCODERS = ["encoder_path", "bpe_path", "bert_path"]
NAMES = ["train", "dev", "test", "unlabelled"]


def trimmed(layer: Model, texts: list[list[str]]) -> tuple[Model, EncoderShim, EncoderShim]:
    """A copy of the layer with the sub-words of these texts; encoders before and after."""
    smaller = layer.copy()
    shim = encoder_shim(smaller)
    trim(shim, used_ids(shim.words().tokenizer, [docs_of(texts)]))
    return smaller, encoder_shim(layer), shim


def stored(shim: EncoderShim) -> dict[str, torch.Tensor]:
    message = srsly.msgpack_loads(shim.to_bytes())
    return torch.load(BytesIO(message["state"]), weights_only=True)


def precisions(weights: dict[str, torch.Tensor]) -> set[torch.dtype]:
    return {weight.dtype for weight in weights.values() if weight.is_floating_point()}


def sub_words(shim: EncoderShim, texts: list[list[str]]) -> list[str]:
    tokenizer = shim.words().tokenizer
    return tokenizer.convert_ids_to_tokens(shim.words().encode_docs(docs_of(texts)).ids.tolist())


# The encoder


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_vectors_of_the_text_are_the_same(kind: str, pooling: str, request) -> None:
    """Exactly, though texts of unlike length are padded side by side."""
    layer = make_layer(request.getfixturevalue(kind), pooling=pooling)
    smaller, before, after = trimmed(layer, TEXTS[:3])
    rows = after.transformer.get_input_embeddings().weight.shape[0]
    assert rows < before.transformer.get_input_embeddings().weight.shape[0]
    assert sub_words(after, TEXTS[:3]) == sub_words(before, TEXTS[:3])
    for vectors, expected in zip(
        predict(smaller, TEXTS[:3]), predict(layer, TEXTS[:3]), strict=True
    ):
        assert torch.equal(vectors, expected)
    # Other texts have vectors too.
    assert all(vectors.isfinite().all() for vectors in predict(smaller, TEXTS))


@pytest.mark.parametrize("kind", ENCODERS)
def test_special_sub_words_are_the_same(kind: str, request) -> None:
    _, before, after = trimmed(make_layer(request.getfixturevalue(kind)), TEXTS[:2])
    old, new = before.words().tokenizer, after.words().tokenizer
    assert new.special_tokens_map == old.special_tokens_map
    assert new.pad_token_id == old.pad_token_id
    assert len(new) == after.transformer.get_input_embeddings().num_embeddings
    for name in ("prefix", "suffix"):
        ids = getattr(before.shape(), name), getattr(after.shape(), name)
        tokens = [t.convert_ids_to_tokens(i) for t, i in zip((old, new), ids, strict=True)]
        assert tokens[0] == tokens[1]
    config = after.transformer.config
    assert config.vocab_size == len(new)
    assert config.pad_token_id == new.pad_token_id
    padded, longer = new(["a", "a a a"], padding=True), old(["a", "a a a"], padding=True)
    assert padded["attention_mask"] == longer["attention_mask"]


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_trimmed_layer_travels(kind: str, request) -> None:
    """With no path, and no other vocabulary beside its own."""
    layer = make_layer(request.getfixturevalue(kind))
    smaller, _, shim = trimmed(layer, TEXTS[:2])
    loaded = make_layer(request.getfixturevalue(kind)).from_bytes(smaller.to_bytes())
    assert torch.equal(predict(loaded, TEXTS)[0], predict(smaller, TEXTS)[0])
    vocab = shim.words().tokenizer.get_vocab()
    for one in (shim, encoder_shim(loaded)):
        assert one.words().tokenizer.get_vocab() == vocab
        data = one.to_bytes()
        assert b"/tmp" not in data and request.getfixturevalue(kind).name.encode() not in data
        files = srsly.msgpack_loads(data)["tokenizer"]
        added = json.loads(files.pop("tokenizer_config.json"))["added_tokens_decoder"]
        assert {int(i): token["content"] for i, token in added.items()} == {
            vocab[token["content"]]: token["content"] for token in added.values()
        }
        spec = json.loads(files.pop("tokenizer.json"))["model"]
        # What a slow tokenizer would read, if it is there at all, is the small vocabulary.
        if "vocab.txt" in files:
            assert len(files.pop("vocab.txt").decode().splitlines()) == len(spec["vocab"])
        if "vocab.json" in files:
            assert json.loads(files.pop("vocab.json")) == spec["vocab"]
            lines = files.pop("merges.txt").decode().strip().splitlines()
            assert len(lines) - 1 == len(spec["merges"])
        assert set(files) <= {"special_tokens_map.json"}


def test_long_words_are_split_as_before(encoder_path: Path) -> None:
    """Also beyond what the encoder sees of them."""
    texts = [["Anna" * 30 + "works" * 30]]
    _, before, after = trimmed(make_layer(encoder_path), texts)
    ids = [
        shim.words().tokenizer(texts[0], is_split_into_words=True)["input_ids"]
        for shim in (before, after)
    ]
    tokens = [
        shim.words().tokenizer.convert_ids_to_tokens(i)
        for shim, i in zip((before, after), ids, strict=True)
    ]
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) > before.words().max_word + 2


def test_sub_words_of_docs_of_several_vocabularies(encoder_path: Path) -> None:
    tokenizer = encoder_shim(make_layer(encoder_path)).words().tokenizer
    shards = [[Doc(Vocab(), words=words)] for words in TEXTS] + [[Doc(Vocab())]]
    assert used_ids(tokenizer, shards) == used_ids(tokenizer, [docs_of(TEXTS)])
    assert used_ids(tokenizer, []) == set()


# Precision


@pytest.mark.parametrize("kind", ENCODERS)
def test_half_precision_is_kept_until_training(kind: str, request) -> None:
    layer = make_layer(request.getfixturevalue(kind))
    shim = encoder_shim(layer)
    full = len(layer.to_bytes())
    assert precisions(stored(shim)) == {torch.float32}
    shim.store_in(torch.float16)
    assert precisions(stored(shim)) == {torch.float16}
    assert precisions(shim.transformer.state_dict()) == {torch.float32}
    weights = stored(shim)
    for _ in range(2):
        data = layer.to_bytes()
        assert len(data) < 0.75 * full
        layer = make_layer(request.getfixturevalue(kind)).from_bytes(data)
        shim = encoder_shim(layer)
        assert precisions(shim.transformer.state_dict()) == {torch.float32}
        assert all(torch.equal(w, weights[name]) for name, w in stored(shim).items())
    for other in (layer.copy(), layer):
        assert precisions(stored(encoder_shim(other))) == {torch.float16}
    layer.predict(docs_of(TEXTS))
    assert precisions(stored(shim)) == {torch.float16}
    layer.begin_update(docs_of(TEXTS))
    assert precisions(stored(shim)) == {torch.float32}


def test_another_encoder_is_stored_as_it_is(encoder_path: Path, bpe_path: Path) -> None:
    """What was said of the one before it does not hold for it."""
    half, other = make_layer(encoder_path), make_layer(bpe_path)
    encoder_shim(half).store_in(torch.float16)
    half.from_bytes(other.to_bytes())
    assert precisions(stored(encoder_shim(half))) == {torch.float32}


def test_a_config_of_half_precision_gives_weights_in_float32(encoder_path: Path) -> None:
    message = srsly.msgpack_loads(encoder_shim(make_layer(encoder_path)).to_bytes())
    message["config"]["torch_dtype"] = "float16"
    del message["checksum"]  # as earlier versions wrote none
    shim = EncoderShim().from_bytes(srsly.msgpack_dumps(message))
    assert precisions(shim.transformer.state_dict()) == {torch.float32}


def test_a_tokenizer_without_limit_can_be_stored(encoder_path: Path) -> None:
    layer = make_layer(encoder_path)
    encoder_shim(layer).words().tokenizer.model_max_length = int(1e30)
    loaded = make_layer(encoder_path).from_bytes(layer.to_bytes())
    assert encoder_shim(loaded).words().tokenizer.model_max_length == int(1e30)


# Pipelines


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four parts in two languages; `some` and `few` hold English sentences, three and one."""
    root = write_corpus(tmp_path_factory.mktemp("shrinking") / "corpus")
    for split, sentences in (("some", SENTENCES[:3]), ("few", SENTENCES[2:3])):
        with DocBinWriter(corpus_path(root, split, "en"), "en", labelled=True) as writer:
            for words, tags in sentences:
                writer.add(words, tags)
    return root


@pytest.fixture(scope="module")
def model(trained_nlp: Language, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    trained_nlp.to_disk(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENCODERS)
def test_entities_are_the_same(kind: str, request, corpus: Path, tmp_path: Path) -> None:
    nlp = train_nlp(request.getfixturevalue(kind), steps=80)
    nlp.meta["name"] = "some_name"
    nlp.to_disk(tmp_path / "model")
    results = shrink(
        tmp_path / "model",
        tmp_path / "small",
        corpus,
        ShrinkSettings(splits=["some"], eval_split="some"),
    )
    small = spacy.load(tmp_path / "small")
    assert any(entities(small)[:3]) and entities(small)[:3] == entities(nlp)[:3]
    shim = find_encoder(small, "dualner")
    assert precisions(stored(shim)) == {torch.float16}
    assert precisions(shim.transformer.state_dict()) == {torch.float32}
    before, after = results["before"], results["after"]
    assert after["languages"] == before["languages"]
    assert before["mean"] == np.mean(list(before["languages"].values()))
    assert after["subwords"] == len(shim.words().tokenizer) < before["subwords"]
    assert after["parameters"] < before["parameters"]
    for folder, measured in (("model", before), ("small", after)):
        assert measured["bytes"] == sum(map(len, contents(tmp_path / folder).values()))
    assert after["bytes"] < before["bytes"]
    assert small.meta["name"] == "some_name"
    old, new = (spacy.load(tmp_path / name).config for name in ("model", "small"))
    assert old["components"]["dualner"]["decode"] == new["components"]["dualner"]["decode"]
    assert {k: v for k, v in old.items() if k != "components"} == {
        k: v for k, v in new.items() if k != "components"
    }


@pytest.fixture(scope="module")
def small(model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained pipeline with the sub-words of English alone."""
    folder = tmp_path_factory.mktemp("small") / "deep" / "model"
    shrink(model, folder, corpus, ShrinkSettings(["en"]))
    return folder


def test_saving_again_and_training(small: Path, tmp_path: Path) -> None:
    nlp = spacy.load(small)
    nlp.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    assert precisions(stored(find_encoder(again, "dualner"))) == {torch.float16}
    assert entities(again) == entities(spacy.load(small))
    again.update(make_examples(again), sgd=AdamW(1e-3))
    again.to_disk(tmp_path / "taught")
    trained = find_encoder(spacy.load(tmp_path / "taught"), "dualner")
    assert precisions(stored(trained)) == {torch.float32}
    for name, weight in find_encoder(again, "dualner").transformer.state_dict().items():
        assert torch.equal(trained.transformer.state_dict()[name], weight)


def test_a_smaller_pipeline_can_be_made_smaller_again(
    small: Path, corpus: Path, tmp_path: Path
) -> None:
    results = shrink(small, tmp_path / "out", corpus, ShrinkSettings(["en"]))
    assert results["after"]["subwords"] == results["before"]["subwords"]
    results = shrink(
        small, tmp_path / "out", corpus, ShrinkSettings(["en"], splits=["few"], tolerance=100)
    )
    assert results["after"]["subwords"] < results["before"]["subwords"]
    assert entities(spacy.load(tmp_path / "out"))


def test_the_folder_holds_no_path_and_no_word_of_the_texts(
    small: Path, model: Path, corpus: Path
) -> None:
    for path in (small, corpus, model):
        assert files_holding(small, str(path.parent)) == []
    # Scoring before or after leaves nothing, nor did training.
    assert files_holding(model, "Berlin") and not files_holding(small, "Berlin")
    assert list(small.parent.iterdir()) == [small]


def test_words_stay_where_another_component_may_need_them(
    trained_nlp: Language, corpus: Path, tmp_path: Path
) -> None:
    trained_nlp.to_disk(tmp_path / "model")
    nlp = spacy.load(tmp_path / "model")
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "MISC", "pattern": [{"LOWER": "umbra"}]}])
    nlp.vocab.strings.add("some-word")
    nlp.to_disk(tmp_path / "model")
    shrink(tmp_path / "model", tmp_path / "out", corpus, ShrinkSettings(tolerance=100))
    out = spacy.load(tmp_path / "out")
    assert out.pipe_names == ["entity_ruler", "dualner"]
    assert "some-word" in out.vocab.strings
    # That of the scored text is not among them.
    assert "sneppahde" not in out.vocab.strings
    assert entities(out) == entities(nlp)


# Refusals


def refused(*arguments: str | Path | float) -> str:
    status, output = run_cli("dualner", "shrink", *arguments)
    assert status == 1
    return output


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (["--splits", "few", "--langs", "en"], "loses"),
        (["--tolerance", "-1"], "tolerance of -1"),
    ],
)
def test_nothing_is_written_where_f1_falls(
    extra: list[str], reason: str, model: Path, corpus: Path, tmp_path: Path
) -> None:
    """As where the text does not cover what the pipelines are scored on."""
    out = tmp_path / "out"
    output = refused(model, out, "--corpus", corpus, *extra)
    assert reason in output and "Nothing was written" in output and "--tolerance" in output
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    for name in ("config.cfg", "meta.json"):
        (out / name).write_text(f"old {name}")
    refused(model, out, "--corpus", corpus, *extra)
    assert contents(out) == {name: f"old {name}".encode() for name in ("config.cfg", "meta.json")}
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_is_no_pipeline_is_left_alone(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    before = contents(model)
    (tmp_path / "photo.jpg").write_text("dear")
    for out in (tmp_path, tmp_path / "photo.jpg"):
        assert "no pipeline" in refused(model, out, "--corpus", corpus)
    assert contents(tmp_path) == {"photo.jpg": b"dear"}
    for out in (model, model / "small", model.parent):
        assert "in one another" in refused(model, out, "--corpus", corpus)
    assert contents(model) == before


def test_missing_text_is_a_clear_error(model: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "gone" in refused(model, out, "--corpus", tmp_path / "gone")
    assert "'tlh'" in refused(model, out, "--corpus", corpus, "--langs", "en,tlh")
    output = refused(model, out, "--corpus", corpus, "--splits", "gone")
    assert "gone" in output and "--splits" in output
    output = refused(model, out, "--corpus", corpus, "--eval-split", "gone")
    assert "gone" in output and "--eval-split" in output
    assert "gone" in refused(tmp_path / "gone", out, "--corpus", corpus)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["cnn", "inline"])
def test_other_encoders_are_refused(
    kind: str, encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    nlp = make_other_nlp(kind, encoder_path)
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path / "model")
    with pytest.raises(DualNerError, match=r"spacy-dualner\.Transformer\.v1"):
        shrink(tmp_path / "model", tmp_path / "out", corpus)
    with pytest.raises(DualNerError, match=r"no dualner component 'ner'.*name of its component"):
        shrink(tmp_path / "model", tmp_path / "out", corpus, ShrinkSettings(component="ner"))


def test_a_pipeline_without_weights_is_refused(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    make_nlp(encoder_path).to_disk(tmp_path / "model")
    with pytest.raises(DualNerError, match="no weights"):
        shrink(tmp_path / "model", tmp_path / "out", corpus)


# The command


def test_the_command(model: Path, corpus: Path, tmp_path: Path) -> None:
    """Writes what it measured; a pipeline that is there already is replaced whole."""
    out, measured = tmp_path / "out", tmp_path / "out.json"
    out.mkdir()
    for name in ("config.cfg", "meta.json", "README.md"):
        (out / name).write_text("old")
    options = ("--langs", "en", "--limit", 4, "--output", measured, "--corpus", corpus)
    status, output = run_cli("dualner", "shrink", model, out, *options)
    assert status == 0
    for word in ("before", "after", "MB", "sub-words", "parameters", "words/s", "F1 en", "F1 mean"):
        assert word in output
    assert "F1 de" not in output and str(out) in output
    results = json.loads(measured.read_text())
    for name in ("before", "after"):
        assert f"{results[name]['subwords']:,}" in output
        assert f"{results[name]['mean']:.2f}" in output
        assert set(results[name]["languages"]) == {"en"}
    assert not (out / "README.md").exists()
    assert entities(spacy.load(out)) == entities(spacy.load(model))
    assert sorted(tmp_path.iterdir()) == [out, measured]


@pytest.mark.parametrize("split", NAMES)
def test_all_languages_of_the_corpus_by_default(
    split: str, model: Path, corpus: Path, tmp_path: Path
) -> None:
    results = shrink(
        model,
        tmp_path / "out",
        corpus,
        ShrinkSettings(splits=[split, "absent"], eval_split="dev", tolerance=100),
    )
    assert list(results["after"]["languages"]) == ["de", "en"]
    assert results["after"]["words_per_second"] > 0


def test_a_language_need_not_have_every_part(model: Path, corpus: Path, tmp_path: Path) -> None:
    """German has no `few` and no `some`, English is scored alone where German is not annotated."""
    results = shrink(
        model,
        tmp_path / "out",
        corpus,
        ShrinkSettings(["en", "de"], splits=["train", "few"], eval_split="some"),
    )
    assert list(results["after"]["languages"]) == ["en"]
