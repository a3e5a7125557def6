"""FILTER: sentences and translations in one input, and teaching on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from helpers.corpus import sentences_of, stage2_config, write_corpus
from helpers.families import FAST, write_family
from helpers.tiny import SENTENCES, train_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from transformers import AutoModel

from spacy_dualner.data.docbin import DocBinWriter, corpus_path
from spacy_dualner.encoder.encode import encode_words
from spacy_dualner.encoder.heads import split_logits
from spacy_dualner.encoder.pairs import Fusion, check_fusion, encode_pairs, make_pairs
from spacy_dualner.encoder.shim import EncoderShim
from spacy_dualner.encoder.subwords import SubwordBatch
from spacy_dualner.encoder.windows import Shape, make_blocks
from spacy_dualner.errors import DualNerError
from spacy_dualner.pipeline import find_encoder
from spacy_dualner.teaching.config import resolve_config
from spacy_dualner.teaching.objective import stage2_loss
from spacy_dualner.teaching.teach import Teaching, teach

ENGLISH = [words for words, _ in SENTENCES]
GERMAN = [words for words, _ in sentences_of("de")]


@pytest.fixture
def shim(trained_nlp: Language) -> EncoderShim:
    found = find_encoder(trained_nlp, "dualner")
    found.transformer.eval()
    return found


def batch_of(shim: EncoderShim, texts: list[list[str]]) -> SubwordBatch:
    vocab = Vocab()
    return shim.words().encode_docs([Doc(vocab, words=words) for words in texts])


def fused(
    shim: EncoderShim,
    pairs: list[tuple[list[str], list[str]]],
    fusion: Fusion,
    pooling: str = "first",
) -> torch.Tensor:
    """Word vectors of pairs: all sentences, then all translations."""
    sides = [batch_of(shim, [pair[i] for pair in pairs]) for i in (0, 1)]
    block = make_pairs(sides[0], sides[1], shim.shape(), fusion)
    with torch.no_grad():
        return encode_pairs(shim.transformer, block, pooling)


PAIRS = list(zip(ENGLISH, GERMAN, strict=True))


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_without_fused_layers_either_side_is_encoded_alone(shim: EncoderShim, pooling: str) -> None:
    vectors = fused(shim, PAIRS, Fusion(2, 0), pooling)
    batch = batch_of(shim, [*ENGLISH, *GERMAN])
    blocks = make_blocks(batch, shim.shape())
    with torch.no_grad():
        alone = encode_words(shim.transformer, blocks, len(batch.word_lengths), pooling)
    torch.testing.assert_close(vectors, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("fusion", "sees"), [(Fusion(1, 1), True), (Fusion(2, 0), False)])
def test_a_fused_layer_sees_the_translation(shim: EncoderShim, fusion: Fusion, sees: bool) -> None:
    n_words = len(ENGLISH[0])
    one = fused(shim, [(ENGLISH[0], GERMAN[0])], fusion)[:n_words]
    two = fused(shim, [(ENGLISH[0], GERMAN[3])], fusion)[:n_words]
    assert torch.allclose(one, two, atol=1e-5) != sees


def test_layers_after_the_fused_ones_see_one_side(shim: EncoderShim) -> None:
    """Fused in the first layer alone or in both is not the same."""
    first = fused(shim, PAIRS, Fusion(0, 1))
    both = fused(shim, PAIRS, Fusion(0, 2))
    assert not torch.allclose(first, both, atol=1e-4)


def test_pairs_do_not_see_each_other_nor_padding(shim: EncoderShim) -> None:
    together = fused(shim, PAIRS, Fusion(0, 2))
    ends = np.cumsum([0, *map(len, [*ENGLISH, *GERMAN])])
    for number, pair in enumerate(PAIRS):
        alone = fused(shim, [pair], Fusion(0, 2))
        own = [together[ends[place] : ends[place + 1]] for place in (number, number + len(PAIRS))]
        torch.testing.assert_close(torch.cat(own), alone, atol=1e-5, rtol=1e-4)


def test_more_layers_than_there_are(shim: EncoderShim) -> None:
    check_fusion(shim.transformer, Fusion(1, 1))
    with pytest.raises(DualNerError, match="2 layers"):
        check_fusion(shim.transformer, Fusion(1, 2))


@pytest.mark.parametrize("family", FAST)
def test_which_families_can_be_fused(family: str, tmp_path: Path) -> None:
    """Some have modules of BERT's names, but call them in another way."""
    encoder = AutoModel.from_pretrained(write_family(family, tmp_path / family))
    if family in ("xlm-roberta", "bert", "e5"):
        check_fusion(encoder, Fusion(1, 1))
    else:
        with pytest.raises(DualNerError, match=type(encoder).__name__):
            check_fusion(encoder, Fusion(1, 1))


