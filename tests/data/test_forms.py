"""Every form of data gives the same corpus, or an error that names the line."""

from __future__ import annotations

import os

import pytest
from helpers.forms import FORMS, UnwritableError, parsed, plain, put, read_archive, write
from helpers.panx import DEV, PANX, TRAIN, bio, contents, files, in_scheme, tags_of, words_of
from hypothesis import assume, example, given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_dualner.data.columns import Conll, Conllu, LineForm, Tsv
from spacy_dualner.data.convert import convert
from spacy_dualner.data.docbin import read_docs
from spacy_dualner.data.forms import recognise_form
from spacy_dualner.data.tally import FileTally
from spacy_dualner.errors import DataError

TYPES = ("LOC", "ORG", "PER")
COLUMN_FORMS = ["tsv", "conll", "conllu"]
LAYOUTS = {"tsv": Tsv, "conll": Conll, "conllu": Conllu}
UNUSUAL = ":#\t \u00a0\u3000\u200b\u00ad\ufeff\u2028\x85\r-1O"
ALL = "PANX_ALL" in os.environ

words = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\0") | st.sampled_from(UNUSUAL),
    min_size=1,
    max_size=6,
)
segments = st.tuples(st.sampled_from(["O", *TYPES]), st.lists(words, min_size=1, max_size=3))
sentences = st.lists(st.lists(segments, min_size=1, max_size=5), min_size=1, max_size=4)
schemes = st.sampled_from(["BIO", "IOB1", "IOBES", "BILOU"])


def gold(segments: list[tuple[str, list[str]]]) -> tuple[list[str], list[str]]:
    """Words and BIO tags of entities and stretches without one."""
    tags = bio([(label, len(words)) for label, words in segments])
    return [word for _, words in segments for word in words], tags


def encode(tags: list[str], scheme: str) -> list[str]:
    return tags if scheme == "BIO" else in_scheme(tags, scheme)


def parse(
    layout: LineForm, content: bytes, tally: FileTally | None = None
) -> list[tuple[list[str], list[str]]]:
    return parsed(layout, content, tally or FileTally("train-de"))


@pytest.mark.shared
@pytest.mark.parametrize("archive", sorted(PANX.glob("*.tar.gz")) or [PANX], ids=lambda p: p.name)
def test_real_archives_give_the_same_bytes_in_every_form(tmp_path, archive) -> None:
    """The first 500 sentences of each split; with PANX_ALL in the environment, all of them."""
    if not PANX.is_dir():
        pytest.skip(f"needs the PAN-X archives in {PANX.parent.name}/{PANX.name}")
    pytest.importorskip("pyarrow", reason="needs the extra `hub`")
    lang, limit = archive.name.partition(".")[0], 0 if ALL else 500
    limits = dict.fromkeys(("train", "dev", "test", "unlabelled"), limit)
    convert(PANX, tmp_path / "expected", langs=[lang], limits=limits)
    expected = contents(tmp_path / "expected")
    splits = read_archive(archive, limit)
    assert len(expected) == len(splits) + 1
    for form in FORMS:
        folder = write(form, tmp_path / form, lang, splits)
        assert recognise_form(folder) == form
        convert(folder, tmp_path / "corpus" / form)
        assert contents(tmp_path / "corpus" / form) == expected, form


@pytest.mark.parametrize("form", FORMS)
@given(sentences=sentences, scheme=schemes)
@example(sentences=[[("O", ["\u00a0"]), ("LOC", ["\u3000", "\u200b"])]], scheme="IOB1")
@example(sentences=[[("O", [":", "-DOCSTART-", "#", "1"]), ("PER", ["a\tb", "c d"])]], scheme="BIO")
@example(sentences=[[("O", ["\ufeff"])]], scheme="BIO")
@example(sentences=[[("O", ["0", "1"])], [("LOC", ["1"])]], scheme="BIO")
def test_any_sentence_gives_the_bytes_of_spacy(tmp_path_factory, form, sentences, scheme) -> None:
    folder = tmp_path_factory.mktemp(form)
    if form == "hub":
        pytest.importorskip("pyarrow", reason="needs the extra `hub`")
        scheme = "BIO"  # its classes are numbers
    pairs = [gold(segments) for segments in sentences]
    written = [(words, encode(tags, scheme)) for words, tags in pairs]
    try:
        write(form, folder / "data", "de", {"dev": written})
    except UnwritableError:
        assume(False)
    convert(folder / "data", folder / "corpus", form=form)
    docbin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
    for words, tags in pairs:
        doc = Doc(Vocab(), words=words, ents=tags)
        doc.user_data["lang"] = "de"
        docbin.add(doc)
    assert (folder / "corpus" / "dev" / "de.spacy").read_bytes() == docbin.to_bytes()


