"""Thinc's format without copies: the same bytes as srsly's, and the same values back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import srsly
import torch
from helpers.tiny import make_nlp
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language

from spacy_dualner.encoder.packing import load_tensors, open_view, pack, unpack
from spacy_dualner.encoder.transformer import encoder_shim
from spacy_dualner.errors import DualNerError

numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=300) | st.binary(max_size=300)
values = st.recursive(
    leaves | st.builds(np.arange, st.integers(0, 20_000), dtype=st.sampled_from(["f4", "i8"])),
    lambda parts: (
        st.lists(parts, max_size=20) | st.dictionaries(st.text(max_size=40), parts, max_size=20)
    ),
    max_leaves=60,
)
large = st.integers(60_000, 70_000).map(bytes)


def packed(value: Any) -> bytes:
    parts: list[bytes] = []
    pack(value, lambda part: parts.append(bytes(part)))
    return b"".join(parts)


def plain(value: Any) -> Any:
    """A value with views as bytes, and arrays as what they hold."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return list(map(plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    return bytes(value) if isinstance(value, memoryview) else value


@given(value=values | st.lists(large, max_size=3) | st.dictionaries(st.text(), large, max_size=3))
def test_as_srsly_packs_and_unpacks(value: Any) -> None:
    data = srsly.msgpack_dumps(value)
    ours = packed(value)
    assert plain(unpack(data)) == plain(srsly.msgpack_loads(data)) == plain(unpack(ours))
    assert plain(srsly.msgpack_loads(ours)) == plain(unpack(ours))


def test_large_binaries_are_not_copied() -> None:
    data = packed({"weights": bytes(1 << 20), "rest": b"abc"})
    found = unpack(data)
    assert found["rest"] == b"abc"
    assert np.shares_memory(
        np.frombuffer(found["weights"], np.uint8), np.frombuffer(data, np.uint8)
    )
    with open_view(found["weights"]) as file:
        file.seek(-3, 2)
        assert file.read() == bytes(3) and file.read() == b""


def test_a_components_file(own: Language, encoder_path: Path, tmp_path: Path) -> None:
    pipe = own.get_pipe("dualner")
    pipe.to_disk(tmp_path / "ours")
    pipe.model.to_disk(tmp_path / "thincs")
    assert (tmp_path / "ours" / "model").read_bytes() == (tmp_path / "thincs").read_bytes()
    pipe.to_disk(tmp_path / "bare", exclude=["model", "vocab"])
    assert [path.name for path in (tmp_path / "bare").iterdir()] == ["cfg"]
    other = make_nlp(encoder_path).get_pipe("dualner")
    other.from_disk(tmp_path / "ours", exclude=["model"])
    assert other.labels == pipe.labels and not other.model.has_dim("nO")
    other.from_disk(tmp_path / "ours")
    docs = [own.make_doc("Anna Smith lives in Berlin.")]
    np.testing.assert_array_equal(other.predict(docs), pipe.predict(docs))


@pytest.mark.parametrize("part", ["encoder", "heads", "tokenizer", "config"])
def test_a_flipped_bit_in_what_is_stored_is_refused(part: str, learned: bytes) -> None:
    """Torch itself looks at no checksum, and a tokenizer of other numbers is one as well."""
    nlp = make_nlp("")
    nlp.from_bytes(learned)
    shim = encoder_shim(nlp.get_pipe("dualner").model.get_ref("tok2vec"))
    weight = shim._model.embeddings.word_embeddings.weight
    heads = nlp.get_pipe("dualner").model.get_ref("heads").shims[0]._model.start.weight
    sought = {
        "encoder": weight[5].detach().numpy().tobytes(),
        "heads": heads[0].detach().numpy().tobytes(),
        "tokenizer": b"-6.0",
        "config": b"hidden_act",
    }[part]
    place = learned.index(sought) + 1
    flipped = learned[:place] + bytes([learned[place] ^ 4]) + learned[place + 1 :]
    with pytest.raises((DualNerError, ValueError), match=r"another checksum|encoder is damaged"):
        make_nlp("").from_bytes(flipped)


def test_a_tensor_that_passes_for_a_folder_is_refused(tmp_path: Path) -> None:
    """Torch reads none of it, and gives whatever stands in memory."""
    path = tmp_path / "stored.pt"
    torch.save({"weights": torch.arange(40.0)}, path)
    stored = bytearray(path.read_bytes())
    record = stored.rindex(b"PK\x01\x02", 0, stored.rindex(b"data/0"))
    stored[record + 38] |= 0x10
    path.write_bytes(stored)
    with pytest.raises(ValueError, match="attributes"):
        load_tensors(path)


def test_a_pipeline_of_a_version_without_checksums_is_taken(own: Language) -> None:
    shim = encoder_shim(own.get_pipe("dualner").model.get_ref("tok2vec"))
    held = srsly.msgpack_loads(shim.to_bytes())
    assert held.pop("checksum")
    shim.from_bytes(srsly.msgpack_dumps(held))


@pytest.mark.parametrize("damage", ["pointer", "cut", "longer", "empty", "other"])
def test_a_damaged_file_is_named(damage: str, own: Language, tmp_path: Path) -> None:
    pipe = own.get_pipe("dualner")
    pipe.to_disk(tmp_path)
    file = tmp_path / "model"
    whole = file.read_bytes()
    file.write_bytes(
        {
            "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
            "cut": whole[:-1000],
            "longer": whole + b"x",
            "empty": b"",
            "other": b"\x81\x80\x80",
        }[damage]
    )
    with pytest.raises(DualNerError, match=r"model: is damaged, or a pointer of git-lfs \(.*anew"):
        pipe.from_disk(tmp_path)
