"""Every error this server raises on purpose.

DicomwebError
  BadRequest            the caller asked for something malformed
    NotAcceptable       nothing this server can give fits the Accept header
      Undecodable       the stored pixels cannot be decoded, so only the stored form can be had
    UnsupportedMedia    the request body is of a kind this server does not read
    TooLarge            the request is larger than this server takes
  NotFound              the thing named does not exist here
    Gone                it existed and was deleted
  Forbidden             the caller may not do this
  Conflict              the state of the resource does not allow it
  NotReady              it exists at the source and is on its way
  Rejected              an instance cannot be stored; carries the reason code
  BackendFailed         a store, queue or source did not do its work
    OutOfResources      disk, memory or a queue is full; try again later
      NoRoom            what was made cannot be written
"""

from __future__ import annotations


class DicomwebError(Exception):
    """Base of all errors raised on purpose. Its text names what was asked for, never a path or patient data."""


class BadRequest(DicomwebError):
    """The caller asked for something malformed."""


class NotAcceptable(BadRequest):
    """Nothing this server can give fits what the caller accepts. ``available`` lists what could be had."""

    def __init__(self, reason: str, *, available: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.available = available


class Undecodable(NotAcceptable):
    """The stored pixels cannot be decoded: broken, lying about themselves, too large, or of an unknown encoding."""


class UnsupportedMedia(BadRequest):
    """The request body is of a kind this server does not read. ``available`` lists what it reads."""

    def __init__(self, reason: str, *, available: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.available = available


class TooLarge(BadRequest):
    """The request, or a part of it, is larger than this server takes."""


class NotFound(DicomwebError):
    """The thing named does not exist here."""


class Gone(NotFound):
    """It existed and was deleted; a tombstone remains."""


class Forbidden(DicomwebError):
    """The caller may not do this."""


class Conflict(DicomwebError):
    """The state of the resource does not allow what was asked."""


class NotReady(DicomwebError):
    """The resource is on its way; ask again later."""

    def __init__(self, what: str, *, retry_after: float) -> None:
        super().__init__(f"{what} is still being fetched")
        self.retry_after = retry_after


class Rejected(DicomwebError):
    """An instance cannot be stored. ``reason`` is the DICOM failure code (PS3.7 C, PS3.18 I.2)."""

    def __init__(
        self, text: str, *, reason: int, sop_class: str | None = None, sop_instance: str | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.sop_class = sop_class
        self.sop_instance = sop_instance


class BackendFailed(DicomwebError):
    """A store, queue or source did not do its work. ``passing``: trying again may help."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


class OutOfResources(BackendFailed):
    """Disk, memory or a queue is full; try again after ``retry_after`` seconds."""

    def __init__(self, text: str, *, retry_after: float = 10.0) -> None:
        super().__init__(text, passing=True)
        self.retry_after = retry_after


class NoRoom(OutOfResources):
    """What was made cannot be written: the disk is full or read-only."""
