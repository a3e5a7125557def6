"""Figure 2: entity vectors in two dimensions, and how far types keep apart."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacy_dualner.errors import DataError

MOST_A_LANGUAGE = 300
"""Entities of a language in the picture; more are drawn from."""

_LEAST = 10  # entities in all, for anything to be said
_LEAST_TSNE = 100
_PCA_SIZE = 50
_SEED = 0


class Interval(NamedTuple):
    """A mean over entities with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Clustering:
    """The vectors `r` of equation 9 that one model gives the entities it finds.

    points (Floats2d): `[n, 2]`, for the picture.
    projection (str): How the points were made.
    langs, types, texts (Strings1d): Of each entity.
    silhouette (Interval): By type, all languages together, cosine distance: 1 where types are
        far apart, 0 where they lie on each other.
    agreement (Interval): Share of entities whose nearest neighbour in another language (by
        cosine) has the same type.
    chance (float): That share for a neighbour drawn at random.
    """

    points: NDArray[np.float64]
    projection: str
    langs: NDArray[np.str_]
    types: NDArray[np.str_]
    texts: NDArray[np.str_]
    silhouette: Interval
    agreement: Interval
    chance: float


def read_clustering(path: Path, langs: Sequence[str]) -> Clustering | None:
    """Read the entity vectors of a run and lay them out.

    path (Path): `entities.npz` of the run.
    langs (Sequence[str]): The languages to show; all in the file where it has none of them.
    RETURNS (Optional[Clustering]): None where there are too few entities, languages or types.
    RAISES (DataError): If the file is malformed.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            read = [arrays[name] for name in ("vectors", "langs", "types", "texts")]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f"not the entity vectors of a run ({error}). Remove the folder and study again."
        raise DataError(path, message) from None
    known = [lang for lang in langs if lang in set(read[1])] or sorted(set(read[1]))
    chosen = _draw(read[1], known)
    vectors, of_lang, types, texts = (values[chosen] for values in read)
    if len(chosen) < _LEAST or len(set(of_lang)) < 2 or not 2 <= len(set(types)) < len(chosen):
        return None
    vectors = vectors.astype(np.float32)
    return Clustering(
        *_project(vectors), of_lang, types, texts, *_separation(vectors, of_lang, types)
    )


def _draw(langs: NDArray[np.str_], wanted: Sequence[str]) -> NDArray[np.int64]:
    """Indices of at most MOST_A_LANGUAGE entities of each language, in their order."""
    rng = np.random.default_rng(_SEED)
    drawn = []
    for lang in wanted:
        of_lang = np.flatnonzero(langs == lang)
        if len(of_lang) > MOST_A_LANGUAGE:
            of_lang = np.sort(rng.choice(of_lang, MOST_A_LANGUAGE, replace=False))
        drawn.append(of_lang)
    return np.concatenate(drawn) if drawn else np.zeros(0, dtype=np.int64)


def _project(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], str]:
    """Two dimensions by t-SNE, or where there are few vectors by PCA."""
    from sklearn.decomposition import PCA  # slow to import

    if len(vectors) < _LEAST_TSNE:
        return PCA(2, random_state=_SEED).fit_transform(vectors).astype(np.float64), "PCA"
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    size = min(_PCA_SIZE, *vectors.shape)
    reduced = PCA(size, random_state=_SEED).fit_transform(vectors)
    # So few points are slower on several threads, and far slower where cores are busy.
    with threadpool_limits(1):
        points = TSNE(2, init="pca", random_state=_SEED).fit_transform(reduced)
    return points.astype(np.float64), f"t-SNE of {size} principal components"


def _separation(vectors: NDArray[np.float32], langs: Any, types: Any) -> tuple:
    """Silhouette, agreement of neighbours across languages, and that by chance."""
    from sklearn.metrics import pairwise_distances, silhouette_samples

    distances = pairwise_distances(vectors, metric="cosine").astype(np.float64)
    np.fill_diagonal(distances, 0)
    silhouette = silhouette_samples(distances, types, metric="precomputed")
    other = langs[:, None] != langs[None, :]
    same_type = types[:, None] == types[None, :]
    nearest = np.where(other, distances, np.inf).argmin(1)
    agrees = same_type[np.arange(len(types)), nearest]
    chance = (same_type & other).sum(1) / other.sum(1)
    return _interval(silhouette), _interval(agrees.astype(np.float64)), float(chance.mean())


def _interval(values: NDArray[np.float64]) -> Interval:
    """Mean and normal approximation of its 95% interval, within the range of the values."""
    mean = float(values.mean())
    margin = 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Interval(
        mean, max(mean - margin, float(values.min())), min(mean + margin, float(values.max()))
    )
