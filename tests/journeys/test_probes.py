"""The acceptance probes of the requirements: one small request each, against the real server."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest

from tests.corpus import file, names, path
from tests.journeys.asking import (
    AS_STORED,
    DICOM,
    JSON,
    OCTETS,
    header,
    instance_url,
    multipart,
    parts,
    series_url,
    store,
    study_url,
)
from tests.journeys.server import RunningServer, running

CT = "generated/ts/ct_evle.dcm"
J2K = "generated/ts/ct_j2k_lossless_s16.dcm"
JLS = "generated/ts/ct_jls_lossless.dcm"
MULTIFRAME = "generated/encap/us_jpeg_bot_1frag.dcm"
ONE_BIT = "generated/mod/seg_binary.dcm"
ELE = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client(headers=JSON) as client:
        yield client


def found(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    answer = client.get(query)
    assert answer.status_code in (200, 204), answer.text
    results: list[dict[str, Any]] = answer.json() if answer.content else []
    return results


def uids(results: list[dict[str, Any]]) -> list[str]:
    return [result["0020000D"]["Value"][0] for result in results]


@pytest.mark.parametrize(
    ("accept", "status"),
    [(None, 200), ("text/html", 406), ("application/json", 200), ("*/*", 200), ("application/dicom+json", 200)],
)
def test_01_search_takes_any_accept_that_covers_json(holding_corpus: RunningServer, accept: str, status: int) -> None:
    request = httpx.Request("GET", f"{holding_corpus.dicomweb}/studies", headers={"Accept": accept} if accept else {})
    with httpx.Client(timeout=60) as client:
        assert client.send(request).status_code == status


@pytest.mark.parametrize("value", ["", "%2A", "*"])
def test_02_a_universal_name_matches_all_and_comes_back(client: httpx.Client, value: str) -> None:
    results = found(client, f"/studies?PatientName={value}")
    assert uids(results) == uids(found(client, "/studies"))
    assert all("00100010" in result for result in results)


def test_02_a_comma_that_came_encoded_is_data(client: httpx.Client) -> None:
    assert found(client, "/studies?PatientName=O%27Brien%2C") == []


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("StudyDate=20200101-", True),
        ("StudyDate=-20200101", False),
        ("StudyDate=20240229", True),
        ("StudyDate=20240228-20240301&StudyTime=2300-0100", True),
        ("StudyDate=20240229-20240301&StudyTime=1012-0100", False),
    ],
)
def test_03_dates_and_times_together_are_one_interval(client: httpx.Client, query: str, matches: bool) -> None:
    results = found(client, f"/studies?{query}&StudyInstanceUID={header(CT).StudyInstanceUID}")
    assert bool(results) is matches


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("StudyDate=2020-01-01", 400),
        ("limit=-1", 400),
        ("limit=0", 204),
        ("offset=999999", 204),
        ("fuzzymatching=maybe", 400),
        ("foo=bar", 200),
        ("PatientID=a&00100020=b", 400),
        ("includefield=all", 200),
    ],
)
def test_04_and_07_search_parameters_are_judged(client: httpx.Client, query: str, status: int) -> None:
    assert client.get(f"/studies?{query}").status_code == status


@pytest.mark.parametrize("separator", [",", "%2C", "%5C"])
def test_05_uid_lists_come_with_any_separator(client: httpx.Client, separator: str) -> None:
    wanted = {header(CT).StudyInstanceUID, header(MULTIFRAME).StudyInstanceUID}
    assert set(uids(found(client, f"/studies?StudyInstanceUID={separator.join(wanted)}"))) == wanted


def test_06_fields_of_a_lower_level_are_left_out_silently(client: httpx.Client) -> None:
    results = found(client, "/studies?includefield=00080060")
    assert results
    assert not any("00080060" in result for result in results)


def test_07_an_unknown_parameter_is_told_of(client: httpx.Client) -> None:
    assert "foo" in client.get("/studies?foo=bar").headers["Warning"]


def test_08_required_attributes_without_value_are_present(server: RunningServer) -> None:
    dataset = pydicom.dcmread(path(CT))
    del dataset.AccessionNumber
    with server.client() as client:
        assert store(client, [written(dataset)]).status_code == 200
        (study,) = found(client, "/studies")
    assert study["00080050"] == {"vr": "SH"}


def written(dataset: pydicom.Dataset) -> bytes:
    with io.BytesIO() as buffer:
        dataset.save_as(buffer)
        return buffer.getvalue()


def test_09_keys_of_one_sequence_match_within_one_item(server: RunningServer) -> None:
    dataset = pydicom.dcmread(path(CT))
    dataset.RequestAttributesSequence = [request("X", "A"), request("B", "Y")]
    key = "RequestAttributesSequence"
    with server.client() as client:
        store(client, [written(dataset)])
        series = f"{study_url(CT)}/series?{key}.ScheduledProcedureStepID=X&{key}.RequestedProcedureID="
        assert found(client, series + "Y") == []
        assert len(found(client, series + "A")) == 1


def request(step: str, procedure: str) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
    return item


@pytest.mark.parametrize(
    "name",
    [
        "generated/ts/ct_evbe.dcm",
        "generated/ts/ct_ivle.dcm",
        "generated/ts/ct_deflated.dcm",
        "generated/charset/jp_iso2022.dcm",
        "generated/charset/jp_ir13_87.dcm",
        "generated/structure/group_lengths.dcm",
    ],
)
def test_10_metadata_of_any_encoding_is_clean_json(client: httpx.Client, name: str) -> None:
    answer = client.get(instance_url(name) + "/metadata")
    (metadata,) = json.loads(answer.content.decode("utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert not [tag for tag in metadata if tag.startswith("0002") or tag.endswith("0000")]
    assert metadata.get("00080005", {}).get("Value", ["ISO_IR 192"]) == ["ISO_IR 192"]
    assert metadata["00100010"]["Value"][0]["Alphabetic"] == header(name).PatientName.alphabetic


def test_12_single_parts_are_for_single_frames(client: httpx.Client) -> None:
    single = client.get(instance_url(J2K) + "/frames/1", headers={"Accept": "image/jp2"})
    assert single.headers["Content-Type"].startswith("image/jp2")
    assert single.content.startswith(b"\xff\x4f\xff\x51")
    several = instance_url(MULTIFRAME) + "/frames/1,2"
    assert client.get(several, headers={"Accept": "image/jp2"}).status_code == 406
    any_image = client.get(several, headers={"Accept": 'multipart/related; type="image/*"; transfer-syntax=*'})
    assert {head["Content-Type"].partition(";")[0] for head, _ in parts(any_image)} == {"image/jpeg"}


@pytest.mark.parametrize(
    ("frames", "status"), [("0", 400), ("a", 400), ("-1", 400), ("1,,2", 400), ("999", 404), ("2,1", 200)]
)
def test_13_frame_lists_are_judged(client: httpx.Client, frames: str, status: int) -> None:
    answer = client.get(f"{instance_url(MULTIFRAME)}/frames/{frames}", headers={"Accept": AS_STORED})
    assert answer.status_code == status


def test_13_frames_come_in_the_order_asked(client: httpx.Client) -> None:
    answer = client.get(instance_url(MULTIFRAME) + "/frames/2,1", headers={"Accept": AS_STORED})
    assert [head["Content-Location"].rsplit("/", 1)[1] for head, _ in parts(answer)] == ["2", "1"]


def test_14_frames_of_single_bits_begin_on_a_byte(client: httpx.Client) -> None:
    cells = pydicom.dcmread(path(ONE_BIT)).pixel_array
    ((_, frame),) = parts(client.get(instance_url(ONE_BIT) + "/frames/2", headers={"Accept": OCTETS}))
    assert frame == np.packbits(cells[1].ravel(), bitorder="little").tobytes()


@pytest.mark.parametrize(
    ("name", "syntax"), [(CT, ELE), ("generated/ts/ct_ivle.dcm", ELE), ("generated/ts/ct_evbe.dcm", ELE)]
)
def test_15_instances_leave_in_the_default_syntax(client: httpx.Client, name: str, syntax: str) -> None:
    ((head, content),) = parts(client.get(instance_url(name), headers={"Accept": DICOM}))
    instance = pydicom.dcmread(io.BytesIO(content))
    assert instance.file_meta.TransferSyntaxUID == syntax
    assert syntax in head["Content-Type"]
    assert np.array_equal(instance.pixel_array, pydicom.dcmread(path(name)).pixel_array)


def test_15_what_is_lossy_may_stay_as_it_is(client: httpx.Client) -> None:
    answer = client.get(instance_url(MULTIFRAME), headers={"Accept": DICOM})
    assert answer.status_code == 200


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
def test_16_no_implicit_or_big_endian_leaves(client: httpx.Client, syntax: str) -> None:
    accept = f"multipart/related;type=application/dicom;transfer-syntax={syntax}"
    assert client.get(instance_url(CT), headers={"Accept": accept}).status_code == 406


def test_17_ranges_add_up_to_the_whole(client: httpx.Client) -> None:
    def piece(span: str) -> httpx.Response:
        return client.get(instance_url(MULTIFRAME) + "/frames/1", headers={"Accept": AS_STORED, "Range": span})

    whole = client.get(instance_url(MULTIFRAME) + "/frames/1", headers={"Accept": AS_STORED})
    assert piece("bytes=0-99").content + piece("bytes=100-").content == whole.content
    assert piece("bytes=0-99").headers["Content-Range"] == f"bytes 0-99/{len(whole.content)}"


@pytest.mark.parametrize("tail", ["/frames/1", "/metadata", ""])
def test_18_entity_tags_name_representations(client: httpx.Client, tail: str) -> None:
    first = client.get(instance_url(MULTIFRAME) + tail, headers={"Accept": "*/*"})
    again = {"Accept": "*/*", "If-None-Match": first.headers["ETag"]}
    assert client.get(instance_url(MULTIFRAME) + tail, headers=again).status_code == 304
    assert "accept" in first.headers["Vary"].lower()


def test_21_stow_judges_every_instance(server: RunningServer) -> None:
    with server.client() as client:
        assert store(client, [path(CT)], to=study_url(MULTIFRAME)).status_code == 409
        mixed = store(client, [path(CT), path(MULTIFRAME)], to=study_url(CT))
        assert mixed.status_code == 202
        assert {"00081198", "00081199"} <= mixed.json().keys()
        assert store(client, [path(CT)]).status_code == 200
        assert client.post("/studies", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
        kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
        assert client.post("/studies", content=b"garbage", headers=kind).status_code == 400


def test_22_stow_takes_metadata_and_pixels_apart(server: RunningServer) -> None:
    dataset = pydicom.dcmread(path(CT))
    pixels = dataset.PixelData
    metadata = json.loads(dataset.to_json(bulk_data_threshold=1024, bulk_data_element_handler=lambda _: "bulk/1"))
    boundary, body = multipart(
        [
            (["Content-Type: application/dicom+json"], json.dumps([metadata]).encode()),
            ([f"Content-Type: application/octet-stream; transfer-syntax={ELE}", "Content-Location: bulk/1"], pixels),
        ]
    )
    kind = f'multipart/related; type="application/dicom+json"; boundary={boundary}'
    with server.client() as client:
        answer = client.post("/studies", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text
        ((_, frame),) = parts(client.get(instance_url(CT) + "/frames/1", headers={"Accept": OCTETS}))
    assert frame == pixels


def test_23_options_are_a_preflight_or_the_capabilities(holding_corpus: RunningServer) -> None:
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    preflight = httpx.options(holding_corpus.dicomweb, headers=asked)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, asked["Origin"])
    described = httpx.options(holding_corpus.dicomweb)
    assert described.headers["Content-Type"].startswith("application/vnd.sun.wadl+xml")


def test_24_what_was_deleted_is_gone(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("deleting")
    with running(data, env={"DICOMWEB_SERVER_HTTP_ALLOW_DELETE": "true"}) as server, server.client() as client:
        store(client, [path(CT), path(MULTIFRAME)])
        assert client.delete(study_url(CT)).status_code == 204
        assert client.get(study_url(CT) + "/metadata").status_code == 410
        assert client.get(study_url(MULTIFRAME) + "/metadata").status_code == 200


def test_24_a_series_of_another_study_is_not_found(client: httpx.Client) -> None:
    wrong = f"{study_url(CT)}/series/{header(MULTIFRAME).SeriesInstanceUID}/metadata"
    assert client.get(wrong).status_code == 404


def test_28_what_json_has_no_number_for_is_still_json(server: RunningServer) -> None:
    dataset = pydicom.dcmread(path(CT))
    dataset.add_new("RealWorldValueSlope", "FD", float("nan"))
    dataset.add_new("TubeAngle", "FL", [1.5, float("inf")])
    with server.client() as client:
        assert store(client, [written(dataset)]).status_code == 200
        text = client.get(instance_url(CT) + "/metadata").text
    json.loads(text, parse_constant=lambda name: pytest.fail(name))


def test_every_instance_of_a_series_is_listed_with_its_frames(client: httpx.Client) -> None:
    slices = names("generated/series/")
    listed = found(client, series_url(slices[0]) + "/instances?limit=500")
    assert {each["00080018"]["Value"][0] for each in listed} == {header(name).SOPInstanceUID for name in slices}


def test_a_bulk_value_is_found_where_the_metadata_says(client: httpx.Client) -> None:
    ((metadata),) = client.get(instance_url(CT) + "/metadata").json()
    answer = client.get(metadata["7FE00010"]["BulkDataURI"], headers={"Accept": "application/octet-stream"})
    assert answer.content == pydicom.dcmread(path(CT)).PixelData


def test_inline_values_are_the_bytes_of_the_file(client: httpx.Client) -> None:
    name = "generated/structure/all_vrs.dcm"
    ((metadata),) = client.get(instance_url(name) + "/metadata").json()
    dataset = pydicom.dcmread(path(name))
    inline = {tag: base64.b64decode(each["InlineBinary"]) for tag, each in metadata.items() if "InlineBinary" in each}
    assert inline
    for tag, value in inline.items():
        assert value.rstrip(b"\0") == bytes(dataset[int(tag, 16)].value).rstrip(b"\0"), tag


def test_the_stored_file_comes_back_byte_for_byte(client: httpx.Client) -> None:
    ((_, content),) = parts(client.get(instance_url(J2K), headers={"Accept": DICOM + "; transfer-syntax=*"}))
    assert content[132:] == file(J2K)[132:]
