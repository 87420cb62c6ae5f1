"""The four UIDs that every stored instance has (S-14)."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_server.dicom.elements import DataSet, find
from dicomweb_server.dicom.part10 import Head
from dicomweb_server.dicom.walk import CANNOT_UNDERSTAND
from dicomweb_server.model.errors import Rejected
from dicomweb_server.model.ids import is_uid

DOES_NOT_MATCH = 0xA900
"""Data set does not match SOP class, or group 2 (PS3.4 B.2.3, S-10)."""

_NAMES = {
    0x00080016: "SOP Class UID",
    0x00080018: "SOP Instance UID",
    0x0020000D: "Study Instance UID",
    0x0020000E: "Series Instance UID",
}


@dataclass(frozen=True, slots=True)
class Identity:
    sop_class: str
    sop_instance: str
    study: str
    series: str


def identity(elements: DataSet, head: Head) -> Identity:
    """Raises Rejected when a UID is missing or none, or when group 2 says another."""
    found = {tag: text_of(elements, tag) for tag in _NAMES}
    sop_class, sop_instance, study, series = found.values()
    known_class = next((uid for uid in (sop_class, head.sop_class) if is_uid(uid)), None)
    known_instance = next((uid for uid in (sop_instance, head.sop_instance) if is_uid(uid)), None)
    for tag, uid in found.items():
        if not is_uid(uid):
            raise Rejected(
                f"{_NAMES[tag]} is {'not a UID' if uid else 'missing'}",
                reason=CANNOT_UNDERSTAND,
                sop_class=known_class,
                sop_instance=known_instance,
            )
    for told, uid, what in ((head.sop_class, sop_class, "Class"), (head.sop_instance, sop_instance, "Instance")):
        if told and told != uid:
            raise Rejected(
                f"SOP {what} UID differs between group 2 and the data set",
                reason=DOES_NOT_MATCH,
                sop_class=sop_class,
                sop_instance=sop_instance,
            )
    return Identity(sop_class, sop_instance, study, series)


def text_of(elements: DataSet, tag: int) -> str:
    """The value of a short text attribute without padding, "" where there is none."""
    element = find(elements, tag)
    if element is None or not isinstance(element.value, bytes):
        return ""
    return element.value[:1024].decode("latin-1").strip(" \0")
