"""AdamW as transformers are fine-tuned: one recipe for `spacy train` and for `teach`."""

from collections.abc import Iterable, Iterator
from itertools import count, repeat
from typing import Any

import torch
from spacy.language import DEFAULT_CONFIG, Language
from spacy.util import registry
from thinc.api import Model, Optimizer
from torch import nn

from .steps import count_steps, evaluated_steps, fitted_warmup

DEFAULT = {"@optimizers": "spacy-dualner.AdamW.v1", "learn_rate": 5e-5, "heads_factor": 5.0}
"""What fine-tunes an encoder of any size where nothing else is said."""


def make_default() -> Optimizer:
    """The optimizer of `DEFAULT`."""
    return registry.resolve({"optimizer": DEFAULT})["optimizer"]


def prefer_default(nlp: Language) -> None:
    """Put `DEFAULT` in the place of spaCy's own default, whose rate of 0.001 ruins an encoder.

    nlp (Language): One with another optimizer keeps it. So does one that spaCy makes from a config:
        spaCy sets `nlp.config` to that once all components are made.
    """
    training = nlp.config["training"]
    if training.get("optimizer") == DEFAULT_CONFIG["training"]["optimizer"]:
        training["optimizer"] = dict(DEFAULT)


def warmup_linear(step: int, warmup: int, total: int) -> float:
    """Share of the peak rate at a step (from 0): linear rise over `warmup`, linear fall to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (total - step) / max(1, total - warmup))


@registry.schedules("spacy-dualner.warmup_epochs.v1")
def warmup_epochs(
    initial_rate: float,
    warmup_steps: int,
    epochs: Any,
    batch_size: Any,
    corpus: Any,
    max_steps: Any = 0,
    eval_frequency: Any = 0,
) -> Iterator[float]:
    """Linear warm-up, then linear decay to 0 at the last evaluation of the last epoch.

    Constant where there is no such corpus to count: spaCy also makes this schedule out of context,
    as for `nlp.resume_training()` of an installed pipeline, with `${...}` not filled in. Constant
    after warm-up where neither epochs nor steps are bounded.

    initial_rate (float): Peak rate.
    warmup_steps (int): Steps to reach it; at most a quarter of all (`fitted_warmup`).
    epochs (int): Number of epochs, as `training.max_epochs`.
    batch_size (int): Sentences a batch, as `training.batcher.size`.
    corpus (Corpus): The training corpus, a `spacy-dualner.Corpus.v1`: its size tells the steps.
    max_steps (int): As `training.max_steps`.
    eval_frequency (int): As `training.eval_frequency`; 0 to decay to the last step.
    """
    steps = count_steps(corpus, batch_size, epochs, max_steps)
    if steps is None:
        yield from repeat(initial_rate)
        return
    if not steps.total:
        yield from (initial_rate * min(1.0, (step + 1) / max(1, warmup_steps)) for step in count())
    warmup = fitted_warmup(warmup_steps, steps.total)
    total = evaluated_steps(steps.total, eval_frequency)
    for step in count():
        yield initial_rate * warmup_linear(step, warmup, total)


@registry.optimizers("spacy-dualner.AdamW.v1")
class AdamW(Optimizer):
    """AdamW without decay on biases and norms, clipping by global norm, heads at their own rate.

    It steps over a whole `dualner` model at once. Other components, and parameters that are not
    torch's, are updated one by one as by spaCy's Adam with the same rate.

    learn_rate (Union[float, Iterable[float]]): Rate of the encoder, or a schedule.
    weight_decay (float): Decoupled decay of weight matrices.
    grad_clip (float): Largest global norm of the gradient; 0 for no clipping.
    beta1 (float): Decay of the first moment.
    beta2 (float): Decay of the second moment.
    eps (float): Added to the root of the second moment.
    heads_factor (float): The heads' rate as a multiple of the encoder's.
    """

    def __init__(
        self,
        learn_rate: Any,
        *,
        weight_decay: float = 0.01,
        grad_clip: float = 1.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        heads_factor: float = 1.0,
    ) -> None:
        super().__init__(
            learn_rate,
            L2=weight_decay,
            grad_clip=grad_clip,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            use_averages=False,
        )
        self.heads_factor = heads_factor
        self._torch: dict[int, tuple[list[nn.Parameter], torch.optim.AdamW]] = {}

    def build(self, encoder: Iterable[nn.Module], heads: nn.Module) -> torch.optim.AdamW:
        """The torch optimizer over encoder modules and heads.

        encoder (Iterable[nn.Module]): Modules trained at the base rate; may be empty.
        heads (nn.Module): Trained at `heads_factor` times the base rate.
        RETURNS (torch.optim.AdamW): Each group's `factor` is its multiple of the base rate.
        """
        groups = []
        for module, factor in [*((m, 1.0) for m in encoder), (heads, self.heads_factor)]:
            parameters = [p for p in module.parameters() if p.requires_grad]
            # Biases and the parameters of norms are the vectors among the parameters.
            for decayed in (True, False):
                chosen = [p for p in parameters if (p.ndim > 1) == decayed]
                decay = self.L2 if decayed else 0.0
                groups.append({"params": chosen, "weight_decay": decay, "factor": factor})
        return torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=self.learn_rate,
            betas=(self.b1, self.b2),
            eps=self.eps,
            fused=True,
        )

    def step_model(self, model: Model) -> None:
        """Clip by global norm, step and clear the gradients of a DualNer.v1 model.

        model (Model): Its torch modules are stepped together, other parameters one by one.
        """
        heads = model.get_ref("heads").shims[0]._model
        modules = [shim._model for node in model.walk() for shim in node.shims]
        parameters = [p for m in modules for p in m.parameters() if p.requires_grad]
        known, optimizer = self._torch.get(model.id, ([], None))
        # Loading or initialising a pipeline again replaces its parameters, a new type the heads'.
        if optimizer is None or list(map(id, known)) != list(map(id, parameters)):
            state = optimizer.state if optimizer is not None else {}
            optimizer = self.build([m for m in modules if m is not heads], heads)
            optimizer.state.update({p: state[p] for p in parameters if p in state})
            self._torch[model.id] = parameters, optimizer
        set_rate(optimizer, self.learn_rate)
        if self.grad_clip:
            torch.nn.utils.clip_grad_norm_(parameters, self.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        for node in model.walk():
            for name in node.param_names:
                if node.has_grad(name):
                    key = (node.id, name)
                    param, _ = self(key, node.get_param(name), node.get_grad(name))
                    node.set_param(name, param)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the base rate; each group gets its own multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
