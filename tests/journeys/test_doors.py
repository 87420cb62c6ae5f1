"""Whichever door an instance comes by, what is served is the same."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.uid import UID

from tests.corpus import generated, names, path
from tests.journeys.asking import AS_STORED, header, parts, store
from tests.journeys.server import RunningServer, running, wait_for


def good_files() -> list[Path]:
    """Generated files without a deliberate defect, one for each SOP Instance UID: every door must take them."""
    facts = generated()
    good = (name for name in names("generated/") if not facts[name]["odd"])
    return list({header(name).SOPInstanceUID: path(name) for name in good}.values())


def stow(server: RunningServer, files: list[Path]) -> None:
    with server.client() as client:
        answer = store(client, files)
    assert answer.status_code == 200, answer.text


LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation, a storage class younger than dcmtk's list."""


def storescu(server: RunningServer, files: list[Path]) -> None:
    """dcmtk's storescu, once for each transfer syntax so that it proposes what the files are."""
    known = [file for file in files if pydicom.dcmread(file, stop_before_pixels=True).SOPClassUID != LABEL_MAP]
    by_syntax: dict[UID, list[Path]] = {}
    for file in known:
        by_syntax.setdefault(pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID, []).append(
            file
        )
    for syntax, some in by_syntax.items():
        if syntax in DCMTK_PROPOSES:
            _storescu(server, DCMTK_PROPOSES[syntax], some)


DCMTK_PROPOSES = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
"""What storescu can propose, by transfer syntax."""


def _storescu(server: RunningServer, option: str, files: list[Path]) -> None:
    command = ["storescu", option, "-R", "-aec", server.aet, "127.0.0.1", str(server.dimse_port), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


TRAILING_PADDING = "FFFCFFFC"
"""Data Set Trailing Padding has no meaning, and storescu leaves it out (PS3.10 7.2)."""


def everything(server: RunningServer) -> dict[str, Any]:
    """Metadata and the digest of every frame of every instance, by SOP Instance UID."""
    with server.client() as client:
        found: dict[str, Any] = {}
        for study in client.get("/studies").json():
            uid = study["0020000D"]["Value"][0]
            for metadata in client.get(f"/studies/{uid}/metadata").json():
                instance = metadata["00080018"]["Value"][0]
                metadata.pop(TRAILING_PADDING, None)
                found[instance] = (without_base(metadata), frames(client, metadata))
        return found


def without_base(value: Any) -> Any:
    """Metadata with bulk references relative to the server, so that two servers can be compared."""
    if isinstance(value, dict):
        return {k: without_base(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_base(v) for v in value]
    return value.split("/dicomweb")[-1] if isinstance(value, str) and value.startswith("http://127.0.0.1") else value


def frames(client: httpx.Client, metadata: dict[str, Any]) -> list[str]:
    if not {"7FE00010", "7FE00008", "7FE00009"} & metadata.keys():
        return []
    study, series, instance = (metadata[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    count = int(metadata.get("00280008", {}).get("Value", [1])[0])
    url = f"/studies/{study}/series/{series}/instances/{instance}/frames/"
    return [frame(client, f"{url}{number}") for number in range(1, count + 1)]


def frame(client: httpx.Client, url: str) -> str:
    """Digest of one frame as it is stored, or why there is none."""
    answer = client.get(url, headers={"Accept": AS_STORED})
    if answer.status_code != 200:
        return str(answer.status_code)
    ((head, content),) = parts(answer)
    return f"{head['Content-Type']} {hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with running(tmp_path_factory.mktemp("imported")) as server:
        report = server.import_files(*good_files())
        assert report["refused"] == 0, report
        return everything(server)


def test_stow_gives_what_the_import_gives(imported: dict[str, Any], server: RunningServer) -> None:
    stow(server, good_files())
    assert everything(server) == imported


def test_storescu_gives_what_the_import_gives(imported: dict[str, Any], server: RunningServer) -> None:
    storescu(server, good_files())
    pushed = everything(server)
    assert len(pushed) > len(imported) / 2
    assert pushed == {uid: imported[uid] for uid in pushed}


def test_everything_survives_a_power_failure(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as server:
        stow(server, good_files())
        before = everything(server)
        server.kill()
    with running(data) as again:
        assert everything(again) == before


def test_a_complete_series_gets_its_document_and_reads_the_same(server: RunningServer) -> None:
    stow(server, [path(name) for name in names("generated/series/")])
    with server.client() as client:
        (study,) = client.get("/studies").json()
        uid = study["0020000D"]["Value"][0]
        (series,) = client.get(f"/studies/{uid}/series").json()
        url = f"/studies/{uid}/series/{series['0020000E']['Value'][0]}/metadata"
        growing = client.get(url)
        wait_for(lambda: client.get(url).headers["ETag"] != growing.headers["ETag"], "the series to come to rest")
        assert client.get(url).json() == growing.json()
