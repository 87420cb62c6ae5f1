"""What one parse of a file's header yields: identity, metadata, frame index, digest."""

from __future__ import annotations

import hashlib

import orjson

from dicomweb_server.dicom.charset import is_known
from dicomweb_server.dicom.elements import Walked
from dicomweb_server.dicom.frames import NativeFrames
from dicomweb_server.dicom.framing import frame_index
from dicomweb_server.dicom.identity import identity, text_of
from dicomweb_server.dicom.jsonmodel import data_set_json
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.source import BytesSource, Source
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.tags import AVAILABLE_TRANSFER_SYNTAX, SPECIFIC_CHARACTER_SET, hex_of
from dicomweb_server.dicom.walk import KEEP_ARRAY, KEEP_BINARY
from dicomweb_server.model.ids import DEFAULT_TENANT, InstanceKey
from dicomweb_server.model.records import BASE, Derived

_WHOLE = 8 << 20
"""A file up to this is read at once, for parse and digest together."""
_CHUNK = 1 << 20


def derive(
    source: Source,
    *,
    tenant: str = DEFAULT_TENANT,
    inline_limit: int = KEEP_BINARY,
    array_limit: int = KEEP_ARRAY,
) -> Derived:
    """Parse the header of the Part 10 file in ``source``.

    Binary values above ``inline_limit`` bytes, and text and numbers above ``array_limit``, become bulk data; pixel
    data always does. Raises Rejected, with the UIDs as far as they are known.
    """
    if source.size <= _WHOLE and not isinstance(source, BytesSource):
        source = BytesSource(source.read(0, source.size))
    file = opened(source)
    walked = file.walk(keep_binary=inline_limit, keep_array=array_limit)
    uids = identity(walked.elements, file.head)
    key = InstanceKey(uids.study, uids.series, uids.sop_instance, tenant)
    prefix = f"{BASE.decode()}/studies/{key.study}/series/{key.series}/instances/{key.instance}/bulkdata"
    metadata = data_set_json(walked.elements, prefix, little_endian=walked.little_endian)
    frames = frame_index(walked, file.stream, file.syntax, bare=True)
    transfer_syntax = file.head.transfer_syntax
    if isinstance(frames, NativeFrames) and file.syntax.encapsulated:
        transfer_syntax = EXPLICIT_LE
    syntaxes = hex_of(AVAILABLE_TRANSFER_SYNTAX)
    out_of_place = syntaxes not in metadata
    metadata[syntaxes] = {"vr": "UI", "Value": [transfer_syntax]}
    if out_of_place:
        metadata = dict(sorted(metadata.items(), key=_tag))
    _warn_of_charset(walked)
    return Derived(
        key=key,
        sop_class=uids.sop_class,
        transfer_syntax=transfer_syntax,
        metadata=metadata,
        metadata_json=orjson.dumps(metadata),
        frames=frames.encode() if frames is not None else None,
        frame_count=frames.count if frames is not None else 0,
        digest=_digest(source, file.head.dataset_start),
        size=source.size,
        warnings=(*file.head.warnings, *walked.warnings),
    )


def _tag(member: tuple[str, object]) -> str:
    return member[0]


def _warn_of_charset(walked: Walked) -> None:
    declared = text_of(walked.elements, SPECIFIC_CHARACTER_SET)
    if any(name.strip() and not is_known(name) for name in declared.split("\\")):
        walked.warnings.append("the character set is unknown")


def _digest(source: Source, start: int) -> bytes:
    if isinstance(source, BytesSource):
        return hashlib.sha256(memoryview(source.data)[start:]).digest()
    digest = hashlib.sha256()
    for position in range(start, source.size, _CHUNK):
        digest.update(source.read(position, _CHUNK))
    return digest.digest()