# Teaching


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoder_path: Path) -> Path:
    """A weak stage-1 `model`, and a `corpus` with translations into de and, fewer, into sw."""
    folder = tmp_path_factory.mktemp("filter")
    train_nlp(encoder_path, steps=12).to_disk(folder / "model")
    write_corpus(folder / "corpus", ["en", "de", "sw"], copies=2)
    write_translations(folder, "de", 10)
    write_translations(folder, "sw", 3)
    return folder


def write_translations(folder: Path, lang: str, n: int) -> None:
    path = corpus_path(folder / "corpus", "translated", lang)
    with DocBinWriter(path, lang, labelled=False) as writer:
        for words, _ in (sentences_of(lang) * 3)[:n]:
            writer.add(words)


def config_of(folder: Path, **overrides: Any) -> Any:
    values = {
        "corpora__target__path": str(folder / "corpus" / "translated"),
        "corpora__target__langs": "de,sw",
        "teaching__method": "filter",
        "teaching__alpha": 0.0,
        "teaching__fused_layers": 1,
    }
    return resolve_config(stage2_config(folder / "model", folder / "corpus", **values | overrides))


def test_a_translation_goes_with_its_source_sentence(folder: Path, tmp_path: Path) -> None:
    teaching = Teaching(config_of(folder), tmp_path)
    assert teaching.data.partners is not None
    assert teaching.data.trained_on.tolist() == list(range(10, 23))
    assert teaching.data.partners[10:].tolist() == [*range(10), 0, 1, 2]
    assert teaching.schedule.total == 2 * 3  # 13 pairs, 5 a step


