"""Images sent by real programs arrive bit for bit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, _config

from dicomweb_server.dimse.admission import TitleRules
from dicomweb_server.dimse.server import Server
from dicomweb_server.model.records import Door, Origin
from tests import corpus
from tests.dimse import peer
from tests.dimse.conftest import FolderReceive, Start

UNCOMPRESSED = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
JPEG = "1.2.840.10008.1.2.4."
KNOWN_TO_DCMTK = [
    *UNCOMPRESSED,
    "1.2.840.10008.1.2.5",
    *(JPEG + last for last in ("50", "51", "57", "70", "80", "81", "90", "91", "100", "102", "107")),
]
SERVED = [
    *KNOWN_TO_DCMTK,
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
    *(JPEG + last for last in ("110", "112", "201", "202", "203")),
]


def of_syntax(syntax: str) -> peer.Sample:
    return peer.sample(peer.by_syntax()[syntax])


def stored(receive: FolderReceive) -> bytes:
    (only,) = receive.files()
    return peer.data_set(only)


@pytest.mark.parametrize("syntax", KNOWN_TO_DCMTK)
def test_storescu_of_every_family_arrives_whole(
    syntax: str, server: Server, receive: FolderReceive, tmp_path: Path
) -> None:
    image = of_syntax(syntax)
    sent = peer.dcmtk(
        "storescu", server.port, *peer.profile(tmp_path, [(image.sop_class, syntax)]), "-aec", "DICOMWEB", image.path
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert pydicom.dcmread(receive.files()[0], stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    # storescu writes a data set its own way (lengths of sequences, deflating), so the elements are compared
    assert pydicom.dcmread(receive.files()[0]) == pydicom.dcmread(image.path)


@pytest.mark.parametrize("syntax", SERVED)
def test_every_transfer_syntax_is_stored_bit_exact(
    syntax: str, server: Server, receive: FolderReceive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    image = of_syntax(syntax)
    scu = AE("MODALITY")
    scu.add_requested_context(image.sop_class, syntax)
    association = scu.associate("127.0.0.1", server.port, ae_title="DICOMWEB")
    assert association.send_c_store(image.path).Status == 0
    association.release()
    assert stored(receive) == image.data_set
    meta = pydicom.dcmread(receive.files()[0], stop_before_pixels=True).file_meta
    assert (meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID) == (syntax, image.sop_instance)
    assert meta[0x00020016].value == meta[0x00020017].value == "MODALITY"
    assert meta[0x00020018].value == "DICOMWEB"


def test_a_whole_series_over_eight_associations(server: Server, receive: FolderReceive) -> None:
    images = sorted(corpus.path("generated/series").glob("ct_*.dcm"))
    shares = [images[number::8] for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda share: peer.dcmtk("storescu", server.port, "-xt", *share), shares))
    assert [program.returncode for program in sent] == [0] * 8, [program.stderr for program in sent]
    assert {file.name for file in receive.files()} == {
        str(pydicom.dcmread(image, stop_before_pixels=True).SOPInstanceUID) for image in images
    }
    assert not list(receive.staging.iterdir())


def test_echoscu_is_answered(server: Server) -> None:
    assert peer.dcmtk("echoscu", server.port, "--repeat", "3").returncode == 0


def test_a_data_set_in_a_thousand_pieces_arrives_whole(server: Server, receive: FolderReceive) -> None:
    image = peer.sample(peer.CT_SLICE)
    store = peer.store_command(image.sop_class, image.sop_instance)
    with peer.Peer(server.port) as scu:
        scu.associate((image.sop_class, image.transfer_syntax))
        scu.say(peer.in_pdus(store, is_command=True, size=11), peer.in_pdus(image.data_set, is_command=False, size=9))
        assert scu.status() == 0
    assert stored(receive) == image.data_set


def test_command_and_data_set_may_share_a_pdu(server: Server, receive: FolderReceive) -> None:
    image = peer.sample(peer.CT_SLICE)
    store = peer.store_command(image.sop_class, image.sop_instance)
    message = peer.pdu(4, peer.pdv(store, is_command=True) + peer.pdv(image.data_set, is_command=False))
    with peer.Peer(server.port) as scu:
        scu.associate((image.sop_class, image.transfer_syntax))
        scu.say(message, peer.ECHO)
        assert scu.status() == 0
        assert scu.status() == 0
        scu.say(peer.RELEASE)
        assert scu.hear()[0] == 6
        assert scu.hear()[0] == 0
    assert stored(receive) == image.data_set


def test_the_move_behind_a_store_is_passed_on(server: Server, receive: FolderReceive) -> None:
    image = peer.sample(peer.CT_SLICE)
    scu = AE("PACS")
    scu.add_requested_context(image.sop_class, image.transfer_syntax)
    association = scu.associate("127.0.0.1", server.port)
    association.send_c_store(image.path, originator_aet="WORKER", originator_id=517)
    association.release()
    assert receive.origins[image.sop_instance] == Origin(
        Door.CSTORE, calling_aet="PACS", move_originator_aet="WORKER", move_message_id=517
    )


def test_one_store_waiting_for_its_sync_does_not_hold_up_another_association(
    server: Server, receive: FolderReceive
) -> None:
    image = peer.sample(peer.CT_SLICE)
    receive.hold.clear()
    with peer.Peer(server.port) as waiting, peer.Peer(server.port) as other:
        waiting.associate((image.sop_class, image.transfer_syntax))
        waiting.say(peer.in_pdus(peer.store_command(image.sop_class, image.sop_instance), is_command=True, size=4000))
        waiting.say(peer.in_pdus(image.data_set, is_command=False, size=4000))
        assert receive.entered.acquire(timeout=10)
        other.associate((peer.VERIFICATION, peer.IMPLICIT))
        other.say(peer.ECHO)
        assert other.status() == 0
        receive.hold.set()
        assert waiting.status() == 0


def test_the_titles_of_the_association_stand_in_group_2(start: Start, receive: FolderReceive) -> None:
    server = start(titles=TitleRules("DICOMWEB"))
    image = peer.sample(peer.CT_SLICE)
    assert peer.dcmtk("storescu", server.port, "-xt", "-aec", "ARCHIVE", "-aet", "CT 7", image.path).returncode == 0
    meta = pydicom.dcmread(receive.files()[0], stop_before_pixels=True).file_meta
    assert (meta[0x00020016].value, meta[0x00020018].value) == ("CT 7", "ARCHIVE")


def test_threads_end_with_their_associations(server: Server) -> None:
    before = threading.active_count()
    assert all(peer.echoes(server.port) for _ in range(20))
    assert threading.active_count() <= before + 1
