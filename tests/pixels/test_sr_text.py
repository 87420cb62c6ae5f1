"""Reports become text a person can read and a browser can trust."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.media import REPORTS
from dicomweb_server.dicom.rendering.sr_text import is_report, report
from tests import corpus
from tests.pixels.reading import attributes, dataset

EVIL = "<script>alert(1)</script>\x01"


def _named(meaning: str) -> dict[str, Any]:
    return {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": [meaning]}}]}


def _report(*items: dict[str, Any]) -> Attributes:
    return Attributes(
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": EVIL}]},
            "0040A040": {"vr": "CS", "Value": ["CONTAINER"]},
            "0040A043": _named("Findings"),
            "0040A730": {"vr": "SQ", "Value": list(items)},
        }
    )


def _text(name: str, value: str, *below: dict[str, Any]) -> dict[str, Any]:
    return {
        "0040A040": {"vr": "CS", "Value": ["TEXT"]},
        "0040A043": _named(name),
        "0040A160": {"vr": "UT", "Value": [value]},
        "0040A730": {"vr": "SQ", "Value": list(below)},
    }


def _measured(name: str, value: str, unit: str) -> dict[str, Any]:
    units = {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": [unit]}}]}
    numeric = {"0040A30A": {"vr": "DS", "Value": [value]}, "004008EA": units}
    return {
        "0040A040": {"vr": "CS", "Value": ["NUM"]},
        "0040A043": _named(name),
        "0040A300": {"vr": "SQ", "Value": [numeric]},
    }


def test_items_stand_under_their_parents_with_values_and_units() -> None:
    tree = _report(_text("Finding", "nodule", _measured("Diameter", "12.5", "mm")), _text("Impression", "benign"))
    shown = report(tree, "text/plain").decode().splitlines()
    assert shown[-3:] == ["Finding: nodule", "  Diameter: 12.5 mm", "Impression: benign"]


@pytest.mark.parametrize("media_type", ["text/html", "text/xml"])
def test_markup_in_values_is_escaped(media_type: str) -> None:
    shown = report(_report(_text(EVIL, EVIL)), media_type).decode()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_xml_is_well_formed_whatever_the_values_hold() -> None:
    root = ElementTree.fromstring(report(_report(_text(EVIL, EVIL, _measured("Size", "1", "cm"))), "text/xml"))
    assert [item.get("unit") for item in root.iter("item")] == [None, "cm"]


def test_very_deep_trees_end_somewhere() -> None:
    item = _text("leaf", "x")
    for _ in range(500):
        item = _text("level", "y", item)
    assert len(report(_report(item), "text/html")) < 100_000


@pytest.mark.parametrize(
    "name",
    [n for n in corpus.names("generated/mod/", "real/") if "sr_" in n.rsplit("/", 1)[-1] or n.endswith("ko.dcm")],
)
@pytest.mark.parametrize("media_type", REPORTS)
def test_reports_of_the_corpus_can_be_read(name: str, media_type: str) -> None:
    ds = dataset(name)
    tree = attributes(ds)
    assert is_report(tree)
    title = ds.ConceptNameCodeSequence[0].CodeMeaning
    assert title.encode() in report(tree, media_type)
