"""A structured report as text, HTML or XML: concept names, values, units and references (R-11).

Everything that comes from the report is escaped. What is not understood is shown by its type, never dropped silently.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from dicomweb_server.dicom.dataset import Attributes

_CONTENT = "0040A730"
_CONCEPT = "0040A043"
_DEEPEST = 64

_HEADER = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Study date", "00080020"),
    ("Accession number", "00080050"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)

_PLAIN_VALUES = {
    "TEXT": "0040A160",
    "DATETIME": "0040A120",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "PNAME": "0040A123",
    "UIDREF": "0040A124",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One content item: where it stands, what it is about, what it says."""

    depth: int
    kind: str
    name: str
    value: str
    unit: str = ""

    @property
    def said(self) -> str:
        return f"{self.value} {self.unit}".strip()


def is_report(attributes: Attributes) -> bool:
    """Whether the object has a content tree: SR documents and key object selections."""
    return _CONTENT in attributes or attributes.text("0040A040") == "CONTAINER"


def report(attributes: Attributes, media_type: str) -> bytes:
    """The report in ``text/html``, ``text/plain`` or ``text/xml``, UTF-8. Raises KeyError for any other type."""
    return _WRITERS[media_type](attributes, list(lines(attributes))).encode()


def lines(attributes: Attributes) -> Iterator[Line]:
    """Every content item, depth first, the document's own title first."""
    waiting = [(0, attributes)]
    while waiting:
        depth, item = waiting.pop()
        yield _line(depth, item)
        if depth < _DEEPEST:
            waiting += [(depth + 1, child) for child in reversed(item.items(_CONTENT))]


def _line(depth: int, item: Attributes) -> Line:
    kind = item.text("0040A040")
    value, unit = _value(kind, item)
    return Line(depth, kind, _meaning(item, _CONCEPT), value, unit)


def _value(kind: str, item: Attributes) -> tuple[str, str]:
    if kind in _PLAIN_VALUES:
        return item.text(_PLAIN_VALUES[kind]), ""
    match kind:
        case "CONTAINER":
            return "", ""
        case "CODE":
            return _meaning(item, "0040A168"), ""
        case "NUM":
            measured = item.item("0040A300")
            return measured.text("0040A30A"), measured.item("004008EA").text("00080100")
        case "IMAGE" | "COMPOSITE" | "WAVEFORM":
            return _references(item), ""
        case "SCOORD" | "SCOORD3D":
            return f"{item.text('00700023')} of {len(item.numbers('00700022'))} numbers".strip(), ""
        case "TCOORD":
            return item.text("0040A130"), ""
        case _ if item.values("0040DB73"):
            return "see item " + ".".join(str(int(n)) for n in item.numbers("0040DB73")), ""
    return f"({kind or 'no value type'})", ""


def _references(item: Attributes) -> str:
    return ", ".join(found.text("00081155") for found in item.items("00081199"))


def _meaning(item: Attributes, tag: str) -> str:
    code = item.item(tag)
    return code.text("00080104") or code.text("00080100")


def _facts(attributes: Attributes) -> list[tuple[str, str]]:
    found = ((label, attributes.text(tag).replace("^", " ").strip()) for label, tag in _HEADER)
    return [(label, text) for label, text in found if text]


def _title(found: list[Line]) -> str:
    return found[0].name or "Report"


def _plain(attributes: Attributes, found: list[Line]) -> str:
    head = [_title(found), "", *(f"{label}: {text}" for label, text in _facts(attributes)), ""]
    body = [f"{'  ' * (line.depth - 1)}{_joined(line)}" for line in found[1:]]
    return "\n".join([*head, *body, ""])


def _joined(line: Line) -> str:
    return f"{line.name}: {line.said}" if line.name and line.said else line.name or line.said


def _html(attributes: Attributes, found: list[Line]) -> str:
    title = html.escape(_title(found))
    facts = "".join(f"<dt>{html.escape(label)}<dd>{html.escape(text)}" for label, text in _facts(attributes))
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><dl>{facts}</dl>{''.join(_nested(found[1:]))}</body></html>"
    )


def _nested(found: list[Line]) -> Iterator[str]:
    depth = 0
    for line in found:
        while depth < line.depth:
            yield "<ul>"
            depth += 1
        while depth > line.depth:
            yield "</ul>"
            depth -= 1
        name = f"<b>{html.escape(line.name)}</b> " if line.name else ""
        yield f"<li>{name}{html.escape(line.said)}</li>"
    yield "</ul>" * depth


def _xml(attributes: Attributes, found: list[Line]) -> str:
    root = ElementTree.Element("report", title=_legal(_title(found)))
    for label, text in _facts(attributes):
        ElementTree.SubElement(root, "fact", name=label).text = _legal(text)
    parents = [root]
    for line in found[1:]:
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


_WRITERS: dict[str, Callable[[Attributes, list[Line]], str]] = {
    "text/html": _html,
    "text/plain": _plain,
    "text/xml": _xml,
}
