"""Searches over HTTP: what the catalog is asked, and how its answer is dressed."""

from __future__ import annotations

import email
import gzip
from datetime import UTC
from xml.etree import ElementTree

import pytest

from dicomweb_server.model.query import DateTimeRange, Key, Level, Match, Query
from dicomweb_server.web.app import WebOptions
from dicomweb_server.web.search_request import SearchRules
from tests.web import making

UTC_RULES = SearchRules(local_zone=UTC)


async def asked(query: str, path: str = "/studies") -> Query:
    search = making.searching()
    async with making.client(search, options=WebOptions(search=UTC_RULES)) as client:
        answer = await client.get(f"/dicomweb{path}?{query}")
    assert answer.status_code == 204, answer.text
    return search.asked[0]


async def status(query: str) -> int:
    async with making.client() as client:
        return (await client.get(f"/dicomweb/studies?{query}")).status_code


PN, ID, UI, DA, TM = 0x00100010, 0x00100020, 0x0020000D, 0x00080020, 0x00080030


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("PatientID=1%2B2", Key((ID,), "LO", Match.SINGLE, ("1+2",))),
        ("00100020=A+B", Key((ID,), "LO", Match.SINGLE, ("A B",))),
        ("PatientID=%20x%20", Key((ID,), "LO", Match.SINGLE, ("x",))),
        ("PatientName=", Key((PN,), "PN", Match.UNIVERSAL)),
        ("PatientName", Key((PN,), "PN", Match.UNIVERSAL)),
        ("PatientName=*", Key((PN,), "PN", Match.UNIVERSAL)),
        ("PatientName=%2A%2A", Key((PN,), "PN", Match.UNIVERSAL)),
        ("StudyInstanceUID=*", Key((UI,), "UI", Match.UNIVERSAL)),
        ("PatientName=CHECK%2A", Key((PN,), "PN", Match.WILDCARD, ("CHECK*",))),
        ("PatientName=a" + "*" * 2000 + "b", Key((PN,), "PN", Match.WILDCARD, ("a*b",))),
        ("PatientName=O%27Brien%2C", Key((PN,), "PN", Match.SINGLE, ("O'Brien,",))),
        ("PatientName=Doe%5EJohn%5E%5E", Key((PN,), "PN", Match.SINGLE, ("Doe^John",))),
        ("PatientName=Doe&fuzzymatching=true", Key((PN,), "PN", Match.FUZZY, ("Doe",))),
        ("PatientName=*Doe*&fuzzymatching=true", Key((PN,), "PN", Match.WILDCARD, ("*Doe*",))),
        ("StudyInstanceUID=1.2", Key((UI,), "UI", Match.SINGLE, ("1.2",))),
        ("StudyInstanceUID=1.2,3.4", Key((UI,), "UI", Match.LIST, ("1.2", "3.4"))),
        ("StudyInstanceUID=1.2%2C3.4", Key((UI,), "UI", Match.LIST, ("1.2", "3.4"))),
        ("StudyInstanceUID=1.2%5C3.4", Key((UI,), "UI", Match.LIST, ("1.2", "3.4"))),
        ("StudyDate=20200101", Key((DA,), "DA", Match.SINGLE, ("20200101",))),
        ("StudyDate=20200101-", Key((DA,), "DA", Match.RANGE, ("20200101", ""))),
        ("StudyDate=-20200101", Key((DA,), "DA", Match.RANGE, ("", "20200101"))),
        ("StudyDate=20200101-20201231", Key((DA,), "DA", Match.RANGE, ("20200101", "20201231"))),
        ("StudyTime=1000-0900", Key((TM,), "TM", Match.RANGE, ("1000", "0900"))),
        ("StudyUpdateDateTime=2020-0500", Key((0x0008041F,), "DT", Match.SINGLE, ("2020-0500",))),
        (
            "StudyUpdateDateTime=20200101-0500-20210101-0500",
            Key((0x0008041F,), "DT", Match.RANGE, ("20200101-0500", "20210101-0500")),
        ),
        ("StudyUpdateDateTime=20200101+0500", Key((0x0008041F,), "DT", Match.SINGLE, ("20200101+0500",))),
        ("StudyUpdateDateTime=20200101%200500", Key((0x0008041F,), "DT", Match.SINGLE, ("20200101+0500",))),
        ("ModalitiesInStudy=CT%2CMR", Key((0x00080061,), "CS", Match.LIST, ("CT", "MR"))),
        ("ModalitiesInStudy=CT%5CMR", Key((0x00080061,), "CS", Match.LIST, ("CT", "MR"))),
        ("SeriesNumber=007", Key((0x00200011,), "IS", Match.SINGLE, ("007",))),
        ("AccessionNumber=%22%22", Key((0x00080050,), "SH", Match.SINGLE, ('""',))),
        ("AccessionNumber=%22%22&emptyvaluematching=true", Key((0x00080050,), "SH", Match.EMPTY)),
        ("OtherPatientNames=a,b", Key((0x00101001,), "PN", Match.SINGLE, ("a,b",))),
        ("OtherPatientNames=a,b&multiplevaluematching=true", Key((0x00101001,), "PN", Match.ALL, ("a", "b"))),
        ("OtherPatientNames=a%5Cb&multiplevaluematching=true", Key((0x00101001,), "PN", Match.ALL, ("a", "b"))),
        ("OtherPatientNames=a%2Cb&multiplevaluematching=true", Key((0x00101001,), "PN", Match.SINGLE, ("a,b",))),
        ("OtherPatientIDsSequence.00100020=x", Key((0x00101002, ID), "LO", Match.SINGLE, ("x",))),
        ("00101002.PatientID=x", Key((0x00101002, ID), "LO", Match.SINGLE, ("x",))),
    ],
)
async def test_a_key_matches_by_the_rules_of_its_vr(query: str, key: Key) -> None:
    assert (await asked(query)).keys == (key,)


