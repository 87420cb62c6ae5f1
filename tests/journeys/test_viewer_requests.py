"""The requests OHIF, Cornerstone and the dicomweb clients were seen to send, word for word, and what they need back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pydicom
import pytest

from tests.corpus import names, path
from tests.journeys.asking import header, instance_url, parts, series_url, store, study_url
from tests.journeys.server import RunningServer

CT = "generated/ts/ct_evle.dcm"
STORED_COMPRESSED = "generated/series/ct_000.dcm"
MULTIFRAME = "generated/encap/us_jpeg_bot_1frag.dcm"
PALETTE = "generated/mod/sc_palette_16bit_lut.dcm"
PDF = "generated/mod/encapsulated_pdf.dcm"
ECG = "generated/mod/ecg_12lead_2groups.dcm"
SEG = "generated/mod/seg_binary.dcm"
SR = "generated/mod/sr_comprehensive.dcm"
RTSTRUCT = "generated/mod/rtstruct_96_contours.dcm"

JSON = "application/dicom+json"
FIELDS = "includefield=00081030%2C00080060%2C00080090%2C00100030"
LIST = f"/studies?limit=101&offset=0&fuzzymatching=true&{FIELDS}"
COMPRESSION = {"Accept-Encoding": "gzip, deflate, br, zstd"}

SHOWN_IN_THE_LIST = ["0020000D", "00080020", "00080030", "00080050", "00100020", "00100010", "00100030", "00201208"]
NEEDED_FOR_AN_IMAGE = [
    *["00080016", "00080018", "0020000D", "0020000E", "00080060", "00200013", "00280002", "00280004"],
    *["00280010", "00280011", "00280100", "00280101", "00280102", "00280103", "00281052", "00281053"],
    *["00200032", "00200037", "00280030", "00200052"],
]


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client(headers=COMPRESSION) as client:
        yield client


def asked(client: httpx.Client, url: str, accept: str) -> httpx.Response:
    answer = client.get(url, headers={"Accept": accept})
    assert answer.status_code == 200, (answer.status_code, answer.text[:500])
    return answer


def test_the_study_list_has_what_a_row_shows(client: httpx.Client) -> None:
    studies = asked(client, LIST, JSON).json()
    assert 1 < len(studies) <= 101
    assert all(set(SHOWN_IN_THE_LIST) <= study.keys() for study in studies)
    assert any("00081030" in study for study in studies)


@pytest.mark.parametrize(
    "fields", ["00081030%2C00080090", "00081030,00080090", "00081030&includefield=00080090", "StudyDescription"]
)
def test_fields_may_be_listed_in_any_way(client: httpx.Client, fields: str) -> None:
    query = f"/studies?StudyInstanceUID={header(CT).StudyInstanceUID}&includefield={fields}"
    (study,) = asked(client, query, JSON).json()
    assert study["00081030"]["Value"] == [header(CT).StudyDescription]


@pytest.mark.parametrize(
    "filters",
    [
        "PatientName=*Gen*",
        "PatientName=%2AGen%2A",
        "00100020=*GEN-001*",
        "AccessionNumber=*ACC*",
        "StudyDescription=**",
        "ModalitiesInStudy=CT",
        "ModalitiesInStudy=CT%2CMR",
        "StudyDate=19700102-20260101",
        "00100020=GEN-001-dev",
    ],
)
def test_what_a_user_types_finds_the_study(client: httpx.Client, filters: str) -> None:
    found = asked(client, f"{LIST.replace('101', '1000')}&{filters}", JSON).json()
    assert header(CT).StudyInstanceUID in [study["0020000D"]["Value"][0] for study in found]


def test_several_studies_are_asked_with_a_backslash(client: httpx.Client) -> None:
    both = f"{header(CT).StudyInstanceUID}%5C{header(MULTIFRAME).StudyInstanceUID}"
    assert len(asked(client, f"{LIST}&StudyInstanceUID={both}", JSON).json()) == 2


def test_a_study_opens_by_its_series(client: httpx.Client) -> None:
    fields = "includefield=00080021%2C00080031%2C0008103E%2C00200011"
    series = asked(client, f"{study_url(CT)}/series?{fields}", JSON).json()
    assert header(CT).SeriesInstanceUID in [each["0020000E"]["Value"][0] for each in series]
    assert all("00080060" in each and "0020000D" in each for each in series)


def test_metadata_of_a_series_makes_a_volume(client: httpx.Client) -> None:
    slices = names("generated/series/")
    metadata = asked(client, series_url(slices[0]) + "/metadata", JSON).json()
    assert len(metadata) == len(slices)
    assert all(set(NEEDED_FOR_AN_IMAGE) <= instance.keys() for instance in metadata)


STAR_FORMS = [
    'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
    "multipart/related; type=application/octet-stream; transfer-syntax=*",
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "multipart/related; type=application/octet-stream; transfer-syntax=*,image/jls",
]


@pytest.mark.parametrize("accept", STAR_FORMS)
@pytest.mark.parametrize("name", [CT, STORED_COMPRESSED, MULTIFRAME])
def test_frames_come_stored_and_labelled_as_cornerstone_reads_them(
    client: httpx.Client, name: str, accept: str
) -> None:
    answer = asked(client, instance_url(name) + "/frames/1", accept)
    syntax = str(header(name).file_meta.TransferSyntaxUID)
    head = answer.content[:1000].partition(b"\r\n\r\n")[0].decode()
    assert "\r\nContent-Type: " in head
    assert f"transfer-syntax={syntax}" in head.replace('"', "")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert "Content-Encoding" not in answer.headers
    assert answer.content.rstrip().endswith(b"--")


def test_python_asks_for_frames_of_any_type(client: httpx.Client) -> None:
    ((_, frame),) = parts(asked(client, instance_url(CT) + "/frames/1", 'multipart/related; type="*/*"'))
    assert frame == pydicom.dcmread(path(CT)).PixelData


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="image/jls"; transfer-syntax="1.2.840.10008.1.2.4.80"',
        'multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80, '
        'multipart/related; type="image/jp2"; transfer-syntax=1.2.840.10008.1.2.4.90',
    ],
)
def test_a_site_may_ask_for_one_syntax(client: httpx.Client, accept: str) -> None:
    ((head, frame),) = parts(asked(client, instance_url(STORED_COMPRESSED) + "/frames/1", accept))
    assert head["Content-Type"].startswith("image/jls")
    assert frame.startswith(b"\xff\xd8")


def test_palettes_come_inline_or_as_octets(client: httpx.Client) -> None:
    (metadata,) = asked(client, instance_url(PALETTE) + "/metadata", JSON).json()
    for tag in ("00281201", "00281202", "00281203"):
        lut = metadata[tag]
        if "InlineBinary" not in lut:
            got = parts(asked(client, lut["BulkDataURI"], 'multipart/related; type="application/octet-stream"'))
            assert got[0][1] == pydicom.dcmread(path(PALETTE))[int(tag, 16)].value


def test_a_pdf_comes_as_what_it_is(client: httpx.Client) -> None:
    (metadata,) = asked(client, instance_url(PDF) + "/metadata", JSON).json()
    value = metadata["00420011"]
    assert "BulkDataURI" in value or "InlineBinary" in value
    if "BulkDataURI" in value:
        accept = 'multipart/related; type="application/pdf", multipart/related; type="application/octet-stream"'
        ((_, document),) = parts(asked(client, value["BulkDataURI"], accept))
        assert document.startswith(b"%PDF")


def test_an_ecg_comes_as_one_part(client: httpx.Client) -> None:
    (metadata,) = asked(client, instance_url(ECG) + "/metadata", JSON).json()
    waves = metadata["54000100"]["Value"]
    stored = pydicom.dcmread(path(ECG)).WaveformSequence
    assert len(waves) == len(stored)
    for wave, group in zip(waves, stored, strict=True):
        if "BulkDataURI" in wave["54001010"]:
            answer = asked(client, wave["54001010"]["BulkDataURI"], "application/octet-stream")
            assert answer.content == group.WaveformData


def test_a_segmentation_comes_whole(client: httpx.Client) -> None:
    ((_, content),) = parts(asked(client, instance_url(SEG), 'multipart/related; type="application/dicom"'))
    assert content[128:132] == b"DICM"


def test_structures_and_reports_are_whole_in_the_metadata(client: httpx.Client) -> None:
    (structures,) = asked(client, instance_url(RTSTRUCT) + "/metadata", JSON).json()
    contours = [c for roi in structures["30060039"]["Value"] for c in roi["30060040"]["Value"]]
    assert all(len(contour["30060050"]["Value"]) >= 3 for contour in contours)
    (report,) = asked(client, instance_url(SR) + "/metadata", JSON).json()
    assert report["0040A730"]["Value"]


def test_json_is_compressed_where_the_browser_takes_it(client: httpx.Client) -> None:
    assert asked(client, series_url(STORED_COMPRESSED) + "/metadata", JSON).headers.get("Content-Encoding")


def test_a_page_of_another_origin_may_read(client: httpx.Client) -> None:
    origin = {"Origin": "http://127.0.0.1:3000"}
    preflight = client.options(
        instance_url(CT) + "/frames/1",
        headers={
            **origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "accept,authorization",
        },
    )
    assert preflight.status_code == 204
    assert int(preflight.headers["Access-Control-Max-Age"]) > 0
    assert "accept" in preflight.headers["Access-Control-Allow-Headers"].lower()
    answer = client.get(instance_url(CT) + "/frames/1", headers={**origin, "Accept": STAR_FORMS[0]})
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_what_ohif_saves_is_found_at_once(server: RunningServer) -> None:
    with server.client() as client:
        saved = store(client, [path(SR)])
        assert saved.status_code == 200
        query = f"{LIST}&StudyInstanceUID={header(SR).StudyInstanceUID}"
        assert len(asked(client, query, JSON).json()) == 1
        assert asked(client, series_url(SR) + "/metadata", JSON).json()
