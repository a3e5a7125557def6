"""What a pipeline's meta.json keeps of stage 2, for its model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..training.presets import BLOCKS

if TYPE_CHECKING:
    # The card reads KEY, and need not wait for transformers.
    from ..encoder.subwords import Ints
    from .arrays import SentenceArrays
    from .config import TeachingConfig

KEY = "dualner"
"""Where in `nlp.meta` the record stands."""

_SETTINGS = {
    "method", "alpha", "mse_norm", "local_layers", "fused_layers", "select", "batch_size",
    "max_epochs", "dropout", "seed",
}  # fmt: skip


def teaching_record(
    config: TeachingConfig,
    corpus: SentenceArrays,
    trained_on: Ints,
    n_source: int,
    *,
    steps: int,
    warmup_steps: int,
    best_step: int,
    best_score: float,
) -> dict[str, Any]:
    """Settings, data and outcome of a run of stage 2, without any path.

    config (TeachingConfig): The run's config.
    corpus (SentenceArrays): Source sentences, then target sentences.
    trained_on (Ints1d): Numbers of those that were trained on.
    n_source (int): How many of the corpus are source sentences.
    steps (int): Steps of the whole run.
    warmup_steps (int): Those before the learning rate is at its peak.
    best_step (int): The step of the best student; 0 where none was better than stage 1.
    best_score (float): Its score, from 0 to 1.
    RETURNS (Dict[str, Any]): JSON; `source` and `target` hold sentences of each language,
        `variants` the settings that are not the paper's.
    """
    is_source = trained_on < n_source
    blocks = config.settings.model_dump(include=set(BLOCKS), exclude_defaults=True)
    return {
        **config.settings.model_dump(include=_SETTINGS),
        "warmup_steps": warmup_steps,
        "variants": {f"{b}.{name}": v for b, own in blocks.items() for name, v in own.items()},
        "learn_rate": config.optimizer.learn_rate,
        "heads_factor": config.optimizer.heads_factor,
        "weight_decay": config.optimizer.L2,
        "source": _by_language(corpus, trained_on[is_source]),
        "target": _by_language(corpus, trained_on[~is_source]),
        "steps": steps,
        "best_step": best_step,
        "best_score": float(best_score),
    }


def _by_language(corpus: SentenceArrays, sentences: Ints) -> dict[str, int]:
    counts = np.bincount(corpus.langs[sentences], minlength=len(corpus.lang_names))
    return {name: int(n) for name, n in zip(corpus.lang_names, counts, strict=True) if n}
