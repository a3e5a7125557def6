"""HTML pages, read as trees."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder

VOID = ("meta", "img", "br")


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


def read_page(path: Path) -> Element:
    """The elements of a page, each of which is closed."""
    tree = _Tree()
    tree.builder.start("page", {})
    tree.feed(path.read_text(encoding="utf8"))
    tree.builder.end("page")
    return tree.builder.close()


def text_of(element: Element | None) -> str:
    """All text in an element."""
    assert element is not None
    return "".join(element.itertext())


def tables_of(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The cells of each table in a figure, by caption, row and column."""
    found = {}
    for figure in read_page(path).iter("figure"):
        if figure.find(".//table") is not None:
            head, *rows = [[text_of(cell) for cell in row] for row in figure.iter("tr")]
            cells = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
            found[text_of(figure.find("figcaption"))] = cells
    return found
