"""How a pipeline came to be, as its config and meta.json tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Config

from ..decoding.decodings import check_decoding
from ..errors import DualNerError
from ..teaching.record import GOLD, KEY
from ..training.corpus import parse_langs
from ..training.portable import shorten_paths

Settings = dict[str, Any]
# Filled in with the record of `teach`.
_TEACHING = {
    "dual": "dual teaching",
    "selfkl": "self-teaching by KL",
    "filter": "FILTER on translated text ({local_layers} local and {fused_layers} fused layers)",
}


@dataclass(frozen=True)
class Origin:
    """How a pipeline came to be. What nothing tells is empty or missing."""

    types: list[str]  # its entity types
    decode: str  # what entities are read from: `span`, `tag` or `joint`
    encoder: str  # hub name or folder of the encoder, without any path of the machine
    losses: dict[str, float]  # weights of the losses of stage 1, `tag` and `span`
    source: Mapping[str, int | None]  # languages of annotated text, with their sentences if known
    target: Mapping[str, int | None]  # the same of text without annotations
    stage1: Settings  # settings of `spacy train`, by the names in the record of `teach`
    stage2: Settings | None  # the record of `teach`; None where there was no stage 2

    @property
    def stages(self) -> dict[str, Settings]:
        """The settings of the stages that were run, by name."""
        return {"stage 1": self.stage1} | ({} if self.stage2 is None else {"stage 2": self.stage2})

    @property
    def methods(self) -> list[str]:
        """The method of each stage in few words, the paper's name first."""
        tag, span = self.losses["tag"], self.losses["span"]
        if tag and span:
            first = "MLT: all heads on annotated text"
        else:
            first = "SPAN: start/end heads alone" if span else "CLA: tag head alone"
        if self.stage2 is None:
            return [first]
        second = [_TEACHING[self.stage2["method"]]]
        if self.stage2["alpha"]:
            second.append("entity-aware regulariser (alpha {alpha:g}, {mse_norm})")
        else:
            second.append("no regulariser")
        if not self.target:
            second.append("no target text")
        # Settings beyond the paper's; a pipeline taught before there were any names none.
        own = [f"{name} = {value}" for name, value in self.stage2.get("variants", {}).items()]
        return [first, ", ".join([*second, *own]).format(**self.stage2)]


def read_origin(config: Config, meta: Settings, folder: Path | None = None) -> Origin:
    """Read how a pipeline came to be.

    folder (Optional[Path]): Where it lies: a component's settings that are stored there go before
        those in the config.
    Raises DualNerError where it has no dualner component, or an unknown decoding.
    """
    components = config["components"]
    names = [name for name, part in components.items() if part.get("factory") == "dualner"]
    if not names:
        raise DualNerError(
            f"The pipeline has no dualner component, only: {', '.join(components) or 'none'}. "
            "Name a pipeline that has one."
        )
    component = components[names[0]]
    stored = folder / names[0] / "cfg" if folder else None
    if stored is not None and stored.is_file():
        component = component | srsly.read_json(stored)
    stage2 = meta.get(KEY)
    stage1 = _stage1_settings(config)
    if stage2 is not None:
        source, target = stage2["source"], stage2["target"]
        if stage2["method"] == GOLD:
            stage1, stage2 = stage2, None
        else:
            stage1 = stage2.get("stage1", stage1)
    else:
        langs = config.get("corpora", {}).get("train", {}).get("langs") or ""
        source, target = dict.fromkeys(parse_langs(langs)), {}
    return Origin(
        types=meta.get("labels", {}).get(names[0], []),
        decode=check_decoding(component.get("decode", "span")),
        encoder=shorten_paths(str(component["model"]["tok2vec"].get("name") or "")),
        losses={kind: component.get(f"{kind}_loss", 1.0) for kind in ("tag", "span")},
        source=source,
        target=target,
        stage1=stage1,
        stage2=stage2,
    )


def _stage1_settings(config: Config) -> Settings:
    # A pipeline that `spacy train` did not make has spaCy's defaults there, which say nothing.
    if not config.get("corpora", {}).get("train", {}).get("langs"):
        return {}
    training = config["training"]
    optimizer, rate = training["optimizer"], training["optimizer"].get("learn_rate")
    schedule = rate if isinstance(rate, dict) else {"initial_rate": rate}
    return {
        **{key: training.get(key) for key in ("max_epochs", "dropout", "seed")},
        **{key: optimizer.get(key) for key in ("heads_factor", "weight_decay")},
        "batch_size": training["batcher"].get("size"),
        "learn_rate": schedule.get("initial_rate"),
        "warmup_steps": schedule.get("warmup_steps"),
    }
