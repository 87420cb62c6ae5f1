"""A slash at the end of a DICOMweb path means nothing (C-12): no redirect, which would lose headers."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class NoTrailingSlash:
    def __init__(self, app: ASGIApp, *, root: str) -> None:
        self.app = app
        self.roots = (root + "/", "/api/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/") and scope["path"].startswith(self.roots):
            scope = {**scope, "path": scope["path"].rstrip("/")}
        await self.app(scope, receive, send)
