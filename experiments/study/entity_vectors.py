"""Entity vectors for Figure 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import to_numpy

from spacy_dualner.pipeline import find_component

MAX_ENTITIES = 300


def entity_vectors(
    nlp: Language, docs: Mapping[str, Sequence[Doc]], component: str = "dualner"
) -> dict[str, NDArray[Any]]:
    """The vectors `r = [h_start; h_end]` (equation 9) of entities that the start/end heads find.

    nlp (Language): A trained pipeline.
    docs (Mapping[str, Sequence[Doc]]): Docs of each language; entities are taken from the first on.
    component (str): Name of the dualner component.
    RETURNS (Dict[str, Array]): `vectors` float16 `[entities, 2 * width]`, at most MAX_ENTITIES of a
        language; `langs`, `types` and `texts`, strings `[entities]`.
    """
    pipe = find_component(nlp, component)
    tok2vec = pipe.model.get_ref("tok2vec")
    rows: list[NDArray] = []
    names: list[tuple[str, str, str]] = []
    for lang, own in docs.items():
        words = tok2vec.predict(list(own))
        found = pipe.decode(list(own), pipe.predict(own), "span")
        entities = [(vectors, span) for vectors, spans in zip(words, found, strict=True)
                    for span in spans]  # fmt: skip
        for vectors, span in entities[:MAX_ENTITIES]:
            ends = to_numpy(vectors[[span.start, span.end - 1]])
            rows.append(ends.reshape(-1).astype("float16"))
            names.append((lang, span.label_, span.text))
    columns = np.array(names, dtype=str).reshape(-1, 3).T
    return {
        "vectors": np.array(rows, dtype="float16").reshape(len(rows), -1 if rows else 0),
        "langs": columns[0],
        "types": columns[1],
        "texts": columns[2],
    }
