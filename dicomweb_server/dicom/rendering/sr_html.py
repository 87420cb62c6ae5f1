"""A structured report as a page: headings for containers, a row for each value (R-11). Everything is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from dicomweb_server.dicom.rendering.sr_items import Line

_STYLE = """
body { max-width: 52rem; margin: 2rem auto; padding: 0 1.5rem; background: #fff; color: #1c1f24;
  font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK JP", sans-serif; }
header { margin-bottom: 1.2rem; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; }
h2, h3, h4, h5, h6 { margin: 1.4rem 0 .4rem; font-size: 1.15rem; }
h4, h5, h6 { font-size: 1rem; }
header dl { display: grid; grid-template-columns: repeat(2, max-content 1fr); gap: .15rem 1rem; margin: 0;
  padding: .8rem 1rem; background: #f2f4f7; border-radius: 6px; }
dt, .name { color: #5a6472; }
dd { margin: 0; }
section section { padding-left: 1rem; border-left: 2px solid #dfe3e8; }
.item .item { margin-left: 1.5rem; }
.row { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .1rem 0; }
.name { flex: 0 0 14rem; }
.value { flex: 1 1 20rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.context > .row, .reference > .row .value { font-size: .85rem; }
.reference > .row .value { color: #5a6472; }
@media (max-width: 40rem) { header dl { grid-template-columns: max-content 1fr; } }
"""
_REFERENCES = {"IMAGE", "COMPOSITE", "WAVEFORM", "UIDREF", "SCOORD", "SCOORD3D", "TCOORD"}


def page(title: str, facts: Sequence[tuple[str, str]], items: Sequence[Line]) -> str:
    """The whole document; it needs nothing from elsewhere."""
    head = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in facts)
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><header><h1>{escape(title)}</h1><dl>{head}</dl></header>\n<main>{''.join(_nested(items))}</main>"
        "</body></html>\n"
    )


def _nested(items: Sequence[Line]) -> Iterator[str]:
    opened: list[tuple[int, str]] = []
    for line in items:
        while opened and opened[-1][0] >= line.depth:
            yield opened.pop()[1]
        container = line.kind == "CONTAINER"
        yield _section(line) if container else _item(line)
        opened.append((line.depth, "</section>\n" if container else "</div>\n"))
    yield from (end for _, end in reversed(opened))


def _section(line: Line) -> str:
    level = min(line.depth + 1, 6)
    return f"<section><h{level}>{escape(line.name)}</h{level}>" if line.name else "<section>"


def _item(line: Line) -> str:
    more = " context" if line.context else " reference" if line.kind in _REFERENCES else ""
    name = f'<span class="name">{escape(line.name)}</span>' if line.name else ""
    return f'<div class="item{more}"><div class="row">{name}<span class="value">{escape(line.said)}</span></div>'
