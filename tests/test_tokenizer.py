"""The tokenizer of the presets: characters as in PAN-X, everything else as spaCy's, exact text."""

from __future__ import annotations

import copy
import pickle
import re
import time
from itertools import islice
from pathlib import Path

import pytest
import spacy
from helpers.tiny import ROOT, SHARED, make_nlp
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from thinc.api import Config

from spacy_dualner.data.panx import read_splits
from spacy_dualner.data.text import read_text
from spacy_dualner.errors import DualNerError
from spacy_dualner.tokenizer import CHARACTERS, MultilingualTokenizer, make_tokenizer

NAME = "spacy-dualner.Tokenizer.v1"
CHARACTER = re.compile(f"[{CHARACTERS}]")
PANX = SHARED / "panx"
SHRUG = "¯\\(ツ)/¯"  # one of spaCy's emoticons, and the only one with such a character

# What is split, and what is near it: the unassigned, other scripts, marks, emoji, white space.
HAN = "李明在北京大学々〇〆㐂𤨒𪚥豈"
KANA = "ひらがなカタカナーヽゞ・ｱｰﾟㇰ\u3099"
THAI = "กรุงเทพฯ๑"
OTHER = "abzÄß0129.,:;!?()[]{}'\"«»「」。、，・-–—_/\\@#%&*+=<>|~^`$€฿°©±→█아서울कшבم\u0301\u200b"
OTHER += "\u00ad\ufeff\ufe0f\u200d🇯🇵👩👍㈱㋿😀" + "\U000e0100"
SPACE = " \t\n\u00a0\u3000\u2028\x1f"

characters = st.sampled_from(HAN + KANA + THAI)
others = st.sampled_from(OTHER) | st.characters(codec="utf-8").filter(
    lambda c: not CHARACTER.match(c)
)
words = st.sampled_from(
    ["http://a.jp/", "don't", "e.g.", ":-)", "U.S.", "3km", "a@b.de", "...", SHRUG]
)
texts = st.lists(
    st.text(characters, max_size=4) | st.text(others, max_size=4) | words | st.sampled_from(SPACE),
    max_size=12,
).map("".join)


@pytest.fixture(scope="module")
def ours() -> MultilingualTokenizer:
    return make_tokenizer()(spacy.blank("xx"))


@pytest.fixture(scope="module")
def spacys() -> Tokenizer:
    return spacy.blank("xx").tokenizer


def texts_of(doc: Doc) -> list[str]:
    return [token.text for token in doc if not token.is_space]


def everything(doc: Doc) -> list[tuple[str, str, int, str]]:
    """All that a tokenizer decides."""
    return [(token.text, token.whitespace_, token.idx, token.norm_) for token in doc]


@given(text=texts)
@example(text="  李明 在\n\n北京 \t大学  ")
@example(text="か\u3099e\u0301𤨒🇯🇵葛\U000e0100城")
@example(text=f"说{SHRUG}了")
@example(text="http://a.jp/:-)\t:-)http://a.jp/")
def test_the_text_is_exact_and_each_character_alone(ours, text: str) -> None:
    doc = ours(text)
    assert doc.text == text
    for token in doc:
        assert text[token.idx : token.idx + len(token)] == token.text
        if CHARACTER.search(token.text):
            assert len(token) == 1 or token.text == SHRUG
    assert "".join(token for _, token in ours.explain(text)) == "".join(text.split())
    # Word by word: spaCy's `explain` forgets white space, and makes the special case "):" of ") :".
    for word in text.split():
        assert [token for _, token in ours.explain(word)] == texts_of(ours(word))


@given(text=texts)
@example(text="¯\\(a)/¯ http://a.jp/ don't")
def test_equal_to_spacys_on_other_text(ours, spacys, text: str) -> None:
    text = CHARACTER.sub("", text)
    doc = spacys(text)
    assert everything(ours(text)) == everything(doc)
    assert ours.explain(text) == spacys.explain(text)


