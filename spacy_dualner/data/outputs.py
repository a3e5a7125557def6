"""Outputs: written whole or not at all, and in place of nothing but what was made by the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import srsly

from ..errors import DualNerError

# What tells a folder of each kind from any other, and what else may be in it.
_MARKS = {"pipeline": ("config.cfg", "meta.json"), "encoder": ("config.json",), "corpus file": ()}
_CONTENT = {
    "pipeline": ("tokenizer", "vocab", "*README.md", "LICEN[CS]E*"),
    "encoder": (
        *("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin*", "*config.json"),
        *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"),
        *("vocab.txt", "vocab.json", "merges.txt", "*.model", "bpe.codes"),
    ),
    "corpus file": ("*.spacy",),
}
_N_NAMED = 3
# What a file of Docs begins with.
_ZLIB = b"\x78"

Kind = Literal["pipeline", "encoder", "corpus file"]


def is_pipeline(folder: Path) -> bool:
    """Whether a folder holds a pipeline."""
    return _is(folder, "pipeline")


def check_output(output: Path, model: Path, kind: Kind = "pipeline") -> None:
    """Refuse to write a changed copy where the original, or something else, would be lost.

    output (Path): Folder to write; what is there is replaced if it is of this kind.
    model (Path): Folder of what is copied.
    kind (str): What both are.
    Raises DualNerError where one lies in the other, or as `check_folder` does.
    """
    ours, theirs = output.resolve(), model.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise DualNerError(
            f"{output} and the {kind} {model} lie in one another. Name another folder."
        )
    check_folder(output, kind)


def check_folder(output: Path, kind: Kind) -> None:
    """Refuse to replace a folder that is not of a kind, or holds anything else.

    output (Path): The folder to write. One that is empty is no loss.
    kind (str): What is written.
    Raises DualNerError where it is of another kind, holds other files, or is a link.
    """
    check_link(output)
    if not output.exists():
        return
    if not output.is_dir() or (any(output.iterdir()) and not _is(output, kind)):
        raise DualNerError(
            f"{output} is there and is no {kind}, so it is not replaced. Name another folder."
        )
    check_entries(output, [*_MARKS[kind], *_CONTENT[kind], *_components(output, kind)])


def check_docs(output: Path) -> None:
    """Refuse to replace what is no file of Docs, and no folder of such files.

    output (Path): The `.spacy` file or folder to write.
    Raises DualNerError where it is of another kind, holds other files, or is a link.
    """
    if output.is_dir():
        check_folder(output, "corpus file")
        return
    check_file(output, "corpus file")
    if output.is_file():
        with output.open("rb") as file:
            begin = file.read(1)
        if begin not in (b"", _ZLIB):
            raise DualNerError(
                f"{output} is there and is no corpus file, so it is not replaced. Name another."
            )


def check_entries(folder: Path, own: Sequence[str] = ("*",), other: Sequence[str] = ()) -> None:
    """Refuse to replace a folder that holds other files.

    folder (Path): It need not be there.
    own (Sequence[str]): Patterns of the names that may be in it.
    other (Sequence[str]): Patterns of those that may not.
    Raises DualNerError where there are others.
    """
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    other = [name for name in names if _fits(name, other) or not _fits(name, own)]
    if other:
        named = ", ".join(other[:_N_NAMED]) + (", ..." if len(other) > _N_NAMED else "")
        raise DualNerError(
            f"{folder} is there and holds other files ({named}), so it is not replaced. Name "
            "another output."
        )


def check_file(output: Path, what: str, is_own: Callable[[str], bool] | None = None) -> None:
    """Refuse to replace a file that is something else.

    output (Path): The file to write. A device or a pipe is written to as it is, and one that is
        empty is no loss.
    what (str): What is written.
    is_own (Optional[Callable[[str], bool]]): Whether a text is that; any file is replaced if None.
    Raises DualNerError where the file is of another kind, a folder, or a link.
    """
    check_link(output)
    if output.is_dir():
        raise DualNerError(f"{output} is a folder. Name a file.")
    if is_own is None or not output.is_file() or not output.stat().st_size:
        return
    if not is_own(output.read_text("utf8", "replace")):
        raise DualNerError(
            f"{output} is there and is no {what}, so it is not replaced. Name another file."
        )


def check_json(output: Path | None, what: str, *keys: str) -> None:
    """As `check_file`, of a JSON file that holds an object.

    output (Optional[Path]): The file; nothing is checked if None.
    what (str): What is written.
    keys (str): Keys of the object.
    """

    def is_own(text: str) -> bool:
        try:
            value = srsly.json_loads(text)
        except ValueError:
            return False
        return isinstance(value, dict) and value.keys() >= {*keys}

    if output is not None:
        check_file(output, what, is_own)


def check_link(output: Path) -> None:
    """Refuse an output that is a link.

    To replace it would leave what it points to as it was, and to write there would lose that.

    output (Path): A file or folder to write; one that leads to a device or a pipe passes.
    """
    if output.is_symlink() and (output.is_dir() or output.is_file() or not output.exists()):
        raise DualNerError(
            f"{output} is a link to {os.readlink(output)}. Name that, or remove the link."
        )


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _is(folder: Path, kind: str) -> bool:
    return all((folder / name).is_file() for name in _MARKS[kind])


def _components(folder: Path, kind: str) -> list[str]:
    """Names of the folders of a pipeline's components."""
    if kind != "pipeline" or not _is(folder, kind):
        return []
    try:
        meta: dict[str, Any] = srsly.read_json(folder / "meta.json")
        return [*meta.get("components", []), *meta.get("pipeline", [])]
    except (ValueError, AttributeError):
        return []


@contextmanager
def written_aside(output: Path) -> Iterator[Path]:
    """A folder that takes the place of the output if the block ends well, and else goes."""
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as name:
        new, old = Path(name) / "new", Path(name) / "old"
        yield new
        put_in_place(new, output, old)


def put_in_place(new: Path, output: Path, old: Path) -> None:
    """Put a file or folder in the place of an output, which steps aside and comes back on failure.

    new (Path): What to put there.
    output (Path): The output, which need not be there.
    old (Path): Where the output goes that was there, on the same disk.
    """
    try:
        if output.exists():
            os.replace(output, old)
        os.replace(new, output)
    except BaseException:
        if old.exists() and not output.exists():
            os.replace(old, output)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file aside, then put it in place. A device or a pipe is written to as it is.

    path (Path): The file; its folder is made.
    text (str): The content.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file aside, then put it in place."""
    write_text(path, srsly.json_dumps(value, indent=2) + "\n")
