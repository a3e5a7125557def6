"""Thinc's msgpack format without copies: a model's weights are most of what is packed.

Thinc packs a model's bytes into bytes into bytes, each a copy of all weights. What is written here
is the same to the byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import partial
from io import BufferedReader, RawIOBase
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from spacy.errors import Errors
from spacy.pipeline.trainable_pipe import TrainablePipe
from srsly.msgpack import Packer, msgpack_decoders
from thinc.api import Model
from thinc.util import convert_recursive, is_xp_array

from ..errors import readable

# Smaller binaries are copied.
_LARGE = 1 << 16
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = dict(zip(range(0xCA, 0xD4), (f">{kind}" for kind in "fdBHIQbhiq"), strict=True))
_SIZED: dict[int, tuple[type, str]] = {
    **{0xC4: (bytes, ">B"), 0xC5: (bytes, ">H"), 0xC6: (bytes, ">I")},
    **{0xD9: (str, ">B"), 0xDA: (str, ">H"), 0xDB: (str, ">I")},
    **{0xDC: (list, ">H"), 0xDD: (list, ">I"), 0xDE: (dict, ">H"), 0xDF: (dict, ">I")},
}


def pack(value: Any, write: Callable[[Any], object], packer: Packer | None = None) -> None:
    """Write what `srsly.msgpack_dumps` gives, large binaries as they are."""
    # One for all: each asks every installed package for encoders, which takes a millisecond.
    packer = packer or Packer(use_bin_type=True)
    if isinstance(value, dict):
        write(packer.pack_map_header(len(value)))
        for pair in value.items():
            for part in pair:
                pack(part, write, packer)
    elif isinstance(value, (list, tuple)):
        write(packer.pack_array_header(len(value)))
        for part in value:
            pack(part, write, packer)
    elif isinstance(value, bytes) and len(value) >= _LARGE:
        write(binary_header(len(value)))
        write(value)
    else:
        write(packer.pack(value))


def binary_header(length: int) -> bytes:
    """What stands before a large binary. Raises ValueError where it is too large for msgpack."""
    if length >= 1 << 32:
        raise ValueError(f"{length:,} bytes are more than msgpack can hold (4 GiB)")
    return b"\xc6" + length.to_bytes(4, "big")


def unpack(data: Any) -> Any:
    """Read what `srsly.msgpack_loads` reads, large binaries as views of the data.

    data (Any): Bytes, a memory-mapped file, or a view of either.
    Raises ValueError where the data are not what msgpack writes, end too early or go on.
    """
    reader = _Reader(memoryview(data))
    value = reader.read()
    if reader.at != len(reader.data):
        raise ValueError(f"{len(reader.data) - reader.at:,} bytes too many")
    return value


def write_model(model: Model, path: Path) -> None:
    """Write the file that `model.to_disk` writes."""
    to_numpy = partial(model.ops.to_numpy, byte_order="<")
    with path.open("wb") as file:
        pack(convert_recursive(is_xp_array, to_numpy, model.to_dict()), file.write)


def read_model(model: Model, path: Path) -> None:
    """Load what `model.to_disk` wrote.

    Raises DualNerError where it is damaged, ValueError (spaCy's E149) where it is of other layers.
    """
    with (
        readable(path, "is damaged, or a pointer of git-lfs", "Get the pipeline anew."),
        path.open("rb") as file,
    ):
        msg = unpack(mmap(file.fileno(), 0, access=ACCESS_READ))
    load_model(model, msg)


def load_model(model: Model, msg: dict[str, Any]) -> None:
    """Load an unpacked model. Raises ValueError (spaCy's E149) where it is of other layers."""
    try:
        if size := msg["nodes"][0]["dims"].get("nO"):
            # The heads may have been of fewer or more types: they are built for the weights.
            model.set_dim("nO", size, force=True)
        model.from_dict(msg)
    except AttributeError:
        raise ValueError(Errors.E149) from None


class PackedPipe(TrainablePipe):
    """spaCy's `TrainablePipe`, with the same files and bytes, in less memory."""

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> PackedPipe:
        exclude = list(exclude)
        super().from_bytes(bytes_data, exclude=[*exclude, "model"])
        packed = {} if "model" in exclude else unpack(bytes_data)
        if "model" in packed:
            load_model(self.model, unpack(packed["model"]))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        exclude = list(exclude)
        super().to_disk(path, exclude=[*exclude, "model"])
        if "model" not in exclude:
            write_model(self.model, Path(path) / "model")

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> PackedPipe:
        exclude = list(exclude)
        super().from_disk(path, exclude=[*exclude, "model"])
        if "model" not in exclude:
            read_model(self.model, Path(path) / "model")
        return self


def load_tensors(file: Any, **how: Any) -> Any:
    """What `torch.save` wrote, tensors and plain values alone. Raises where a byte has changed."""
    # Torch looks at none of the checksums.
    with ZipFile(file) as parts:
        if part := parts.testzip():
            raise ValueError(f"{part} has another checksum")
        # Torch takes it for a folder, and its tensor is memory as it happens to be.
        if any(part.external_attr for part in parts.infolist()):
            raise ValueError("a part has attributes, which torch.save writes none of")
    if hasattr(file, "seek"):
        file.seek(0)
    return torch.load(file, weights_only=True, **how)


def open_view(view: memoryview) -> BufferedReader:
    """A view as a file to read."""
    return BufferedReader(_ViewFile(view))


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0
        self._decode = msgpack_decoders.get("numpy")

    def take(self, n: int) -> memoryview:
        part = self.data[self.at : self.at + n]
        if len(part) < n:
            raise ValueError(f"{n - len(part):,} bytes are missing")
        self.at += n
        return part

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def read(self) -> Any:
        code = self.take(1)[0]
        if code < 0x80 or code >= 0xE0:
            return code if code < 0x80 else code - 0x100
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            return self.number(_NUMBERS[code])
        if code < 0xC0:
            kind: type = dict if code < 0x90 else list if code < 0xA0 else str
            n = code & (0x1F if kind is str else 0x0F)
        elif code in _SIZED:
            kind, form = _SIZED[code]
            n = self.number(form)
        else:
            raise ValueError(f"unknown code {code:#x}")
        if kind is list:
            return [self.read() for _ in range(n)]
        if kind is dict:
            # Arrays are maps too.
            return self._decode({self.read(): self.read() for _ in range(n)})
        part = self.take(n)
        if kind is str:
            return str(part, "utf8")
        return part if n >= _LARGE else bytes(part)


class _ViewFile(RawIOBase):
    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, len(self._view))[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._view[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
