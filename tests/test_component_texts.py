"""Texts of every kind: empty, long, right to left, with marks, emoji and words of any length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny import SENTENCES, make_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_dualner.model import heads_module
from spacy_dualner.training.optimizer import AdamW

TEXTS = {
    "nothing": "",
    "a space": " ",
    "spaces": " \t\n\r\u3000 ",
    "one word": "Berlin",
    "one letter": "x",
    "spaces around": "  Anna   Smith \n\n lives in\tBerlin . ",
    "Arabic": "تعيش ليلى في مدينة برلين.",
    "Hebrew with points": "שָׁלוֹם מִבֶּרְלִין",
    "both directions": "Anna lives in \u202bירושלים\u202c, said ليلى (2024).",
    "combining marks": "A\u0301\u0302\u0323nna\u0308 lives in Be\u0301rlin\u0323",
    "marks alone": "\u0301 \u0302\u0303",
    "Hindi": "वह न्‍यूयॉर्क में रहती है",
    "Thai": "แอนนาอยู่ที่เบอร์ลิน",
    "Chinese": "安娜住在柏林。",
    "emoji": "Anna 👩‍👩‍👧‍👦 lives 🏳️‍🌈 in 🇩🇪 Berlin 👍🏽 .",
    "joiners alone": "\u200d \u200b \u2060 \ufeff",
    "beyond the basic plane": "𝔄𝔫𝔫𝔞 lives in 𐌁𐌄𐌓𐌋𐌉𐌍",
    "controls": "Anna\x00lives\x07 in\x1bBerlin",
    "half a pair's neighbours": "\ud7ff \ue000 \ufffd \U0010ffff",
    "a long word": f"Anna {'x' * 1_000} Berlin",
    "long words": " ".join(letter * 1_000 for letter in "abcdef"),
    "a long word of marks": "a" + "\u0301" * 1_000,
    "a web address": "https://example.org/" + "a/b-c_d?" * 100,
}


@pytest.fixture(scope="module")
def eager(encoder_path: Path) -> Language:
    """A pipeline that takes each word for a place."""
    nlp = make_nlp(encoder_path)
    pipe = nlp.get_pipe("dualner")
    pipe.add_label("LOC")
    nlp.initialize()
    heads = heads_module(pipe.model)
    with torch.no_grad():
        for head in (heads.tag, heads.start, heads.end):
            head.weight.zero_()
            head.bias.zero_()
            head.bias[1] = 9.0
    return nlp


def check_annotated(doc: Doc) -> None:
    """Every token has an annotation, and entities neither overlap nor leave their text."""
    assert all(token.ent_iob_ in "IOB" and token.ent_iob for token in doc)
    bounds = [bound for ent in doc.ents for bound in (ent.start, ent.end)]
    assert bounds == sorted(bounds)
    for ent in doc.ents:
        assert 0 <= ent.start < ent.end <= len(doc)
        assert doc.text[ent.start_char : ent.end_char] == ent.text


@pytest.mark.parametrize("name", TEXTS)
def test_any_text(name: str, trained_nlp: Language) -> None:
    doc = trained_nlp(TEXTS[name])
    assert doc.text == TEXTS[name]
    check_annotated(doc)
    again = Doc(trained_nlp.vocab).from_bytes(doc.to_bytes())
    assert [ent.text for ent in again.ents] == [ent.text for ent in doc.ents]


@pytest.mark.parametrize("name", TEXTS)
def test_entities_lie_on_their_words(name: str, eager: Language) -> None:
    """Where each word is an entity, each entity is its word: no shift after odd ones."""
    doc = eager(TEXTS[name])
    check_annotated(doc)
    words = [(token.idx, token.text) for token in doc if not token.is_space]
    assert [(ent.start_char, ent.text) for ent in doc.ents] == words


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
@pytest.mark.parametrize("text", ["Anna \n\n lives in  Berlin \n", " ", "\n\nBerlin\n\n"])
def test_no_entity_begins_or_ends_with_white_space(
    text: str, decode: str, eager: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """spaCy calls such entities invalid, and its own `ner` gives none."""
    monkeypatch.setitem(eager.get_pipe("dualner").cfg, "decode", decode)
    doc = eager(text)
    group = doc.spans["dualner"]
    assert len(group) == len(group.attrs["scores"])
    for ent in (*doc.ents, *group):
        assert ent.text == ent.text.strip() != ""


@pytest.mark.parametrize("decode", ["span", "tag", "joint"])
def test_white_space_changes_nothing(
    decode: str, trained_nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line breaks and double spaces neither disturb the words around them nor end an entity."""
    monkeypatch.setitem(trained_nlp.get_pipe("dualner").cfg, "decode", decode)
    plain = [Doc(trained_nlp.vocab, words=words) for words, _ in SENTENCES]
    spaced = [trained_nlp.make_doc("\n " + "\n".join(words) + " \n") for words, _ in SENTENCES]
    spaced.append(trained_nlp.make_doc("  \n"))
    assert all(token.is_space for doc in spaced for token in list(doc)[:1])
    for one, other in zip(trained_nlp.pipe(plain), trained_nlp.pipe(spaced), strict=False):
        assert [ent.text for ent in one.ents] == [" ".join(ent.text.split()) for ent in other.ents]
        assert one.spans["dualner"].attrs["scores"] == pytest.approx(
            other.spans["dualner"].attrs["scores"], abs=1e-5
        )
    assert next(ent.text for ent in trained_nlp(spaced[0].text).ents) == "Anna\nSmith"


