"""MkDocs hooks: pages that are made from the code at each build, and equations."""

from __future__ import annotations

from commands import commands_page
from configuration import configuration_page
from mathml import math_fence
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {"commands.md": commands_page, "configuration.md": configuration_page}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have blocks of `math` shown as equations."""
    fence = {"name": "math", "class": "math", "format": math_fence}
    config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    for path, page in PAGES.items():
        files.append(File.generated(config, path, content=page()))
    return files
