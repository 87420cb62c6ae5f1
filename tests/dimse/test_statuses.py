"""What a sender is told (PS3.4 B.2.3, D-12)."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.filereader import read_dataset

from dicomweb_server.dimse import commands
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.server import Server
from dicomweb_server.dimse.statuses import FATES, of_error
from dicomweb_server.model.errors import (
    BackendFailed,
    BadRequest,
    DicomwebError,
    Forbidden,
    NotFound,
    OutOfResources,
    Rejected,
    TooLarge,
)
from dicomweb_server.model.records import Fate
from tests.dimse import peer
from tests.dimse.conftest import FolderReceive, Start
from tests.dimse.peer import CT, EXPLICIT, IMPLICIT, VERIFICATION


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutOfResources("full"), 0xA700),
        (TooLarge("long"), 0xA700),
        (BackendFailed("broken"), 0x0110),
        (Rejected("no study", reason=0xC001), 0xC001),
        (BadRequest("bad"), 0xC000),
        (Forbidden("no"), 0x0124),
        (NotFound("what"), 0x0110),
    ],
)
def test_every_error_has_a_status(error: DicomwebError, status: int) -> None:
    assert of_error(error).status == status


@pytest.mark.parametrize(
    ("fate", "status"),
    [(Fate.STORED, 0), (Fate.SAME, 0), (Fate.REPLACED, 0), (Fate.KEPT_FIRST, 0xB006), (Fate.REFUSED, 0x0110)],
)
def test_bytes_that_are_not_kept_are_never_called_a_success(
    server: Server, receive: FolderReceive, fate: Fate, status: int
) -> None:
    receive.fate = fate
    assert send(server, peer.sample(peer.CT_SLICE)) == status


def test_every_fate_has_a_status() -> None:
    assert set(FATES) == set(Fate)


def send(server: Server, image: peer.Sample, sop_class: str = "", sop_instance: str = "", context: str = "") -> int:
    command = peer.store_command(sop_class or image.sop_class, sop_instance or image.sop_instance)
    with peer.Peer(server.port) as scu:
        scu.associate((context or image.sop_class, image.transfer_syntax))
        scu.say(peer.in_pdus(command, is_command=True, size=4000))
        scu.say(peer.in_pdus(image.data_set, is_command=False, size=4000))
        status = scu.status()
        scu.say(peer.RELEASE)
        assert scu.hear()[0] == 6
    return status


MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"context": MR}, 0xA900),
        ({"context": MR, "sop_class": MR}, 0xA900),
        ({"sop_instance": "1.2.3"}, 0xA900),
        ({"sop_instance": "../../1"}, 0x0117),
    ],
)
def test_command_context_and_data_set_must_name_the_same_instance(
    server: Server, receive: FolderReceive, wish: dict[str, str], status: int
) -> None:
    assert send(server, peer.sample(peer.CT_SLICE), **wish) == status
    assert receive.files() == []
    assert not list(receive.staging.iterdir())


def test_a_full_disk_is_told_with_its_reason_and_the_association_goes_on(
    server: Server, receive: FolderReceive
) -> None:
    receive.refuse = OutOfResources("the disk is full")
    image = peer.sample(peer.CT_SLICE)
    sent = peer.dcmtk("storescu", server.port, "-d", "-xt", image.path)
    assert "0xa700" in sent.stderr.lower() + sent.stdout.lower()
    receive.refuse = None
    assert send(server, image) == 0


def test_a_data_set_over_the_bound_is_refused_and_its_file_removed(start: Start, receive: FolderReceive) -> None:
    server = start(data_set_size=2000)
    assert send(server, peer.sample(peer.CT_SLICE)) == 0xA700
    assert not list(receive.staging.iterdir())


def test_a_staging_folder_that_is_gone_is_a_failure_not_the_end(server: Server, receive: FolderReceive) -> None:
    receive.staging.rmdir()
    image = peer.sample(peer.CT_SLICE)
    assert send(server, image) == 0x0110
    receive.staging.mkdir()
    assert send(server, image) == 0


@pytest.mark.parametrize(
    ("field", "status"),
    [(0x0020, 0x0211), (0x0021, 0x0211), (0x0010, 0x0211), (0x0140, 0x0211), (0x0001, 0xC000), (0x0030, 0)],
)
def test_operations_we_have_not_are_answered_so(server: Server, field: int, status: int) -> None:
    with peer.Peer(server.port) as scu:
        scu.associate((CT, EXPLICIT))
        scu.say(peer.pdu(4, peer.pdv(peer.command(field, sop_class=CT), is_command=True)))
        assert scu.status() == status


def test_an_unknown_operation_with_a_data_set_is_answered_after_it(server: Server) -> None:
    find = peer.command(0x20, sop_class=CT, data_set_type=1)
    with peer.Peer(server.port) as scu:
        scu.associate((CT, EXPLICIT))
        scu.say(peer.pdu(4, peer.pdv(find, is_command=True)), peer.in_pdus(bytes(9000), is_command=False, size=4000))
        assert scu.status() == 0x0211
        scu.say(peer.ECHO)
        assert scu.status() == 0


def test_a_cancel_is_passed_over(server: Server) -> None:
    with peer.Peer(server.port) as scu:
        scu.associate((VERIFICATION, IMPLICIT))
        scu.say(peer.pdu(4, peer.pdv(peer.command(0x0FFF), is_command=True)), peer.ECHO, peer.RELEASE)
        assert scu.status() == 0
        assert scu.hear()[0] == 6


def test_a_store_on_the_verification_context_is_not_supported(server: Server) -> None:
    image = peer.sample(peer.CT_SLICE)
    with peer.Peer(server.port) as scu:
        scu.associate((VERIFICATION, IMPLICIT))
        scu.say(peer.in_pdus(peer.store_command(VERIFICATION, image.sop_instance), is_command=True, size=4000))
        scu.say(peer.in_pdus(image.data_set, is_command=False, size=4000))
        assert scu.status() == 0x0122


def test_a_response_is_read_by_pydicom() -> None:
    request = Command(1, 77, True, CT, "1.2.3.4.5")
    encoded = commands.response(request, 0xA700, "x" * 70)
    answer = read_dataset(BytesIO(encoded), is_implicit_VR=True, is_little_endian=True)
    assert answer.CommandGroupLength == len(encoded) - 12
    assert (answer.CommandField, answer.MessageIDBeingRespondedTo, answer.CommandDataSetType) == (0x8001, 77, 0x0101)
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CT, "1.2.3.4.5")
    assert (answer.Status, answer.ErrorComment) == (0xA700, "x" * 64)
    assert [int(element.tag) for element in answer] == sorted(int(element.tag) for element in answer)
