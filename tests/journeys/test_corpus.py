"""The whole corpus through the running server: whatever was taken comes out as pydicom and other decoders see it."""

from __future__ import annotations

import hashlib
import socket
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.uid import UID

from tests.corpus import CORPUS, expected, file, malformed, names, path
from tests.journeys.asking import AS_STORED, JSON, header, parts, store
from tests.journeys.server import RunningServer, running

MEMORY = 1_500_000_000
"""Bytes all processes of a server may hold together while they read broken files."""

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client(headers=JSON) as client:
        yield client


@pytest.fixture(scope="module")
def held(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """Metadata of every instance the server has, by SOP Instance UID."""
    found: dict[str, dict[str, Any]] = {}
    for study in client.get("/studies?limit=1000").json():
        answer = client.get(f"/studies/{study['0020000D']['Value'][0]}/metadata")
        assert answer.status_code == 200, answer.text
        found.update({each["00080018"]["Value"][0]: each for each in answer.json()})
    return found


@cache
def sound() -> list[str]:
    """Files any server should take, and whose SOP Instance UID no other file of the corpus has."""
    carriers = Counter(uid_of(name) for name in names())
    return [name for name in names() if plain(name) and carriers[uid_of(name)] == 1 and identified(name)]


def plain(name: str) -> bool:
    """Neither odd nor malformed by intention."""
    return name.startswith(("generated/ts/", "generated/mod/", "generated/charset/", "generated/series/", "real/"))


def uid_of(name: str) -> str:
    return str(expected()[name].get("tags", {}).get("SOPInstanceUID", ""))


def identified(name: str) -> bool:
    """Its identifiers are there, are UIDs, and agree with the file meta information (PS3.10 7.1)."""
    dataset = header(name)
    meta = getattr(dataset, "file_meta", pydicom.Dataset())
    uids = [dataset.get(key, "") for key in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID")]
    agree = meta.get("MediaStorageSOPInstanceUID") == uids[0] and meta.get("MediaStorageSOPClassUID") == uids[3]
    return agree and all(uid and UID(uid).is_valid for uid in uids)


def test_every_sound_file_is_held(held: dict[str, dict[str, Any]]) -> None:
    assert [name for name in sound() if uid_of(name) not in held] == []


COMPARED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel", "SOPClassUID")


def test_metadata_says_what_pydicom_reads(held: dict[str, dict[str, Any]]) -> None:
    wrong = []
    for name in sound():
        metadata = held.get(uid_of(name))
        for keyword in COMPARED if metadata else ():
            read = expected()[name]["tags"].get(keyword)
            tag = f"{pydicom.datadict.tag_for_keyword(keyword):08X}"
            served = metadata.get(tag, {}).get("Value", [None])[0] if metadata else None
            if read is not None and str(served) != str(read):
                wrong.append((name, keyword, read, served))
    assert wrong == []


def test_native_frames_are_those_other_decoders_see(client: httpx.Client, held: dict[str, dict[str, Any]]) -> None:
    """Little endian frames of whole bytes: there the stored bytes are the cells whose digests are written down."""
    wrong, compared = [], 0
    for name in sound():
        metadata = held.get(uid_of(name))
        digests = expected()[name].get("frames_sha256") if metadata else None
        if not (metadata and digests) or not comparable(name, metadata):
            continue
        compared += 1
        listed = ",".join(str(number) for number in range(1, len(digests) + 1)[:20])
        got = client.get(f"{instance_url_of(metadata)}/frames/{listed}", headers={"Accept": AS_STORED})
        frames = [hashlib.sha256(content).hexdigest() for _, content in parts(got)] if got.is_success else []
        if frames != digests[:20]:
            wrong.append((name, got.status_code))
    assert compared > 50
    assert wrong == []


def comparable(name: str, metadata: dict[str, Any]) -> bool:
    syntax = metadata["00083002"]["Value"][0]
    whole = metadata["00280100"]["Value"][0] in (8, 16, 32, 64)
    interleaved = metadata.get("00280006", {}).get("Value", [0])[0] == 0
    agreed = expected()[name].get("all_agree", False) and "YBR" not in metadata["00280004"]["Value"][0]
    return syntax in NATIVE and whole and interleaved and agreed


def instance_url_of(metadata: dict[str, Any]) -> str:
    study, series, instance = (metadata[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    return f"/studies/{study}/series/{series}/instances/{instance}"


def test_every_bulk_value_can_be_fetched(client: httpx.Client, held: dict[str, dict[str, Any]]) -> None:
    failed = []
    for metadata in held.values():
        for uri in bulk_uris(metadata):
            with client.stream("GET", uri, headers={"Accept": "*/*"}) as answer:
                if answer.status_code not in (200, 406):
                    failed.append((uri, answer.status_code))
    assert failed == []


def bulk_uris(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "BulkDataURI" in value:
            yield value["BulkDataURI"]
        for each in value.values():
            yield from bulk_uris(each)
    elif isinstance(value, list):
        for each in value:
            yield from bulk_uris(each)


def test_all_frames_of_everything_answer_without_an_error_of_the_server(
    client: httpx.Client, held: dict[str, dict[str, Any]]
) -> None:
    answers = {}
    for uid, metadata in held.items():
        got = client.get(f"{instance_url_of(metadata)}/frames/1", headers={"Accept": AS_STORED})
        answers[uid] = got.status_code
    assert {uid: status for uid, status in answers.items() if status not in (200, 404, 406)} == {}


@pytest.fixture(scope="module")
def threatened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that takes each broken file in place of the one before, as many share their UIDs."""
    data = tmp_path_factory.mktemp("threatened")
    with running(data, env={"DICOMWEB_SERVER_INGEST_CONFLICT": "replace"}) as server:
        yield server


def roles(server: RunningServer) -> set[int]:
    """The processes the supervisor started, and itself. Decoders are none of them: they may be killed."""
    return {pid for pid, parent in processes(server).items() if server.process.pid in (pid, parent)}


def processes(server: RunningServer) -> dict[int, int]:
    """The parent of every process of a server."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == server.process.pid and fields[0] != "Z":
                found[int(entry.name)] = int(fields[1])
    return found


def memory(server: RunningServer) -> int:
    """Bytes of all its processes together, shared pages counted once (PSS)."""
    total = 0
    for pid in processes(server):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


ALLOWED = {"reject": (400, 409), "pixels": (200, 202), "either": (200, 202, 400, 409)}
"""Statuses of STOW by what malformed.json says may become of a file."""


@pytest.mark.parametrize("name", names("malformed/"))
def test_a_malformed_file_by_stow_is_taken_or_refused_as_it_may_be(threatened: RunningServer, name: str) -> None:
    before = roles(threatened)
    with threatened.client() as client:
        answer = store(client, [path(name)])
        assert answer.status_code in ALLOWED[malformed()[name]["expect"]], answer.text
        for stored in answer.json().get("00081199", {}).get("Value", ()):
            assert troubles(client, stored["00081190"]["Value"][0]) == []
    assert roles(threatened) == before
    assert memory(threatened) < MEMORY


def troubles(client: httpx.Client, instance: str) -> list[str]:
    """What the server failed at, of all that can be asked about an instance."""
    found = []
    for tail in ("", "/metadata", "/frames/1", "/frames/2", "/bulkdata", "/pixeldata"):
        for accept in ("*/*", AS_STORED):
            answer = client.get(instance + tail, headers={"Accept": accept})
            if answer.status_code >= 500:
                found.append(f"{answer.status_code} {tail} {accept}")
    return found


def test_malformed_files_by_import_and_c_store_leave_the_server_alive(
    threatened: RunningServer, tmp_path: Path
) -> None:
    before = roles(threatened)
    threatened.import_files(CORPUS / "malformed")
    for name in names("malformed/"):
        send_data_set(threatened, file(name)[132:])
    subprocess.run(["echoscu", "-aec", threatened.aet, "127.0.0.1", str(threatened.dimse_port)], check=True, timeout=30)
    assert roles(threatened) == before
    assert memory(threatened) < MEMORY
    with threatened.client() as client:
        assert client.get("/studies").status_code == 200


def send_data_set(server: RunningServer, data: bytes) -> None:
    """C-STORE of arbitrary bytes as the data set, in Explicit VR Little Endian, whatever they are."""
    with socket.create_connection(("127.0.0.1", server.dimse_port), timeout=30) as peer:
        peer.sendall(association_request(server.aet))
        assert receive_pdu(peer)[:1] == b"\x02"
        peer.sendall(presentation_data(store_command(), 3) + b"".join(chunks(data)))
        receive_pdu(peer)


def chunks(data: bytes) -> Iterator[bytes]:
    pieces = [data[at : at + 8192] for at in range(0, len(data), 8192)] or [b""]
    for piece in pieces[:-1]:
        yield presentation_data(piece, 0)
    yield presentation_data(pieces[-1], 2)


def presentation_data(fragment: bytes, control: int) -> bytes:
    value = struct.pack(">IBB", len(fragment) + 2, 1, control) + fragment
    return struct.pack(">BBI", 4, 0, len(value)) + value


def receive_pdu(peer: Any) -> bytes:
    head = peer.recv(6, 0x100)  # MSG_WAITALL
    body = peer.recv(struct.unpack(">I", head[2:6])[0], 0x100) if len(head) == 6 else b""
    return bytes(head + body)


CT_STORAGE = b"1.2.840.10008.5.1.4.1.1.2"


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def association_request(aet: str) -> bytes:
    context = b"\x01\0\0\0" + item(0x30, CT_STORAGE) + item(0x40, b"1.2.840.10008.1.2.1")
    user = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4")
    body = struct.pack(">HH", 1, 0) + aet.encode().ljust(16) + b"BROKEN".ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user)
    return struct.pack(">BBI", 1, 0, len(body)) + body


def store_command() -> bytes:
    """A C-STORE-RQ for CT Image Storage (PS3.7 9.3.1.1), Implicit VR Little Endian."""
    elements = [
        (0x0002, CT_STORAGE + b"\0" * (len(CT_STORAGE) % 2)),
        (0x0100, struct.pack("<H", 1)),
        (0x0110, struct.pack("<H", 1)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, b"1.2.3.4.5\0"),
    ]
    body = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body
