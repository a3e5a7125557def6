"""An encoder with its masked-language-model head: loading, loss at masked positions, writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from spacy_transformers.data_classes import HFObjects
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import MODEL_FOR_MASKED_LM_MAPPING

from ..encoder.blocks import Shape, make_blocks
from ..encoder.encode import autocast
from ..encoder.loading import forget_origin, load_encoder, quiet_loading
from ..encoder.shim import EncoderShim
from ..encoder.subwords import WordTokenizer
from ..errors import DualNerError
from .masking import Masked


class MaskedLanguageModel(NamedTuple):
    """An encoder with the head that guesses masked sub-words.

    model (PreTrainedModel): Hugging Face model for masked language modelling.
    words (WordTokenizer): Gives the sub-words, as in stage 1.
    shape (Shape): How to cut and pad, as in stage 1.
    new_head (bool): Whether the head was not pre-trained.
    """

    model: Any
    words: WordTokenizer
    shape: Shape
    new_head: bool

    @property
    def heads(self) -> nn.ParameterList:
        """The head's parameters that are not the encoder's, as the tied embeddings are."""
        own = {id(parameter) for parameter in self.model.base_model.parameters()}
        return nn.ParameterList(p for p in self.model.parameters() if id(p) not in own)


def load_masked_lm(name: str) -> MaskedLanguageModel:
    """Load an encoder with its masked-language-model head; a new one where it has none.

    name (str): A folder, or a name on the Hugging Face hub.
    RETURNS (MaskedLanguageModel): In float32, on Thinc's current device.
    Raises DualNerError where the encoder cannot be had, or its architecture has no such head.
    """
    found = load_encoder(name, "Give a local folder as ENCODER.")
    config, device = found.transformer.config, found.transformer.device
    kinds: Any = MODEL_FOR_MASKED_LM_MAPPING
    if type(config) not in kinds:
        raise DualNerError(
            f"'{name}' is of the kind '{config.model_type}', for which transformers has no masked "
            "language model. Adapt another encoder, or train without adaptation."
        )
    with quiet_loading():
        # All of it is on this machine by now.
        model, report = kinds[type(config)].from_pretrained(
            name, local_files_only=True, torch_dtype=torch.float32, output_loading_info=True
        )
    missing = [k for k in report["missing_keys"] if not k.startswith(f"{model.base_model_prefix}.")]
    shim = EncoderShim()
    shim.set_encoder(HFObjects(found.tokenizer, model.to(device).base_model, None))
    return MaskedLanguageModel(model, shim.words(), shim.shape(), bool(missing))


def masked_losses(
    lm: MaskedLanguageModel, masked: Masked, mixed_precision: bool
) -> Iterator[Tensor]:
    """The loss of sentences, block by block, as each is needed.

    The head is computed at the words to guess alone: over all positions it would cost more than
    the encoder.

    lm (MaskedLanguageModel): Encoder and head.
    masked (Masked): The sentences; blocks without a word to guess are passed over.
    mixed_precision (bool): bfloat16 where the device has it.
    RETURNS (Iterator[Tensor]): Scalars: nats, summed over the sub-words to guess.
    """
    model, device = lm.model, lm.model.device
    for block in make_blocks(masked.shown, lm.shape):
        arrays = (*masked.targets(block), block.input_ids, block.lengths)
        positions, labels, ids, lengths = (
            torch.from_numpy(values).to(device, non_blocking=True) for values in arrays
        )
        if not len(positions):
            continue
        attended = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        with autocast(device, mixed_precision), _head_only_at(model.base_model, positions):
            logits = model(input_ids=ids, attention_mask=attended.long(), return_dict=True).logits
        yield cross_entropy(logits[0].float(), labels, reduction="sum")


@contextmanager
def _head_only_at(encoder: nn.Module, positions: Tensor) -> Iterator[None]:
    """Have an encoder hand on to the head its vectors at some positions, as one sentence."""

    def pick(module: nn.Module, inputs: Any, output: Any) -> None:
        output["last_hidden_state"] = output[0].flatten(0, 1)[positions][None]

    hook = encoder.register_forward_hook(pick)
    try:
        yield
    finally:
        hook.remove()


def write_encoder(lm: MaskedLanguageModel, folder: Path) -> None:
    """Write an encoder with its head and tokenizer. Holds nothing of where they came from.

    Raises DualNerError where the disk is full.
    """
    try:
        lm.model.save_pretrained(folder)
    except SafetensorError as error:
        # What it says of a full disk is no OSError.
        raise DualNerError(
            f"The encoder could not be written ({error}). Check the space left."
        ) from error
    lm.words.tokenizer.save_pretrained(folder)
    for name in ("config.json", "tokenizer_config.json"):
        forget_origin(folder / name)
