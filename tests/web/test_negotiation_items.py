"""Negotiation item by item, through the whole door, where no other test asks (C-01 to C-40, P-05 to P-10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.web.retrieving import Door, door, parts

CT, JLS, RLE, REPORT = (
    "generated/ts/ct_evle.dcm",
    "generated/ts/ct_jls_lossless.dcm",
    "generated/ts/ct_rle.dcm",
    "generated/mod/sr_enhanced.dcm",
)
OCTETS = 'multipart/related; type="application/octet-stream"'
ELE, JLS_UID = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("negotiation"), CT, JLS, RLE, REPORT) as opened:
        yield opened


@pytest.mark.parametrize("tail", ["?", "?nonsense=1", "/", "?accept=&x"])
async def test_what_adds_nothing_changes_nothing(held: Door, tail: str) -> None:
    """C-02, C-12"""
    plain = await held.get(f"{held.at(CT)}/metadata", "application/dicom+json")
    odd = await held.get(f"{held.at(CT)}/metadata{tail}", "application/dicom+json")
    assert (odd.status_code, odd.content) == (200, plain.content)


async def test_paths_are_case_sensitive_and_slashes_are_not_redirected(held: Door) -> None:
    """C-03, C-12"""
    assert (await held.get("/Studies", "application/dicom+json")).status_code == 404
    slashed = await held.get("/studies/", "application/dicom+json")
    assert slashed.status_code in (200, 204)
    assert "location" not in slashed.headers


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("?accept=application/dicom%2Bjson", "text/html", 200),
        ("?accept=*/*", "application/dicom+json", 400),
        ("?accept=application/*", "application/dicom+json", 400),
        ("?accept=image/png", "application/dicom+json", 200),
        ("?Accept=image/png", "application/dicom+json", 200),
    ],
)
async def test_the_accept_parameter_stands_before_the_header(held: Door, query: str, accept: str, status: int) -> None:
    """C-21, C-22, C-24: what it names that cannot be given leaves the choice to the header."""
    assert (await held.get(f"{held.at(CT)}/metadata{query}", accept)).status_code == status


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom+json;q=0.123", 200),
        ("application/dicom+json;q=0.1234", 406),
        ("application/dicom+json;q=0", 406),
        ("application/dicom+json;q=0, */*", 406),
        ("nonsense, application/dicom+json", 200),
        (";;;,=,application/dicom+json;q=1.000", 200),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", 200),
        ("image/png", 406),
    ],
)
async def test_qualities_and_malformed_members(held: Door, accept: str, status: int) -> None:
    """C-25, C-40"""
    answer = await held.get(f"{held.at(CT)}/metadata", accept)
    assert answer.status_code == status
    if status == 406:
        assert "application/dicom+json" in answer.text, "what there is"


async def test_dicom_and_rendered_types_together_are_refused_by_the_letter_only(held: Door) -> None:
    """C-23: browsers list what they like, so that is a setting."""
    lenient = await held.get(f"{held.at(CT)}/frames/1", f"{OCTETS}, image/png")
    assert lenient.status_code == 200
    before = held.services
    held.services = replace(before, strict_accept=True)
    try:
        for path in (held.at(CT), f"{held.at(CT)}/frames/1"):
            mixed = await held.get(
                path, 'multipart/related; type="application/dicom", application/octet-stream, image/png'
            )
            assert mixed.status_code == 400
        browser = "text/html,application/xhtml+xml,image/avif,*/*;q=0.8"
        assert (await held.get(held.at(CT), browser)).status_code == 200
        for path in (held.at(CT), f"{held.at(CT)}/metadata", "/studies"):
            assert (await held.get(path)).status_code == 406, "C-20"
    finally:
        held.services = before


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="application/octet-stream"; boundary=mine',
        "multipart/related;type=application/octet-stream;boundary=mine",
        'Multipart/Related; TYPE="application/octet-stream"',
    ],
)
async def test_the_boundary_is_ours_and_the_type_may_be_bare(held: Door, accept: str) -> None:
    """C-27, C-28"""
    answer = await held.get(f"{held.at(CT)}/frames/1", accept)
    assert answer.status_code == 200
    assert "boundary=mine" not in answer.headers["content-type"]
    assert len(parts(answer)) == 1


async def test_without_a_syntax_pixels_are_decoded_and_with_a_star_as_stored(held: Door) -> None:
    """C-26, C-29, C-30, C-31, C-37"""
    for accept, syntax in (
        ("*/*", ELE),
        (OCTETS, ELE),
        (f"{OCTETS}; transfer-syntax=*", JLS_UID),
        ('multipart/related; type="application/octet-stream; transfer-syntax=*"', JLS_UID),
        ("application/octet-stream; transfer-syntax=*", JLS_UID),
    ):
        answer = await held.get(f"{held.at(JLS)}/frames/1", accept)
        labels = [answer.headers["content-type"]]
        if labels[0].startswith("multipart"):
            labels = [part.headers["Content-Type"] for part in parts(answer)]
        assert [label.count("transfer-syntax=") for label in labels] == [1]
        assert labels[0].endswith(f"transfer-syntax={syntax}")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "klingon"])
async def test_json_is_utf_8_whatever_is_asked(held: Door, charset: str) -> None:
    """C-35, J-13"""
    answer = await held.get(
        f"{held.at(CT)}/metadata?charset={charset}",
        f"application/dicom+json; charset={charset}",
        accept_charset=charset,
    )
    assert answer.status_code == 200
    answer.content.decode("utf-8")
    assert not answer.content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("alias", "named"), [("image/x-jls", "image/x-jls"), ("image/jls", "image/jls"), ("IMAGE/JLS", "image/jls")]
)
async def test_a_type_asked_by_its_alias_is_answered_by_it(held: Door, alias: str, named: str) -> None:
    """C-39"""
    answer = await held.get(f"{held.at(JLS)}/frames/1", alias)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(named)


async def test_a_body_has_a_length_or_chunks_and_none_where_there_is_none(held: Door) -> None:
    """C-10, P-05"""
    nothing = await held.get("/studies?PatientID=nobody", "application/dicom+json")
    assert (nothing.status_code, nothing.content) == (204, b"")
    known = await held.get(f"{held.at(CT)}/metadata", "application/dicom+json")
    again = await held.get(f"{held.at(CT)}/metadata", "application/dicom+json", if_none_match=known.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    for answer in (nothing, known, again):
        assert not {"content-length", "transfer-encoding"} <= set(answer.headers)


@pytest.mark.parametrize("kind", ["multipart/related; type=application/dicom", OCTETS])
async def test_study_and_series_have_no_single_part(held: Door, kind: str) -> None:
    """C-33, C-34, T-05"""
    study = held.at(CT).partition("/series/")[0]
    assert (await held.get(study, kind)).headers["content-type"].startswith("multipart/related")
    for single in ("application/dicom", "application/octet-stream"):
        assert (await held.get(study, single)).status_code == 406


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*, application/dicom+json;q=0", None),
        ("application/dicom+json;q=0.1, */*;q=0.9, application/json;q=0.5", "application/json"),
        ("application/dicom+json;q=none, */*", "application/dicom+json"),
        ("text/json", "application/json"),
    ],
)
async def test_a_narrow_member_counts_before_a_wildcard(held: Door, accept: str, kind: str | None) -> None:
    """C-24, C-25, C-36, C-39"""
    answer = await held.get(f"{held.at(CT)}/metadata", accept)
    assert answer.status_code == (200 if kind else 406)
    assert kind is None or answer.headers["content-type"] == kind
