"""Compressed pixels within items, which are icons: another transfer syntax wants them otherwise (PS3.5 A.4)."""

from __future__ import annotations

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.elements import DataSet, Element, Fragments, find
from dicomweb_server.dicom.jsonmodel import data_set_json
from dicomweb_server.dicom.pixels.facts import image_facts
from dicomweb_server.dicom.reading import Opened
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.transcode import elements_of, transcode
from dicomweb_server.model.errors import Undecodable

PIXEL_DATA = 0x7FE00010


def with_native_icons(file: Opened, elements: DataSet) -> DataSet:
    """``elements`` with what is compressed in their items decoded, as every syntax allows it.

    An item whose pixels cannot be decoded is left out.
    """
    found: DataSet = []
    for element in elements:
        if not isinstance(element.value, list):
            found.append(element)
            continue
        items = [item for item in (_item(file, item) for item in element.value) if item is not None]
        if items or not element.value:
            found.append(element._replace(value=items))
    return found


def _item(file: Opened, item: DataSet) -> DataSet | None:
    pixels = find(item, PIXEL_DATA)
    item = with_native_icons(file, item)
    if pixels is None or not isinstance(pixels.value, Fragments):
        return item
    try:
        native = _native(file, item, pixels.value)
    except Undecodable:
        return None
    merged = {element.tag: element for element in item} | native
    return [merged[tag] for tag in sorted(merged)]


def _native(file: Opened, item: DataSet, found: Fragments) -> dict[int, Element]:
    facts = image_facts(Attributes(data_set_json(item, "", little_endian=True)), file.syntax.uid)
    made = transcode(b"".join(file.stream.read(*place) for place in found.places), facts, EXPLICIT_LE)
    vr = "OW" if facts.cell_bits > 8 else "OB"
    data = made.data + bytes(len(made.data) % 2)
    return elements_of(made.attributes) | {PIXEL_DATA: Element(PIXEL_DATA, vr, 0, len(data), data)}
