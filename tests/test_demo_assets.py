"""The carried demo: data that re-makes byte for byte, disjoint names, a small encoder."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tarfile
import zlib
from functools import cache
from pathlib import Path

import pytest
from helpers.tiny import ROOT

DEMO = ROOT / "assets" / "demo"
ARCHIVES = sorted((DEMO / "panx").glob("*.tar.gz"))
TRANSLATED = sorted((DEMO / "translated").glob("*.txt"))
LANGS = [path.name.split(".")[0] for path in ARCHIVES]
TYPES = ("LOC", "ORG", "PER")
Sentence = list[tuple[str, str]]


@cache
def read(lang: str, split: str) -> list[Sentence]:
    """The sentences of one member as (token, tag) pairs."""
    with tarfile.open(DEMO / "panx" / f"{lang}.tar.gz") as tar:
        member = tar.extractfile(split)
        assert member is not None
        text = member.read().decode("utf8")
    sentences = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        pairs = [line.split("\t") for line in lines]
        assert all(token.startswith(f"{lang}:") for token, _ in pairs)
        if pairs:
            sentences.append([(token.partition(":")[2], tag) for token, tag in pairs])
    return sentences


def names(sentences: list[Sentence]) -> set[str]:
    """The entities as lower-cased token sequences."""
    found, current = set(), []
    for sentence in sentences:
        for token, tag in [*sentence, ("", "O")]:
            if current and not tag.startswith("I-"):
                found.add(" ".join(current).lower())
                current = []
            if tag != "O":
                current.append(token)
    return found


def test_languages_and_scripts() -> None:
    assert len(LANGS) >= 6 and "en" in LANGS
    scripts = set()
    for lang in LANGS:
        letters = [c for s in read(lang, "test") for token, _ in s for c in token if c.isalpha()]
        greek = sum("\u0370" <= c <= "\u03ff" for c in letters)
        cyrillic = sum("\u0400" <= c <= "\u04ff" for c in letters)
        majority = max((greek, "greek"), (cyrillic, "cyrillic"), (len(letters) / 2, "latin"))
        scripts.add(majority[1])
    assert scripts == {"latin", "greek", "cyrillic"}


def test_generator_remakes_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO / "generate.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")}
    assert made == {str(path.relative_to(DEMO)) for path in [*ARCHIVES, *TRANSLATED]}
    for path in TRANSLATED:
        assert path.read_bytes() == (tmp_path / "translated" / path.name).read_bytes(), path.name
    other_zlib = "ng" in zlib.ZLIB_RUNTIME_VERSION  # compresses the same bytes differently
    for path in ARCHIVES:
        old, new = path.read_bytes(), (tmp_path / "panx" / path.name).read_bytes()
        if other_zlib:
            old, new = gzip.decompress(old), gzip.decompress(new)
        assert old == new, path.name
    assert sum(path.stat().st_size for path in [*ARCHIVES, *TRANSLATED]) < 1 << 20


@pytest.mark.parametrize("lang", LANGS)
def test_sizes_and_tags(lang: str) -> None:
    assert len(read(lang, "train")) == (2000 if lang == "en" else 700)
    assert len(read(lang, "dev")) == 150
    assert len(read(lang, "test")) == 300
    for split in ("train", "dev", "test"):
        seen = set()
        for sentence in read(lang, split):
            before = "O"
            for token, tag in sentence:
                assert token and not any(c.isspace() for c in token)
                if tag != "O":
                    kind = tag[2:]
                    assert tag[:2] in ("B-", "I-") and kind in TYPES
                    assert tag[0] == "B" or before in (f"B-{kind}", f"I-{kind}"), sentence
                    seen.add(kind)
                before = tag
        assert seen == set(TYPES)


@pytest.mark.parametrize("lang", LANGS)
def test_no_evaluation_name_or_sentence_in_train(lang: str) -> None:
    train = read(lang, "train")
    texts = {" ".join(token for token, _ in s).lower() for s in train}
    for split, other in (("dev", train), ("test", train), ("test", read(lang, "dev"))):
        assert not names(read(lang, split)) & names(other), split
    for split in ("dev", "test"):
        assert not texts & {" ".join(token for token, _ in s).lower() for s in read(lang, split)}


def translation(lang: str) -> list[list[str]]:
    """The tokens of each line of a translation."""
    text = (DEMO / "translated" / f"{lang}.txt").read_text(encoding="utf8")
    assert text.endswith("\n")
    return [line.split(" ") for line in text[:-1].split("\n")]


def test_there_is_a_translation_into_every_target_language() -> None:
    assert [path.stem for path in TRANSLATED] == [lang for lang in LANGS if lang != "en"]


@pytest.mark.parametrize("lang", [lang for lang in LANGS if lang != "en"])
def test_translation_goes_line_by_line_with_the_source(lang: str) -> None:
    """Line i says what English sentence i says: the same numbers and signs, as rough as it."""
    source = [[token for token, _ in s] for s in read("en", "train")]
    lines = translation(lang)
    assert len(lines) == len(source) == 2000
    assert all(token and not any(c.isspace() for c in token) for line in lines for token in line)
    for english, line in zip(source, lines, strict=True):
        pair = (english, line)
        assert sorted(filter(str.isdigit, english)) == sorted(filter(str.isdigit, line)), pair
        for sign in "!(*":
            assert english.count(sign) == line.count(sign), pair
        assert (english[-1] == ".") == (line[-1] == "."), pair
        lower = [all(token == token.lower() for token in side) for side in pair]
        assert lower[0] == lower[1], pair


@pytest.mark.parametrize("lang", [lang for lang in LANGS if lang != "en"])
def test_no_evaluation_name_in_a_translation(lang: str) -> None:
    text = {" ".join(line).lower() for line in translation(lang)}
    padded = " \n ".join(text)
    for split in ("dev", "test"):
        found = {name for name in names(read(lang, split)) if f" {name} " in padded}
        assert not found, split


def test_name_parts_stand_in_one_split() -> None:
    """No given name, surname, brand or place stands in two splits, in any script."""
    code = (
        "from lexicon import parts, places\n"
        "seen = {}\n"
        "for part in parts():\n"
        "    for pair in part.scripts:\n"
        "        for word in pair:\n"
        "            assert seen.setdefault(word, part.split) == part.split, word\n"
        "for place in places():\n"
        "    for noun in place.nouns.values():\n"
        "        word = noun.case('n')\n"
        "        assert seen.setdefault(word, place.split) == place.split, word\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=DEMO)


def test_encoder_is_small_and_loads_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoModel, AutoTokenizer

    folder = DEMO / "encoder"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 4 << 20
    for path in files:
        if path.suffix == ".json":
            assert "_name_or_path" not in path.read_text(encoding="utf8")
    model = AutoModel.from_pretrained(folder).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    assert model.config.model_type == "xlm-roberta"
    assert model.config.vocab_size == len(tokenizer)
    assert tokenizer.model_max_length == model.config.max_position_embeddings - 2
    ids = (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    assert ids == (0, 1, 2)
    assert (model.config.bos_token_id, model.config.pad_token_id, model.config.eos_token_id) == ids
    words = ["Anna", "lebt", "in", "Москва", "."]
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    assert set(encoded.word_ids()) == {None, 0, 1, 2, 3, 4}
    hidden = model(**encoded).last_hidden_state
    assert hidden.shape == (1, encoded["input_ids"].shape[1], model.config.hidden_size)
    for lang in LANGS:
        tokens = [[token for token, _ in s] for s in read(lang, "test")]
        flat = [i for row in tokenizer(tokens, is_split_into_words=True)["input_ids"] for i in row]
        assert flat.count(tokenizer.unk_token_id) < 0.01 * len(flat), lang