@given(stretches=st.lists(st.tuples(st.text(characters, min_size=1, max_size=3), texts)))
@example(stretches=[("中", "Peking(U.S.)。「"), ("京", " http://a.jp/, ")])
def test_what_stands_between_characters_is_split_by_spacys_rules(ours, spacys, stretches) -> None:
    stretches = [(one, CHARACTER.sub("", other)) for one, other in stretches]
    expected = [word for one, other in stretches for word in (*one, *texts_of(spacys(other)))]
    text = "".join(one + other for one, other in stretches)
    assert texts_of(ours(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("李明在北京大学工作。", "李 明 在 北 京 大 学 工 作 。"),
        ("我住在Berlin-Mitte(德国)。", "我 住 在 Berlin - Mitte ( 德 国 ) 。"),
        ("ヨーゼフ・ゲッベルス", "ヨ ー ゼ フ ・ ゲ ッ ベ ル ス"),
        ("ﾄﾞｲﾂとEU", "ﾄ ﾞ ｲ ﾂ と EU"),
        ("กรุงเทพ 100฿", "ก ร ุ ง เ ท พ 100 ฿"),
        ("서울에서 만난 사람", "서울에서 만난 사람"),
        ("日本で3kmをrunした", "日 本 で 3 km を run し た"),
        ("http://例え.jp", "http:// 例 え .jp"),
        ("http://www.example.com/查看", "http://www.example.com/ 查 看"),
    ],
)
def test_sentences(ours, text: str, expected: str) -> None:
    assert texts_of(ours(text)) == expected.split()


@pytest.mark.shared
@pytest.mark.parametrize("lang", ["zh", "ja"])
def test_panx_without_its_spaces_is_split_as_panx(ours, lang: str) -> None:
    archive = PANX / f"{lang}.tar.gz"
    if not archive.is_file():
        pytest.skip(f"needs {archive.name} in {PANX.parent.name}/{PANX.name}")
    n_words = 0
    for _, sentences in read_splits(archive, lang):
        for words, _ in islice(sentences, 2000):
            text = "".join(words)
            doc = ours(text)
            assert doc.text == text
            found = {(token.idx, token.text) for token in doc}
            start = 0
            for word in words:
                if CHARACTER.match(word):
                    assert (start, word) in found
                    n_words += 1
                start += len(word)
    assert n_words > 10_000


@pytest.mark.shared
@pytest.mark.parametrize("lang", ["en", "ar", "hi", "ru"])
def test_panx_of_other_scripts_is_split_as_by_spacy(ours, spacys, lang: str) -> None:
    archive = PANX / f"{lang}.tar.gz"
    if not archive.is_file():
        pytest.skip(f"needs {archive.name} in {PANX.parent.name}/{PANX.name}")
    for _, sentences in read_splits(archive, lang):
        for words, _ in islice(sentences, 1000):
            text = CHARACTER.sub("", " ".join(words))
            assert everything(ours(text)) == everything(spacys(text))


# Rules and special cases


def test_a_language_has_its_own_rules() -> None:
    nlp = spacy.blank("en")
    english, ours = nlp.tokenizer, make_tokenizer()(nlp)
    assert everything(ours("I don't, U.S.A.")) == everything(english("I don't, U.S.A."))
    assert texts_of(ours("李don't")) == ["李", "do", "n't"]
    assert ours("李don't")[2].norm_ == "not"


def test_special_cases(ours) -> None:
    tokenizer = copy.deepcopy(ours)
    tokenizer.add_special_case("北京", [{"ORTH": "北京"}])
    tokenizer.add_special_case("北京大学", [{"ORTH": "北京"}, {"ORTH": "大学", "NORM": "Uni"}])
    tokenizer.add_special_case("A李", [{"ORTH": "A李"}])
    doc = tokenizer("在北京大学,北京A李明 (A李)B李")
    assert doc.text == "在北京大学,北京A李明 (A李)B李"
    assert texts_of(doc) == [
        "在",
        "北京",
        "大学",
        ",",
        "北京",
        "A李",
        "明",
        "(",
        "A李",
        ")",
        "B",
        "李",
    ]
    assert doc[2].norm_ == "Uni"
    assert texts_of(ours("北京大学")) == [*"北京大学"]
    tokenizer.rules = {}
    assert texts_of(tokenizer("北京")) == ["北", "京"]
    assert SHRUG not in texts_of(tokenizer(f"说{SHRUG}"))


