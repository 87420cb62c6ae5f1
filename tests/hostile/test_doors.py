"""Broken and odd files by every door: taken or refused as malformed.json allows, with a reason."""

from __future__ import annotations

import struct
from pathlib import Path

import orjson
import pydicom
import pytest
from pydicom.filereader import read_file_meta_info

from tests.corpus import CORPUS, malformed, names, path
from tests.dimse import peer
from tests.journeys.asking import store
from tests.journeys.server import RunningServer

NAMES = names("malformed/", "generated/odd/")
TAKEN, REFUSED = {"taken"}, {"refused"}


def allowed(name: str) -> set[str]:
    if not name.startswith("malformed/"):
        return TAKEN | REFUSED
    return {"reject": REFUSED, "pixels": TAKEN}.get(malformed()[name]["expect"], TAKEN | REFUSED)


@pytest.mark.parametrize("name", NAMES)
def test_by_stow(target: RunningServer, name: str) -> None:
    with target.client() as client:
        answer = store(client, [path(name)])
    assert answer.status_code in (200, 202, 400, 409)
    fate = "taken" if answer.status_code in (200, 202) else "refused"
    assert fate in allowed(name)
    told = answer.json()
    assert fate == "taken" or told.get("detail") or "00081198" in told or "0008119A" in told


def test_by_import(target: RunningServer) -> None:
    done = target.cli("import", CORPUS / "malformed", CORPUS / "generated" / "odd")
    events = [orjson.loads(line) for line in done.stdout.splitlines()]
    left = {
        str(event["file"]).rpartition("/")[2]: event for event in events if event["event"] in ("refused", "ignored")
    }
    assert [name for name, event in left.items() if not event.get("reason")] == []
    fates = {name: REFUSED if name.rpartition("/")[2] in left else TAKEN for name in NAMES}
    assert {name for name, fate in fates.items() if not fate & allowed(name)} == set()


def opened(file: Path) -> tuple[pydicom.Dataset, bytes]:
    """Group 2 and what follows it, wherever its group length says that is."""
    meta = read_file_meta_info(file)
    last = max(meta.keys())
    content = file.read_bytes()
    head = struct.pack("<HH", last.group, last.element)
    at = content.rindex(head, 132, 132 + 2000)
    vr = content[at + 4 : at + 6]
    if vr in (b"OB", b"UN"):
        return meta, content[at + 12 + int.from_bytes(content[at + 8 : at + 12], "little") :]
    return meta, content[at + 8 + int.from_bytes(content[at + 6 : at + 8], "little") :]


@pytest.mark.parametrize("name", NAMES)
def test_by_c_store(target: RunningServer, name: str) -> None:
    try:
        meta, data = opened(path(name))
        words = str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
        instance = str(meta.MediaStorageSOPInstanceUID)
    except (AttributeError, KeyError, EOFError, ValueError, struct.error, pydicom.errors.InvalidDicomError):
        # What is no file has no name to be announced under: its bytes are sent as those of an image.
        words, instance, data = (peer.CT, peer.EXPLICIT), "1.2.3.4.5", path(name).read_bytes()[132:]
    with peer.Peer(target.dimse_port) as scu:
        scu.say(peer.request(words, called=target.aet))
        kind, body = scu.hear()
        assert kind == 2
        if body[99]:  # the context was refused: such a file cannot even be offered
            assert "taken" not in allowed(name) or allowed(name) == TAKEN | REFUSED
            return
        scu.say(peer.pdu(4, peer.pdv(peer.store_command(words[0], instance), is_command=True)))
        scu.say(peer.in_pdus(data, is_command=False, size=16000) or peer.pdu(4, peer.pdv(b"", is_command=False)))
        status = scu.status()
        scu.say(peer.RELEASE)
    fate = "taken" if status in (0, 0xB000, 0xB006, 0xB007) else "refused"
    assert fate in allowed(name), f"{status:04X}"
    assert status < 0xD000
