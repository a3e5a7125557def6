"""A table, and its Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DASH, MINUS = "–", "−"

_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    MINUS: "$-$",
    DASH: "--",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~])")


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table.

    text (str): As people read it.
    value (Optional[float]): The number in full, for the CSV; without it the text stands there.
    deviation (Optional[float]): Over seeds, where `value` is a mean.
    seeds (int): How many runs `value` is the mean of; 0 where it is none of this study.
    marks (Tuple[str, ...]): `best` of the column, `better` of CLA and SPAN, `verdict-...`.
    """

    text: str
    value: float | None = None
    deviation: float | None = None
    seeds: int = 0
    marks: tuple[str, ...] = ()

    @property
    def tooltip(self) -> str:
        """The value with its deviation; empty for a cell without."""
        if self.value is None or not self.seeds:
            return ""
        if self.deviation is None:
            return f"{self.value:.2f}, one seed"
        return f"{self.value:.2f} ± {self.deviation:.2f} over {self.seeds} seeds"


@dataclass(frozen=True)
class Row:
    """A row: its group (shown where it changes), its name, and the other cells."""

    group: str
    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A table of named rows.

    name (str): Of its files, without ending.
    title (str): The caption.
    columns (Sequence[str]): Names of the columns after the rows' names.
    rows (Sequence[Row]): The rows, those of a group together.
    notes (Sequence[str]): What stands below.
    blocks (Sequence[range]): The columns, cut into parts that are shown below one another.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    corner: str = "Method"
    notes: Sequence[str] = ()
    blocks: Sequence[range] = field(default_factory=tuple)

    @property
    def parts(self) -> Sequence[range]:
        return self.blocks or [range(len(self.columns))]

    @property
    def grouped(self) -> bool:
        return any(row.group for row in self.rows)


def number(
    value: float | None,
    deviation: float | None = None,
    *,
    digits: int = 1,
    seeds: int = 0,
    signed: bool = False,
    spread: bool = False,
) -> Cell:
    """A cell with a number, or with a dash where there is none.

    deviation (Optional[float]): Over seeds.
    digits (int): Decimal places to show.
    seeds (int): How many runs it is the mean of.
    signed (bool): Whether a plus sign is shown.
    spread (bool): Whether the deviation is shown, not only kept.
    """
    if value is None:
        return Cell(DASH)
    text = decimal(value, digits, signed=signed)
    if spread and deviation is not None:
        text += f" ± {decimal(deviation, digits)}"
    return Cell(text, value, deviation, seeds)


def decimal(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """A number as people read it, with a true minus sign and no negative zero."""
    value = round(value, digits) + 0.0
    return f"{value:{'+' if signed and value else ''}.{digits}f}".replace("-", MINUS)


def p_value(p: float | None, least: float = 0.001) -> Cell:
    """A cell with a p-value; below `least` it says only that."""
    if p is None:
        return Cell(DASH)
    return Cell(f"< {least:.3f}" if p < least else f"{p:.3f}", p)


def to_csv(table: Table) -> str:
    """Numbers in full, each deviation in a column of its own."""
    spread = [any(row.cells[i].deviation is not None for row in table.rows) for i in _all(table)]
    header = [*(["group"] if table.grouped else []), table.corner]
    for column, with_deviation in zip(table.columns, spread, strict=True):
        header += [column, f"{column} deviation"] if with_deviation else [column]
    lines = [header]
    for row in table.rows:
        line = [*([row.group] if table.grouped else []), row.name]
        for cell, with_deviation in zip(row.cells, spread, strict=True):
            line.append(_plain(cell.text) if cell.value is None else _full(cell.value))
            if with_deviation:
                line.append("" if cell.deviation is None else _full(cell.deviation))
        lines.append(line)
    return csv_text(lines)


def csv_text(lines: Sequence[Sequence[object]]) -> str:
    """Lines of values as CSV, floats with at most six decimal places."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([_csv_value(value) for value in line] for line in lines)
    return file.getvalue()


def to_markdown(table: Table) -> str:
    """The caption, a table for each block, and the notes; best values are bold."""
    lines = [f"**{_markdown(table.title)}**", ""]
    for part in table.parts:
        names = [table.corner, *(table.columns[i] for i in part)]
        lines.append(_pipes([_markdown(name) for name in names]))
        lines.append(_pipes(["---", *("---:" for _ in part)]))
        group = ""
        for row in table.rows:
            if row.group != group:
                group = row.group
                lines.append(_pipes([f"*{_markdown(group)}*", *("" for _ in part)]))
            cells = (_marked(row.cells[i], _markdown(row.cells[i].text), "**{}**") for i in part)
            lines.append(_pipes([_markdown(row.name), *cells]))
        lines.append("")
    lines += [f"{_markdown(note)}\n" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def to_latex(table: Table) -> str:
    r"""A `table*` with booktabs; best values are bold, the better of CLA and SPAN shaded."""
    lines = [
        r"% \usepackage{booktabs}, \usepackage[table]{xcolor}",
        r"\begin{table*}",
        r"\centering\small",
    ]
    for part in table.parts:
        width = len(part) + 1
        lines += [rf"\begin{{tabular}}{{l{'r' * len(part)}}}", r"\toprule"]
        lines.append(_latex_row([table.corner, *(table.columns[i] for i in part)]))
        lines.append(r"\midrule")
        group = ""
        for row in table.rows:
            if row.group != group:
                if group:
                    lines.append(r"\midrule")
                group = row.group
                lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{latex(group)}}}}} \\")
            lines.append(_latex_row([row.name, *(row.cells[i] for i in part)]))
        lines += [r"\bottomrule", r"\end{tabular}", ""]
    notes = " ".join(table.notes)
    lines[-1] = rf"\caption{{{latex(table.title)}{'. ' + latex(notes) if notes else ''}}}"
    lines += [rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', table.name)}}}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


FORMATS: dict[str, Callable[[Table], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
"""By file ending."""


def _all(table: Table) -> range:
    return range(len(table.columns))


def _full(value: float) -> str:
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def _csv_value(value: object) -> object:
    if isinstance(value, float):
        return _full(value)
    # Readers take a lone carriage return for the end of a line, and the writer does not quote it.
    return value.replace("\r", " ") if isinstance(value, str) else value


def _plain(text: str) -> str:
    """Text for machines: no dash for nothing, the keyboard's minus sign."""
    return "" if text == DASH else text.replace(MINUS, "-")


def _marked(cell: Cell, text: str, bold: str) -> str:
    return bold.format(text) if "best" in cell.marks else text


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_row(cells: Sequence[str | Cell]) -> str:
    texts = []
    for cell in cells:
        if isinstance(cell, str):
            texts.append(latex(cell))
            continue
        shade = r"\cellcolor[gray]{0.9}" if "better" in cell.marks else ""
        texts.append(shade + _marked(cell, latex(cell.text), r"\textbf{{{}}}"))
    return " & ".join(texts) + r" \\"
