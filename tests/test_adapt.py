"""Adapting an encoder to the text of a corpus: losses, what is written and refused."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_examples, make_nlp
from helpers_corpus import files_holding, run_cli
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from test_encoder import bert_path, bpe_path, docs_of, make_layer, predict  # noqa: F401
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
)

from spacy_dualner.adaptation import masked_lm
from spacy_dualner.adaptation.loop import adapt
from spacy_dualner.adaptation.masked_lm import load_masked_lm, masked_losses, write_encoder
from spacy_dualner.adaptation.masking import Masking
from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.training.optimizer import make_adamw

NAMES = ["Anna", "Peter", "Maria", "Tom", "Eva", "Paul"]
VERBS = ["lives", "works", "sleeps", "stays"]
PLACES = ["Berlin", "Rome", "Paris", "Oslo", "Umbra"]
SENTENCES = [
    ([name, verb, "in", place, "."], ["B-PER", "O", "O", "B-LOC", "O"])
    for name, verb, place in product(NAMES, VERBS, PLACES)
]
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "learn_rate": 3e-3}


def write_text(root: Path, split: str, lang: str, sentences=SENTENCES) -> Path:
    path = corpus_path(root, split, lang)
    with DocBinWriter(path, lang, labelled=split != "unlabelled") as writer:
        for words, tags in sentences:
            writer.add(words, tags if split != "unlabelled" else ())
    return root


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `convert` makes it: English twice, German without annotations."""
    root = tmp_path_factory.mktemp("adapting") / "corpus"
    for split in ("train", "unlabelled"):
        write_text(root, split, "en")
    german = [([word[::-1] for word in words], tags) for words, tags in SENTENCES]
    return write_text(root, "unlabelled", "de", german)


