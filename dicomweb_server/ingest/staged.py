"""A staged file is read once, and made a Part 10 file that may leave the server as it is.

Only what stands before the data set is touched: the preamble is zeroed, since it can make a file pass for something
else (PS3.10 7.1), and a missing or untrue group 2 is written anew. The data set stays as it came, byte by byte.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dicomweb_server.dicom.coerce import Coercion, write_coerced
from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.part10 import Head, file_meta, read_head
from dicomweb_server.dicom.source import BytesSource, FileSource, Source
from dicomweb_server.model.errors import BackendFailed, OutOfResources
from dicomweb_server.model.records import Derived

WHOLE = 8 << 20
"""A file up to this is read at once."""

_COPIED = 4 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
_TITLES = (0x00020016, 0x00020017, 0x00020018)


def read_staged(staged: Path, tenant: str, content: bytes | None = None, *, zero_preamble: bool = True) -> Derived:
    """Derive the file, and put its head in order. Raises Rejected, OutOfResources, BackendFailed.

    ``content`` is the whole file where it is not written yet.
    """
    try:
        if content is not None:
            write_new(staged, content)
            return _read(staged, BytesSource(content), tenant, zero_preamble=zero_preamble)
        with FileSource(staged) as file:
            source = BytesSource(file.read(0, file.size)) if file.size <= WHOLE else file
            return _read(staged, source, tenant, zero_preamble=zero_preamble)
    except OSError as error:
        raise translated(error) from error


def _read(staged: Path, source: Source, tenant: str, *, zero_preamble: bool) -> Derived:
    derived = derive(source, tenant=tenant)
    head = read_head(source)
    if not head.sound or head.transfer_syntax != derived.transfer_syntax:
        return _with_new_head(staged, source, head, derived)
    if zero_preamble and source.read(0, 128).strip(b"\0"):
        _zero(staged)
    return derived


def write_new(staged: Path, content: bytes) -> None:
    """Raises OSError."""
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def coerced(staged: Path, derived: Derived, coercion: Coercion) -> Derived:
    """Change the file, and derive it again. Raises Rejected, OutOfResources, BackendFailed."""
    whole = staged.with_suffix(".whole")
    try:
        with FileSource(staged) as source, open(whole, "xb") as file:
            write_coerced(source, coercion, datetime.now(UTC), file)
        whole.replace(staged)
        with FileSource(staged) as again:
            return replace(derive(again, tenant=derived.key.tenant), warnings=derived.warnings, coerced=True)
    except OSError as error:
        raise translated(error) from error
    finally:
        whole.unlink(missing_ok=True)


def translated(error: OSError) -> BackendFailed:
    if error.errno in _FULL:
        return OutOfResources("no space left for arrivals")
    if error.errno == errno.EROFS:
        return OutOfResources("nothing can be written now")
    return BackendFailed(f"the staging folder failed: {os.strerror(error.errno or 0)}")


def _zero(staged: Path) -> None:
    descriptor = os.open(staged, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, bytes(128), 0)
    finally:
        os.close(descriptor)


def _with_new_head(staged: Path, source: Source, head: Head, derived: Derived) -> Derived:
    """Rewrite the file, and derive it again: all that is told by place has moved."""
    whole = staged.with_suffix(".whole")
    try:
        with open(whole, "xb") as file:
            file.write(_new_head(head, derived))
            for start in range(head.dataset_start, source.size, _COPIED):
                file.write(source.read(start, _COPIED))
        whole.replace(staged)
    finally:
        whole.unlink(missing_ok=True)
    with FileSource(staged) as again:
        moved = derive(again, tenant=derived.key.tenant)
    return replace(moved, warnings=derived.warnings)


def _new_head(head: Head, derived: Derived) -> bytes:
    source, sending, receiving = (_title(head.meta.get(tag)) for tag in _TITLES)
    return file_meta(
        derived.sop_class,
        derived.key.instance,
        derived.transfer_syntax,
        source_aet=source,
        sending_aet=sending,
        receiving_aet=receiving,
    )


def _title(text: str | None) -> str | None:
    return text if text and text.isascii() and text.isprintable() and len(text) <= 16 else None
