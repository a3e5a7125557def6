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


def entity_vectors(nlp: Language, docs: Mapping[str, Sequence[Doc]]) -> dict[str, NDArray[Any]]:
    """The vectors `r = [h_start; h_end]` (equation 9) of entities that the start/end heads find.

    nlp (Language): A trained pipeline.
    docs (Mapping[str, Sequence[Doc]]): Docs of each language; entities are taken from the first on.
    RETURNS (Dict[str, Array]): `vectors` float16 `[entities, 2 * width]`, at most MAX_ENTITIES of a
        language; `langs`, `types` and `texts`, strings `[entities]`.
    """
    pipe = find_component(nlp, "dualner")
    rows = []
    for lang, own in docs.items():
        words = pipe.model.get_ref("tok2vec").predict(list(own))
        spans = pipe.decode(list(own), pipe.predict(own), "span")
        found = [(vectors, span) for vectors, of in zip(words, spans, strict=True) for span in of]
        for vectors, span in found[:MAX_ENTITIES]:
            ends = to_numpy(vectors[[span.start, span.end - 1]]).reshape(-1).astype("float16")
            rows.append((ends, lang, span.label_, span.text))
    vectors, *names = zip(*rows, strict=True) if rows else ([np.zeros(0)], [], [], [])
    columns = [np.array(values, dtype=str) for values in names]
    arrays = dict(zip(("langs", "types", "texts"), columns, strict=True))
    return {"vectors": np.array(vectors, dtype="float16")[: len(rows)], **arrays}