def test_a_special_case_that_could_swallow_a_space_is_a_clear_error(ours) -> None:
    with pytest.raises(DualNerError, match="'李 明' holds white space"):
        ours.add_special_case("李 明", [{"ORTH": "李 明"}])
    assert texts_of(ours("李明 李 明")) == ["李", "明", "李", "明"]


def test_no_text_is_the_error_that_spacy_raises(ours, spacys) -> None:
    for tokenizer in (ours, spacys):
        with pytest.raises(TypeError):
            tokenizer(7)
    assert [len(ours(text)) for text in ("", " ", "\n")] == [0, 1, 1]


# Memory and time


def test_unspaced_text_adds_no_words_to_the_vocabulary() -> None:
    """A sentence without spaces is one word for spaCy's tokenizer, which remembers words."""
    nlp = spacy.blank("xx")
    tokenizer = make_tokenizer()(nlp)
    tokenizer(HAN)
    known = len(nlp.vocab.strings)
    for i in range(500):
        tokenizer("".join(HAN[(i * i + j * (i + 1)) % len(HAN)] for j in range(20)))
    assert len(nlp.vocab.strings) == known


@pytest.mark.parametrize("unit", ["[", "x(", "\u6771(", "a-", "'s", "\U0001f468\u200d"])
def test_a_word_without_end_takes_no_hours(ours, unit: str) -> None:
    """spaCy's rules take 100 times as long for ten times as many brackets."""
    text = f"one {unit * 5_000} two {'[' * 500}"
    began = time.process_time()
    doc = ours(text)
    assert time.process_time() - began < len(text) / 4096
    assert doc.text == text and max(map(len, doc)) <= 1_000
    assert [token.text for token in doc[-501:]] == ["two", *"[" * 500]
    assert "".join(token for _, token in ours.explain(text)) == text.replace(" ", "")


def test_a_text_of_a_million_characters_without_space(ours) -> None:
    """Time grows with the length: with its square this would take hours."""
    assert len(ours("李明在北京大学工作。" * 100_000)) == 1_000_000


# Serialisation


@pytest.fixture
def changed(ours) -> MultilingualTokenizer:
    """Settings that differ from the defaults."""
    tokenizer = copy.deepcopy(ours)
    tokenizer.add_special_case("東京", [{"ORTH": "東京"}])
    tokenizer.suffix_search = re.compile("b$").search
    tokenizer.url_match = None
    return tokenizer


TEXT = f"在東京。ab, http://a.jp/ {SHRUG}"


def test_bytes_and_disk(changed, ours, tmp_path: Path) -> None:
    changed.to_disk(tmp_path / "tokenizer")
    copies = [
        copy.deepcopy(ours).from_bytes(changed.to_bytes()),
        copy.deepcopy(ours).from_disk(tmp_path / "tokenizer"),
        pickle.loads(pickle.dumps(changed)),
    ]
    expected = everything(changed(TEXT))
    assert expected != everything(ours(TEXT))
    for tokenizer in copies:
        assert type(tokenizer) is MultilingualTokenizer
        assert everything(tokenizer(TEXT)) == expected
        assert tokenizer.to_bytes() == changed.to_bytes()


def test_the_bytes_are_spacys(changed, spacys) -> None:
    rules = {"exclude": ["vocab"]}
    assert make_tokenizer()(spacy.blank("xx")).to_bytes(**rules) == spacys.to_bytes(**rules)
    theirs = spacy.blank("xx").tokenizer.from_bytes(changed.to_bytes())
    assert texts_of(theirs("ab 東京")) == ["a", "b", "東京"]


# In pipelines


def pipeline() -> Language:
    return spacy.blank("xx", config={"nlp": {"tokenizer": {"@tokenizers": NAME}}})


