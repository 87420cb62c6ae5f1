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


def _code(value: str, meaning: str) -> dict[str, Any]:
    return {"00080100": value, "00080104": meaning}


def _json(item: dict[str, Any]) -> dict[str, Any]:
    """An item written short, in the DICOM JSON model."""
    found = {}
    for tag, value in item.items():
        values = value if isinstance(value, list) else [value]
        found[tag] = {"vr": "UN", "Value": [_json(each) if isinstance(each, dict) else each for each in values]}
    return found


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
    ("item", "said"),
    [
        ({"0040A040": "NUM", "0040A300": [{"0040A30A": "7", "004008EA": [{"00080100": "1"}]}]}, "7"),
        (
            {"0040A040": "NUM", "0040A300": [{"0040A30A": "-5", "004008EA": [_code("[hnsf'U]", "Hounsfield unit")]}]},
            "-5 Hounsfield unit",
        ),
        ({"0040A040": "NUM", "0040A301": [_code("114000", "Not a number")]}, "Not a number"),
        ({"0040A040": "DATE", "0040A121": "20240229"}, "2024-02-29"),
        ({"0040A040": "TIME", "0040A122": "101112.5"}, "10:11:12"),
        ({"0040A040": "DATETIME", "0040A120": "20240229101112+0100"}, "2024-02-29 10:11:12 +0100"),
        ({"0040A040": "PNAME", "0040A123": "Doe^John^M^Dr^Jr"}, "Doe, Dr John M, Jr"),
        ({"0040A040": "CODE", "0040A168": [_code("T-28000", "Lung")]}, "Lung"),
        ({"0040A040": "SCOORD", "00700023": "POLYLINE", "00700022": [1, 2, 3, 4, 5, 6]}, "polyline of 3 points"),
        ({"0040A040": "SCOORD3D", "00700023": "POINT", "00700022": [1, 2, 3]}, "point"),
        ({"0040A040": "TCOORD", "0040A130": "SEGMENT", "0040A138": [1, 2.5]}, "segment at 1, 2.5 seconds"),
        (
            {
                "0040A040": "IMAGE",
                "00081199": [
                    {"00081150": "1.2.840.10008.5.1.4.1.1.2.1", "00081155": "1.2.3", "00081160": [5, 2]},
                ],
            },
            "frames 5, 2 of Enhanced CT Image 1.2.3",
        ),
        ({"0040A040": "COMPOSITE", "00081199": [{"00081150": "9.9", "00081155": "1.2.3"}]}, "1.2.3"),
        ({"0040A010": "INFERRED FROM", "0040DB73": [1, 1]}, "see Diameter: 12.5 mm"),
        ({"0040A010": "INFERRED FROM", "0040DB73": [1, 9]}, "see item 1.9"),
        ({"0040A040": "NEW TYPE"}, "(NEW TYPE)"),
    ],
)
def test_every_type_of_value_is_said_as_it_is_read(item: dict[str, Any], said: str) -> None:
    shown = report(_report(_measured("Diameter", "12.5", "mm"), _json(item)), "text/plain").decode()
    assert shown.splitlines()[-1] == said


def test_lines_of_a_text_are_kept() -> None:
    tree = _report(_text("Finding", "one\r\ntwo"))
    assert report(tree, "text/plain").decode().splitlines()[-2:] == ["Finding: one", "    two"]
    assert "one\ntwo" in report(tree, "text/html").decode()


def test_the_page_closes_what_it_opens() -> None:
    """No list directly inside of a list: a parser of XML would complain, and so do validators"""
    container = {"0040A040": {"vr": "CS", "Value": ["CONTAINER"]}, "0040A043": _named("Lungs")}
    container["0040A730"] = {"vr": "SQ", "Value": [_text(EVIL, EVIL, _text("deeper", "x")), _text("beside", "y")]}
    shown = report(_report(container, _text("after", "z")), "text/html").decode()
    body = shown[shown.index("<body>") : shown.index("</html>")].replace("\x01", "")
    headings = [(each.tag, each.text) for each in ElementTree.fromstring(body).iter() if each.tag in ("h1", "h2")]
    assert headings == [("h1", "Findings"), ("h2", "Lungs")]


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
