"""Requests without a body that mean harm: every one is answered, with a reason where it is refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.hostile.conftest import HELD
from tests.hostile.speaking import get, say
from tests.journeys.asking import instance_url
from tests.journeys.server import RunningServer

ROOT = "/dicomweb"
LONG_UID = "1." + "2" * 2998


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/../../etc/passwd", {404}),
        ("/viewer/../../etc/passwd", {404}),
        ("/viewer/%2e%2e/%2e%2e/etc/passwd.txt", {404}),
        ("/viewer/..%2f..%2fetc%2fpasswd.txt", {404}),
        ("/viewer/%00.js", {404}),
        ("/%00", {404}),
        ("/page/..%2fpage.py", {404}),
        ("/%", {404}),
        ("/" + "a/" * 5000, {404}),
        (f"{ROOT}/studies/..", {400}),
        (f"{ROOT}/studies/%2e%2e", {400}),
        (f"{ROOT}/studies/%2e%2e%2f%2e%2e", {404}),
        (f"{ROOT}/studies/1.2%00", {400}),
        (f"{ROOT}/studies/1.2%0d%0aX:%20y", {400}),
        (f"{ROOT}/studies/%ff%fe", {400}),
        (f"{ROOT}/studies/{LONG_UID}", {400}),
        (f"{ROOT}/studies/1.2/series/{LONG_UID}/instances/1.3/frames/1", {400}),
        (f"{ROOT}/studies/1.2/series/1.3/instances/1.4/bulkdata/..%2f..", {400, 404}),
        (f"{ROOT}/studies/1.2/series/1.3/instances/1.4/bulkdata/{'00081140/1/' * 1400}", {400, 404}),
    ],
)
def test_a_path_that_leads_astray(target: RunningServer, path: str, statuses: set[int]) -> None:
    answer = get(target, path)
    assert answer.status in statuses
    assert answer.reason
    assert b"root:" not in answer.whole


@pytest.mark.parametrize("path", [b"/dicomweb/studies/\xff", b"/dicomweb/studies?PatientName=\xff", b"/a b c"])
def test_a_path_no_request_may_have(target: RunningServer, path: bytes) -> None:
    assert get(target, path).status == 400


FRAME_LISTS = {
    ",".join(map(str, range(1, 3001))): {404},
    ",".join(["1"] * 3000): {200},
    ",".join(["1"] * 7900): {200},
    "0": {400},
    "-1": {400},
    "1,,2": {400},
    "1,": {400},
    "1e3": {400},
    "9" * 20: {400},
    "9" * 5000: {400},
    "%D9%A1": {400},
}


@pytest.mark.parametrize(("frames", "statuses"), FRAME_LISTS.items(), ids=[each[:12] for each in FRAME_LISTS])
def test_a_list_of_frames(target: RunningServer, frames: str, statuses: set[int]) -> None:
    answer = get(target, f"{ROOT}{instance_url(HELD)}/frames/{frames}")
    assert answer.status in statuses
    assert answer.reason


QUERIES = {
    "limit=-1": {400},
    "limit=1e9": {400},
    f"limit={'9' * 5000}": {200},
    f"offset={'9' * 5000}": {204},
    "offset=-1": {400},
    "limit=%00": {400},
    f"PatientName={'*' * 2000}": {200},
    f"PatientName={'*a' * 2000}": {400},
    f"PatientID={'?' * 2000}": {400},
    f"PatientID={'*a' * 64}": {200, 204},
    f"StudyDescription={'*e' * 2000}": {400},
    f"fuzzymatching=true&PatientName={'+'.join('a' * 300)}": {400},
    f"multiplevaluematching=true&ModalitiesInStudy={','.join(f'A{n}' for n in range(1500))}": {400},
    f"ModalitiesInStudy={','.join(f'A{n}' for n in range(1500))}": {204},
    f"StudyInstanceUID={','.join(f'1.{n}' for n in range(1, 2000))}": {204},
    f"includefield={','.join(f'{n:08X}' for n in range(0x00100010, 0x00100010 + 1700))}": {200},
    "&".join(f"{n:08X}=*1*" for n in range(0x00110010, 0x00110010 + 900)): {200, 204},
    "&".join(f"x{n}=1" for n in range(1500)): {400},
    f"{'00081140.' * 500}PatientID=1": {400},
    "PatientName=%ff%fe": {400},
    "PatientName=%ed%a0%80": {400},
    "PatientName=a%00b": {400},
    "%ff=1": {400},
    "StudyDate=-": {400},
    f"StudyDate={'-' * 5000}": {400},
    f"PatientWeight={'9' * 5000}": {400},
    "PatientWeight=1e400": {400, 204, 200},
    "PatientWeight=nan": {400},
    "StudyTime=999999": {400},
    "TimezoneOffsetFromUTC=%2B9999&StudyDate=20200101": {400},
    "StudyDate=00010101-00010102&StudyTime=000000-000001&TimezoneOffsetFromUTC=%2B1400": {200, 204, 400},
    "StudyDate=99991231&StudyTime=235959&TimezoneOffsetFromUTC=-1200": {200, 204, 400},
}


@pytest.mark.parametrize(("query", "statuses"), QUERIES.items(), ids=[each[:32] for each in QUERIES])
def test_a_query(target: RunningServer, query: str, statuses: set[int]) -> None:
    answer = get(target, f"{ROOT}/studies?{query}")
    assert answer.status in statuses, answer.reason
    assert answer.status < 400 or answer.reason


@pytest.mark.parametrize("name", ["PatientName", "PatientID", "ModalitiesInStudy", "PatientComments", "' OR 1=1 --"])
@pytest.mark.parametrize("value", ["' OR '1'='1", "'; DROP TABLE study;--", '"', "\\", "') OR (1=1", "%' --"])
def test_quotes_are_text(target: RunningServer, name: str, value: str) -> None:
    answer = get(target, f"{ROOT}/studies?{quote(name)}={quote(value)}")
    unknown = name.startswith("'")
    assert answer.status == (200 if unknown else 204)
    assert get(target, f"{ROOT}/studies").status == 200


@pytest.mark.parametrize("path", ["", "/metadata", "/frames/1", "/bulkdata"])
@pytest.mark.parametrize(
    "accept",
    [
        ",".join(["a/b"] * 5000),
        ",".join(f"application/x{n};q=0.{n % 10}" for n in range(1000)),
        '"' + '\\"' * 15_000,
        'a/b;x="' + '\\"' * 15_000,
        '"' * 30_001,
        "a/b" + ";" * 30_000,
        "*/*;q=9,*/*;q=nan,*/*;q=-1",
        "\xff" * 100,
    ],
    ids=["many", "weighed", "escapes", "open", "quotes", "semicolons", "weights", "latin"],
)
def test_an_accept_header(target: RunningServer, path: str, accept: str) -> None:
    answer = get(target, f"{ROOT}{instance_url(HELD)}{path}", b"Accept: " + accept.encode("latin-1"))
    assert answer.status == 406
    assert answer.reason


@pytest.mark.parametrize(
    ("field", "statuses"),
    [
        (b"Range: bytes=" + b"9" * 5000 + b"-", {416}),
        (b"Range: bytes=-" + b"9" * 5000, {206}),
        (b"Range: bytes=" + b"0" * 5000 + b"1-" + b"0" * 5000 + b"2", {206}),
        (b"Range: bytes=" + b",".join([b"0-0"] * 5000), {200}),
        (b"Range: bytes=5-2", {200}),
        (b"If-None-Match: " + b'"' * 30_001, {200}),
        (b"If-Modified-Since: " + b"9" * 30_000, {200}),
        (b'Forwarded: for="' + b"\\" * 10_000, {200}),
        (b"Origin: http://[", {200}),
        (b"Upgrade: websocket\r\nConnection: upgrade", {200}),
    ],
    ids=lambda value: value[:24].decode() if isinstance(value, bytes) else None,
)
def test_a_header(target: RunningServer, field: bytes, statuses: set[int]) -> None:
    assert get(target, f"{ROOT}{instance_url(HELD)}/frames/1", field).status in statuses


@pytest.mark.parametrize("host", [b"[", b"a b", b"a" * 5000, b"x/../..", b"\xff"])
def test_a_host_that_is_none(target: RunningServer, host: bytes) -> None:
    answer = say(target, b"GET /dicomweb/studies HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
    assert answer.status == 400
    assert answer.reason
