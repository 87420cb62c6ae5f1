"""Negotiation to the letter of PS3.18 8.7 (C-20 to C-40, T-01 to T-21)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom.syntaxes import TransferSyntax, syntax_of
from dicomweb_server.model.errors import BadRequest, NotAcceptable
from dicomweb_server.web.accept import Accepted, Can, Form, as_given, for_instance, for_pixels

ELE = "1.2.840.10008.1.2.1"
IVLE = "1.2.840.10008.1.2"
EVBE = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LL = "1.2.840.10008.1.2.4.70"
JLS = "1.2.840.10008.1.2.4.80"
JLS_NEAR = "1.2.840.10008.1.2.4.81"
J2K = "1.2.840.10008.1.2.4.90"
OCTETS = "application/octet-stream"
DICOM = "application/dicom"


def lossless(stored: str) -> Can:
    """A server that decodes everything and encodes losslessly."""
    return lambda syntax: syntax in {ELE, JLS, J2K, JPEG_LL, RLE, stored}


def stored_only(stored: TransferSyntax) -> Can:
    """A server that decodes nothing."""
    return lambda syntax: syntax == as_given(stored)


def pixels(accept: str, stored: str, *, decoding: bool, parts: int = 1) -> Form | None:
    can = lossless(stored) if decoding else stored_only(syntax_of(stored))
    try:
        return for_pixels(Accepted.of(accept), syntax_of(stored), can, parts=parts)
    except NotAcceptable as error:
        assert error.available
        return None


MULTI = "multipart/related; "

T_21 = [
    ("*/*", (OCTETS, ELE, True)),
    (MULTI + 'type="application/octet-stream"', (OCTETS, ELE, True)),
    (MULTI + "type=application/octet-stream; transfer-syntax=*", (OCTETS, JLS, True)),
    (MULTI + 'type="image/jls"', ("image/jls", JLS, True)),
    (MULTI + 'type="image/jls"; transfer-syntax=*', ("image/jls", JLS, True)),
    (MULTI + 'type="image/*"', ("image/jls", JLS, True)),
    ("image/jls", ("image/jls", JLS, False)),
    (MULTI + f'type="image/jls"; transfer-syntax={JLS_NEAR}', None),
    (MULTI + 'type="image/jp2"', ("image/jp2", J2K, True)),
    ("image/jp2;q=0.5, application/octet-stream", (OCTETS, ELE, False)),
    ("image/png", None),
    ("application/json", None),
    (MULTI + 'type="application/octet-stream", image/png', (OCTETS, ELE, True)),
]


@pytest.mark.parametrize(("accept", "answer"), T_21)
def test_the_worked_example_of_a_jpeg_ls_frame(accept: str, answer: tuple[str, str, bool] | None) -> None:
    assert pixels(accept, JLS, decoding=True) == (answer and Form(*answer))


STORED_JLS = (OCTETS, JLS, True)

SEEN = [
    # OHIF and Cornerstone (viewer-expectations 1)
    ('multipart/related; type="application/octet-stream"; transfer-syntax="*"', STORED_JLS),
    ("multipart/related; type=application/octet-stream; transfer-syntax=*", STORED_JLS),
    ('multipart/related; type="application/octet-stream"; transfer-syntax=*,image/jls', STORED_JLS),
    (f'multipart/related; type="image/jls"; transfer-syntax="{JLS}"', ("image/jls", JLS, True)),
    ('multipart/related; type="application/octet-stream; transfer-syntax=*"', STORED_JLS),
    ("application/octet-stream; transfer-syntax=*", (OCTETS, JLS, False)),
    # dicomweb-client
    (
        f'multipart/related; type="image/jls"; transfer-syntax={JLS}, multipart/related; type="image/jp2"',
        ("image/jls", JLS, True),
    ),
    # aliases, spaces, letter case, order (C-27, C-39)
    ("image/x-jls", ("image/x-jls", JLS, False)),
    ("Multipart/Related;TYPE=image/JLS", ("image/jls", JLS, True)),
    ('multipart/related; transfer-syntax=*; boundary=x; type="application/octet-stream"', STORED_JLS),
    ("multipart/related; transfer-syntax=*", STORED_JLS),
    # weights and rubbish (C-25)
    ("image/jls;q=0, application/octet-stream;transfer-syntax=*;q=0.5", (OCTETS, JLS, False)),
    ("image/jls;q=0", None),
    ("rubbish, ;;, image/jls;q=0.3, */*;q=2", ("image/jls", JLS, False)),
    (f"multipart/related; type=image/jls; q=0.1, {OCTETS}; transfer-syntax=*; q=0.2", (OCTETS, JLS, False)),
    # implicit VR never leaves (C-07)
    (MULTI + f"type={OCTETS}; transfer-syntax={IVLE}", None),
]


@pytest.mark.parametrize(("accept", "answer"), SEEN)
def test_what_clients_send_is_answered_as_stored(accept: str, answer: tuple[str, str, bool] | None) -> None:
    assert pixels(accept, JLS, decoding=False) == (answer and Form(*answer))


@pytest.mark.parametrize("stored", [ELE, IVLE, EVBE, "1.2.840.10008.1.2.1.99"])
@pytest.mark.parametrize(
    "accept", ["*/*", MULTI + 'type="*/*"', MULTI + f"type={OCTETS}; transfer-syntax=*", MULTI + f"type={OCTETS}"]
)
def test_native_pixels_leave_as_explicit_little_endian(stored: str, accept: str) -> None:
    assert pixels(accept, stored, decoding=False) == Form(OCTETS, ELE, True)


def test_without_a_decoder_the_default_of_a_lossless_frame_is_not_acceptable() -> None:
    assert pixels("*/*", JLS, decoding=False) is None


def test_only_lossy_pixels_may_leave_lossy_unasked() -> None:
    assert pixels("*/*", JPEG, decoding=False) == Form(OCTETS, JPEG, True)


@pytest.mark.parametrize("stored", [JPEG, JPEG_LL])
def test_bare_image_jpeg_takes_every_stored_jpeg(stored: str) -> None:
    assert pixels("image/jpeg", stored, decoding=False) == Form("image/jpeg", stored, False)


def test_bare_image_jpeg_of_anything_else_means_lossless() -> None:
    assert pixels("image/jpeg", ELE, decoding=True) == Form("image/jpeg", JPEG_LL, False)


@pytest.mark.parametrize("accept", ["image/jls", "application/octet-stream; transfer-syntax=*"])
def test_several_frames_are_never_single_part(accept: str) -> None:
    assert pixels(accept, JLS, decoding=True, parts=2) is None


def instance(accept: str, stored: str, *, decoding: bool, parts: int = 1) -> Form | None:
    can = lossless(stored) if decoding else stored_only(syntax_of(stored))
    return for_instance(Accepted.of(accept), syntax_of(stored), can, parts=parts)


@pytest.mark.parametrize(
    ("accept", "stored", "syntax"),
    [
        (MULTI + "type=application/dicom", JLS, ELE),
        (MULTI + "type=application/dicom", JPEG, ELE),
        (MULTI + "type=application/dicom; transfer-syntax=*", JLS, JLS),
        (MULTI + "type=application/dicom; transfer-syntax=*", IVLE, ELE),
        (MULTI + f"type=application/dicom; transfer-syntax={IVLE}", ELE, None),
        (MULTI + f"type=application/dicom; transfer-syntax={J2K}", JLS, J2K),
        ("*/*", EVBE, ELE),
        ("application/dicom", ELE, ELE),
        ("text/html", ELE, None),
    ],
)
def test_instances_leave_as_asked_for_or_as_explicit_little_endian(
    accept: str, stored: str, syntax: str | None
) -> None:
    found = instance(accept, stored, decoding=True)
    assert (found and found.syntax) == syntax


def test_one_instance_may_be_single_part_and_a_study_not() -> None:
    assert instance("application/dicom", ELE, decoding=False) == Form(DICOM, ELE, False)
    assert instance("application/dicom", ELE, decoding=False, parts=2) is None


def test_the_parameter_goes_before_the_header_and_takes_no_wildcards() -> None:
    accepted = Accepted.of("text/html", "image/jls")
    assert for_pixels(accepted, syntax_of(JLS), stored_only(syntax_of(JLS))) == Form("image/jls", JLS, False)
    with pytest.raises(BadRequest):
        Accepted.of("text/html", "image/*")


def test_a_missing_accept_is_a_wildcard_unless_strict() -> None:
    assert Accepted.of(None) == Accepted.of("*/*")
    with pytest.raises(NotAcceptable):
        Accepted.of(None, strict=True)


def test_thousands_of_members_cost_little() -> None:
    assert len(Accepted.of("image/jls," * 5000).ranges) <= 200


PIECES = st.sampled_from(
    ["multipart/related", "image/jls", "*/*", "image/*", ";", ",", " ", "type=", '"', "application/octet-stream", "q=",
     "0.5", "1", "transfer-syntax=", "*", JLS, "\\", "=", "é", "\x00", "boundary=x"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_no_header_breaks_the_parser(header: str) -> None:
    try:
        for_pixels(Accepted.of(header), syntax_of(JLS), stored_only(syntax_of(JLS)))
    except NotAcceptable as error:
        assert error.available
