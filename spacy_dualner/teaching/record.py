"""What a pipeline's meta.json keeps of stage 2, for its model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    # The card reads KEY, and need not wait for transformers.
    from ..encoder.arrays import SentenceArrays
    from ..encoder.subwords import Ints
    from .config import TeachingConfig
    from .data import TeachingData
    from .schedule import Schedule
    from .teacher import Teacher

KEY = "dualner"
"""Where in `nlp.meta` the record stands."""
GOLD = "gold"
"""The method that is a stage 1."""

_SETTINGS = {
    "method", "alpha", "mse_norm", "local_layers", "fused_layers", "select", "batch_size",
    "max_epochs", "dropout", "seed",
}  # fmt: skip


def teaching_record(
    config: TeachingConfig,
    data: TeachingData,
    schedule: Schedule,
    teacher: Teacher,
    earlier: dict[str, Any] | None,
) -> dict[str, Any]:
    """Settings, data and outcome of a run of stage 2, without any path.

    earlier (Optional[Dict[str, Any]]): The record of the pipeline that it began from.
    RETURNS (Dict[str, Any]): JSON; `source` and `target` hold sentences of each language,
        `variants` the settings that are not the paper's, and `stage1` the record of a stage 1 that
        was a run with gold labels alone.
    """
    sentences = np.unique(data.with_partners(data.trained_on))
    is_source = sentences < data.n_source
    own = config.settings.teacher.model_dump(exclude_defaults=True)
    return {
        **({"stage1": earlier} if earlier and earlier["method"] == GOLD else {}),
        **config.settings.model_dump(include=_SETTINGS),
        "warmup_steps": schedule.warmup,
        "variants": {f"teacher.{name}": value for name, value in own.items()},
        "learn_rate": config.optimizer.learn_rate,
        "heads_factor": config.optimizer.heads_factor,
        "weight_decay": config.optimizer.L2,
        "source": _by_language(data.corpus, sentences[is_source]),
        "target": _by_language(data.corpus, sentences[~is_source]),
        "steps": schedule.total,
        "best_step": teacher.step,
        "best_score": float(teacher.score),
    }


def _by_language(corpus: SentenceArrays, sentences: Ints) -> dict[str, int]:
    counts = np.bincount(corpus.langs[sentences], minlength=len(corpus.lang_names))
    return {name: int(n) for name, n in zip(corpus.lang_names, counts, strict=True) if n}
