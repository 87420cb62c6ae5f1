"""Who is let in, and how the others are told (PS3.8 table 9-21, D-01)."""

from __future__ import annotations

import pytest

from dicomweb_server.dimse import proposal
from dicomweb_server.dimse.admission import TitleRules
from tests.dimse import peer
from tests.dimse.conftest import Start
from tests.dimse.peer import IMPLICIT, VERIFICATION

ANY = TitleRules("DICOMWEB")
BY_NAME = TitleRules("DICOMWEB", check_called=True)
LISTED = TitleRules("DICOMWEB", calling={"CT1": (), "CT2": ("127.0.0.0/8",), "CT3": ("192.0.2.7",)})

ACCEPTED = (2, b"")


def refused(result: int, source: int, reason: int) -> tuple[int, bytes]:
    return 3, bytes((0, result, source, reason))


@pytest.mark.parametrize(
    ("rules", "called", "calling", "answer"),
    [
        (ANY, "WHOEVER", "ANYONE", ACCEPTED),
        (BY_NAME, "DICOMWEB", "ANYONE", ACCEPTED),
        (BY_NAME, " DICOMWEB ", "ANYONE", ACCEPTED),
        (BY_NAME, "dicomweb", "ANYONE", refused(1, 1, 7)),
        (LISTED, "DICOMWEB", "CT1", ACCEPTED),
        (LISTED, "DICOMWEB", "CT2", ACCEPTED),
        (LISTED, "DICOMWEB", "CT3", refused(1, 1, 3)),
        (LISTED, "DICOMWEB", "ct1", refused(1, 1, 3)),
    ],
)
def test_titles(start: Start, rules: TitleRules, called: str, calling: str, answer: tuple[int, bytes]) -> None:
    request = peer.request((VERIFICATION, IMPLICIT), called=called, calling=calling)
    with peer.Peer(start(titles=rules).port) as scu:
        scu.say(request)
        kind, body = scu.hear()
    assert (kind, b"" if kind == 2 else body) == answer


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        ({"version": 2}, refused(1, 2, 2)),
        ({"version": 3}, ACCEPTED),
        ({"application": "1.2.3"}, refused(1, 1, 2)),
    ],
)
def test_protocol_version_and_application_context(
    start: Start, wish: dict[str, object], answer: tuple[int, bytes]
) -> None:
    request = peer.request((VERIFICATION, IMPLICIT), **wish)  # type: ignore[arg-type]
    with peer.Peer(start().port) as scu:
        scu.say(request)
        kind, body = scu.hear()
    assert (kind, b"" if kind == 2 else body) == answer


def test_a_network_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        TitleRules("DICOMWEB", calling={"CT1": ("nowhere",)})


def test_dcmtk_is_told_why(start: Start) -> None:
    told = peer.dcmtk("echoscu", start(titles=BY_NAME).port, "-aec", "OTHER")
    assert told.returncode != 0
    assert "Called AE Title Not Recognized" in told.stderr


def test_a_title_cannot_smuggle_a_second_value_or_a_line_into_group_2() -> None:
    odd = peer.request((VERIFICATION, IMPLICIT)).replace(b"TEST ", b"A\\B\n\xff")
    asked = proposal.read(odd[6:])
    assert asked.calling_aet == "A?B??"
