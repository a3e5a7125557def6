"""A folder of PAN-X archives."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.panx import DEV, TRAIN, pack, raw


@pytest.fixture
def panx(tmp_path) -> Path:
    """A folder of two archives: de without test, sw with all."""
    folder = tmp_path / "panx"
    pack(folder / "de.tar.gz", {"train": raw("de", TRAIN), "dev": raw("de", DEV), "extra": b"x"})
    pack(folder / "sw.tar.gz", {name: raw("sw", DEV) for name in ("dev", "test", "train")})
    return folder