@pytest.mark.parametrize("form", COLUMN_FORMS)
@given(sentences=sentences, line=st.text(max_size=9), place=st.integers(0, 30))
@example(sentences=[[("O", ["a"])]], line="New York\tB-LOC", place=1)
@example(sentences=[[("O", ["a"])]], line="1\tO", place=0)
@example(sentences=[[("O", ["a"])]], line="1-2\tab\t_", place=0)
def test_a_strange_line_is_a_token_a_boundary_or_an_error(form, sentences, line, place) -> None:
    """No line is lost in silence, wherever it stands."""
    line = line.replace("\n", "").replace("\r", "")
    blocks = [
        [f"{i}\t{i}\tO" if form == "conllu" else f"w{i}\tO" for i, _ in enumerate(s, 1)]
        for s in sentences
    ]
    lines = [line for block in blocks for line in [*block, ""]]
    place %= len(lines) + 1
    tally = FileTally("train-de")
    content = "\n".join([*lines[:place], line, *lines[place:]]).encode()
    try:
        read = parse(LAYOUTS[form](), content, tally)
    except DataError as error:
        assert error.line is not None
        assert str(error).startswith(f"train-de:{error.line}: ")
        return
    assert all(len(words) == len(tags) for words, tags in read)
    n_tokens = sum(len(words) for words, _ in read) - sum(map(len, blocks))
    assert tally.used == sum(len(words) for words, _ in read)
    assert tally.read == tally.used + sum(tally.left_out.values())
    passed_over = (
        not line.strip(" \t\r\ufeff")
        or (form == "conll" and line.split()[0] == "-DOCSTART-")
        or (form != "tsv" and line.removeprefix("\ufeff").startswith("#"))
        or (form == "conllu" and not line.partition("\t")[0].isdigit())
    )
    assert n_tokens == (0 if passed_over else 1)


@pytest.mark.parametrize(
    ("form", "word", "reason"),
    [
        ("raw", "a\nb", "line feed"),
        ("tsv", "a\0b", "NUL"),
        ("tsv", "\ufeff", "byte order mark"),
        ("conll", "New York", "space"),
        ("conll", "a\tb", "tab"),
        ("conll", "-DOCSTART-", "beginning of a document"),
        ("conllu", "a\tb", "tab"),
        ("hub", "", "empty"),
    ],
)
def test_what_a_form_cannot_hold_is_named(tmp_path, form, word, reason) -> None:
    splits = {"train": [(["a"], ["O"]), ([word, "a"], ["O", "O"])]}
    where = "byte order mark" not in reason
    if not where:
        splits["train"].reverse()
    with pytest.raises(UnwritableError, match=f"{reason}") as caught:
        write(form, tmp_path, "de", splits)
    assert str(caught.value).startswith(f"de train, sentence {1 + where}, token 1: {form} cannot")


@pytest.mark.parametrize("word", ["New York", "a\tb"])
@pytest.mark.parametrize("first", [False, True])
def test_a_space_in_a_conll_token_does_not_go_unseen(word, first) -> None:
    lines = ["a NN O", f"{word} NN B-LOC"]
    with pytest.raises(DataError, match=r"train-de:2: \d in place of \d columns"):
        parse(Conll(), "\n".join(lines[::-1] if first else lines).encode())


ONE = [(["a", "b"], ["B-LOC", "O"])]


