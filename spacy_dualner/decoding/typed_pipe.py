"""The entity types of a component, which are those of its heads' rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from spacy.errors import Errors
from spacy.tokens import Doc

from ..encoder.heads import CALIBRATORS, widen
from ..encoder.packing import PackedPipe
from ..errors import DualNerError
from ..labels.gold_types import foreign_types, types_of
from ..labels.scheme import LabelScheme
from .confidence import Calibrator, set_calibrator
from .decodings import DECODINGS, check_decoding


class TypedPipe(PackedPipe):
    """What a component with a DualNer.v1 model knows of its types, and what was fitted to them."""

    cfg: dict[str, Any]  # `labels`, in the order of the heads' rows, and `temperature`

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types, in the order of the heads' rows: sorted, but for those added later."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """The entity types, as `spacy init labels` writes them."""
        return list(self.cfg["labels"])

    @property
    def scheme(self) -> LabelScheme:
        """The heads' classes. Raises DualNerError where the types are not those of the heads."""
        scheme = LabelScheme(self.labels)
        if self.model.has_dim("nO") and self.model.get_dim("nO") != scheme.n_logits:
            raise DualNerError(
                f"Component '{self.name}' has {scheme.n_types} entity types, but heads of "
                f"{self.model.get_dim('nO')} classes: its settings and its weights are not of one "
                "model. Load both from the same folder."
            )
        return scheme

    def set_types(self, scheme: LabelScheme) -> None:
        """Name the types that the heads have, or will be built with."""
        for type_ in scheme.types:
            self.vocab.strings.add(type_)
        self.cfg["labels"] = list(scheme.types)

    def add_label(self, label: str) -> int:
        """Add an entity type. Once the model is initialised, its heads get rows for it.

        What is found stays as it is until the type is trained. Text to train on has to be annotated
        with the earlier types as well.

        label (str): The type.
        RETURNS (int): 1, or 0 if it is there already.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        scheme = LabelScheme.from_types([*self.labels, label])
        if self.model.has_dim("nO"):
            scheme = LabelScheme((*self.scheme.types, label))
            widen(self.model, scheme)
            if self.forget_calibration():
                warnings.warn(
                    f"Component '{self.name}' is not calibrated any more, as it was without the "
                    f"type {label}. Calibrate it again once that is trained.",
                    stacklevel=2,
                )
        self.set_types(scheme)
        return 1

    def warn_of_types(self, docs: Sequence[Doc], noted: set[str]) -> None:
        """Warn once of each gold type that the component does not know; `noted` keeps which."""
        new = types_of(docs).difference(self.labels, noted)
        if new:
            noted |= new
            message = foreign_types(new, self.labels, f"The text that '{self.name}' learns from")
            warnings.warn(
                f"{message} They count as no entities. Add each with add_label() first.",
                stacklevel=3,
            )

    def set_calibration(
        self, decode: str, temperature: float, calibrator: Calibrator | None = None, text: str = ""
    ) -> None:
        """Set how confidences of one decoding are calibrated.

        decode (str): `span`, `tag` or `joint`.
        temperature (float): Divides the heads' log scores.
        calibrator (Optional[Calibrator]): Corrects the lattice's probability.
        text (str): Fingerprint of the annotated text that it is fitted to, of all decodings alike.
        """
        check_decoding(decode)
        self.cfg["calibrated_on"] = text
        self.cfg["temperature"] = self.cfg["temperature"] | {decode: temperature}
        set_calibrator(self.model, decode, calibrator)

    def forget_calibration(self) -> bool:
        """Drop what was fitted to other weights; whether any decoding was calibrated."""
        temperatures: Iterable[float] = self.cfg["temperature"].values()
        calibrated = bool(self.model.attrs[CALIBRATORS]) or any(t != 1 for t in temperatures)
        for decode in DECODINGS:
            self.set_calibration(decode, temperature=1.0)
        return calibrated
