"""Around every answer: a request id, the headers always there, its figures, and errors as answers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.pool.base import CALLER
from dicomweb_server.web import address, problems
from dicomweb_server.web.address import AddressRules
from dicomweb_server.web.measuring import Measured

_log = logging.getLogger("dicomweb_server.web")

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    # A viewer that is cross-origin isolated shows an image in <img> only with this (H-04).
    (b"cross-origin-resource-policy", b"cross-origin"),
]


def new_request_id() -> str:
    return f"{random.getrandbits(64):016x}"


class Envelope:
    """Pure ASGI. What fails after the status went out is cut off, so that nobody takes it for whole (P-10)."""

    def __init__(
        self, app: ASGIApp, *, rules: AddressRules | None = None, request_id: Callable[[], str] = new_request_id
    ) -> None:
        self.app = app
        self.rules = rules or AddressRules()
        self.request_id = request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = self.request_id()
        scope["request_id"] = name
        CALLER.set(address.peer(scope, self.rules))
        scope["dicomweb.measured"] = measured = Measured()
        always = [*_ALWAYS, (b"x-request-id", name.encode())]
        started = False

        async def enveloped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *always]
                measured.answered(message["status"])
            else:
                measured.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, enveloped)
        except Exception as error:
            if started and isinstance(error, DicomwebError):
                _log.warning("the answer to request %s broke off: %s", name, error)
                return
            answer = None if started else problems.answer_to(Request(scope), error)
            if answer is None:
                # Only the kind of error and its place: a message may quote what was read from a file.
                _log.error("request %s failed: %s at %s", name, type(error).__name__, _place(error))
                detail = f"something went wrong here; the log has it under request {name}"
                answer = problems.problem(Request(scope), 500, detail)
            if not started:
                await answer(scope, receive, enveloped)
        finally:
            measured.ended(scope["method"], name)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    steps = []
    while trace is not None:
        steps.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(steps[-6:])
