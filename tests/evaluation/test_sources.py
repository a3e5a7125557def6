"""Ranking annotated corpora as sources for the language of raw text."""

from __future__ import annotations

import gzip
import socket
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sklearn
import srsly
from helpers.corpus import run_cli

from spacy_dualner.data.docbin import DocBinWriter
from spacy_dualner.errors import DataError, DualNerError
from spacy_dualner.evaluation.sources import Sample, compare, rank_sources

# As many sentences each, in letters that no other has; the encoder knows each letter.
ALPHABETS = {"aa": "abcdefg", "bb": "hijklmn", "cc": "opqrstu"}


def lines_of(alphabet: str, seed: int, count: int = 40) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [
        ["".join(rng.choice(list(alphabet), 4)) for _ in range(rng.integers(3, 8))]
        for _ in range(count)
    ]


def write(path: Path, lines: Sequence[Sequence[str]]) -> Path:
    with DocBinWriter(path, path.stem, labelled=True) as writer:
        for words in lines:
            writer.add(words, ["B-PER", *["O"] * (len(words) - 1)])
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three candidates."""
    for seed, (lang, alphabet) in enumerate(ALPHABETS.items()):
        write(tmp_path / "corpus" / "train" / f"{lang}.spacy", lines_of(alphabet, seed))
    return tmp_path / "corpus" / "train"


def text(path: Path, alphabet: str, seed: int = 9) -> Path:
    content = "".join(f"{' '.join(words)}\n" for words in lines_of(alphabet, seed))
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("lang", ALPHABETS)
def test_the_candidate_of_the_same_words_is_first(
    encoder_path: Path, corpus: Path, tmp_path: Path, lang: str
) -> None:
    target = text(tmp_path / "xx.txt", ALPHABETS[lang])
    results = rank_sources([target], corpus, str(encoder_path))
    assert results["sources"] == dict.fromkeys(ALPHABETS, 40)
    ranked = results["targets"][str(target)]
    assert ranked[0]["source"] == lang
    assert {row["source"] for row in ranked} == set(ALPHABETS)
    for measure in ("score", "nearness", "shared"):
        assert ranked[0][measure] > max(row[measure] for row in ranked[1:])


def test_a_mixture_is_nearest_to_what_it_has_most_of(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    lines = lines_of(ALPHABETS["bb"], 9, 60) + lines_of(ALPHABETS["cc"], 9, 20)
    target = write(tmp_path / "mixed.spacy", lines)
    results = rank_sources([target], corpus, str(encoder_path), limit=0)
    ranked = results["targets"][str(target)]
    assert [row["source"] for row in ranked] == ["bb", "cc", "aa"]
    shared = {row["source"]: row["shared"] for row in ranked}
    # Letters are in one candidate each, the mark of a word's beginning is in all.
    assert 0 < shared["aa"] < 0.1
    assert shared["bb"] + shared["cc"] == pytest.approx(1 + shared["aa"])


def test_scores_by_hand() -> None:
    """Two candidates in the plane, whose centre is the origin."""
    east = Sample(np.array([[1, 0], [1, 0]], dtype=np.float32), np.array([3, 0, 5, 0, 2]))
    west = Sample(np.array([[-1, 1], [-1, -1]], dtype=np.float32), np.array([0, 1, 0, 0, 2]))
    target = Sample(np.array([[2, 0], [0, 4]], dtype=np.float32), np.array([1, 9, 1, 5, 0]))
    found = compare(target, {"east": east, "west": west})
    assert found["east"]["nearness"] == pytest.approx((1 + 0) / 2)
    assert found["west"]["nearness"] == pytest.approx((-(0.5**0.5) + 0.5**0.5) / 2, abs=1e-6)
    # The text has four sub-words, of which no candidate has one.
    assert found["east"]["shared"] == pytest.approx(2 / 3)
    assert found["west"]["shared"] == pytest.approx(1 / 3)
    for scores in found.values():
        assert scores["score"] == pytest.approx(scores["nearness"] * scores["shared"])


def test_memory_does_not_grow_with_the_product_of_two_texts() -> None:
    rng, subwords = np.random.default_rng(0), np.ones(3, dtype=np.int64)
    target, source = (Sample(rng.normal(size=(4000, 8)), subwords) for _ in range(2))
    tracemalloc.start()
    with sklearn.config_context(working_memory=4):
        found = compare(target, {"aa": source})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30e6 < 4000 * 4000 * 8
    some = slice(0, 50)
    centred = [own.vectors - source.vectors.mean(0) for own in (target, source)]
    unit = [own / np.linalg.norm(own, axis=1, keepdims=True) for own in centred]
    nearest = (unit[0][some] @ unit[1].T).max(1).mean()
    part = compare(Sample(target.vectors[some], subwords), {"aa": source})
    assert part["aa"]["nearness"] == pytest.approx(nearest)
    assert found["aa"]["nearness"] == pytest.approx(nearest, abs=0.05)


def test_a_text_of_unknown_subwords_shares_nothing() -> None:
    vectors = np.eye(2, dtype=np.float32)
    target = Sample(vectors, np.array([0, 0, 4]))
    found = compare(target, {"aa": Sample(vectors, np.array([1, 1, 0]))})
    assert found["aa"]["shared"] == found["aa"]["score"] == 0


def test_the_annotations_of_a_text_and_its_form_make_no_difference(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    lines = lines_of(ALPHABETS["aa"], 9)
    plain, packed = (text(tmp_path / name, ALPHABETS["aa"]) for name in ("xx.txt", "xx.txt.gz"))
    docs = write(tmp_path / "xx.spacy", lines)
    targets = [plain, packed, docs]
    first, *others = rank_sources(targets, corpus, str(encoder_path))["targets"].values()
    assert others == [first, first]


def test_the_limit_is_of_each_text(encoder_path: Path, corpus: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.spacy", lines_of(ALPHABETS["bb"], 9)[:10])
    long = write(tmp_path / "long.spacy", lines_of(ALPHABETS["bb"], 9))
    results = rank_sources([short, long], corpus, str(encoder_path), ["aa", "bb"], limit=10)
    first, second = results["targets"].values()
    assert first == second
    # Annotated sentences are counted all the same.
    assert results["sources"] == {"aa": 40, "bb": 40}


def test_the_command_says_the_same_twice_and_without_network(
    encoder_path: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    target = text(tmp_path / "xx.txt", ALPHABETS["cc"])
    options = ["--encoder", encoder_path, "--corpus", corpus, "--output", tmp_path / "out.json"]
    said = []
    for _ in range(2):
        said.append((run_cli("dualner", "sources", target, *options), srsly.read_json(options[-1])))
    assert said[0] == said[1]
    (status, output), results = said[0]
    assert status == 0
    assert "for xx.txt" in output.replace(f"{tmp_path}/", "")
    table = output[output.index("sentences") :]
    order = [row["source"] for row in results["targets"][str(target)]]
    assert order[0] == "cc"
    assert sorted(order, key=lambda lang: table.index(f" {lang} ")) == order
    assert str(encoder_path) not in Path(options[-1]).read_text()


def test_another_json_file_stays(encoder_path: Path, corpus: Path, tmp_path: Path) -> None:
    target, other = text(tmp_path / "xx.txt", "abc"), tmp_path / "other.json"
    other.write_text('{"languages": {}}')
    options = ["--encoder", encoder_path, "--corpus", corpus, "--output", other]
    status, output = run_cli("dualner", "sources", target, *options)
    assert status == 1 and "no result of sources, so it is not replaced" in output
    assert other.read_text() == '{"languages": {}}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file. Mend the path."),
        (b"", "holds no sentence. Give text, one sentence a line."),
        (b" \n\n", "holds no sentence. Give text, one sentence a line."),
        (b'{"text": "Anna"}\n', "JSON lines, not text. Give a file of one sentence a line"),
        (b"fine\n\xff\xfe\n", ":2: not valid UTF-8"),
    ],
)
def test_a_text_that_cannot_be_read(
    encoder_path: Path, corpus: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    target = tmp_path / "xx.txt"
    if content is not None:
        target.write_bytes(content)
    with pytest.raises(DataError) as caught:
        rank_sources([target], corpus, str(encoder_path))
    assert "xx.txt" in str(caught.value) and said in str(caught.value)


def test_candidates_and_encoders_that_are_not_there(
    encoder_path: Path, corpus: Path, tmp_path: Path
) -> None:
    target = text(tmp_path / "xx.txt", "abc")
    with pytest.raises(DataError, match="no corpus for dd; there is aa, bb, cc"):
        rank_sources([target], corpus, str(encoder_path), ["aa", "dd"])
    with pytest.raises(DataError, match="no corpus for any language"):
        rank_sources([target], tmp_path / "nowhere", str(encoder_path))
    with pytest.raises(DualNerError, match="Give a local folder with --encoder"):
        rank_sources([target], corpus, str(tmp_path / "corpus"))
