"""Figure 2: entity vectors in two dimensions, and how far types keep apart."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spacy_dualner.errors import DataError

_LEAST = 10  # entities in all, for anything to be said


@dataclass(frozen=True)
class Embedding:
    """The vectors `r` of equation 9 that one model gives the entities it finds.

    points (DataFrame): `language`, `type`, `text`, and for the picture `x` and `y`.
    separation (Dict[str, float]): By name of the measure, in full dimensions.
    """

    points: pd.DataFrame
    separation: dict[str, float]


def read_embedding(path: Path, langs: Sequence[str]) -> Embedding | None:
    """Read the entity vectors of a run and lay them out.

    path (Path): `entities.npz` of the run.
    langs (Sequence[str]): The languages to show; all in the file where it has none of them.
    RETURNS (Optional[Embedding]): None where there are too few entities, languages or types.
    RAISES (DataError): If the file is malformed.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            vectors = arrays["vectors"].astype(np.float32)
            columns = {
                "language": arrays["langs"],
                "type": arrays["types"],
                "text": arrays["texts"],
            }
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f"not the entity vectors of a run ({error}). Remove the folder and study again."
        raise DataError(path, message) from None
    points = pd.DataFrame(columns)
    wanted = points.language.isin(langs)
    if wanted.any():
        points, vectors = points[wanted].reset_index(drop=True), vectors[wanted]
    n_types = points.type.nunique()
    if len(points) < _LEAST or points.language.nunique() < 2 or not 2 <= n_types < len(points):
        return None
    from sklearn.manifold import TSNE  # slow to import
    from threadpoolctl import threadpool_limits

    # So few points are slower on several threads, and far slower where cores are busy.
    with threadpool_limits(1):
        perplexity = min(30, (len(points) - 1) / 3)
        tsne = TSNE(2, init="pca", random_state=0, perplexity=perplexity)
        points[["x", "y"]] = tsne.fit_transform(vectors)
    return Embedding(points, _separation(vectors, points.language, points.type))


def _separation(
    vectors: NDArray[np.float32], languages: pd.Series, types: pd.Series
) -> dict[str, float]:
    from sklearn.metrics import pairwise_distances, silhouette_score

    distances = pairwise_distances(vectors, metric="cosine").astype(np.float64)
    np.fill_diagonal(distances, 0)
    other, same_type = ((v.to_numpy()[:, None], v.to_numpy()) for v in (languages, types))
    elsewhere, alike = other[0] != other[1], same_type[0] == same_type[1]
    nearest = np.where(elsewhere, distances, np.inf).argmin(1)
    chance = (alike & elsewhere).sum(1) / elsewhere.sum(1)
    return {
        "silhouette of the types, all languages together (cosine)": float(
            silhouette_score(distances, types, metric="precomputed")
        ),
        "nearest neighbour in another language has the same type, percent": float(
            100 * alike[np.arange(len(types)), nearest].mean()
        ),
        "the same by chance, percent": float(100 * chance.mean()),
        "entities": len(types),
    }
