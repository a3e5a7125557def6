"""A table of the report, and its files by pandas: CSV, Markdown, LaTeX, HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

DASH = "–"
_MOST_COLUMNS = 22  # side by side where a page is narrow, as in the paper


@dataclass(frozen=True)
class Table:
    """A table.

    name (str): Of its files, without ending.
    title (str): The caption.
    numbers (DataFrame): All values in full, for the CSV.
    shown (DataFrame): As people read it: texts, rows by group and name.
    bold (Optional[DataFrame]): Which of those are the best.
    notes (Sequence[str]): What stands below.
    """

    name: str
    title: str
    numbers: pd.DataFrame
    shown: pd.DataFrame
    bold: pd.DataFrame | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    def files(self) -> dict[str, str]:
        """The text of each file, by ending."""
        return {"csv": to_csv(self.numbers), "md": self._markdown(), "tex": self._latex()}

    def html(self) -> str:
        """The `<table>` element."""
        styler = self._style(self.shown).format(escape="html").format_index(escape="html", axis=0)
        return styler.format_index(escape="html", axis=1).to_html(table_uuid=self.name)

    def _markdown(self) -> str:
        shown = self.shown
        if self.bold is not None:
            shown = shown.mask(self.bold, "**" + shown + "**")
        tables = [
            part.reset_index()
            .replace(r"\|", r"\|", regex=True)
            .to_markdown(index=False, disable_numparse=True)
            for part in _parts(shown)
        ]
        return "\n\n".join([f"**{self.title}**", *tables, *self.notes]) + "\n"

    def _latex(self) -> str:
        tables = []
        for number, part in enumerate(_parts(self.shown)):
            last = number == len(_parts(self.shown)) - 1
            styler = self._style(part).format(escape="latex")
            for axis in (0, 1):
                styler = styler.format_index(escape="latex", axis=cast(int, axis))
            tables.append(styler.to_latex(
                hrules=True, convert_css=True, multirow_align="naive", environment="table*",
                caption=" ".join([self.title + ".", *self.notes]) if last else None,
                label=f"tab:{self.name}" if last else None,
            ))  # fmt: skip
        return "% \\usepackage[T1]{fontenc}, \\usepackage{booktabs}\n" + "\n".join(tables)

    def _style(self, part: pd.DataFrame) -> Styler:
        bold = self.bold
        if bold is None:
            return part.style
        css = pd.DataFrame(np.where(bold[part.columns], "font-weight: bold", ""),
                           part.index, part.columns)  # fmt: skip
        return part.style.apply(lambda _: css, axis=None)


def number_table(name: str, title: str, values: pd.DataFrame, pattern: str) -> Table:
    """A table of numbers, all in one format."""
    return Table(name, title, values, values.map(lambda value: number(pattern, value)))


def to_csv(frame: pd.DataFrame, *, index: bool = True) -> str:
    """A table of values as CSV, floats with at most six significant decimal places."""
    return frame.round(6).to_csv(index=index, lineterminator="\n")


def number(pattern: str, *values: float | None) -> str:
    """Values in a format such as `{:.2f} ± {:.2f}`; a dash where the first is missing.

    What follows a missing value in the format is left out.
    """
    known = [value for value in values if value is not None and not np.isnan(value)]
    if len(known) < len(values):
        pattern = "".join(pattern.partition("}")[:2])
    return pattern.format(*known) if known else DASH


def best(values: pd.DataFrame, digits: int = 1) -> pd.DataFrame:
    """Which are the largest of their column and group, as far as a reader sees."""
    seen = values.round(digits)
    return seen.eq(seen.groupby(level=0).transform("max"))


def _parts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The columns in parts of even width."""
    n_parts = -(-frame.shape[1] // _MOST_COLUMNS)
    return [frame.iloc[:, at] for at in np.array_split(np.arange(frame.shape[1]), n_parts)]
