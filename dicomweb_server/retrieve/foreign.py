"""Descriptions from another DICOMweb server, as if they were ours."""

from __future__ import annotations

from dicomweb_server.model.ids import SeriesKey
from dicomweb_server.model.records import BASE, DicomJson


def by_number(data_set: DicomJson) -> tuple[float, str]:
    """Instances by number, those without one last."""
    try:
        number = float((data_set.get("00200013", {}).get("Value") or ["inf"])[0])
    except (TypeError, ValueError):
        number = float("inf")
    return number, str((data_set.get("00080018", {}).get("Value") or [""])[0])


def as_ours(data_set: DicomJson, key: SeriesKey) -> DicomJson:
    """The source's description with references to bulk values that lead here, not there."""
    instance = (data_set.get("00080018", {}).get("Value") or [""])[0]
    prefix = f"{BASE.decode()}/studies/{key.study}/series/{key.series}/instances/{instance}/bulkdata"
    return _referring(data_set, prefix)


def _referring(data_set: DicomJson, prefix: str) -> DicomJson:
    found: DicomJson = {}
    for tag, attribute in data_set.items():
        if "BulkDataURI" in attribute:
            attribute = {**attribute, "BulkDataURI": f"{prefix}/{tag}"}
        elif attribute.get("vr") == "SQ":
            items = [_referring(item, f"{prefix}/{tag}/{n}") for n, item in enumerate(attribute.get("Value", ()), 1)]
            attribute = {**attribute, "Value": items} if items else attribute
        if tag not in ("00081190", "00080056"):
            found[tag] = attribute
    return found
