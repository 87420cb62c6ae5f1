"""Parsers given what nobody foresaw: an answer or an error of ours, soon. ``FUZZ_CASES`` says how many cases."""

from __future__ import annotations

import contextlib
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.normalise import prepare
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.model.query import Level
from dicomweb_server.web import search_request
from dicomweb_server.web.accept import Accepted
from dicomweb_server.web.params import Parameter, decoded
from dicomweb_server.web.parts import Begin, Data, End, PartReader
from tests.corpus import file, names

CASES = int(os.environ.get("FUZZ_CASES", "150"))
FOUND = Path(__file__).parents[1] / "data" / "fuzz"
SECONDS = 2.0
fuzzed = settings(max_examples=CASES, deadline=None, derandomize=True)

BASES = [name for name in names("generated/") if len(file(name)) < 200_000]
HITS = st.tuples(
    st.integers(0, 3000),
    st.one_of(
        st.binary(min_size=1, max_size=4), st.sampled_from([b"\xff" * 4, bytes(4), b"SQ", b"UN", b"\xfe\xff\0\xe0"])
    ),
)


@fuzzed
@given(st.sampled_from(BASES), st.lists(HITS, max_size=8), st.none() | st.integers(0, 5000))
def test_the_reader(name: str, hits: list[tuple[int, bytes]], end: int | None) -> None:
    data = bytearray(file(name))
    for place, value in hits:
        at = place % len(data)
        data[at : at + len(value)] = value
    read(bytes(data[:end]))


def read(data: bytes) -> None:
    started = time.perf_counter()
    source = BytesSource(data)
    with contextlib.suppress(DicomwebError):
        derive(prepare(source).view(source))
    assert time.perf_counter() - started < SECONDS


def parts_of(pieces: list[bytes]) -> list[tuple[tuple[tuple[str, str], ...], bytes, bool]] | str:
    """Headers, content and wholeness of each part; or the kind of error."""
    reader = PartReader("B")
    found: list[tuple[tuple[tuple[str, str], ...], bytes, bool]] = []
    try:
        for piece in pieces:
            for event in reader.feed(piece):
                match event:
                    case Begin(headers):
                        found.append((tuple(headers.items()), b"", False))
                    case Data(content):
                        found[-1] = (found[-1][0], found[-1][1] + content, False)
                    case End():
                        found[-1] = (*found[-1][:2], True)
    except DicomwebError as error:
        return type(error).__name__
    return found


WORDS = st.sampled_from([b"--B", b"\r\n--B", b"\n--B", b"--", b"\r\n", b"\n", b"\r", b" ", b"A: b", b"x", b":", b"-"])


@fuzzed
@given(st.lists(WORDS | st.binary(max_size=3), max_size=40).map(b"".join), st.data())
def test_multipart_reads_the_same_however_it_is_cut(body: bytes, data: st.DataObject) -> None:
    body = b"--B\r\n" + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
    whole = parts_of([body])
    closed = isinstance(whole, list) and whole and all(each[2] for each in whole)
    if closed:
        assert parts_of(pieces) == whole
    else:
        parts_of(pieces)


@pytest.mark.parametrize("found", sorted((FOUND / "multipart").iterdir()), ids=lambda each: each.name)
def test_multipart_that_was_found(found: Path) -> None:
    body = found.read_bytes()
    assert parts_of([body]) == parts_of([body[at : at + 1] for at in range(len(body))])


MEMBERS = st.sampled_from(
    ["*/*", "multipart/related", "type=", '"', "\\", ";", ",", "q=", "0.5", "transfer-syntax=*", " "]
)


@fuzzed
@given(st.lists(MEMBERS | st.text(max_size=3), max_size=60).map("".join))
def test_accept(header: str) -> None:
    accept(header)


def accept(header: str) -> None:
    started = time.perf_counter()
    for strict in (False, True):
        try:
            Accepted.of(header, strict=strict)
            Accepted.of(None, header)
        except DicomwebError:
            pass
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize("found", sorted((FOUND / "accept").iterdir()), ids=lambda each: each.name)
def test_accept_that_was_found(found: Path) -> None:
    accept(found.read_text())


KEYS = st.sampled_from(
    [
        "PatientName",
        "StudyDate",
        "StudyTime",
        "limit",
        "includefield",
        "00080018",
        "PatientWeight",
        "fuzzymatching",
        "multiplevaluematching",
        "ModalitiesInStudy",
        "TimezoneOffsetFromUTC",
        "00230010",
        "00231001",
        "RequestAttributesSequence.PatientID",
    ]
)
VALUES = st.text(alphabet="0123456789-+.,*?%\\^=\"' ATcéß", max_size=30) | st.sampled_from(
    ["true", "all", "%FF", "%00"]
)


@fuzzed
@given(st.lists(st.tuples(KEYS, VALUES), max_size=8))
def test_a_query(pairs: list[tuple[str, str]]) -> None:
    ask("&".join("=".join(pair) for pair in pairs))


def ask(query: str) -> None:
    started = time.perf_counter()
    try:
        given = [Parameter(decoded(name), raw) for name, _, raw in (field.partition("=") for field in query.split("&"))]
        search_request.asked(given, search_request.SearchRules(), level=Level.STUDY)
    except DicomwebError:
        pass
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize("found", sorted((FOUND / "query").iterdir()), ids=lambda each: each.name)
def test_a_query_that_was_found(found: Path) -> None:
    ask(found.read_text())