@pytest.fixture(scope="module")
def adapted(
    encoder_path: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """An adapted encoder, and what `adapt` returned."""
    folder = tmp_path_factory.mktemp("adapted") / "deep" / "encoder"
    return folder, adapt(str(encoder_path), corpus, folder, **QUICK)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return AutoModelForMaskedLM.from_pretrained(folder).state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


# Losses


@pytest.fixture(scope="module")
def distil_path(bert_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """An encoder whose head is several modules beside it."""
    path = tmp_path_factory.mktemp("distil") / "encoder"
    shutil.copytree(bert_path, path)
    size = json.loads((path / "config.json").read_text())["vocab_size"]
    config = DistilBertConfig(vocab_size=size, dim=32, n_layers=1, n_heads=4, hidden_dim=64)
    DistilBertModel(config).save_pretrained(path)
    return path


@pytest.mark.parametrize("kind", ["encoder_path", "bpe_path", "bert_path", "distil_path"])
def test_losses_are_those_of_the_whole_head(kind: str, request) -> None:
    """Which transformers computes at all positions, sentence by sentence."""
    torch.manual_seed(0)
    lm = load_masked_lm(str(request.getfixturevalue(kind)))
    lm.model.eval()
    tokenizer, shape = lm.words.tokenizer, lm.shape
    batch = lm.words.encode_docs(docs_of([words for words, _ in SENTENCES[::20]]))
    masked = Masking.of(tokenizer, 0.4).apply(batch, np.random.default_rng(0))
    expected = 0.0
    chosen = np.repeat(masked.chosen, batch.word_lengths)
    begin = word = 0
    for n_words in batch.sentence_lengths:
        end = begin + batch.word_lengths[word : word + n_words].sum()
        inner = np.where(chosen[begin:end], masked.ids[begin:end], -100)
        ids = [*shape.prefix, *masked.shown.ids[begin:end], *shape.suffix]
        labels = [*[-100] * len(shape.prefix), *inner, *[-100] * len(shape.suffix)]
        if (inner >= 0).any():
            with torch.no_grad():
                loss = lm.model(torch.tensor([ids]), labels=torch.tensor([labels])).loss
            expected += float(loss) * (inner >= 0).sum()
        begin, word = end, word + n_words
    assert chosen.sum() == masked.n_targets > 5
    with torch.no_grad():
        found = sum(map(float, masked_losses(lm, masked, mixed_precision=False)))
    assert found == pytest.approx(expected, rel=1e-4)


def test_every_weight_of_the_encoder_and_its_head_is_trained(encoder_path: Path) -> None:
    lm = load_masked_lm(str(encoder_path))
    own = [*lm.model.base_model.parameters(), *lm.heads]
    assert sorted(map(id, own)) == sorted(map(id, lm.model.parameters()))
    decoder, embeddings = lm.model.get_output_embeddings(), lm.model.get_input_embeddings()
    assert lm.new_head and decoder.weight is embeddings.weight


# What comes out


def test_the_loss_on_text_held_back_falls(adapted: tuple[Path, dict[str, Any]]) -> None:
    _, results = adapted
    # One in a hundred, the English ones of `train` and `unlabelled` being the same.
    assert results["held_back"] == {"de": 2, "en": 2}
    assert results["sentences"] == {"de": 118, "en": 118}
    assert results["steps"] == 2 * -(-236 // 8)
    before, *_, after = results["losses"]
    assert len(results["losses"]) == 1 + QUICK["epochs"]
    for lang in ("de", "en"):
        assert after[lang] < 0.8 * before[lang]


def test_the_folder_is_an_encoder_for_everyone(
    adapted: tuple[Path, dict[str, Any]], encoder_path: Path
) -> None:
    folder, _ = adapted
    full = weights(folder)
    plain = AutoModel.from_pretrained(folder)
    assert plain.dtype == torch.float32
    body = {k: v for k, v in plain.state_dict().items() if not k.startswith("pooler")}
    assert body and all(torch.equal(v, full[f"roberta.{k}"]) for k, v in body.items())
    before = AutoModel.from_pretrained(encoder_path).state_dict()
    assert body.keys() <= before.keys()
    assert not any(torch.equal(body[k], before[k]) for k in body if k.endswith("weight"))


def test_stage_1_takes_it_as_it_takes_the_original(
    adapted: tuple[Path, dict[str, Any]], encoder_path: Path
) -> None:
    folder, _ = adapted
    texts = [words for words, _ in SENTENCES]
    ids = [load_masked_lm(str(f)).words.encode_docs(docs_of(texts)).ids
           for f in (folder, encoder_path)]  # fmt: skip
    assert np.array_equal(*ids)
    new, old = (predict(make_layer(f), texts)[0] for f in (folder, encoder_path))
    assert new.shape == old.shape and not torch.allclose(new, old, atol=0.01)
    nlp = make_nlp(folder)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    losses = [nlp.update(examples, sgd=make_adamw(3e-3))["dualner"] for _ in range(5)]
    assert losses[-1] < losses[0]


def test_adapting_again_goes_on_from_there(
    adapted: tuple[Path, dict[str, Any]], corpus: Path, tmp_path: Path
) -> None:
    """With the head as it was, and the same sentences held back."""
    folder, first = adapted
    again = adapt(str(folder), corpus, tmp_path / "again", **QUICK)
    assert first["new_head"] and not again["new_head"]
    assert again["losses"][0] == pytest.approx(first["losses"][-1], rel=1e-5)


def test_nothing_says_where_it_came_from(
    adapted: tuple[Path, dict[str, Any]], encoder_path: Path, corpus: Path
) -> None:
    folder, _ = adapted
    for path in (folder, encoder_path, corpus):
        assert files_holding(folder, str(path.parent)) == []
    assert list(folder.parent.iterdir()) == [folder]


def test_what_other_versions_of_transformers_say_of_the_origin_is_dropped(
    encoder_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = PreTrainedTokenizerFast.save_pretrained

    def save_with_origin(self: PreTrainedTokenizerFast, folder: Path) -> None:
        save(self, folder)
        for name in ("config.json", "tokenizer_config.json"):
            told = {"_name_or_path": str(encoder_path), "name_or_path": str(encoder_path)}
            settings = json.loads((folder / name).read_text()) | told
            (folder / name).write_text(json.dumps(settings))

    monkeypatch.setattr(PreTrainedTokenizerFast, "save_pretrained", save_with_origin)
    write_encoder(load_masked_lm(str(encoder_path)), tmp_path / "out")
    assert files_holding(tmp_path / "out", "name_or_path") == []
    assert load_masked_lm(str(tmp_path / "out")).words.tokenizer.is_fast


def test_runs_are_repeatable_and_tags_are_not_read(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    """Nor does it matter whether a sentence stands in one part of the corpus or in two."""
    other = [(words, ["O"] * len(words)) for words, _ in SENTENCES]
    write_text(tmp_path / "corpus", "train", "en", other)
    runs: dict[str, dict[str, Any]] = {
        "one": {"langs": {"en": 0}},
        "two": {"langs": {"en": 0}, "splits": ["unlabelled"]},
        "three": {"corpus": tmp_path / "corpus"},
        "four": {"langs": {"en": 0}, "seed": 1},
    }
    for name, settings in runs.items():
        chosen = {"corpus": corpus, **QUICK, "epochs": 1, **settings}
        adapt(str(encoder_path), output=tmp_path / name, **chosen)
    one, *same_as_one, four = (weights(tmp_path / name) for name in runs)
    assert all(same(one, other) for other in same_as_one)
    assert not same(one, four)


def test_limits_and_languages(encoder_path: Path, corpus: Path, tmp_path: Path) -> None:
    quick = {**QUICK, "epochs": 1, "limit": 8}
    results = adapt(str(encoder_path), corpus, tmp_path / "out", {"en": 50, "de": 0}, **quick)
    assert results["sentences"] == {"en": 49, "de": 7}
    assert results["steps"] == 56 // 8
    results = adapt(str(encoder_path), corpus, tmp_path / "out", {"de": 1}, **QUICK)
    # Of one sentence none can be held back.
    assert results["sentences"] == {"de": 1} and results["held_back"] == {}
    assert results["losses"] == [{}] * 3


@pytest.mark.parametrize("setting", [{"mask_share": 0.5}, {"warmup": 0.9}, {"batch_size": 16}])
def test_settings_act(
    setting: dict[str, Any], encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    quick = {**QUICK, "epochs": 1}
    for name, chosen in (("one", quick), ("two", quick | setting)):
        adapt(str(encoder_path), corpus, tmp_path / name, {"en": 20}, **chosen)
    assert not same(weights(tmp_path / "one"), weights(tmp_path / "two"))


def test_text_of_unknown_sub_words_alone(encoder_path: Path, tmp_path: Path) -> None:
    """There is nothing to guess, and no division by it."""
    write_text(
        tmp_path / "corpus", "unlabelled", "zh", [(["北京"], ["O"]), (["上海", "东京"], ["O"])]
    )
    results = adapt(str(encoder_path), tmp_path / "corpus", tmp_path / "out", **QUICK)
    assert all(value == 0 for losses in results["losses"] for value in losses.values())
    assert all(w.isfinite().all() for w in weights(tmp_path / "out").values())


# The command


def test_the_command_prints_losses_and_says_that_the_head_is_new(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    options = ["--langs", "en:30,de:10", "--epochs", "1", "--batch-size", "8"]
    status, output = run_cli("dualner", "adapt", encoder_path, corpus, tmp_path / "out", *options)
    assert status == 0
    assert "a new one is trained" in output
    assert "en 29 1" in output and "de 9 1" in output and "for 1,000 sentences" in output
    status, output = run_cli(
        "dualner", "adapt", tmp_path / "out", corpus, tmp_path / "again", *options
    )
    assert status == 0 and "a new one is trained" not in output


@pytest.mark.parametrize("there", [False, True])
def test_interrupted_writing_leaves_what_was_there(
    there: bool, encoder_path: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
        (out / "config.json").write_text("old")

    def full_disk(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(masked_lm, "forget_origin", full_disk)
    status, output = run_cli(
        "dualner", "adapt", encoder_path, corpus, out, "--langs", "en:5", "--epochs", "1"
    )
    assert status == 1 and "No space left" in output
    assert list(tmp_path.iterdir()) == ([out] if there else [])
    if there:
        assert [path.read_text() for path in out.iterdir()] == ["old"]


def refused(*arguments: str | Path) -> str:
    status, output = run_cli("dualner", "adapt", *arguments)
    assert status == 1
    return output


def test_missing_text_is_a_clear_error(encoder_path: Path, corpus: Path, tmp_path: Path) -> None:
    output = refused(encoder_path, corpus, tmp_path / "out", "--langs", "en,tlh")
    assert "'tlh'" in output and "convert" in output
    assert "holds no text" in refused(encoder_path, tmp_path / "gone", tmp_path / "out")
    Path(tmp_path / "empty" / "train").mkdir(parents=True)
    DocBin(docs=[Doc(Vocab())]).to_disk(tmp_path / "empty" / "train" / "en.spacy")
    assert "No sentence of 'en'" in refused(encoder_path, tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_encoder_is_a_clear_error(corpus: Path, tmp_path: Path) -> None:
    output = refused(tmp_path / "gone", corpus, tmp_path / "out")
    assert "Cannot load the encoder" in output and "as ENCODER" in output
    assert "tok2vec" not in output


def test_the_encoder_is_not_overwritten(encoder_path: Path, corpus: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(encoder_path, encoder)
    assert "lie in one another" in refused(encoder, corpus, encoder)
    assert "lie in one another" in refused(encoder, corpus, encoder / "adapted")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("old")
    assert "is no encoder" in refused(encoder, corpus, tmp_path / "notes")
    assert same(
        AutoModel.from_pretrained(encoder_path).state_dict(),
        AutoModel.from_pretrained(encoder).state_dict(),
    )
    assert (tmp_path / "notes" / "mine.txt").read_text() == "old"


def test_encoders_that_guess_no_masked_words_are_refused(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(encoder_path, encoder)
    config = GPT2Config(vocab_size=120, n_embd=32, n_layer=1, n_head=4)
    GPT2Model(config).save_pretrained(encoder)
    assert "no masked language model" in refused(encoder, corpus, tmp_path / "out")
    shutil.copytree(encoder_path, encoder, dirs_exist_ok=True)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        settings = json.loads((encoder / name).read_text())
        settings.pop("mask_token")
        (encoder / name).write_text(json.dumps(settings))
    assert "no mask token" in refused(encoder, corpus, tmp_path / "out")
