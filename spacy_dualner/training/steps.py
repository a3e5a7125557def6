"""How many steps a run has, how long it warms up, and after which steps it is evaluated.

Settings in steps fit one size of corpus. Here they give way where a corpus is so small that they
would leave no step at full rate, or none that is evaluated once something has been learned.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.util import registry, resolve_dot_names

from ..errors import DataError
from .corpus import Corpus

WARMUP_SHARE = 0.25
"""Share of a run's steps that warm-up takes at most. The paper's 300 of 1,256 are 24%."""

LEAST_INTERVAL = 20
"""Steps between evaluations where epochs were added: each is but a few steps long."""


class Steps(NamedTuple):
    """Steps of a run of `spacy train`."""

    total: int  # of the whole run; 0 where nothing bounds it
    per_epoch: int  # of one pass over the corpus


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
    """Steps of warm-up: as many as were asked for, but at most `WARMUP_SHARE` of a run's."""
    return min(warmup, round(WARMUP_SHARE * total))


def fitted_interval(total: int, most: int) -> int:
    """Steps between the evaluations of `spacy train`.

    spaCy evaluates after each step whose number, from 0, is a multiple of the interval. At most
    `most` steps lie between two evaluations, and fewer than there are evaluations after the last.

    most (int): As `training.eval_frequency`, or an epoch.
    """
    last = total - 1
    return max(1, last // max(1, -(-last // most)))


def evaluated_steps(total: int, interval: int) -> int:
    """Steps up to the last evaluation of `spacy train`; all if the interval is 0 or longer."""
    return (total - 1) // interval * interval + 1 if 0 < interval < total else total


@registry.callbacks("spacy-dualner.fit_steps.v1")
def make_fit_steps(min_steps: int = 0) -> Callable[[Language], Language]:
    """`fit_steps` for `[initialize.after_init]`.

    min_steps (int): A run that epochs would end sooner gets more of them; 0 to leave epochs alone.
    RETURNS (Callable[[Language], Language]): The function.
    """
    return partial(fit_steps, min_steps=min_steps)


def fit_steps(nlp: Language, min_steps: int = 0) -> Language:
    """Fit `training.eval_frequency` and `training.max_epochs` to the size of the training corpus.

    Each epoch's end is evaluated, and the run's. Without this a corpus of few batches is evaluated
    after the first step alone, and that becomes `model-best`. With `eval_frequency` handed to
    `spacy-dualner.warmup_epochs.v1` the rate falls to 0 at the last evaluation, so that it is of
    what the run ends with.

    nlp (Language): The pipeline; its config is changed in place, and left alone where the corpus
        is none that can be counted, or the run has no end.
    min_steps (int): A run that epochs would end sooner gets more of them, with a warning, and is
        then evaluated after each epoch of `LEAST_INTERVAL` steps or more. 0 to leave epochs alone.
    """
    config = nlp.config.interpolate()
    training = config["training"]
    (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
    size, epochs = training["batcher"].get("size"), training["max_epochs"]
    most = training["max_steps"]
    steps = count_steps(corpus, size, epochs, most)
    if not (steps and steps.total):
        return nlp
    total, between = steps.total, steps.per_epoch
    if total < min_steps and not most:
        raised = -(-min_steps // steps.per_epoch)
        warnings.warn(
            f"{epochs} epochs of so small a corpus are {total} steps: training.max_epochs is "
            f"raised to {raised} (initialize.after_init.min_steps = {min_steps}).",
            stacklevel=2,
        )
        nlp.config["training"]["max_epochs"] = raised
        total, between = raised * steps.per_epoch, max(between, LEAST_INTERVAL)
    asked = min(training["eval_frequency"], between)
    nlp.config["training"]["eval_frequency"] = fitted_interval(total, asked)
    return nlp
