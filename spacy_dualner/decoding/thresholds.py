"""Thresholds: how sure an entity has to be to be reported, for all types or type by type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Real
from typing import TypeAlias

from ..errors import DualNerError

Threshold: TypeAlias = float | Mapping[str, float]
"""One number for all types, from 0 to 1, or those of some types: the others have none."""


def check_threshold(threshold: Threshold, types: Collection[str]) -> None:
    """Check a component's setting.

    types (Collection[str]): The component's types; none where it does not know them yet.
    Raises DualNerError where a number is not from 0 to 1, or a type is not the component's.
    """
    table = threshold if isinstance(threshold, Mapping) else {"": threshold}
    for type_, least in table.items():
        if not isinstance(least, Real) or not 0 <= least <= 1:
            whose = f" of {type_}" if type_ else ""
            raise DualNerError(f"The threshold{whose} is {least!r}. Give a number from 0 to 1.")
    unknown = sorted(set(table) - set(types)) if isinstance(threshold, Mapping) and types else []
    if unknown:
        raise DualNerError(
            f"There is a threshold for {', '.join(unknown)}, which the pipeline does not know. Its "
            f"types are: {', '.join(types)}."
        )


def of_type(threshold: Threshold, type_: str) -> float:
    """How sure an entity of a type has to be."""
    return threshold.get(type_, 0.0) if isinstance(threshold, Mapping) else threshold


def can_drop(threshold: Threshold) -> bool:
    """Whether a threshold is above 0 for any type."""
    return any(threshold.values()) if isinstance(threshold, Mapping) else threshold > 0
