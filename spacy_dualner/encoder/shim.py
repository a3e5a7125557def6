"""The encoder's weights, tokenizer and config as one object that Thinc can hold and serialise."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, cast

import srsly
import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from srsly.msgpack import Packer
from thinc.api import get_torch_default_device
from thinc.types import ArgsKwargs
from torch import nn

from ..errors import DualNerError
from ..system.scratch import scratch
from .encode import autocast, encode_words
from .loading import forget_origin, rebuild_encoder, without_origin
from .packing import binary_header, load_tensors, open_view, pack, unpack
from .piece_size import PieceSize, fitting_pieces
from .subwords import WordTokenizer, special_ids, word_mark
from .windows import Shape

# Shortest window in sub-words, special ones not counted.
MIN_WINDOW = 8


class EncoderShim(HFShim):
    """spacy-transformers' shim for encoders, used word by word.

    Differs from its base in three ways: weights that do not match the model exactly are an error,
    no trace of the encoder's origin is stored, and a tokenizer needs no `vocab_file`. Weights are
    float32 in memory, and are stored in float16 after `store_in(torch.float16)` until trained.

    The settings are those of `spacy-dualner.Transformer.v1`; they come from the config at every
    load and are not stored with the weights.
    """

    def __init__(
        self,
        *,
        pooling: str = "first",
        window: int = 0,
        block_size: int = 0,
        mixed_precision: bool = False,
        freeze_embeddings: bool = False,
    ) -> None:
        super().__init__(HFObjects(None, None, None), grad_scaler_config={})
        self.pooling = pooling
        self.window = window
        self.block_size = block_size
        self.bf16 = mixed_precision
        self.freeze_embeddings = freeze_embeddings
        self._words: WordTokenizer | None = None
        self._stored_in = torch.float32

    @property
    def is_loaded(self) -> bool:
        return self._model is not None

    @property
    def transformer(self) -> nn.Module:
        """The Hugging Face encoder. Raises DualNerError before initialisation."""
        if self._model is None:
            raise DualNerError(
                "The encoder has no weights yet. Call nlp.initialize(), or load a trained pipeline."
            )
        return self._model

    def set_encoder(self, hf_model: HFObjects) -> None:
        """Take over an encoder and its tokenizer."""
        self._hfmodel = hf_model
        self._model = hf_model.transformer
        if self.freeze_embeddings and self._model is not None:
            cast(Any, self._model).get_input_embeddings().requires_grad_(False)
        # Asked for now, as threads share the tokenizer later.
        self._special = special_ids(hf_model.tokenizer) if hf_model.tokenizer else ((), ())
        self._mark = word_mark(hf_model.tokenizer) if hf_model.tokenizer else -1
        self._words = None
        self._piece_size: PieceSize | None = None
        self._stored_in = torch.float32

    def store_in(self, dtype: torch.dtype) -> None:
        """Choose the precision of stored weights: float16, or float32 for weights that changed."""
        self._stored_in = dtype

    def shape(self) -> Shape:
        """How to cut and pad for this encoder. Raises DualNerError for too short a window."""
        config, tokenizer = cast(Any, self.transformer.config), self._hfmodel.tokenizer
        prefix, suffix = self._special
        limits = [self.window or 512, tokenizer.model_max_length]
        # XLNet, which takes any length, says -1.
        if (positions := getattr(config, "max_position_embeddings", -1)) > 0:
            # RoBERTa's begin after the padding id, nearly always 1, of which their table knows.
            table = getattr(getattr(self.transformer, "embeddings", 0), "position_embeddings", 0)
            limits.append(positions - 1 - (getattr(table, "padding_idx", None) or 1))
        size = min(limits) - len(prefix) - len(suffix)
        if size < MIN_WINDOW:
            raise DualNerError(
                f"A window of {size} sub-words is too short for words in context: give at least "
                f"{MIN_WINDOW + len(prefix) + len(suffix)} at "
                "components.dualner.model.tok2vec.window, or 0 for what the encoder takes."
            )
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        # A CPU's cache should hold what is computed at once, a GPU be kept busy.
        budget = self.block_size or (1024 if self.device.type == "cpu" else 16384)
        skipped = self._mark if self.pooling == "first_text" else -1
        return Shape(prefix, suffix, pad, size, size // 2, budget, skipped=skipped)

    def words(self) -> WordTokenizer:
        """The sub-word memory, made at first use; words are kept no longer than the overlap."""
        overlap, words = self.shape().overlap, self._words
        if words is None or words.max_word != overlap:
            # Of two threads that come here at once, one makes a memory that is soon forgotten.
            self._words = words = WordTokenizer(self._hfmodel.tokenizer, max_word=overlap)
        return words

    def piece_size(self) -> PieceSize:
        """The pieces of a batch that memory takes in training, measured at first use."""
        if self._piece_size is None:
            arguments = self.transformer, self.shape()
            self._piece_size = fitting_pieces(*arguments, mixed_precision=self.bf16)
        return self._piece_size

    def predict(self, inputs: ArgsKwargs) -> torch.Tensor:
        """Word vectors without gradient or dropout. inputs: arguments of `encode_words`."""
        self.transformer.eval()
        with torch.no_grad(), autocast(self.device, self.bf16):
            return encode_words(self.transformer, *inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> tuple[torch.Tensor, Callable]:
        """Word vectors, and a callback that takes their gradient into the encoder."""
        self.transformer.train()
        # A step of training is often smaller than float16 can tell.
        self.store_in(torch.float32)
        with autocast(self.device, self.bf16):
            vectors = encode_words(self.transformer, *inputs.args, **inputs.kwargs)

        def backprop(d_vectors: torch.Tensor) -> None:
            if vectors.requires_grad:
                torch.autograd.backward(vectors, d_vectors)

        return vectors, backprop

    def to_bytes(self) -> bytes:
        """Weights, config and tokenizer files. Holds nothing of where they came from."""
        if not self.is_loaded:
            return srsly.msgpack_dumps({"config": {}, "state": b"", "tokenizer": {}})
        with scratch() as folder:
            self._hfmodel.tokenizer.save_pretrained(folder)
            forget_origin(folder / "tokenizer_config.json")
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
            files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        state = {
            name: weight.to(self._stored_in) if weight.is_floating_point() else weight
            for name, weight in self._model.state_dict().items()
        }
        # The weights are written where they stay: each further copy is as large as they are.
        packed = BytesIO()
        config = without_origin(self._model.config.to_dict())
        packed.write(Packer().pack_map_header(4))
        for part in ("checksum", _checksum(config, files), "config", config, "state"):
            pack(part, packed.write)
        header = packed.tell()
        packed.write(binary_header(0))
        begin = packed.tell()
        torch.save(state, packed)
        end = packed.tell()
        packed.seek(header)
        packed.write(binary_header(end - begin))
        packed.seek(end)
        pack("tokenizer", packed.write)
        pack(files, packed.write)
        return packed.getvalue()

    def from_bytes(self, bytes_data: bytes | memoryview) -> EncoderShim:
        """Load what `to_bytes` wrote. Raises DualNerError where weights and config disagree."""
        msg = unpack(bytes_data)
        if not msg["config"]:
            self.set_encoder(HFObjects(None, None, None))
            return self
        # The weights have their own; earlier versions wrote none of the rest.
        if msg.get("checksum") not in (None, _checksum(msg["config"], msg["tokenizer"])):
            raise DualNerError("The stored encoder is damaged. Get the pipeline anew.")
        stored = open_view(memoryview(msg["state"]))
        state = load_tensors(stored, map_location=get_torch_default_device())
        self.set_encoder(rebuild_encoder(msg["config"], msg["tokenizer"], state))
        if {w.dtype for w in state.values() if w.is_floating_point()} == {torch.float16}:
            self.store_in(torch.float16)
        return self


def _checksum(config: dict[str, Any], files: Mapping[str, bytes]) -> int:
    """Of an encoder's config and its tokenizer's files."""
    packed = [json.dumps(config, sort_keys=True).encode()]
    for name, content in sorted(files.items()):
        packed += [name.encode(), content]
    return zlib.crc32(b"\0".join(packed))
