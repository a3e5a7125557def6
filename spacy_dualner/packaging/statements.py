"""What the author of a pipeline says of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statements:
    """What the author of a pipeline says of it and no run knows; empty where not stated.

    data (str): What the data are called.
    dataset (str): Name of the data on the hub.
    data_licence (str): Licence of the data.
    encoder_licence (str): Licence of the encoder.
    licence (str): Licence of the pipeline itself, as the hub writes it: mit.
    author (str): Who made the pipeline.
    """

    data: str = ""
    dataset: str = ""
    data_licence: str = ""
    encoder_licence: str = ""
    licence: str = ""
    author: str = ""