async def test_date_and_time_ranges_together_are_one_interval() -> None:
    query = await asked("StudyDate=20060705-20060707&StudyTime=1000-1800")
    assert query.keys == ()
    assert query.intervals == (DateTimeRange(DA, TM, "20060705100000.000000", "20060707180059.999999"),)
    assert query.include == {(DA,), (TM,)}


async def test_a_single_date_and_a_range_of_times_stay_two_keys() -> None:
    query = await asked("StudyDate=20060705&StudyTime=1000-1800")
    assert [key.match for key in query.keys] == [Match.SINGLE, Match.RANGE]


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("StudyDate=20200101", "20191231150000.000000", "20200101145959.999999"),
        ("StudyDate=20200101-", "20191231150000.000000", None),
        ("StudyDate=20200101&StudyTime=0830", "20191231233000.000000", "20191231233059.999999"),
        ("StudyDate=20200101-20200102&StudyTime=08-10", "20191231230000.000000", "20200102015959.999999"),
    ],
)
async def test_dates_in_a_named_zone_are_converted_to_the_local_one(
    query: str, first: str | None, last: str | None
) -> None:
    found = await asked(query + "&TimezoneOffsetFromUTC=%2B0900")
    assert found.intervals == (DateTimeRange(DA, TM, first, last),)
    assert found.keys == ()


async def test_a_plus_that_became_a_space_still_is_an_offset() -> None:
    found = await asked("StudyDate=20200101&TimezoneOffsetFromUTC=%200900")
    assert found.intervals[0].first == "20191231150000.000000"


async def test_a_date_time_key_gets_the_zone_of_the_query() -> None:
    found = await asked("StudyUpdateDateTime=2020-2021&TimezoneOffsetFromUTC=-0500")
    assert found.keys[0].values == ("2020-0500", "2021-0500")


async def test_a_private_key_goes_with_its_creator() -> None:
    found = await asked("00230010=AcmeCompany&00231001=001239")
    assert [key.path for key in found.keys] == [(0x00230010,), (0x00231001,)]


async def test_the_dictionary_of_the_creator_gives_a_private_vr() -> None:
    found = await asked("00190010=SIEMENS%20MR%20HEADER&0019100C=1000")
    assert found.keys[1].vr == "IS"


