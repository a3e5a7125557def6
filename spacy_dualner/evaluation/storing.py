"""A copy of a pipeline with other settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..component import DualNer
from ..data.outputs import written_aside
from ..pipeline import find_component, load_pipeline
from ..training.portable import without_paths


def write_copy(
    model: str | Path, output: Path, component: str, change: Callable[[DualNer], object]
) -> None:
    """Write a copy of a pipeline, its component changed.

    model (Union[str, Path]): Folder or package of the pipeline. It is loaded anew: one that has
        read text holds the words, and they would be written with it.
    """
    nlp = load_pipeline(model)
    pipe = find_component(nlp, component)
    change(pipe)
    # What the config says of a component should be what it does.
    config = nlp.get_pipe_config(component)
    config.update({key: value for key, value in pipe.cfg.items() if key in config})
    with written_aside(output) as aside:
        without_paths(nlp).to_disk(aside)
