"""One table from what went wrong to what a C-STORE is answered (PS3.4 B.2.3, PS3.7 C; D-12). HTTP has its twin."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_server.model.errors import (
    BackendFailed,
    BadRequest,
    Conflict,
    DicomwebError,
    Forbidden,
    OutOfResources,
    Rejected,
    TooLarge,
)
from dicomweb_server.model.records import Fate, Outcome

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
INVALID_SOP_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORISED = 0x0124
UNRECOGNISED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
ELEMENTS_DISCARDED = 0xB006
COERCED = 0xB000
CANNOT_UNDERSTAND = 0xC000

STATUS: dict[type[DicomwebError], int] = {
    OutOfResources: OUT_OF_RESOURCES,
    BackendFailed: PROCESSING_FAILURE,
    Forbidden: NOT_AUTHORISED,
    TooLarge: OUT_OF_RESOURCES,
    BadRequest: CANNOT_UNDERSTAND,
    Conflict: PROCESSING_FAILURE,
}

FATES: dict[Fate, tuple[int, str]] = {
    Fate.STORED: (SUCCESS, ""),
    Fate.REPLACED: (SUCCESS, ""),
    Fate.SAME: (SUCCESS, ""),
    # Not success: a sender may delete its copy after that, and these bytes are not kept. Not failure: it would come
    # again for ever.
    Fate.KEPT_FIRST: (ELEMENTS_DISCARDED, "other content under this UID was here first and is kept"),
    Fate.REFUSED: (PROCESSING_FAILURE, "other content is stored under this UID"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    comment: str = ""
    """At most 64 printable ASCII characters reach the peer."""


STORED = Answer(SUCCESS)


def of_outcome(outcome: Outcome) -> Answer:
    if outcome.coerced and FATES[outcome.fate][0] == SUCCESS:
        return Answer(COERCED, "the issuer of the patient id was added")
    return Answer(*FATES[outcome.fate])


def of_error(error: DicomwebError) -> Answer:
    if isinstance(error, Rejected):
        return Answer(error.reason, str(error))
    nearest = next((kind for kind in type(error).__mro__ if kind in STATUS), None)
    return Answer(STATUS[nearest] if nearest else PROCESSING_FAILURE, str(error))
