"""Some hundred damaged inputs, always the same; and the fuzzer finds what is there to find."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from helpers.many import many
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.reliability.fuzz.__main__ import work
from experiments.reliability.fuzz.mutate import change
from experiments.reliability.fuzz.readers import Reader, readers, sane
from spacy_dualner.data import offsets, text
from spacy_dualner.data.tags import ALL_TYPES
from spacy_dualner.data.tally import FileTally
from spacy_dualner.data.tools import TOOLS, read_tool, tools_of
from spacy_dualner.errors import DataError


@pytest.fixture(scope="module")
def every() -> dict[str, Reader]:
    return readers()


def tried(out: Path, every: dict[str, Reader], inputs: int) -> dict[str, int]:
    out.mkdir(exist_ok=True)
    return work(Namespace(out=out, inputs=inputs, seed=0), every)


def test_no_damaged_input_is_lost_or_ends_in_a_traceback(
    tmp_path: Path, every: dict[str, Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    splitter = text.WordSplitter()
    for module in (text, offsets):
        monkeypatch.setattr(module, "WordSplitter", lambda: splitter)
    counts = tried(tmp_path / "out", every, many(2_000))
    ends = {name.rpartition(": ")[2] for name in counts}
    found = [path.read_text("utf8") for path in (tmp_path / "out").glob("findings/*/WHAT")]
    assert ends == {"read", "refused"}, found
    assert sum(counts.values()) == many(2_000)


def greedy(folder: Path) -> None:
    """Reads an X in two ways that it should not."""
    content = (folder / "a").read_bytes()
    if b"XYZ" in content:
        raise KeyError("XYZ")
    if len(content) > 50:
        raise DataError("a", "x" * 100)


def test_what_fails_is_kept_cut_down_and_counted_once(tmp_path: Path) -> None:
    every = {"greedy": Reader([{"a": b"first\n" + b"XYZ, " * 4 + b"\n" * 20}], greedy)}
    counts = tried(tmp_path / "out", every, 300)
    (found,) = (tmp_path / "out").glob("findings/*/")
    assert (found / "a").read_bytes() == b"XYZ"
    said = (found / "WHAT").read_text("utf8")
    assert said.startswith("greedy: KeyError") and "raise KeyError" in said
    kinds = {name.partition(" ")[2].partition(" ")[0] for name in counts}
    assert {"KeyError", "read", "refused"} == kinds and sum(counts.values()) == 300


def test_the_same_command_goes_on_with_the_same_inputs(tmp_path: Path) -> None:
    seen: list[bytes] = []
    every = {
        "any": Reader([{"a": b"one,two\n" * 9}], lambda f: seen.append((f / "a").read_bytes()))
    }
    tried(tmp_path / "out", every, 40)
    tried(tmp_path / "out", every, 100)
    together, seen = list(seen), []
    every = {"any": Reader(every["any"].seeds, lambda f: seen.append((f / "a").read_bytes()))}
    counts = tried(tmp_path / "other", every, 100)
    assert together == seen and len(set(seen)) > 80 and counts == {"any: read": 100}


records = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@settings(max_examples=many(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*TOOLS]), st.randoms(use_true_random=False), records, st.booleans())
def test_records_of_tools_of_any_shape(
    tmp_path: Path, every: dict[str, Reader], name: str, random: Any, more: Any, listed: bool
) -> None:
    """Each is a sentence, is counted with a reason, or is refused in one line."""
    seeds = [
        json.loads(x) for x in every[f"convert {name}"].seeds[0]["train-xx.jsonl"].splitlines()
    ]
    held = change([*seeds, *(seed | {"more": more} for seed in seeds), more], random)
    path = tmp_path / "train-xx.json"
    held = held if isinstance(held, list) else [held]
    text = json.dumps(held) if listed else "\n".join(map(json.dumps, held))
    if not listed and len(held) == 1 and isinstance(held[0], list):
        held = held[0]  # a file of one line, which is a list, is a list of records
    path.write_text(text, "utf-8", "surrogatepass")
    file = FileTally(str(path))
    try:
        tools_of(path)
        sentences = read_tool(TOOLS[name], path, [ALL_TYPES], file)
        n_sentences = sum(1 for words, tags in sentences if len(words) == len(tags) > 0)
    except DataError as error:
        assert str(path) in str(error) and sane(str(error))
        return
    assert file.read == len(held) == n_sentences + sum(file.left_out.values())
