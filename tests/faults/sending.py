"""Senders that do not give up: they remember what was acknowledged, and send again what was not."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
from pydicom.uid import SecondaryCaptureImageStorage

from tests.dimse.peer import EXPLICIT, Peer, in_pdus, store_command
from tests.ingest.files import part10
from tests.journeys.server import RunningServer

PAUSE_SECONDS = 0.02
Send = Callable[[bytes], bool]


def made(study: str, count: int) -> dict[str, bytes]:
    """Files of two series by SOP Instance UID."""
    uids = {f"{study}.{number % 2 + 1}.{number}": f"{study}.{number % 2 + 1}" for number in range(count)}
    return {uid: part10(uid, study=study, series=series) for uid, series in uids.items()}


class Sender(threading.Thread):
    """Sends every file until each was acknowledged, or until it is told to stop."""

    def __init__(self, files: dict[str, bytes], send: Send) -> None:
        super().__init__(daemon=True)
        self._files, self._send = files, send
        self._stop_now = threading.Event()
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        while left := self._files.keys() - self.acknowledged:
            for uid in sorted(left):
                if self._stop_now.is_set():
                    return
                if self._send(self._files[uid]):
                    self.acknowledged.add(uid)
                self._stop_now.wait(PAUSE_SECONDS)

    def stop(self) -> None:
        self._stop_now.set()
        self.join()


def stow(server: RunningServer) -> Send:
    def send(body: bytes) -> bool:
        return stow_status(server, body) == 200

    return send


def stow_status(server: RunningServer, body: bytes, *, seconds: float = 60.0) -> int:
    """The status of the answer; 0 when the connection was lost."""
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    try:
        return httpx.post(f"{server.dicomweb}/studies", content=body, headers=headers, timeout=seconds).status_code
    except httpx.TransportError:
        return 0


def c_store(server: RunningServer) -> Send:
    def send(body: bytes) -> bool:
        return c_store_status(server, body) == 0

    return send


def c_store_status(server: RunningServer, body: bytes) -> int | None:
    """The status of the response; None when the connection was lost."""
    uid = pydicom.dcmread(BytesIO(body), stop_before_pixels=True).SOPInstanceUID
    command = store_command(SecondaryCaptureImageStorage, uid)
    try:
        with Peer(server.dimse_port) as peer:
            peer.associate((SecondaryCaptureImageStorage, EXPLICIT))
            peer.say(
                in_pdus(command, is_command=True, size=16000), in_pdus(data_set(body), is_command=False, size=16000)
            )
            return peer.status()
    except (OSError, AssertionError):
        return None


def data_set(body: bytes) -> bytes:
    """What follows group 2: the file meta information is the receiver's own where a file came by C-STORE."""
    (length,) = struct.unpack_from("<I", body, 140)
    start: int = 144 + length
    return body[start:]


def importing(server: RunningServer, folder: Path, files: dict[str, bytes]) -> subprocess.Popen[bytes]:
    """``dicomweb-server import`` of these files, begun."""
    folder.mkdir(parents=True, exist_ok=True)
    for uid, body in files.items():
        (folder / f"{uid}.dcm").write_bytes(body)
    command = [sys.executable, "-m", "dicomweb_server", "import", str(folder), "--data", str(server.data)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def all_acknowledged(senders: Sequence[Sender]) -> bool:
    return not any(sender.is_alive() for sender in senders)
