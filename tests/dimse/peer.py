"""The other side of an association, as the tests need it: dcmtk's programs, pynetdicom, or bytes by hand."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pydicom
from pydicom.filereader import read_file_meta_info

from tests import corpus

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True)
class Sample:
    """A Part 10 file, read by pydicom."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data_set: bytes


def sample(name: str) -> Sample:
    path = corpus.path(name)
    header = pydicom.dcmread(path, stop_before_pixels=True)
    return Sample(path, header.SOPClassUID, header.SOPInstanceUID, header.file_meta.TransferSyntaxUID, data_set(path))


def data_set(path: Path) -> bytes:
    """What follows group 2."""
    meta = read_file_meta_info(path)
    return path.read_bytes()[144 + meta.FileMetaInformationGroupLength :]


CT_SLICE = "generated/series/ct_000.dcm"


@cache
def by_syntax() -> dict[str, str]:
    """The smallest sound file of each transfer syntax."""
    smallest: dict[str, str] = {}
    for name, facts in corpus.expected().items():
        syntax = facts.get("ts", "")
        sound = name.startswith(("generated/ts/", "generated/mod/", "generated/encap/"))
        if sound and facts["part10"] and (syntax not in smallest or facts["size"] < size_of(smallest[syntax])):
            smallest[syntax] = name
    return smallest


def size_of(name: str) -> int:
    size: int = corpus.expected()[name]["size"]
    return size


def dcmtk(program: str, port: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of dcmtk; strings among ``arguments`` are options, paths are files to send."""
    options = [argument for argument in arguments if isinstance(argument, str)]
    files = [str(argument) for argument in arguments if isinstance(argument, Path)]
    return subprocess.run(
        [program, "-v", "-to", "10", *options, "127.0.0.1", str(port), *files],
        env={**os.environ, "TCP_NODELAY": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def profile(folder: Path, contexts: Sequence[tuple[str, str]]) -> list[str]:
    """Arguments that make dcmtk propose exactly these (SOP class, transfer syntax)."""
    lines = ["[[TransferSyntaxes]]"]
    for number, (_, syntax) in enumerate(contexts):
        lines += [f"[T{number}]", f"TransferSyntax1 = {syntax}"]
    lines += ["[[PresentationContexts]]", "[C]"]
    for number, (sop_class, _) in enumerate(contexts):
        lines.append(f"PresentationContext{number + 1} = {sop_class}\\T{number}")
    lines += ["[[Profiles]]", "[P]", "PresentationContexts = C"]
    path = folder / "profile.cfg"
    path.write_text("\n".join(lines) + "\n")
    return ["-xf", str(path), "P"]


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def request(
    *contexts: tuple[str, str],
    called: str = "DICOMWEB",
    calling: str = "TEST",
    version: int = 1,
    application: str = "1.2.840.10008.3.1.1.1",
    more: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ with context ids 1, 3, 5..."""
    items = item(0x10, application.encode())
    for number, (abstract, syntax) in enumerate(contexts):
        inner = item(0x30, abstract.encode()) + item(0x40, syntax.encode())
        items += item(0x20, bytes((2 * number + 1, 0, 0, 0)) + inner)
    items += item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3") + more)
    titles = called.encode().ljust(16) + calling.encode().ljust(16)
    return pdu(1, struct.pack(">HH", version, 0) + titles + bytes(32) + items)


def element(number: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, number, len(value)) + value


def command(field: int, *more: bytes, sop_class: str = VERIFICATION, data_set_type: int = 0x0101) -> bytes:
    body = element(0x0002, sop_class.encode()) + element(0x0100, struct.pack("<H", field))
    body += element(0x0110, struct.pack("<H", 7)) + element(0x0800, struct.pack("<H", data_set_type)) + b"".join(more)
    return element(0, struct.pack("<I", len(body))) + body


def store_command(sop_class: str, sop_instance: str) -> bytes:
    return command(1, element(0x1000, sop_instance.encode()), sop_class=sop_class, data_set_type=1)


def pdv(value: bytes, *, is_command: bool, is_last: bool = True, context: int = 1) -> bytes:
    return struct.pack(">IBB", len(value) + 2, context, is_command | is_last << 1) + value


def in_pdus(value: bytes, *, is_command: bool, size: int) -> bytes:
    """``value`` in PDUs of one presentation data value of ``size`` bytes each."""
    starts = range(0, len(value), size)
    return b"".join(
        pdu(4, pdv(value[at : at + size], is_command=is_command, is_last=at + size >= len(value))) for at in starts
    )


ECHO = pdu(4, pdv(command(0x30), is_command=True))
RELEASE = pdu(5, bytes(4))
ABORT = pdu(7, bytes(4))


class Peer:
    """A connection to the server, spoken to in bytes."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def say(self, *words: bytes) -> None:
        self.sock.sendall(b"".join(words))

    def hear(self) -> tuple[int, bytes]:
        """Type and body of the next PDU; (0, nothing) when the server closed."""
        head = self.file.read(6)
        if len(head) < 6:
            return 0, b""
        kind, _, length = struct.unpack(">BBI", head)
        return kind, self.file.read(length)

    def associate(self, *contexts: tuple[str, str]) -> None:
        self.say(request(*contexts))
        assert self.hear()[0] == 2

    def status(self) -> int:
        """The status of the response that comes next."""
        kind, body = self.hear()
        assert kind == 4
        at = body.index(struct.pack("<HHI", 0, 0x0900, 2))
        status: int = struct.unpack_from("<H", body, at + 8)[0]
        return status


def last_words(port: int, words: bytes) -> list[tuple[int, bytes]]:
    """Say ``words`` and no more; everything the server answers until it closes."""
    with Peer(port) as peer:
        try:
            peer.say(words)
            peer.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        heard: list[tuple[int, bytes]] = []
        while True:
            try:
                kind, body = peer.hear()
            except ConnectionResetError:
                return heard
            if not kind:
                return heard
            heard.append((kind, body))


def echoes(port: int) -> bool:
    return last_words(port, request((VERIFICATION, IMPLICIT)) + ECHO + RELEASE)[-1][0] == 6