@pytest.mark.parametrize(
    ("layout", "content", "expected"),
    [
        (Tsv, "a\tB-LOC\r\nb\tO\r\n\r\n \r\n\r\n", ONE),
        (Tsv, "\ufeffa\tB-LOC\nb\tO", ONE),
        (Tsv, "\n\n\na\tI-LOC\nb\tO\n\t\n", ONE),
        (Tsv, "a\tb\tB-LOC\n:\tO\n", [(["a\tb", ":"], ["B-LOC", "O"])]),
        (Tsv, "\u00a0\tO\n\u3000\tO\n\u200b\tO", [(["\u00a0", "\u3000", "\u200b"], ["O"] * 3)]),
        (Tsv, "#\tO\n-DOCSTART-\tO", [(["#", "-DOCSTART-"], ["O", "O"])]),
        (Tsv, "a\n\nb\n", [(["a"], []), (["b"], [])]),
        (Tsv, "\u3000\n \n\u00a0\n", [(["\u3000"], []), (["\u00a0"], [])]),
        (Conll, "-DOCSTART- -X- O O\n\na NN I-NP I-LOC\nb VB I-VP O\n", ONE),
        (Conll, "a  NN\tB-LOC \nb VB O", ONE),
        (Conll, "\u00a0 O\n\u3000a O", [(["\u00a0", "\u3000a"], ["O", "O"])]),
        (Conll, "# O\n-DOCSTART-s O", [(["#", "-DOCSTART-s"], ["O", "O"])]),
        (Conll, "-DOCSTART-\n\na\nb", [(["a", "b"], [])]),
        (Conll, "# id 0f8a\tdomain=en\na _ _ B-LOC\nb _ _ O\n", ONE),
        (Conll, "a B-LOC\nb O\n\n#\n#end document\n# by me\na B-LOC\nb O", ONE * 2),
        (Conll, "a O\n# O\n\n# B-LOC", [(["a", "#"], ["O", "O"]), (["#"], ["B-LOC"])]),
        (Conll, "#a\n#b\n\n#c", [(["#a", "#b"], []), (["#c"], [])]),
        (Conll, "1 a NNP B-LOC\n2 b VBZ O\n\n1 2 CD O\n", [*ONE, (["2"], ["O"])]),
        (Conll, "0\ta\tB-LOC\n1\tb\tO\n", ONE),
        (Conll, "# id\n-DOCSTART- O\n\n1-2 ab O\n1 a B-LOC\n1.1 x O\n2 b O\n", ONE),
        (Conll, "1 B-LOC\n2 O\n", [(["1", "2"], ["B-LOC", "O"])]),
        (Conll, "1 CD B-LOC\n\n1 CD O\n", [(["1"], ["B-LOC"]), (["1"], ["O"])]),
        (Conll, "1 CD B-LOC\n2 CD O\n\n2 CD O", [(["1", "2"], ["B-LOC", "O"]), (["2"], ["O"])]),
        (Conllu, "# text = a b\n#\n1\ta\tB-LOC\n2\tb\tO\n", ONE),
        (Conllu, "0\ta\tB-LOC\n1\tb\tO\n", ONE),
        (Conllu, "1-2\tab\t_\n1\ta\tB-LOC\n1.1\tx\t_\n2\tb\tO\n", ONE),
        (Conllu, "1\ta\tB-LOC\t-\t-\n2\tb\tO\t-\t-\n", ONE),
        (Conllu, "1\t#\tO\n2\ta b\tO\n", [(["#", "a b"], ["O", "O"])]),
        (Conllu, "1\ta\n2\tb\n", [(["a", "b"], [])]),
    ],
)
def test_unusual_files_are_read(layout, content, expected) -> None:
    assert parse(layout(), content.encode()) == expected


