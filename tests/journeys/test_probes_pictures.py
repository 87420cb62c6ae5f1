"""The acceptance probes of what has to be decoded (11, 19, 20, 25), and of who may call (26, 27).

That a wrong SOP class is refused there is shown in tests/dimse/test_statuses.py.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from tests.corpus import path
from tests.journeys.asking import AS_STORED, OCTETS, header, instance_url, parts, store
from tests.journeys.server import RunningServer, cli, running

CT, J2K = "generated/ts/ct_evle.dcm", "generated/ts/ct_j2k_lossless_s16.dcm"
J2K_UID = "1.2.840.10008.1.2.4.90"


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client() as client:
        yield client


def test_11_a_frame_is_decoded_unless_stored_bytes_are_asked_for(client: httpx.Client) -> None:
    frame = instance_url(J2K) + "/frames/1"
    ((_, decoded),) = parts(client.get(frame, headers={"Accept": OCTETS}))
    expected = pydicom.dcmread(path(J2K)).pixel_array
    assert len(decoded) == expected.size * 2
    assert np.array_equal(np.frombuffer(decoded, "<i2").reshape(expected.shape), expected)
    ((head, stored),) = parts(client.get(frame, headers={"Accept": AS_STORED}))
    assert head["Content-Type"].endswith(f"transfer-syntax={J2K_UID}")
    assert stored.startswith(b"\xff\x4f\xff\x51"), "a JPEG 2000 codestream"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("window=40,400", 400),
        ("window=40,400,linear", 200),
        ("viewport=0,10", 400),
        ("viewport=100,100", 200),
    ],
)
def test_19_rendering_parameters_are_judged(client: httpx.Client, query: str, status: int) -> None:
    answer = client.get(f"{instance_url(CT)}/rendered?{query}", headers={"Accept": "image/png"})
    assert answer.status_code == status


def test_19_a_negative_width_mirrors(client: httpx.Client) -> None:
    size = header(CT).Columns, header(CT).Rows

    def shown(width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        query = f"viewport={size[0]},{size[1]},0,0,{width},{size[1]}&window=40,400,linear"
        answer = client.get(f"{instance_url(CT)}/rendered?{query}", headers={"Accept": "image/png"})
        assert answer.status_code == 200, answer.text
        return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))

    assert np.array_equal(shown(-size[0]), shown(size[0])[:, ::-1])


def test_20_a_thumbnail_takes_a_size_only_and_never_shows_burned_in_text(tmp_path: Path) -> None:
    burned = pydicom.dcmread(path(CT))
    burned.BurnedInAnnotation = "YES"
    file = tmp_path / "burned.dcm"
    burned.save_as(file)
    with running(tmp_path / "data") as server, server.client(headers={"Accept": "image/jpeg"}) as client:
        assert store(client, [file]).status_code == 200
        for where in (instance_url(CT), instance_url(CT).partition("/instances/")[0]):
            assert client.get(f"{where}/thumbnail?viewport=10,10,0,0,5,5").status_code == 400
            icon = client.get(f"{where}/thumbnail?viewport=64,64")
            assert icon.status_code == 200
            pixels = np.asarray(Image.open(io.BytesIO(icon.content)).convert("L"))
            assert len(np.unique(pixels // 32)) <= 8, "an icon, no image"
            again = client.get(f"{where}/thumbnail?viewport=64,64")
            assert again.content == icon.content


def test_25_wado_uri_gives_a_picture_and_judges_its_parameters(client: httpx.Client) -> None:
    found = header(CT)
    target = (
        f"/wado?requestType=WADO&studyUID={found.StudyInstanceUID}&seriesUID={found.SeriesInstanceUID}"
        f"&objectUID={found.SOPInstanceUID}"
    )
    picture = client.get(target)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert client.get(f"{target}&contentType=application/dicom;transfer-syntax=1.2.840.10008.1.2.1").status_code == 400


def test_26_a_stranger_is_rejected(tmp_path: Path) -> None:
    with running(tmp_path / "data", extra=("--set", "dimse.calling_aets=FRIEND")) as server:
        sender = AE("STRANGER")
        sender.add_requested_context(CTImageStorage)
        association = sender.associate("127.0.0.1", server.dimse_port, ae_title=server.aet)
        assert association.is_rejected
        answer = association.acceptor.primitive
        assert answer is not None
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 3)


def test_27_a_page_of_another_origin_reads_that_a_key_is_needed(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    made = cli("key", "make", "viewer", "--set", f"access.keys={keys}")
    assert made.returncode == 0, made.stderr
    origin = {"Origin": "http://localhost:3000"}
    with running(tmp_path / "data", extra=("--set", f"access.keys={keys}")) as server, server.client() as client:
        refused = client.get("/studies", headers=origin)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        assert refused.headers["access-control-allow-origin"] == origin["Origin"]
        allowed = client.get("/studies", headers={**origin, "Authorization": f"Bearer {made.stdout.strip()}"})
        assert allowed.status_code == 204
