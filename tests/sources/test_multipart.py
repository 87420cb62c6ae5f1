from __future__ import annotations

import pytest

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.sources.multipart import first_part

PAYLOAD = b"DICM\r\n--almost\r\n--b0undar" * 40
BODY = b"\r\n--b0undary\r\nContent-Type: application/dicom\r\n\r\n" + PAYLOAD + b"\r\n--b0undary--\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 64, 4096])
@pytest.mark.parametrize("boundary", ["b0undary", '"b0undary"'])
def test_the_part_comes_out_whatever_the_blocks(size: int, boundary: str) -> None:
    blocks = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    assert b"".join(first_part(kind, blocks)) == PAYLOAD


def test_a_single_part_answer_is_its_own_payload() -> None:
    assert b"".join(first_part("application/dicom", [b"a", b"b"])) == b"ab"


@pytest.mark.parametrize("length", [10, 60, 200, len(BODY) - 15])
def test_a_body_cut_off_is_an_error_that_may_pass(length: int) -> None:
    with pytest.raises(BackendFailed) as caught:
        b"".join(first_part("multipart/related; boundary=b0undary", [BODY[:length]]))
    assert caught.value.passing


def test_a_multipart_answer_needs_a_boundary() -> None:
    with pytest.raises(BackendFailed, match="boundary"):
        b"".join(first_part("multipart/related", [BODY]))
