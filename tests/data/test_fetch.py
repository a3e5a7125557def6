"""`python -m spacy dualner fetch`, against a local server with the hub's routes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason='needs pyarrow: pip install "spacy-dualner[hub]"')

from helpers.corpus import run_cli
from helpers.hub import Hub, write_language, write_sentences
from helpers.panx import contents, files, pack, raw
from huggingface_hub import constants, file_download
from huggingface_hub.utils import reset_sessions

from spacy_dualner.data import fetch as fetching
from spacy_dualner.data.convert import convert
from spacy_dualner.errors import DataError

LANGUAGES = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw"
    " ta te th tl tr ur vi yo zh"
)
SPLITS = ("train", "dev", "test")
DE_TRAIN = "PAN-X.de/train-00000-of-00001.parquet"


def sentences_of(lang: str, split: str, n: int = 3) -> list[tuple[list[str], list[str]]]:
    """Sentences that differ by language and split."""
    if lang == "th":  # split by character
        return [
            (list(f"กรุงเทพ{split}{i}"), ["B-LOC"] + ["I-LOC"] * 6 + ["O"] * len(f"{split}{i}"))
            for i in range(n)
        ]
    return [
        (["Anna", f"{lang}:", ":", "in", f"{split}{i}"], ["I-PER", "O", "B-ORG", "O", "I-LOC"])
        for i in range(n)
    ]


def splits_of(lang: str, n: int = 3) -> dict[str, list[tuple[list[str], list[str]]]]:
    return {split: sentences_of(lang, split, n) for split in SPLITS}


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    """A hub with de and th, which this process uses, with an empty cache."""
    for lang in ("de", "th"):
        write_language(tmp_path / "hub", lang, splits_of(lang))
    with Hub(tmp_path / "hub") as hub:
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        # The hub's library reads the environment once, at import.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(fetching, "REVISION", hub.commit)
        reset_sessions()
        yield hub
    reset_sessions()


def fetch(hub: Hub, *arguments: str, to: str = "corpus") -> tuple[int, str]:
    return run_cli("dualner", "fetch", hub.root.parent / to, *arguments)


def corpus(hub: Hub, name: str = "corpus") -> list[str]:
    return files(hub.root.parent / name)


def blobs(hub: Hub) -> list[Path]:
    """The downloaded files in the cache."""
    return sorted(hub.root.parent.glob("cache/*/blobs/*"))


def test_the_corpus_is_the_same_as_from_other_forms(hub, tmp_path) -> None:
    for lang in ("jv", "my", "yo"):
        write_language(hub.root, lang, splits_of(lang, 100))
    write_language(hub.root, "sw", splits_of("sw", 5), shards=2)
    hub.load()
    langs = ["de", "jv", "my", "sw", "th", "yo"]
    for lang in langs:
        n = 100 if lang in ("jv", "my", "yo") else 5 if lang == "sw" else 3
        members = {
            split: raw(lang, [list(zip(*s, strict=True)) for s in sentences])
            for split, sentences in splits_of(lang, n).items()
        }
        pack(tmp_path / "raw" / f"{lang}.tar.gz", members)
    status, output = fetch(hub, "--langs", ",".join(langs))
    assert status == 0
    assert "Language Split Sentences Tokens LOC ORG PER" in output
    assert "de train 3 15 3 3 3" in output
    assert "jv test 100 500 100 100 100" in output
    assert "th unlabelled 3 39 - - -" in output
    fetched = contents(tmp_path / "corpus")
    assert len(fetched) == 4 * len(langs)
    for form, source in (("hub", hub.root), ("raw", tmp_path / "raw")):
        convert(source, tmp_path / f"from-{form}", form=form)
        assert contents(tmp_path / f"from-{form}") == fetched


def test_all_languages(hub) -> None:
    for lang in LANGUAGES.split():
        write_language(hub.root, lang, splits_of(lang, 1))
    hub.load()
    status, _ = fetch(hub)
    assert status == 0
    assert corpus(hub) == sorted(
        f"{split}/{lang}.spacy" for split in (*SPLITS, "unlabelled") for lang in LANGUAGES.split()
    )


def test_the_classes_of_the_repository_are_known(hub) -> None:
    """Its files name them; from one that does not, `convert` alone would not guess."""
    write_language(hub.root, "sw", splits_of("sw"), names=None)
    hub.load()
    status, output = fetch(hub, "--langs", "sw,de")
    assert status == 0
    assert "sw train 3 15 3 3 3" in output
    with pytest.raises(DataError, match="does not say which tag each class id stands for"):
        convert(hub.root, hub.root.parent / "other", langs=["sw"])


def test_limits(hub) -> None:
    status, output = fetch(hub, "--langs", "de", "--train-limit", "2", "--test-limit", "1")
    assert status == 0
    assert "de train 2" in output
    assert "de dev 3" in output
    assert "de test 1" in output
    assert "de unlabelled 3" in output


def test_an_unknown_language(hub) -> None:
    status, output = fetch(hub, "--langs", "de,hl,xx")
    assert status == 1
    assert "No hl, xx in XTREME's PAN-X, only af, ar," in output
    assert not hub.requests
    assert not corpus(hub)


def test_what_is_in_the_cache_is_not_asked_for_again(hub) -> None:
    assert fetch(hub, "--langs", "de")[0] == 0
    assert len(hub.bodies) == 3
    hub.requests.clear()
    assert fetch(hub, "--langs", "de", to="other")[0] == 0
    assert not hub.requests
    assert corpus(hub, "other") == corpus(hub)
    # A language more: only that is downloaded.
    assert fetch(hub, "--langs", "de,th")[0] == 0
    assert len(hub.bodies) == 3
    assert all("PAN-X.th" in path for path in hub.bodies)


def test_another_revision(hub) -> None:
    status, output = fetch(hub, "--langs", "de", "--revision", "0" * 40)
    assert status == 1
    assert f"has no revision {'0' * 40} of google/xtreme. Change --revision." in output
    assert fetch(hub, "--langs", "de", "--revision", "main")[0] == 0
    # A branch moves on, so the hub is asked each time; files that have not changed stay.
    hub.commit = "d" * 40
    content = write_sentences(hub.root / DE_TRAIN, "de", sentences_of("de", "train", 8))
    hub.load()
    hub.requests.clear()
    status, output = fetch(hub, "--langs", "de", "--revision", "main")
    assert status == 0
    assert "de train 8" in output
    assert hub.bodies == [DE_TRAIN]
    assert content.read_bytes() in [path.read_bytes() for path in blobs(hub)]


def test_a_download_that_breaks_off_is_gone_on_with(hub, monkeypatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 64)
    hub.cut[DE_TRAIN] = 1_000
    status, output = fetch(hub, "--langs", "de")
    assert status == 1
    assert f"The download of PAN-X.de from {hub.endpoint} broke off (" in output
    assert not corpus(hub)
    hub.requests.clear()
    assert fetch(hub, "--langs", "de")[0] == 0
    rest = next(name for name in hub.bodies if name.startswith(DE_TRAIN))
    assert 0 < int(rest.partition("+")[2]) <= 1_000
    assert hub.files[DE_TRAIN] in [path.read_bytes() for path in blobs(hub)]


def test_ctrl_c_ends_a_download_that_stalls(hub, monkeypatch) -> None:
    ended = threading.Event()

    def stall(*_: object) -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert ended.wait(30)

    monkeypatch.setattr(Hub, "send_file", stall)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        assert fetch(hub, "--langs", "de")[0] == 130
    finally:
        signal.signal(signal.SIGINT, before)
        ended.set()
    assert time.monotonic() - began < 20


def test_a_shorter_file_than_announced(hub) -> None:
    hub.altered[DE_TRAIN] = hub.files[DE_TRAIN][:-100]
    status, output = fetch(hub, "--langs", "de")
    assert status == 1
    assert "The download of PAN-X.de" in output
    assert "file should be of size" in output
    assert not corpus(hub)


def test_a_wrong_checksum(hub) -> None:
    altered = bytearray(hub.files[DE_TRAIN])
    altered[20] ^= 1
    hub.altered[DE_TRAIN] = bytes(altered)
    status, output = fetch(hub, "--langs", "de,th")
    assert status == 1
    assert (
        f"google/xtreme/{DE_TRAIN}: twice {hub.endpoint} sent nothing that has the checksum"
        in output
    )
    assert "Not written: de" in output
    # The other language is there, and nothing of the bad file.
    assert corpus(hub) == sorted(f"{split}/th.spacy" for split in (*SPLITS, "unlabelled"))
    assert bytes(altered) not in [path.read_bytes() for path in blobs(hub)]
    hub.altered.clear()
    assert fetch(hub, "--langs", "de")[0] == 0


def test_a_file_damaged_in_the_cache_is_fetched_again(hub) -> None:
    assert fetch(hub, "--langs", "de")[0] == 0
    before = contents(hub.root.parent / "corpus")
    blob = next(path for path in blobs(hub) if path.read_bytes() == hub.files[DE_TRAIN])
    blob.write_bytes(bytes(blob.stat().st_size))
    hub.requests.clear()
    assert fetch(hub, "--langs", "de", to="other")[0] == 0
    assert hub.bodies == [DE_TRAIN]
    assert contents(hub.root.parent / "other") == before


def test_no_checksums(hub) -> None:
    hub.checksums = False
    status, output = fetch(hub, "--langs", "de")
    assert status == 1
    assert f"{hub.endpoint} gives no checksum for it." in output
    assert not hub.bodies


def test_a_fault_in_the_data_leaves_the_other_languages(hub) -> None:
    write_sentences(hub.root / DE_TRAIN, "de", [(["a", ""], ["O", "O"])])
    hub.load()
    status, output = fetch(hub, "--langs", "de,th")
    assert status == 1
    assert "row 1: a token is empty" in output
    assert corpus(hub) == sorted(f"{split}/th.spacy" for split in (*SPLITS, "unlabelled"))


def test_a_language_that_the_revision_lacks(hub) -> None:
    status, output = fetch(hub, "--langs", "sw,de")
    assert status == 1
    assert f"google/xtreme/PAN-X.sw: no parquet files at revision {hub.commit}." in output
    assert "train/de.spacy" in corpus(hub)


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ((401, ""), "has no dataset google/xtreme, or does not let you read it."),
        ((404, "RepoNotFound"), "has no dataset google/xtreme, or does not let you read it."),
        ((403, "GatedRepo"), "Where it is private or gated, ask for access and set HF_TOKEN."),
        ((429, ""), "answers 429 Too Many Requests for PAN-X.de. Try again later."),
        ((503, ""), "answers 503 Service Unavailable for PAN-X.de. Try again later."),
    ],
)
def test_a_refusal(hub, refusal, message) -> None:
    hub.refusal = refusal
    status, output = fetch(hub, "--langs", "de,th")
    assert status == 1
    assert message in output
    assert output.count("Other ways: a mirror") == 1
    assert not corpus(hub)


def test_no_connection(hub) -> None:
    assert fetch(hub, "--langs", "de")[0] == 0
    hub.server.shutdown()
    hub.server.server_close()
    reset_sessions()
    status, output = fetch(hub, "--langs", "de,th", to="other")
    assert status == 1
    assert f"No connection to {hub.endpoint} ([Errno 111] Connection refused)." in output
    assert "(`convert FOLDER OUTPUT`)" in output
    assert "`--form hub`" in output
    assert "HF_ENDPOINT" in output
    assert corpus(hub, "other") == corpus(hub)


@pytest.mark.slow
def test_the_environment(tmp_path) -> None:
    """A mirror by its address, then no connection: what is in the cache is enough."""
    for lang in ("de", "th"):
        write_language(tmp_path / "hub", lang, splits_of(lang))

    def run(output: str, *langs: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spacy", "dualner", "fetch"]
        ours = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
        return subprocess.run(
            [*command, str(tmp_path / output), "--langs", ",".join(langs)],
            env={**ours, "HF_HOME": str(tmp_path / "home"), **variables},
            capture_output=True,
            text=True,
        )

    with Hub(tmp_path / "hub", prefix="/mirror/of/hf", commit=fetching.REVISION) as hub:
        first = run("corpus", "de", HF_ENDPOINT=hub.endpoint + "/")
        assert first.returncode == 0, first.stdout + first.stderr
        assert "de train 3 15 3 3 3" in " ".join(first.stdout.split())
        assert not first.stderr
        assert len(hub.bodies) == 3
        assert all(path.startswith(("/mirror/of/hf/", "/cdn/")) for _, path, _ in hub.requests)
    second = run("other", "de", "th", HF_HUB_OFFLINE="1")
    assert second.returncode == 1
    said = " ".join(second.stdout.split())
    assert f"is set, and the cache {tmp_path}/home/hub does not hold all of PAN-X.th at" in said
    assert contents(tmp_path / "other") == contents(tmp_path / "corpus")
