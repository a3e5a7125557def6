"""How often entities are right in a language without annotations: as often as the heads agree.

The heads read the same vectors, but each in its own way: the less a text is like what they learnt
from, the less they find the same entities. Annotated text tells how precision falls with that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from .fitting import fit_temperature
from .reliability import Floats
from .sentences import FoundEntities, JudgedEntities

_MOST = 0.99  # No text is all right or all wrong: log odds stay finite.


def agreement_power(agreement: Sequence[float], precision: Sequence[float]) -> float:
    """The power of the heads' agreement that precision is, of texts where both are known.

    agreement (Sequence[float]): Of each text, F1 between what the kinds of heads find, 0 to 1.
    precision (Sequence[float]): The share of the entities in it that is right.
    RETURNS (float): By least squares of the logarithms; 1 where the heads agree in everything.
    """
    agree, right = (np.log(np.clip(x, 1 - _MOST, 1)) for x in (agreement, precision))
    return float(agree @ right / (agree @ agree)) if agree.any() else 1.0


def shift_to(log_odds: Floats, precision: float) -> Floats:
    """Probabilities whose log odds are shifted until a given precision (0 to 1) is their mean."""
    if not len(log_odds):
        return log_odds
    aim = min(max(precision, 1 - _MOST), _MOST)
    reach = 10 + float(np.abs(log_odds).max())
    shift = brentq(lambda shift: expit(log_odds + shift).mean() - aim, -reach, reach)
    return expit(log_odds + shift)


def expect(
    known: Sequence[JudgedEntities], unknown: Sequence[FoundEntities]
) -> tuple[list[Floats], float]:
    """How probably entities in text without annotations are right, and the power that tells it.

    RETURNS (Tuple[List[Floats1d], float]): Of each language; and by which power of the heads'
        agreement precision falls.
    """
    known = [own for own in known if len(own.right)]
    precision = [float(own.right.mean()) for own in known]
    power = agreement_power([own.sentences.agreement for own in known], precision)
    temperature = fit_temperature(
        lambda value: np.concatenate(
            [shift_to(own.votes / value, p) for own, p in zip(known, precision, strict=True)]
        ),
        np.concatenate([own.right for own in known]),
    )
    return [
        shift_to(own.votes / temperature, own.sentences.agreement**power) for own in unknown
    ], power
