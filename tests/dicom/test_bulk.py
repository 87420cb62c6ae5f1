"""Every BulkDataURI leads to the value that pydicom reads there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dicomweb_server.dicom.bulk import locate, read_value
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.records import DicomJson
from tests import corpus
from tests.dicom.reading_files import metadata_of, read_by_pydicom

FILES = corpus.names("generated/mod", "generated/structure", "generated/ts", "real/pydicom/", "real/highdicom")


def uris(metadata: DicomJson) -> Iterator[str]:
    for element in metadata.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        for value in element.get("Value", []) if element["vr"] == "SQ" else []:
            yield from uris(value)


def path_of(uri: str) -> tuple[int, ...]:
    steps = uri.removeprefix("bulk/").split("/")
    return tuple(int(step, 10 if place % 2 else 16) for place, step in enumerate(steps))


@pytest.mark.parametrize("name", FILES)
def test_bulk_values_are_those_that_pydicom_reads(name: str) -> None:
    data = corpus.file(name)
    source = BytesSource(data)
    for uri in uris(metadata_of(source)):
        path = path_of(uri)
        value = locate(source, path)
        if value.encapsulated or value.word > 1:
            continue
        element: Any = read_by_pydicom(data)
        for step in path[:-1:1]:
            element = element[step - 1] if isinstance(element, list) or step < 0x10000 else element[step].value
        expected = element[path[-1]].value
        found = read_value(source, value)
        if isinstance(expected, bytes):
            assert found.rstrip(b"\0") == expected.rstrip(b"\0")
        elif isinstance(expected, str):
            assert found.decode() == expected


def test_a_document_comes_without_its_pad_byte_and_under_its_own_type() -> None:
    source = BytesSource(corpus.file("generated/mod/encapsulated_pdf.dcm"))
    value = locate(source, (0x00420011,))
    assert value.media_type == "application/pdf"
    assert len(read_value(source, value)) == 193


def test_long_text_leaves_as_utf_8() -> None:
    source = BytesSource(corpus.file("generated/structure/all_vrs.dcm"))
    long = [path_of(uri) for uri in uris(metadata_of(source))]
    texts = [read_value(source, value) for value in (locate(source, path) for path in long) if value.vr == "UC"]
    assert [len(text.decode()) > 65536 for text in texts] == [True]


@pytest.mark.parametrize("path", [(0x00091001,), (), (0x00080005, 1), (0x00081140, 99, 0x00081150)])
def test_there_is_nothing_elsewhere(path: tuple[int, ...]) -> None:
    with pytest.raises(NotFound):
        locate(BytesSource(corpus.file("generated/ts/ct_evle.dcm")), path)
