"""What the statuses of C-FIND, C-GET and C-MOVE mean (PS3.4 C.4)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomweb_server.model.errors import BackendFailed

SUCCESS, PENDING, WARNING = 0x0000, (0xFF00, 0xFF01), 0xB000
UNKNOWN_DESTINATION, WRONG_IDENTIFIER = 0xA801, 0xA900
REFUSALS = {
    0xA701: "out of resources to count what matches",
    0xA702: "out of resources to send",
    UNKNOWN_DESTINATION: "it does not know the destination AE title: enter this server there",
    WRONG_IDENTIFIER: "the identifier does not match the SOP class",
    0xFE00: "cancelled",
}


def code_of(status: Dataset, name: str, command: str) -> int:
    """The status of one response. Raises BackendFailed when none came."""
    if "Status" not in status:
        raise BackendFailed(f"{name} did not answer {command} in time", passing=True)
    return int(status.Status)


def refusal(code: int) -> str:
    return REFUSALS.get(code, f"status {code:04X}")
