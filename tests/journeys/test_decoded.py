"""All of the corpus decoded by the running server, frame by frame, as other decoders have it (T-06 to T-10, C-30)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests import corpus
from tests.journeys.asking import OCTETS, header, instance_url, parts
from tests.journeys.server import RunningServer
from tests.journeys.test_corpus import sound
from tests.pixels.test_decode import _known

MOST = 20
"""Frames of one instance."""


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client() as client:
        yield client


def digests(name: str) -> list[list[str]]:
    """Of the first frames, as decoders agree on them and as the file was made."""
    known = corpus.expected()[name]["frames_sha256"]
    truth = corpus.generated().get(name, {}).get("truth")
    return [each[:MOST] for each in (known["first"] if isinstance(known, dict) else known, truth or []) if each]


def cells(content: bytes, ds: Any) -> bytes:
    """As they are digested: one-bit pixels a byte each, colour by pixel, which native frames keep by plane."""
    if ds.BitsAllocated == 1:
        pixels = ds.Rows * ds.Columns
        return np.unpackbits(np.frombuffer(content, np.uint8), count=pixels, bitorder="little").tobytes()
    by_plane = ds.get("PlanarConfiguration") == 1 and not ds.file_meta.TransferSyntaxUID.is_encapsulated
    if not by_plane:
        return content
    planes = np.frombuffer(content, f"V{ds.BitsAllocated // 8}").reshape(ds.SamplesPerPixel, -1)
    return np.ascontiguousarray(planes.T).tobytes()


def test_every_frame_is_what_other_decoders_make_of_it(client: httpx.Client) -> None:
    wrong, compared = [], 0
    for name in sound():
        ds: Any = header(name)
        if not _known(name) or "YBR" in ds.get("PhotometricInterpretation", ""):
            continue  # which leaves as RGB where JPEG coded it so: tests/pixels
        wanted = digests(name)
        listed = ",".join(map(str, range(1, len(wanted[0]) + 1)))
        answer = client.get(f"{instance_url(name)}/frames/{listed}", headers={"Accept": OCTETS})
        if answer.status_code == 200:
            found = [cells(content, ds) for _, content in parts(answer)]
            compared += 1
        if answer.status_code != 200 or [hashlib.sha256(each).hexdigest() for each in found] not in wanted:
            wrong.append((name, answer.status_code, ds.get("BitsAllocated")))
    assert wrong == []
    assert compared > 60


def test_every_image_is_drawn_the_same_by_all_its_addresses(client: httpx.Client) -> None:
    """/rendered, its frame, and WADO-URI"""
    wrong = []
    for name in sound():
        ds: Any = header(name)
        if not _known(name) or "SOPInstanceUID" not in ds:
            continue
        middle = (len(digests(name)[0]) + 1) // 2 if int(ds.get("NumberOfFrames") or 1) <= MOST else None
        by_uid = f"studyUID={ds.StudyInstanceUID}&seriesUID={ds.SeriesInstanceUID}&objectUID={ds.SOPInstanceUID}"
        answers = [
            client.get(f"{instance_url(name)}/rendered", headers={"Accept": "image/png"}),
            client.get(f"/wado?requestType=WADO&{by_uid}&contentType=image/png"),
            *(
                [client.get(f"{instance_url(name)}/frames/{middle}/rendered", headers={"Accept": "image/png"})]
                if middle is not None
                else []
            ),
        ]
        if {answer.status_code for answer in answers} != {200} or len({answer.content for answer in answers}) != 1:
            wrong.append((name, [answer.status_code for answer in answers]))
    assert wrong == []
