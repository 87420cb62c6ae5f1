"""Requests as the tests of this room write them: where a file of the corpus is served, and bodies for STOW."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from email.parser import BytesHeaderParser
from functools import cache
from pathlib import Path

import httpx
import pydicom

from tests.corpus import path

JSON = {"Accept": "application/dicom+json"}
OCTETS = 'multipart/related; type="application/octet-stream"'
AS_STORED = OCTETS + "; transfer-syntax=*"
DICOM = 'multipart/related; type="application/dicom"'

Part = tuple[dict[str, str], bytes]


@cache
def header(name: str) -> pydicom.Dataset:
    """A corpus file without its pixels, as pydicom reads it."""
    return pydicom.dcmread(path(name), stop_before_pixels=True, force=True)


def study_url(name: str) -> str:
    return f"/studies/{header(name).StudyInstanceUID}"


def series_url(name: str) -> str:
    return f"{study_url(name)}/series/{header(name).SeriesInstanceUID}"


def instance_url(name: str) -> str:
    return f"{series_url(name)}/instances/{header(name).SOPInstanceUID}"


def multipart(parts: Iterable[tuple[Sequence[str], bytes]]) -> tuple[str, bytes]:
    """A boundary and a multipart body: each part its header lines and its bytes."""
    boundary = uuid.uuid4().hex
    opening = f"\r\n--{boundary}\r\n".encode()
    body = b"".join(opening + "\r\n".join(lines).encode() + b"\r\n\r\n" + content for lines, content in parts)
    return boundary, body + f"\r\n--{boundary}--".encode()


def store(client: httpx.Client, files: Iterable[Path | bytes], *, to: str = "/studies") -> httpx.Response:
    """STOW as OHIF and the Python client send it: one part a file, CRLF before the first delimiter."""
    contents = [file if isinstance(file, bytes) else file.read_bytes() for file in files]
    boundary, body = multipart((["Content-Type: application/dicom"], content) for content in contents)
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    return client.post(to, content=body, headers={"Content-Type": kind, **JSON}, timeout=300)


def parts(answer: httpx.Response) -> list[Part]:
    """Headers and bytes of every part of a multipart answer."""
    head = BytesHeaderParser().parsebytes(f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode())
    delimiter = b"--" + str(head.get_param("boundary")).encode()
    between = answer.content.split(delimiter)
    assert between[-1].strip() == b"--", "the closing delimiter is missing"
    return [_part(each) for each in between[1:-1]]


def _part(between: bytes) -> Part:
    head, _, content = between.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = dict(BytesHeaderParser().parsebytes(head).items())
    return {key: str(value) for key, value in headers.items()}, content.removesuffix(b"\r\n")
