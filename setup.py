"""Metadata lives in pyproject.toml; this file puts the presets into the wheel."""

from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPresets(build_py):
    """In a checkout they are beside the package, in `configs/`."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copytree("configs", f"{self.build_lib}/spacy_dualner/configs", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithPresets})
