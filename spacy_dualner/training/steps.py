"""How many steps a run has, how long it warms up, and after which steps it is evaluated.

Settings in steps fit one size of corpus. Here they give way where a corpus is so small that they
would leave no step at full rate, or none that is evaluated once something has been learned.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.util import registry, resolve_dot_names

from ..errors import DataError
from .corpus import Corpus

WARMUP_SHARE = 0.25
"""Share of a run's steps that warm-up takes at most. The paper's 300 of 1,256 are 24%."""

FEW_STEPS = 100
"""Steps below which a run is said to be short: an encoder has hardly begun to learn."""


class Steps(NamedTuple):
    """Steps of a run of `spacy train`.

    total (int): Of the whole run; 0 where nothing bounds it.
    per_epoch (int): Of one pass over the corpus.
    """

    total: int
    per_epoch: int


def count_steps(corpus: Any, batch_size: Any, epochs: int, max_steps: int = 0) -> Steps | None:
    """The steps of a run of `spacy train`; None where there is no such corpus to count.

    corpus (Any): The training corpus; only a `spacy-dualner.Corpus.v1` is counted.
    batch_size (Any): Sentences a batch; other than an int where batches are of another kind.
    epochs (int): As `training.max_epochs`, 0 or less for no bound.
    max_steps (int): As `training.max_steps`, 0 for no bound.
    """
    sentences = 0
    if isinstance(corpus, Corpus) and isinstance(batch_size, int):
        with suppress(DataError):
            sentences = corpus.count()
    if not sentences:
        return None
    per_epoch = -(-sentences // batch_size)
    # spaCy numbers steps from 0 and ends after the one whose number is max_steps.
    bounds = [epochs * per_epoch] * (epochs > 0) + [max_steps + 1] * (max_steps > 0)
    return Steps(min(bounds, default=0), per_epoch)


def fitted_warmup(warmup: int, total: int) -> int:
    """Steps of warm-up: as many as were asked for, but at most `WARMUP_SHARE` of a run's.

    warmup (int): Steps asked for.
    total (int): Steps of the run.
    """
    return min(warmup, round(WARMUP_SHARE * total))


def fitted_interval(steps: Steps, asked: int) -> int:
    """Steps between the evaluations of `spacy train`.

    spaCy evaluates after each step whose number, from 0, is a multiple of the interval. At most
    `asked` steps and at most an epoch lie between two evaluations, and fewer than there are
    evaluations after the last one.

    steps (Steps): Of the run; its total is known.
    asked (int): As `training.eval_frequency`.
    """
    last = steps.total - 1
    return max(1, last // max(1, -(-last // min(asked, steps.per_epoch))))


def evaluated_steps(total: int, interval: int) -> int:
    """Steps up to the last evaluation of `spacy train`, after which nothing can become the best.

    total (int): Steps of the run.
    interval (int): As `training.eval_frequency`; 0, or more than the run has, for all steps.
    """
    return (total - 1) // interval * interval + 1 if 0 < interval < total else total


@registry.callbacks("spacy-dualner.evaluate_epochs.v1")
def make_evaluate_epochs() -> Callable[[Language], Language]:
    """`evaluate_epochs` for `[initialize.after_init]`."""
    return evaluate_epochs


def evaluate_epochs(nlp: Language) -> Language:
    """Lower `training.eval_frequency` so that each epoch's end is evaluated, and the run's.

    Without this a corpus of few batches is evaluated after the first step alone, and that becomes
    `model-best`. With `eval_frequency` handed to `spacy-dualner.warmup_epochs.v1` the rate falls
    to 0 at the last evaluation, so that it is of what the run ends with. Warns where steps are few.

    nlp (Language): The pipeline; its config is changed in place, and left alone where the corpus
        is none that can be counted, or the run has no end.
    RETURNS (Language): The same pipeline.
    """
    config = nlp.config.interpolate()
    training = config["training"]
    (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
    size = training["batcher"].get("size")
    steps = count_steps(corpus, size, training["max_epochs"], training["max_steps"])
    if steps and steps.total:
        interval = fitted_interval(steps, training["eval_frequency"])
        nlp.config["training"]["eval_frequency"] = interval
        if steps.total < FEW_STEPS:
            warnings.warn(
                f"{steps.total} steps are few to learn in. If the model finds next to nothing, set "
                f"training.max_epochs to {-(-FEW_STEPS // steps.per_epoch)} or more.",
                stacklevel=2,
            )
    return nlp
