"""Files of a folder over HTTP, for the page and the viewer: types from a list, and nothing from outside the folder."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.errors import NotFound
from dicomweb_server.web import compression

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jsonc": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webapp": "application/manifest+json",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
_PACKED = frozenset({".css", ".html", ".js", ".json", ".jsonc", ".map", ".mjs", ".svg", ".txt", ".wasm", ".xml"})
_SAFE = re.compile(r"[A-Za-z0-9_@~-][A-Za-z0-9_.@~-]*(/[A-Za-z0-9_@~-][A-Za-z0-9_.@~-]*)*")
_NAMED_BY_CONTENT = re.compile(r"(^|[./-])[0-9a-f]{16,}\.")
"""A build puts a hash of the content into such a name: it never changes."""


async def served(request: Request, folder: Path, name: str, extra: dict[str, str]) -> Response:
    """The file ``name`` of ``folder``, with ``extra`` headers. Raises NotFound."""
    packed = compression.takes_gzip(request.headers.get("accept-encoding", ""))
    path, etag = await asyncio.to_thread(_found, folder, name)
    packed = packed and path.suffix in _PACKED
    etag = f'"{etag}{"-gzip" if packed else ""}"'
    kept = "public, max-age=31536000, immutable" if _NAMED_BY_CONTENT.search(name) else "no-cache"
    headers = {"etag": etag, "cache-control": kept, "vary": "Accept-Encoding", **extra}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    body = await asyncio.to_thread(_read, path, packed)
    return Response(body, headers={**headers, "content-type": TYPES.get(path.suffix, "application/octet-stream")})


def _found(folder: Path, name: str) -> tuple[Path, str]:
    path = folder / name
    if not _SAFE.fullmatch(name) or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise NotFound("there is no such file")
    facts = path.stat()
    return path, f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"


def _read(path: Path, packed: bool) -> bytes:
    body = path.read_bytes()
    return compression.gzipped(body) if packed else body
