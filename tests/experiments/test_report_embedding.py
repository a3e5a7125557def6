"""Figure 2: how far apart types are, across languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.results import ResultsFolder

from experiments.report.embedding import read_embedding
from experiments.report.figures import entity_vectors

SILHOUETTE = "silhouette of the types, all languages together (cosine)"
AGREEMENT = "nearest neighbour in another language has the same type, percent"
CHANCE = "the same by chance, percent"


@pytest.mark.parametrize(("apart", "together"), [(4.0, True), (0.0, False)])
def test_types_that_lie_apart(tmp_path: Path, apart: float, together: bool) -> None:
    ResultsFolder(tmp_path / "results").write_vectors(tmp_path, apart)
    found = read_embedding(tmp_path / "entities.npz", ["en", "de", "ar"])
    assert found is not None
    assert len(found.points) == found.separation["entities"] == 180
    assert set(found.points.language) == {"en", "de", "ar"}
    assert np.isfinite(found.points[["x", "y"]].to_numpy()).all()
    assert found.separation[CHANCE] == pytest.approx(100 / 3, abs=2)
    assert (found.separation[AGREEMENT] > 90) == together
    assert (found.separation[SILHOUETTE] > 0.3) == together


def test_nearest_neighbours_are_of_other_languages(tmp_path: Path) -> None:
    """In its own language an entity is beside its type, in the other beside the other type."""
    vectors, langs, types = [], [], []
    for place, lang in enumerate(("en", "de")):
        for i in range(10):
            own = np.zeros(4)
            own[place] = 0.1
            own[2 + (i % 2 + place) % 2] = 1
            vectors.append(own)
            langs.append(lang)
            types.append(("LOC", "PER")[i % 2])
    np.savez(
        tmp_path / "entities.npz",
        vectors=np.array(vectors, dtype="float16"),
        langs=np.array(langs),
        types=np.array(types),
        texts=np.array(types),
    )
    found = read_embedding(tmp_path / "entities.npz", [])
    assert found is not None
    assert found.separation[AGREEMENT] == 0
    assert found.separation[CHANCE] == 50
    assert read_embedding(tmp_path / "entities.npz", ["en"]) is None


def test_the_legend_names_what_any_method_finds() -> None:
    points = {
        "method": ["MLT", "DualNER", "DualNER"],
        "language": ["en", "en", "sw"],
        "type": ["PER", "PER", "LOC"],
        "text": ["Anna", "Anna", "Kenya"],
    }
    data = pd.DataFrame(points).assign(x=0.0, y=[0.0, 0.0, 1.0])
    svg = entity_vectors("figure2", "Figure 2", data).svg
    assert all(svg.count(f">{name}</text>") == 1 for name in ("en PER", "sw LOC"))
