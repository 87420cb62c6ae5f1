"""Orthanc with its DICOMweb plugin, as Debian ships it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.journeys.server import wait_for
from tests.ports import free_port

PLUGINS = Path("/usr/share/orthanc/plugins")


@contextlib.contextmanager
def orthanc(folder: Path, files: list[Path], settings: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The root of its DICOMweb service, holding ``files``."""
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "orthanc.json").write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "db"),
                "HttpPort": port,
                "DicomPort": free_port(),
                "AuthenticationEnabled": False,
                "Plugins": [str(path) for path in PLUGINS.glob("libOrthancDicomWeb*")],
                **(settings or {}),
            }
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_for(lambda: _answers(client), "Orthanc")
        put(f"http://127.0.0.1:{port}/dicom-web", files)
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        process.terminate()
        process.wait()


def put(root: str, files: list[Path]) -> None:
    """Store ``files`` in the running Orthanc whose DICOMweb service is at ``root``."""
    with httpx.Client(base_url=root.removesuffix("/dicom-web"), timeout=30) as client:
        for file in files:
            client.post("/instances", content=file.read_bytes()).raise_for_status()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/dicom-web/studies").status_code == 200
    except httpx.TransportError:
        return False