@pytest.mark.parametrize(
    "query",
    ["foo=bar", "00231001=5", "includefield=00231001", "includefield=NoSuchThing", "NoSuch.PatientID=1"],
)
async def test_what_is_unknown_is_ignored_and_named(query: str) -> None:
    async with making.client() as client:
        answer = await client.get(f"/dicomweb/studies?{query}")
        strict = WebOptions(search=SearchRules(strict=True))
    assert answer.headers["warning"].startswith("299 http://testserver/dicomweb: The following parameters were ignored")
    async with making.client(options=strict) as client:
        assert (await client.get(f"/dicomweb/studies?{query}")).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "includefield=00081030%2C00080060,PatientID%5C00101002.00100020",
        "includefield=00081030&includefield=00080060&includefield=PatientID&includefield=OtherPatientIDsSequence.PatientID",
    ],
)
async def test_fields_are_asked_for_in_every_spelling(query: str) -> None:
    found = await asked(query)
    assert found.include == {(0x00081030,), (0x00080060,), (ID,), (0x00101002, ID)}
    assert not found.include_all


async def test_all_fields_may_be_asked_for() -> None:
    assert (await asked("includefield=all&includefield=00100010")).include_all


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=2020-01-01",
        "StudyDate=2020.01.01",
        "StudyDate=-",
        "StudyDate=20201301",
        "StudyDate=20200101&TimezoneOffsetFromUTC=nine",
        "StudyDate=20200230&TimezoneOffsetFromUTC=%2B0100",
        "StudyTime=25",
        "SeriesNumber=abc",
        "StudyInstanceUID=1.2.x",
        "StudyInstanceUID=1.2*",
        "limit=-1",
        "limit=ten",
        "limit=5&limit=6",
        "offset=1.5",
        "fuzzymatching=maybe",
        "fuzzymatching=True",
        "PatientID=a&00100020=b",
        "PatientID=%FF",
        "PatientID=a%00b",
        "PatientID=a%01b",
        "PatientID=" + "a" * 2000,
        "PatientID=" + "a*" * 65,
        "PatientID.PatientName=x",
        "OtherPatientIDsSequence=x",
        "&".join(f"a{n}=1" for n in range(1001)),
    ],
)
async def test_a_bad_value_of_a_known_parameter_is_refused(query: str) -> None:
    assert await status(query) == 400


@pytest.mark.parametrize("query", ["", "&", "PatientName=%27%3B%20DROP%20TABLE%20x%3B--", "limit=0", "offset=999999"])
async def test_odd_queries_break_nothing(query: str) -> None:
    assert await status(query) == 204


async def test_limit_zero_asks_nobody() -> None:
    search = making.searching([b"{}"])
    async with making.client(search) as client:
        assert (await client.get("/dicomweb/studies?limit=0")).status_code == 204
    assert search.asked == []


async def test_limits_are_held_within_what_the_server_gives() -> None:
    assert (await asked("limit=100000&offset=99999999999999999999999")).limit == 1000
    assert (await asked("offset=99999999999999999999999")).offset == 2**63 - 1


@pytest.mark.parametrize(
    ("path", "level", "study", "series", "relational"),
    [
        ("/studies", Level.STUDY, None, None, False),
        ("/studies/", Level.STUDY, None, None, False),
        ("/series", Level.SERIES, None, None, True),
        ("/instances", Level.INSTANCE, None, None, True),
        ("/studies/1.2/series", Level.SERIES, "1.2", None, False),
        ("/studies/1.2/instances", Level.INSTANCE, "1.2", None, True),
        ("/studies/1.2/series/3.4/instances", Level.INSTANCE, "1.2", "3.4", False),
    ],
)
async def test_the_six_resources(
    path: str, level: Level, study: str | None, series: str | None, relational: bool
) -> None:
    found = await asked("", path)
    assert (found.level, found.study, found.series, found.relational) == (level, study, series, relational)


