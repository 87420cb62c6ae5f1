"""STOW-RS: POST /studies and /studies/{study} with Part 10 files, or with metadata and bulk data (S-01, S-02).

Each part goes to a file as it comes and is handed to receive when it is whole; the answer waits for all of them to be
durable. When the body breaks off in the middle, the files that were whole stay: sending them again changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.errors import BadRequest, UnsupportedMedia
from dicomweb_server.web import address, datasets, described, params, store_answer, upload
from dicomweb_server.web.batch import Batch
from dicomweb_server.web.datasets import Form
from dicomweb_server.web.headers import warning
from dicomweb_server.web.mediatypes import ContentType, content_type
from dicomweb_server.web.parts import Begin, Data, End, PartReader
from dicomweb_server.web.services import services_of
from dicomweb_server.web.staging import StagedFile
from dicomweb_server.web.store_answer import StoreAnswer
from dicomweb_server.web.upload import UploadLimits

DICOM = "application/dicom"
METADATA = described.JSON_TYPES | described.XML_TYPES
TAKEN = (DICOM, *(f'multipart/related; type="{kind}"' for kind in (DICOM, *sorted(METADATA))))
_PART_TYPES = frozenset({DICOM, "application/octet-stream", ""})


async def store(request: Request) -> Response:
    """POST /studies, POST /studies/{study}"""
    form = datasets.form(request, datasets.STORE)  # before anything is read (S-18)
    study = params.study_key(request).study if "study" in request.path_params else None
    limits: UploadLimits = request.app.state.upload_limits
    kind = _kind(request)
    base = address.public_base(request)
    batch = Batch(services_of(request).receive, study, limits)
    async with batch, aclosing(upload.body(request, limits)) as body:
        if kind.kind == DICOM:
            await _whole(body, batch)
        elif kind.root in METADATA:
            pool = services_of(request).pool
            await described.store(body, kind, batch, pool=pool, url=f"{base}/studies/{study or ''}")
        else:
            await _parts(body, kind, batch)
    return _answer(store_answer.of_results(base, study, await batch.settled()), form)


async def _whole(body: AsyncIterator[bytes], batch: Batch) -> None:
    async with batch.new_file() as file:
        async for content in body:
            await batch.write(file, content)
        await batch.hand_over(file)


async def _parts(body: AsyncIterator[bytes], kind: ContentType, batch: Batch) -> None:
    reader = PartReader(kind.boundary, max_parts=batch.limits.max_parts)
    async with AsyncExitStack() as files:
        file: StagedFile | None = None
        async for piece in body:
            for event in reader.feed(piece):
                match event:
                    case Begin(headers):
                        file = await files.enter_async_context(batch.new_file()) if _is_dicom(headers) else None
                    case Data(content) if file is not None:
                        await batch.write(file, content)
                    case End() if file is not None:
                        await batch.hand_over(file)
                        await files.aclose()
                    case End():
                        batch.refuse("a part of another type")
    if not reader.finished:
        raise BadRequest(f"the body breaks off; {len(batch.handed)} parts before that were whole and were taken in")
    if not batch.handed:
        raise BadRequest("the body has no parts")


def _is_dicom(headers: dict[str, str]) -> bool:
    kind = content_type(headers.get("content-type", DICOM))
    return kind is not None and kind.kind in _PART_TYPES


def _kind(request: Request) -> ContentType:
    """What the body is. Raises UnsupportedMedia."""
    kind = content_type(request.headers.get("content-type", ""))
    single = kind is not None and kind.kind == DICOM
    multipart = kind is not None and kind.kind == "multipart/related" and kind.root in {DICOM, "", *METADATA}
    if kind is None or not (single or multipart):
        raise UnsupportedMedia("this Content-Type is not stored", available=TAKEN)
    return kind


def _answer(results: StoreAnswer, form: Form) -> Response:
    if results.full is not None and not results.stored:
        raise results.full
    headers = {"cache-control": "no-store", "vary": "Accept"}
    if results.location is not None:
        headers |= {"location": results.location, "content-location": results.location}
    body = orjson.dumps(results.dataset())
    response = Response(datasets.xml(body) if form is Form.XML else body, results.status, headers, media_type=form)
    for remark in results.remarks:
        response.headers.append("warning", warning(results.base, remark))
    return response
