"""A structured report as text, HTML or XML (R-11).

Everything that comes from the report is escaped. What is not understood is shown by its type, never dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.sr_html import page
from dicomweb_server.dicom.rendering.sr_items import CONTENT, VALUE_TYPE, Line, facts, lines

Facts = Sequence[tuple[str, str]]


def is_report(attributes: Attributes) -> bool:
    """Whether the object has a content tree: SR documents and key object selections."""
    return CONTENT in attributes or attributes.text(VALUE_TYPE) == "CONTAINER"


def report(attributes: Attributes, media_type: str) -> bytes:
    """The report in ``text/html``, ``text/plain`` or ``text/xml``, UTF-8. Raises KeyError for any other type."""
    root, *items = lines(attributes)
    written = _WRITERS[media_type](root.name or "Report", facts(attributes), items)
    return written.encode("utf-8", "replace")


def _plain(title: str, head: Facts, items: Sequence[Line]) -> str:
    body = (line for item in items for line in _indented(item))
    return "\n".join([title, "", *(f"{label}: {text}" for label, text in head), "", *body, ""])


def _indented(item: Line) -> list[str]:
    """Further lines of a text stand under its first."""
    space = "  " * (item.depth - 1)
    first, *more = ": ".join(filter(None, (item.name, item.said))).split("\n")
    return [f"{space}{first}", *(f"{space}    {line}" for line in more)]


def _xml(title: str, head: Facts, items: Sequence[Line]) -> str:
    root = ElementTree.Element("report", title=_legal(title))
    for label, text in head:
        ElementTree.SubElement(root, "fact", name=label).text = _legal(text)
    parents = [root]
    for line in items:
        del parents[line.depth :]
        item = ElementTree.SubElement(parents[-1], "item", type=_legal(line.kind), name=_legal(line.name))
        if line.unit:
            item.set("unit", _legal(line.unit))
        if line.value:
            item.text = _legal(line.value)
        parents.append(item)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False)


def _legal(text: str) -> str:
    """Without the characters XML 1.0 cannot hold."""
    return "".join(
        c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
    )


_WRITERS: dict[str, Callable[[str, Facts, Sequence[Line]], str]] = {
    "text/html": page,
    "text/plain": _plain,
    "text/xml": _xml,
}