async def test_matches_come_as_one_array_with_the_public_address() -> None:
    search = making.searching([b'{"a":"{{base}}/studies/1"}', b"{}"], remaining=7)
    async with making.client(search) as client:
        answer = await client.get("/dicomweb/studies")
    assert answer.headers["content-type"] == "application/dicom+json"
    assert answer.json() == [{"a": "http://testserver/dicomweb/studies/1"}, {}]
    assert answer.headers["warning"] == (
        "299 http://testserver/dicomweb: There are 7 additional results that can be requested"
    )


@pytest.mark.parametrize(
    ("accept", "status_code", "media_type"),
    [
        ("*/*", 200, "application/dicom+json"),
        ("application/json", 200, "application/json"),
        ("application/dicom+json, application/json", 200, "application/dicom+json"),
        ("application/dicom+json;q=0.1, application/json;q=0.9", 200, "application/json"),
        ("text/json", 200, "application/json"),
        ('multipart/related; type="application/dicom+xml"', 200, "multipart/related"),
        ("multipart/related;type=application/dicom+xml;q=0.5,application/dicom+json;q=0.4", 200, "multipart/related"),
        ("application/dicom+xml", 406, "text/plain"),
        ("application/dicom+json;q=0", 406, "application/json"),
        ("nonsense, */*", 200, "application/dicom+json"),
        ("," * 5000 + "*/*", 200, "application/dicom+json"),
        ("text/html", 406, "text/plain"),
    ],
)
async def test_json_is_given_under_the_name_it_was_asked_by(accept: str, status_code: int, media_type: str) -> None:
    async with making.client(making.searching([b"{}"])) as client:
        answer = await client.get("/dicomweb/studies", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (status_code, media_type)


async def test_long_answers_are_compressed_for_those_who_can_read_it() -> None:
    match = b'{"x":"' + b"y" * 5000 + b'"}'
    async with making.client(making.searching([match])) as client:
        packed = await client.send(client.build_request("GET", "/dicomweb/studies"), stream=True)
        raw = b"".join([chunk async for chunk in packed.aiter_raw()])
        plain = await client.get("/dicomweb/studies", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content == b"[" + match + b"]"
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert plain.headers["vary"] == "Accept, Accept-Encoding, Origin"


async def test_an_unchanged_answer_is_not_sent_twice() -> None:
    async with making.client(making.searching([b"{}"])) as client:
        first = await client.get("/dicomweb/studies")
        again = await client.get("/dicomweb/studies", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_matches_in_xml_are_one_part_each() -> None:
    search = making.searching([b'{"00100020":{"vr":"LO","Value":["%d"]}}' % number for number in (1, 2)])
    async with making.client(search) as client:
        answer = await client.get(
            "/dicomweb/studies", headers={"accept": 'multipart/related; type="application/dicom+xml"'}
        )
    message = email.message_from_bytes(
        b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n" + answer.content
    )
    parts = list(message.walk())[1:]
    assert [part.get_content_type() for part in parts] == ["application/dicom+xml"] * 2
    trees = [ElementTree.fromstring(str(part.get_payload())) for part in parts]
    assert [tree.findtext(".//{*}Value") for tree in trees] == ["1", "2"]


async def test_the_accept_parameter_goes_before_the_header() -> None:
    async with making.client(making.searching([b"{}"])) as client:
        answer = await client.get("/dicomweb/studies?accept=application%2Fjson", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"
    assert "warning" not in answer.headers


async def test_nothing_found_may_be_an_empty_list_by_setting() -> None:
    """Q-43"""
    search = making.RecordingSearch()
    async with making.client(search, options=WebOptions(search=SearchRules(empty_list=True))) as http:
        answer = await http.get("/dicomweb/studies", headers={"accept": "application/dicom+json"})
        assert (answer.status_code, answer.json()) == (200, [])
        xml = await http.get("/dicomweb/studies", headers={"accept": 'multipart/related; type="application/dicom+xml"'})
        assert xml.status_code == 204


async def test_what_would_be_ignored_is_refused_by_setting() -> None:
    """Q-17"""
    async with making.client(making.RecordingSearch(), options=WebOptions(search=SearchRules(strict=True))) as http:
        answer = await http.get("/dicomweb/studies?Nonsense=1")
        assert answer.status_code == 400
        assert "Nonsense" in answer.text