def test_a_pipeline_loads_with_it(encoder_path: Path, tmp_path: Path) -> None:
    nlp = make_nlp(encoder_path)
    nlp.tokenizer = make_tokenizer()(nlp)
    nlp.config["nlp"]["tokenizer"] = {"@tokenizers": NAME}
    nlp.get_pipe("dualner").add_label("PER")
    nlp.initialize()
    nlp.tokenizer.add_special_case("工作", [{"ORTH": "工作"}])
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert Config().from_disk(tmp_path / "model/config.cfg")["nlp"]["tokenizer"] == {
        "@tokenizers": NAME
    }
    assert texts_of(loaded("李明在北京大学工作。")) == [
        "李",
        "明",
        "在",
        "北",
        "京",
        "大",
        "学",
        "工作",
        "。",
    ]
    again = spacy.blank("xx", config=loaded.config).from_bytes(loaded.to_bytes())
    assert texts_of(again("李明工作")) == ["李", "明", "工作"]


def test_a_pipeline_of_before_loads_as_before(tmp_path: Path) -> None:
    spacy.blank("xx").to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert type(loaded.tokenizer) is Tokenizer
    assert texts_of(loaded("李明在北京")) == ["李明在北京"]


@pytest.mark.slow
def test_two_processes() -> None:
    nlp = pipeline()
    nlp.tokenizer.add_special_case("東京", [{"ORTH": "東京"}])
    nlp.add_pipe("sentencizer")
    texts = ["李明在北京。", "plain text", TEXT, ""] * 5
    one, two = (list(nlp.pipe(texts, n_process=n, batch_size=3)) for n in (1, 2))
    assert [everything(doc) for doc in two] == [everything(doc) for doc in one]
    assert [doc.text for doc in two] == texts


def test_memory_zone() -> None:
    nlp = pipeline()
    with nlp.memory_zone():
        assert texts_of(nlp("李明在東京。 don't")) == [*"李明在東京。", "don't"]
    assert texts_of(nlp("李明在東京。 don't")) == [*"李明在東京。", "don't"]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("configs/*/stage1.cfg")), ids=lambda p: p.parent.name
)
def test_the_presets_use_it(path: Path) -> None:
    assert Config().from_disk(path, interpolate=False)["nlp"]["tokenizer"]["@tokenizers"] == NAME


def test_plain_text_is_converted_as_pipelines_split_it(ours, tmp_path: Path) -> None:
    """Except in Chinese, Japanese and Thai, where PAN-X splits Latin letters as well."""
    line = "Er kommt aus 北京 (Peking)."
    for lang in ("de", "zh"):
        (tmp_path / f"{lang}.txt").write_text(line + "\n", encoding="utf-8")
    assert list(read_text(tmp_path / "de.txt", "de")) == [texts_of(ours(line))]
    assert list(read_text(tmp_path / "zh.txt", "zh")) == [[*line.replace(" ", "")]]


@pytest.mark.parametrize("lang", ["xx", "en", "fr", "de"])
def test_hyphens_within_words(lang: str) -> None:
    """They stay in the word if asked to; other dashes, and hyphens beside digits, are spaCy's."""
    nlp = spacy.blank(lang)
    whole = make_tokenizer(split_hyphens=False)(nlp)
    assert [token.text for token in whole("États-Unis et Saint-Pol-de-Léon")] == [
        "États-Unis",
        "et",
        "Saint-Pol-de-Léon",
    ]
    for text in ("Rom—Paris", "a -b- c", "1990-1995", "東京-大阪", "Anna--Berlin"):
        expected = [token.text for token in make_tokenizer()(nlp)(text)]
        assert [token.text for token in whole(text)] == expected, text


def test_hyphens_are_stored_with_the_tokenizer(tmp_path: Path) -> None:
    settings = {"@tokenizers": NAME, "split_hyphens": False}
    nlp = spacy.blank("xx", config={"nlp": {"tokenizer": settings}})
    nlp.to_disk(tmp_path)
    assert [token.text for token in spacy.load(tmp_path)("États-Unis")] == ["États-Unis"]
    assert [token.text for token in spacy.blank("xx")("États-Unis")] == ["États", "-", "Unis"]
