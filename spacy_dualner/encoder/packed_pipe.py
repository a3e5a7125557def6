"""A trainable component that is stored and loaded without copies of its weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spacy.pipeline.trainable_pipe import TrainablePipe

from .packing import load_model, read_model, unpack, write_model


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
