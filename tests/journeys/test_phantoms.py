"""A collection of any size, made by script, comes out as it went in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.journeys.server import running
from tests.phantoms.collection import Shape, write


def test_every_frame_of_a_made_collection_comes_back(tmp_path: Path) -> None:
    made = tmp_path / "made"
    files = write(made, Shape(slices=30, size=64))
    truth = json.loads((made / "truth.json").read_text())
    with running(tmp_path / "data") as server:
        server.import_files(*made.glob("*.dcm"))
        with server.client() as client:
            for each in truth.values():
                place = f"/studies/{each['study']}/series/{each['series']}/instances/{each['instance']}"
                for number, digest in enumerate(each["frames"], start=1):
                    answer = client.get(
                        f"{place}/frames/{number}",
                        headers={"accept": 'multipart/related; type="application/octet-stream"'},
                    )
                    assert hashlib.sha256(payload(answer.content)).hexdigest() == digest
            studies = client.get("/studies", headers={"accept": "application/dicom+json"}).json()
    assert len(truth) == files
    assert {each["0020000D"]["Value"][0] for each in studies} == {each["study"] for each in truth.values()}


def test_the_same_numbers_make_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, Shape(slices=2, size=32, visits=1, rle=True))
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in ("one", "two")
    )
    assert first == second


def payload(body: bytes) -> bytes:
    """Of the only part of a multipart body."""
    head, _, rest = body.partition(b"\r\n\r\n")
    boundary = head.lstrip(b"\r\n").partition(b"\r\n")[0]
    return rest[: rest.rindex(b"\r\n" + boundary)]