def test_odd_texts_do_not_touch_their_neighbours(trained_nlp: Language) -> None:
    """One batch of everything gives what each text gives alone."""
    known = [" ".join(words) for words, _ in SENTENCES]
    texts = [text for odd in TEXTS.values() for text in (odd, *known)]
    together = list(trained_nlp.pipe(texts, batch_size=len(texts)))
    alone = list(trained_nlp.pipe(texts, batch_size=1))
    assert [doc.text for doc in together] == texts
    for ours, theirs in zip(together, alone, strict=True):
        assert [(e.start, e.end, e.label_) for e in ours.ents] == [
            (e.start, e.end, e.label_) for e in theirs.ents
        ]


def test_any_text_can_be_learned_from(encoder_path: Path) -> None:
    """Alone in its batch too: spaCy's batches may hold nothing but an empty Doc."""
    nlp = make_nlp(encoder_path)
    examples = []
    for text in TEXTS.values():
        gold = nlp.make_doc(text)
        words = [i for i, token in enumerate(gold) if not token.is_space][-1:]
        gold.set_ents([gold.char_span(gold[i].idx, gold[i].idx + len(gold[i]), "LOC")
                       for i in words], default="outside")  # fmt: skip
        examples.append(Example(nlp.make_doc(text), gold))
    sgd = AdamW(1e-4)
    nlp.initialize(lambda: examples)
    for batch in (examples, *([example] for example in examples)):
        (loss,) = nlp.update(batch, sgd=sgd, losses={}).values()
        assert np.isfinite(loss)
        assert bool(loss) == any(not t.is_space for example in batch for t in example.predicted)


def test_twenty_thousand_words(eager: Language, trained_nlp: Language) -> None:
    """No word is left out, wherever the windows meet; a short text beside it is as before."""
    words = [word for words, _ in SENTENCES for word in words] * 800
    long, short = eager.pipe([Doc(eager.vocab, words=words), Doc(eager.vocab, words=["Berlin"])])
    assert len(long) > 20_000
    assert [ent.start for ent in long.ents] == list(range(len(words)))
    assert [ent.text for ent in short.ents] == ["Berlin"]
    alone = trained_nlp(Doc(trained_nlp.vocab, words=SENTENCES[0][0]))
    beside, _ = trained_nlp.pipe(
        [Doc(trained_nlp.vocab, words=SENTENCES[0][0]), Doc(trained_nlp.vocab, words=words)]
    )
    assert [ent.text for ent in alone.ents] == [ent.text for ent in beside.ents] != []


def test_docs_of_several_vocabularies(trained_nlp: Language) -> None:
    """Each gets the names of its entities' types."""
    words = SENTENCES[0][0]
    alone = trained_nlp(Doc(trained_nlp.vocab, words=words))
    both = trained_nlp.pipe([Doc(Vocab(), words=words) for _ in range(2)])
    expected = [(ent.text, ent.label_) for ent in alone.ents]
    assert [[(ent.text, ent.label_) for ent in doc.ents] for doc in both] == [expected] * 2