def test_the_loss(folder: Path, tmp_path: Path) -> None:
    """Gold labels for source words; for target words KL from the teacher. Computed by hand."""
    teaching = Teaching(config_of(folder), tmp_path)
    torch.manual_seed(0)
    captured: list[tuple[Any, ...]] = []

    def spy(*arguments: Any) -> torch.Tensor:
        captured.append(arguments)
        return stage2_loss(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacy_dualner.teaching.step.stage2_loss", spy)
        total = teaching.step.take(np.array([10, 20]), 1.0)
    ((settings, piece, _, student, teacher),) = captured
    assert (settings.method, settings.alpha) == ("filter", 0.0)
    n = len(ENGLISH[0])
    assert piece.is_source.tolist() == [True] * 2 * n + [False] * 2 * n
    assert int(piece.n_source) == int(piece.n_target) == 2 * n
    assert (piece.gold[: 2 * n] >= 0).all() and (piece.gold[2 * n :] == -1).all()
    expected = torch.zeros(())
    tags = piece.gold[: 2 * n]
    starts = torch.where(tags % 2 == 1, (tags + 1) // 2, 0)
    last = torch.cat([tags[1:] % 2 != 0, torch.tensor([True])]) | (tags == 0)
    # In "Anna Smith lives in Berlin ." an entity ends where the next word is not inside one.
    inside_next = torch.cat([(tags[1:] > 0) & (tags[1:] % 2 == 0), torch.tensor([False])])
    ends = torch.where((tags > 0) & ~inside_next, (tags + 1) // 2, 0)
    assert last[0].item() is False
    heads = zip(split_logits(student), (tags, starts, ends), split_logits(teacher), strict=True)
    for logits, labels, own in heads:
        log_p = logits.log_softmax(-1)
        expected = expected - log_p[torch.arange(2 * n), labels].mean()
        q = own[2 * n :].softmax(-1)
        expected = expected + (q * (q.log() - log_p[2 * n :])).sum(-1).mean()
    torch.testing.assert_close(total, expected.detach())


def test_sentences_in_pieces_have_no_translation(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DualNerError, match="translation"):
        teach(config_of(folder, corpora__source__cut=0.5), tmp_path / "out")


def test_filter_learns_and_writes_a_pipeline(folder: Path, tmp_path: Path) -> None:
    config = config_of(folder, teaching__max_epochs=8, teaching__select="source")
    best = teach(config, tmp_path)
    nlp = spacy.load(best)
    assert nlp.meta["dualner"]["method"] == "filter"
    assert nlp.meta["dualner"]["source"] == {"en": 10}
    assert nlp.meta["dualner"]["target"] == {"de": 10, "sw": 3}
    assert nlp.meta["dualner"]["best_step"] > 0


def test_more_translations_than_sentences(folder: Path, tmp_path: Path) -> None:
    config = config_of(folder, corpora__source__limit=5)
    with pytest.raises(DualNerError, match=r"10 translated sentences.*5 source"):
        Teaching(config, tmp_path)


def test_no_translations(folder: Path, tmp_path: Path) -> None:
    config = stage2_config(
        folder / "model",
        folder / "corpus",
        teaching__method="filter",
        teaching__fused_layers=1,
    )
    config["corpora"]["target"] = None
    with pytest.raises(DualNerError, match="--form translated"):
        Teaching(resolve_config(config), tmp_path)


def test_pairs_too_long_for_a_window_are_left_out(folder: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", ["en", "de"], copies=2)
    path = corpus_path(tmp_path / "corpus", "translated", "de")
    with DocBinWriter(path, "de", labelled=False) as writer:
        writer.add(["Anna"] * 200)
        writer.add(["Anna"])
    config = config_of(
        folder,
        paths__corpus=str(tmp_path / "corpus"),
        corpora__target__path=str(tmp_path / "corpus" / "translated"),
        corpora__target__langs="de",
    )
    assert Teaching(config, tmp_path / "out").data.trained_on.tolist() == [11]


def test_a_sentence_without_a_word_keeps_its_place(folder: Path, tmp_path: Path) -> None:
    """On either side: it is in no pair, and those after it stay together. A text far too long, of
    which the reader makes nothing, is one."""
    too_long = ["Anna"] * 2001
    for split, lang, empty in (("train", "en", (0, 4)), ("translated", "de", (2, 9))):
        path = corpus_path(tmp_path / "corpus", split, lang)
        with DocBinWriter(path, lang, labelled=split == "train") as writer:
            for number, (words, tags) in enumerate(sentences_of(lang) * 2):
                if number in empty:
                    words = ["\u3000"] if number else too_long
                    tags = ["O"] * len(words)
                writer.add(words, tags if split == "train" else ())
    config = config_of(
        folder,
        paths__corpus=str(tmp_path / "corpus"),
        corpora__dev__path=str(folder / "corpus" / "dev"),
        corpora__target__path=str(tmp_path / "corpus" / "translated"),
        corpora__target__langs="de",
    )
    teaching = Teaching(config, tmp_path / "out")
    assert teaching.data.partners is not None
    pairs = [number for number in range(10) if number not in (0, 2, 4, 9)]
    assert teaching.data.trained_on.tolist() == [10 + number for number in pairs]
    assert teaching.data.partners[teaching.data.trained_on].tolist() == pairs
    for number in pairs:
        batch, _ = teaching.data.corpus.select(np.array([number, 10 + number]))
        sides = [(texts * 2)[number] for texts in (ENGLISH, GERMAN)]
        assert batch.sentence_lengths.tolist() == [len(words) for words in sides]
    assert np.isfinite(float(teaching.step.take(teaching.data.trained_on[:3], 1.0)))


def test_blocks_hold_rows_in_the_order_given() -> None:
    """Rows of both sides have to be of one pair, whatever their lengths."""
    shape = Shape((0,), (2,), 1, window=62, overlap=20, budget=8)
    batch = SubwordBatch(np.arange(10, 16), np.array([1, 2, 1, 2]), np.array([1, 2, 1]))
    pairs = make_pairs(batch, batch, shape, Fusion(1, 1))
    assert pairs.source.input_ids.tolist() == [
        [0, 10, 2, 1, 1],
        [0, 11, 12, 13, 2],
        [0, 14, 15, 2, 1],
    ]
    assert pairs.source.words.tolist() == [0, 1, 2, 3]
    assert pairs.source.first.tolist() == [1, 6, 8, 11]
