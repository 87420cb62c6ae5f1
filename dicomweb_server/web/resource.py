"""One path of the route table and what each method does there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb_server.web.measuring import measured

Handler = Callable[[Request], Awaitable[Response | ASGIApp]]


class _Answered(Exception):
    """A HEAD has its answer with the headers; the body is not read."""


class Resource:
    """ASGI endpoint: GET answers HEAD too (H-14), any other method gets 405 with Allow."""

    def __init__(
        self,
        *,
        GET: Handler | None = None,
        POST: Handler | None = None,
        PUT: Handler | None = None,
        DELETE: Handler | None = None,
        OPTIONS: Handler | None = None,
    ) -> None:
        given = {"GET": GET, "HEAD": GET, "POST": POST, "PUT": PUT, "DELETE": DELETE, "OPTIONS": OPTIONS}
        self.handlers = {method: handler for method, handler in given.items() if handler is not None}
        self.transactions = {method: _name(handler) for method, handler in self.handlers.items()}
        self.allow = ", ".join({**self.handlers, "OPTIONS": None})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self.handlers.get(scope["method"])
        if handler is None and scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={"allow": self.allow})(scope, receive, send)
            return
        if handler is None:
            raise HTTPException(405, headers={"allow": self.allow})
        measured(scope).transaction = self.transactions[scope["method"]]
        answer = await handler(Request(scope, receive))
        if scope["method"] == "HEAD":
            await _headers_only(answer, scope, receive, send)
        else:
            await answer(scope, receive, send)


def _name(handler: Handler) -> str:
    """What its figures go by, such as ``wado.frames``."""
    return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"


async def _headers_only(answer: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        raise _Answered

    try:
        await answer(scope, receive, head)
    except _Answered:
        return
