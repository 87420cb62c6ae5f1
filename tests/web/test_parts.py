"""Multipart bodies as they come in, cut at any place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb_server.model.errors import BadRequest, TooLarge
from dicomweb_server.web.parts import Begin, Data, PartReader

BODY = b"--B\r\nContent-Type: application/dicom\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--"


def read(
    pieces: list[bytes], boundary: str = "B", *, max_parts: int = 100
) -> tuple[list[tuple[dict[str, str], bytes]], bool]:
    reader = PartReader(boundary, max_parts=max_parts)
    parts: list[tuple[dict[str, str], bytes]] = []
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case Begin(headers):
                    parts.append((headers, b""))
                case Data(content):
                    headers, before = parts[-1]
                    parts[-1] = headers, before + content
    return parts, reader.finished


def contents(body: bytes, boundary: str = "B") -> list[bytes]:
    parts, finished = read([body], boundary)
    assert finished
    return [content for _, content in parts]


@pytest.mark.parametrize("at", range(len(BODY)))
def test_a_body_may_be_cut_anywhere(at: int) -> None:
    parts, finished = read([BODY[:at], BODY[at:]])
    assert parts == [({"content-type": "application/dicom"}, b"one"), ({}, b"two")]
    assert finished


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + BODY,
        BODY + b"\r\n",
        BODY + b"\r\nepilogue --B\r\n",
        b"This is a message of several parts.\r\n" + BODY,
        b"--BB\r\nnot yet\r\n" + BODY,
        BODY.replace(b"\r\n", b"\n"),
        BODY.replace(b"--B\r\n", b"--B \t \r\n"),
        BODY.replace(b"application/dicom", b"\r\n\tapplication/dicom"),
        BODY.replace(b"Content-Type", b"CONTENT-TYPE"),
    ],
)
def test_what_senders_do_is_read_all_the_same(body: bytes) -> None:
    for pieces in ([body], [body[n : n + 1] for n in range(len(body))]):
        parts, finished = read(pieces)
        assert parts == [({"content-type": "application/dicom"}, b"one"), ({}, b"two")]
        assert finished


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n--",
        b"\r\n--C",
        b"\r\n--BA\r\n",
        b"\r\n--B x\r\n",
        b"\n--B\r\n",
        b"--B--",
        b"\r\n-",
    ],
)
def test_content_that_looks_like_a_boundary_stays_content(content: bytes) -> None:
    body = b"--B\r\n\r\n" + content + b"\r\n--B--\r\n"
    assert contents(body) == [content]


def test_a_carriage_return_at_the_end_of_content_is_kept_where_lines_end_bare() -> None:
    assert contents(b"--B\n\nabc\r\n--B--\n") == [b"abc\r"]


def test_a_boundary_of_odd_characters() -> None:
    assert contents(b"--a'()+_,-./:=? z\r\n\r\nx\r\n--a'()+_,-./:=? z--", "a'()+_,-./:=? z") == [b"x"]


def test_no_parts_at_all() -> None:
    assert contents(b"--B--\r\n") == []


@pytest.mark.parametrize("cut", range(1, len(BODY)))
def test_a_body_cut_short_is_not_finished(cut: int) -> None:
    _, finished = read([BODY[:-cut]])
    assert not finished


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"x" * 70000, BadRequest),
        (b"--B\r\n" + b"a" * 9000, TooLarge),
        (b"--B\r\nX: " + b"a" * 9000 + b"\r\n\r\n", TooLarge),
        (b"--B\r\nno colon\r\n\r\n", BadRequest),
        (b"--B\r\n\r\n\r\n" * 101, TooLarge),
    ],
)
def test_what_is_no_such_body_or_too_much_of_it_is_refused(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read([body])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"B", b"\r\n--B", b"x"]), max_size=12), max_size=4),
    st.integers(1, 12),
)
def test_parts_come_out_as_they_went_in(parts: list[list[bytes]], step: int) -> None:
    # The standard asks of a sender that its boundary does not occur: so it does not here.
    sent = [b"".join(pieces).replace(b"\r\n--B", b"\r\n--b") for pieces in parts]
    body = b"".join(b"--B\r\n\r\n" + content + b"\r\n" for content in sent) + b"--B--"
    found, finished = read([body[n : n + step] for n in range(0, len(body), step)])
    assert finished
    assert [content for _, content in found] == sent
