"""Whatever a client writes into a query or a header, the answer is an answer and no failure."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web import making

NAMES = st.sampled_from(
    [
        "PatientName",
        "StudyDate",
        "StudyTime",
        "StudyInstanceUID",
        "ModalitiesInStudy",
        "SeriesNumber",
        "includefield",
        "limit",
        "offset",
        "fuzzymatching",
        "emptyvaluematching",
        "multiplevaluematching",
        "TimezoneOffsetFromUTC",
        "accept",
        "00230010",
        "00231001",
        "OtherPatientIDsSequence.PatientID",
        "PatientWeight",
        "StudyUpdateDateTime",
        "00080018",
        "x",
    ]
)
VALUES = st.one_of(
    st.text(alphabet="0123456789*?-+.,%\\^=\"' ACT25CFe", max_size=20),
    st.sampled_from(["20200101-", "-0930", "2020-2021", "1.2%5C3", "%22%22", "true", "all", "%FF", "%00", "10"]),
)
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=6).map(lambda pairs: "&".join("=".join(pair) for pair in pairs))
ACCEPTS = st.text(alphabet='application/dicom+jsnxml*;q=0.5, "type\\', max_size=80)


async def _status(query: str, accept: str) -> int:
    async with making.client(making.searching([b"{}"])) as client:
        request = client.build_request("GET", "/dicomweb/studies", headers={"accept": accept})
        request.url = request.url.copy_with(query=query.encode())
        return (await client.send(request)).status_code


@settings(max_examples=300, deadline=None)
@given(QUERIES)
def test_any_query_is_answered(query: str) -> None:
    assert asyncio.run(_status(query, "*/*")) in (200, 204, 400, 406)


@settings(max_examples=100, deadline=None)
@given(ACCEPTS)
def test_any_accept_header_is_answered(accept: str) -> None:
    assert asyncio.run(_status("", accept)) in (200, 406)