@pytest.mark.parametrize(
    ("layout", "line", "fault"),
    [
        (Tsv, b"a", "1 in place of 2 columns, as the lines before have: expected `token<TAB>tag`"),
        (Tsv, b"\tO", "the token is empty"),
        (Tsv, b"a\tB-GPE", "unknown tag 'B-GPE', the entity types are LOC, ORG, PER. Name"),
        (Tsv, b"a\tO ", "unknown tag 'O ', expected O, or B- or I-"),
        (Tsv, b"M\xfcnchen\tO", "not valid UTF-8"),
        (Tsv, b"a\0\tO", "a NUL character"),
        (Conll, b"a", "1 in place of 2 columns"),
        (Conll, b" O", "the token is empty"),
        (Conll, b"a\tNNP", "unknown tag 'NNP', expected O"),
        (Conllu, b"a\tO", "expected `index<TAB>token<TAB>tag` with the index 1."),
        (Conllu, b"3\ta\tO", "expected `index<TAB>token<TAB>tag` with the index 1."),
        (Conllu, b"1", "expected `index<TAB>token<TAB>tag`."),
        (Conllu, b"1\t\tO", "the token is empty"),
        (Conllu, b"1\ta\tb\tO", "4 in place of 3 columns"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_wrong_line_is_named(layout, line, fault, end) -> None:
    before = b"1\tx\tO\n\n" if layout is Conllu else b"x\tO\n\n"
    with pytest.raises(DataError) as caught:
        parse(layout(), before + line + end)
    assert str(caught.value).startswith(f"train-de:3: {fault}")
    assert caught.value.text == line.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("layout", "content", "fault"),
    [
        (Tsv, "Ein Satz.", "1: expected `token<TAB>tag`, or a token alone"),
        (Tsv, "a\nb\tO", "2: 2 in place of 1 columns"),
        (Conll, "a O\n-DOCSTART- O", "2: -DOCSTART- within a sentence"),
        (Conllu, "1\ta\tO\n1\tb\tO", "2: expected .* the index 2.* put a blank line"),
        (Conllu, "1\ta\tO\n# text = b", "2: expected"),
        (Tsv, "1\ta\tO\n2\tb\tO", " the first column counts words.*--form conllu"),
        (Tsv, "1\ta\tO\n2\tb\tO\n \n1\tb\tO", " the first column counts words"),
        (Conll, "1 a X O\n2 b X O\n" + "\n1 a X O\n" * 200 + "3 b X O", "403: .* the index 2"),
        (Conll, "a O\n# id 1 = 2", "2: 5 in place of 2 columns"),
        (Conll, "\n\n".join(f"{i} w{i} O" for i in range(1, 12)), " the first column holds numb"),
        (Conll, "doc_1 a X O\n" * 10, " the first column holds numbers, or the same"),
    ],
)
def test_lines_that_do_not_fit_the_ones_before(layout, content, fault) -> None:
    with pytest.raises(DataError, match=f"train-de:{fault}"):
        parse(layout(), content.encode())


@pytest.mark.parametrize("form", FORMS)
def test_splits_languages_and_limits_in_every_form(tmp_path, form) -> None:
    if form == "hub":
        pytest.importorskip("pyarrow", reason="needs the extra `hub`")
    for lang in ("sw", "de"):
        write(form, tmp_path / form, lang, {"train": plain(TRAIN), "dev": plain(DEV)})
    counts = convert(tmp_path / form, tmp_path / "corpus", limits={"train": 2})
    splits = ("train", "dev", "unlabelled")
    assert list(counts) == [(lang, split) for lang in ("de", "sw") for split in splits]
    assert [counts["de", split].sentences for split in splits] == [2, 1, 3]
    docs = list(read_docs(tmp_path / "corpus/train/de.spacy", Vocab()))
    assert [tags_of(doc) for doc in docs] == [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "B-ORG"]]


def test_types_are_mapped_in_the_whole_corpus(tmp_path) -> None:
    content = "New\tB-GPE\nYork\tI-GPE\nUlm\tI-LOC\nRed\tS-MISC\nit\tO\n"
    data = put(tmp_path / "data", {"train-en.tsv": content})
    with pytest.raises(DataError, match=r"train-en.tsv:1: unknown tag 'B-GPE'"):
        convert(data, tmp_path / "corpus")
    with pytest.raises(
        DataError, match=r"train-en.tsv:4: unknown tag 'S-MISC'.*LOC, ORG, PER, GPE"
    ):
        convert(data, tmp_path / "corpus", mapping={"GPE": "LOC"})
    counts = convert(data, tmp_path / "corpus", mapping={"GPE": "LOC", "MISC": "O"})
    assert counts["en", "train"].entities == {"LOC": 2}
    (doc,) = read_docs(tmp_path / "corpus/train/en.spacy", Vocab())
    assert tags_of(doc) == ["B-LOC", "I-LOC", "B-LOC", "O", "O"]


def test_splits_without_tags_are_reported_and_not_scored(tmp_path) -> None:
    data = put(
        tmp_path / "data",
        {
            "train-de.tsv": "a\tB-LOC\n\nb\tO\n",
            "test-de.tsv": "a\n\nb\nc\n",
            "train-sw.tsv": "x\ny\n\nz\n",
            "test-zu.tsv": "a\n",
        },
    )
    untagged: list[tuple[str, str]] = []
    counts = convert(
        data, tmp_path / "corpus", on_untagged=lambda lang, split: untagged.append((lang, split))
    )
    assert untagged == [("de", "test"), ("sw", "train"), ("zu", "test")]
    assert files(tmp_path / "corpus") == [
        "train/de.spacy",
        "unlabelled/de.spacy",
        "unlabelled/sw.spacy",
    ]
    assert counts["sw", "unlabelled"].sentences == 2
    assert words_of(tmp_path / "corpus/unlabelled/sw.spacy") == ["x y", "z"]
    # A wrong line is an error even where nothing is written.
    put(data, {"test-de.tsv": "a\nb\tO\n"})
    with pytest.raises(DataError, match=r"test-de.tsv:2: 2 in place of 1"):
        convert(data, tmp_path / "corpus")


@pytest.mark.parametrize("form", COLUMN_FORMS)
def test_empty_files_are_no_splits(tmp_path, form) -> None:
    write(form, tmp_path / "data", "de", {"train": plain(TRAIN), "dev": []})
    assert [split for _, split in convert(tmp_path / "data", tmp_path / "out")] == [
        "train",
        "unlabelled",
    ]
    for path in (tmp_path / "data").iterdir():
        path.write_text("\n\n")
    with pytest.raises(DataError, match="the files of de hold no sentences"):
        convert(tmp_path / "data", tmp_path / "out", form=form)
