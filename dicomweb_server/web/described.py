"""STOW-RS of metadata and bulk data in parts of their own: JSON or XML, and what it refers to (S-03 to S-06)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import orjson

from dicomweb_server.dicom.build import BulkPart
from dicomweb_server.dicom.xmlmodel import from_xml
from dicomweb_server.model.errors import BackendFailed, BadRequest, TooLarge
from dicomweb_server.model.records import DicomJson
from dicomweb_server.pool.base import Pool
from dicomweb_server.web.assembling import SOP_CLASS, SOP_INSTANCE, assemble, nested_deeper, references, uid_of
from dicomweb_server.web.batch import Batch
from dicomweb_server.web.budget import Budget
from dicomweb_server.web.mediatypes import ContentType, content_type
from dicomweb_server.web.parts import Begin, Data, End, PartReader
from dicomweb_server.web.staging import StagedFile

JSON_TYPES = frozenset({"application/dicom+json", "application/json"})
XML_TYPES = frozenset({"application/dicom+xml"})
MAX_METADATA = 32 << 20
"""Bytes of the metadata of one request, and of all requests that are worked on: they are read in one piece."""
MAX_VALUES = 4_000_000
"""Each takes some 100 bytes once it is read."""
MAX_NESTING = 256
"""Of arrays and objects: four of them make one level of sequences."""


@dataclass(frozen=True, slots=True)
class SentPart:
    headers: Mapping[str, str]
    kind: ContentType
    file: StagedFile


async def store(body: AsyncIterator[bytes], kind: ContentType, batch: Batch, *, pool: Pool, url: str) -> None:
    """Hand over an instance for each data set. ``url`` is the request's: relative references count from it.

    Raises BadRequest when the body breaks off or its metadata cannot be read; nothing is stored then.
    """
    async with AsyncExitStack() as files:
        parts = await _staged(body, kind, batch, files)
        family = XML_TYPES if kind.root in XML_TYPES else JSON_TYPES
        metadata = [part for part in parts if part.kind.kind in family]
        bulk = [part for part in parts if part.kind.kind not in family]
        async with _METADATA.held(_size(metadata)):
            for data_set in await asyncio.to_thread(_data_sets, metadata, kind.root, batch.limits.max_parts):
                await _hand_over(data_set, _referred(data_set, bulk, url), batch, pool)


_METADATA = Budget(MAX_METADATA)


def _size(parts: Sequence[SentPart]) -> int:
    """Of their content. Raises TooLarge when it is more than is read."""
    size = sum(part.file.size for part in parts)
    if size > MAX_METADATA:
        raise TooLarge(f"metadata is longer than {MAX_METADATA} bytes")
    return size


async def _staged(body: AsyncIterator[bytes], kind: ContentType, batch: Batch, files: AsyncExitStack) -> list[SentPart]:
    reader = PartReader(kind.boundary, max_parts=batch.limits.max_parts)
    parts: list[SentPart] = []
    async for piece in body:
        for event in reader.feed(piece):
            match event:
                case Begin(headers):
                    part_kind = content_type(headers.get("content-type", kind.root))
                    file = await files.enter_async_context(batch.new_file())
                    parts.append(SentPart(headers, part_kind or ContentType("application/octet-stream", {}), file))
                case Data(content):
                    await batch.write(parts[-1].file, content)
                case End():
                    await parts[-1].file.close()
    if not reader.finished:
        raise BadRequest("the body breaks off; nothing was stored")
    return parts


def _data_sets(parts: Sequence[SentPart], root: str, most: int) -> list[Any]:
    """JSON: one part with an array of data sets. XML: a part for each (S-03)."""
    documents = [part.file.path.read_bytes() for part in parts]
    if root in XML_TYPES:
        found: list[Any] = [from_xml(document) for document in documents]
    else:
        found = [data_set for document in documents for data_set in _array(document)]
    if not found:
        raise BadRequest("the body has no metadata")
    if len(found) > most:
        raise TooLarge(f"more than {most} data sets")
    if any(nested_deeper(data_set, MAX_NESTING) for data_set in found):
        raise TooLarge("the metadata is nested too deep")
    return found


def _array(document: bytes) -> list[Any]:
    if sum(document.count(sign) for sign in (b"{", b"[", b",")) > MAX_VALUES:
        raise TooLarge(f"the metadata has more than {MAX_VALUES} values")
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise BadRequest("the metadata is not JSON") from None
    return found if isinstance(found, list) else [found]


async def _hand_over(data_set: Any, bulk: Mapping[str, Sequence[BulkPart]], batch: Batch, pool: Pool) -> None:
    if not isinstance(data_set, dict):
        batch.refuse("not a data set")
        return
    made = batch.receive.stage()
    try:
        await pool.run(assemble, data_set, bulk, made)
    except (BadRequest, BackendFailed) as error:
        await asyncio.to_thread(made.unlink, missing_ok=True)
        if isinstance(error, BackendFailed) and error.passing:
            raise
        batch.refuse(str(error), sop_class=uid_of(data_set, SOP_CLASS), sop_instance=uid_of(data_set, SOP_INSTANCE))
        return
    await batch.submit(made)


def _referred(data_set: DicomJson, parts: Sequence[SentPart], url: str) -> dict[str, list[BulkPart]]:
    """The parts that each reference of the data set means, in the order they came; several are frames (S-05)."""
    places: dict[str, list[BulkPart]] = {}
    for part in parts:
        for place in _places(part, url):
            places.setdefault(place, []).append(_bulk_part(part))
    wanted = {
        reference: reference if reference.startswith("cid:") else _joined(url, reference)
        for reference in references(data_set)
    }
    return {reference: places[place] for reference, place in wanted.items() if place in places}


def _places(part: SentPart, url: str) -> list[str]:
    """Under what a part can be referred to: its location, that of all frames when it is one, and its Content-ID."""
    places = []
    if "content-location" in part.headers:
        location = _joined(url, part.headers["content-location"])
        places.append(location)
        whole = _FRAME.sub("", location)
        places += [whole] if whole != location else []
    if "content-id" in part.headers:
        places.append("cid:" + part.headers["content-id"].strip("<>"))
    return places


def _joined(url: str, reference: str) -> str:
    """The place a reference means; one that is no URL means only what is written in the same way."""
    try:
        return urljoin(url, reference)
    except ValueError:
        return reference


_FRAME = re.compile(r"/frames/\d+$")


def _bulk_part(part: SentPart) -> BulkPart:
    path: Path = part.file.path
    return BulkPart(part.kind.kind, part.kind.parameters.get("transfer-syntax"), path)
