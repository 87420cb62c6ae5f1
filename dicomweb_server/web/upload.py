"""A request body as it comes in: every byte counted, Content-Encoding undone, never more than a piece in memory."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from isal import isal_zlib
from isal.igzip_lib import IsalError
from starlette.requests import ClientDisconnect, Request

from dicomweb_server.model.errors import BadRequest, TooLarge, UnsupportedMedia

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    max_body: int = 64 * 1024 * MIB
    """Bytes of a whole request, after Content-Encoding."""

    max_part: int = 16 * 1024 * MIB
    """Bytes of one part."""

    max_parts: int = 10_000

    max_inflation: int = 100
    """How many times longer than its sent form a compressed body may become, beyond the first 64 MiB."""


class BrokenOff(BadRequest):
    """The client went away, or ended the body, in the middle."""


_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_FREE_OF_RATIO = 64 * MIB
_PIECE = 64 * 1024
_SLICE = 16 * 1024
"""Given to the decompressor at a time, which copies what it leaves over."""


async def body(request: Request, limits: UploadLimits) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces, decompressed. Raises TooLarge, UnsupportedMedia, BrokenOff."""
    _refuse_early(request, limits)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    decode = _decoder(coding, limits)
    size = 0
    async for piece in _received(request):
        for content in decode(piece):
            size += len(content)
            if size > limits.max_body:
                raise TooLarge(f"the body is longer than {limits.max_body} bytes")
            yield content
    for content in decode(b""):
        yield content


def _refuse_early(request: Request, limits: UploadLimits) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:25]) > limits.max_body:
        raise TooLarge(f"the body is longer than {limits.max_body} bytes")


async def _received(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect:
        raise BrokenOff("the body broke off") from None


def _decoder(coding: str, limits: UploadLimits) -> Callable[[bytes], Iterator[bytes]]:
    """What makes content of a received piece; called with nothing at the end."""
    if coding in ("", "identity"):
        return lambda piece: iter((piece,) if piece else ())
    if coding not in _WBITS:
        raise UnsupportedMedia(f"Content-Encoding {coding[:40]!r} is not read", available=tuple(_WBITS))
    return _Inflate(_WBITS[coding], limits.max_inflation)


class _Inflate:
    """gzip (of several members) or deflate, in bounded pieces."""

    def __init__(self, wbits: int, max_inflation: int) -> None:
        self._wbits = wbits
        self._max_inflation = max_inflation
        self._inner = isal_zlib.decompressobj(wbits)
        self._taken = 0
        self._given = 0

    def __call__(self, piece: bytes) -> Iterator[bytes]:
        if not piece and not self._inner.eof:
            raise BrokenOff("the compressed body ends in the middle")
        for at in range(0, len(piece), _SLICE):
            yield from self._inflated(piece[at : at + _SLICE])

    def _inflated(self, piece: bytes) -> Iterator[bytes]:
        self._taken += len(piece)
        while piece:
            if self._inner.eof:
                self._inner = isal_zlib.decompressobj(self._wbits)
            content = self._some(piece)
            self._given += len(content)
            if self._given > max(_FREE_OF_RATIO, self._taken * self._max_inflation):
                raise TooLarge(f"the body is compressed more than {self._max_inflation} times")
            if content:
                yield content
            piece = self._inner.unconsumed_tail or self._inner.unused_data

    def _some(self, piece: bytes) -> bytes:
        try:
            content: bytes = self._inner.decompress(piece, _PIECE)
        except (IsalError, zlib.error):  # type: ignore[misc]  # isal's stub has an instance for the class
            raise BadRequest("the body is not what its Content-Encoding says") from None
        return content
