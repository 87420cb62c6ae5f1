"""Who may do what: a key in every request, where the site has keys (A-01, A-06, PS3.18 8.5)."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb_server.model.access import Key, Right
from dicomweb_server.web import address, links, problems
from dicomweb_server.web.keyring import Keyring

OPEN = ("/healthz", "/readyz")
FAILURES, FAILURE_SECONDS = 20, 60.0
"""So many wrong keys from one address within this time are answered 401; what follows is 429."""
ADDRESSES = 10_000
"""Of so many addresses failures are counted, the latest ones."""


def needed(method: str, path: str) -> Right | None:
    """What a request needs; None where no key is asked for."""
    if method == "OPTIONS" or path in OPEN or path.startswith(links.PREFIX + "/"):
        return None
    if method in ("GET", "HEAD"):
        return Right.READ
    if path.startswith("/api/"):
        return Right.OPERATE
    return {"POST": Right.STORE, "DELETE": Right.DELETE}.get(method, Right.READ)


class Failures:
    """How often each address came with a wrong key of late."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, peer: str) -> float:
        """Note one more; how many seconds its address is refused now, 0 when it is not."""
        count, since = self._counts.pop(peer, (0, self._now()))
        if self._now() - since >= FAILURE_SECONDS:
            count, since = 0, self._now()
        self._counts[peer] = count + 1, since
        if len(self._counts) > ADDRESSES:
            self._counts.popitem(last=False)
        return since + FAILURE_SECONDS - self._now() if count >= FAILURES else 0.0


class Authentication:
    """Pure ASGI: lets through what carries a key with the right it needs, and answers everything else."""

    def __init__(self, app: ASGIApp, *, keys: Keyring) -> None:
        self.app = app
        self.keys = keys
        self.failures = Failures()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        right = needed(scope["method"], scope["path"])
        if right is None:
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        request = Request(scope)
        key = self._key(given, request) if given else None
        if key is None:
            refused = self._unknown(given, request)
        elif right not in key.rights:
            refused = _forbidden(request, f"this key has not the right to {right}", right)
        else:
            await self.app(scope, receive, send)
            return
        await refused(scope, receive, send)

    def _unknown(self, given: str, request: Request) -> Response:
        """The answer to no key, or to one that is not good."""
        error = ', error="invalid_token"' if given else ""
        headers = {"www-authenticate": f'Bearer realm="dicomweb"{error}'}
        if given and (wait := self.failures.wait(request.client.host if request.client else "")):
            return problems.problem(
                request, 429, "too many wrong keys", headers={**headers, "retry-after": str(math.ceil(wait))}
            )
        answer = problems.problem(
            request, 401, "this key is not good here" if given else "a key is needed", headers=headers
        )
        if address.is_private(request):
            # On a line of its own: browsers that do not know the first scheme of a line pass over all of it.
            answer.headers.append("www-authenticate", 'Basic realm="dicomweb", charset="UTF-8"')
        return answer

    def _key(self, given: str, request: Request) -> Key | None:
        """Whose it is, sent as bearer token (RFC 6750) or, by TLS or from this machine, as NAME:KEY (RFC 7617)."""
        scheme, _, credentials = given.partition(" ")
        match scheme.lower():
            case "bearer":
                return self.keys.find(credentials.strip())
            case "basic" if address.is_private(request):
                name, _, secret = _decoded(credentials).partition(":")
                key = self.keys.find(secret)
                return key if key is not None and key.name == name else None
        return None


def _forbidden(request: Request, detail: str, right: Right) -> Response:
    challenge = f'Bearer realm="dicomweb", error="insufficient_scope", scope="{right}"'
    return problems.problem(request, 403, detail, headers={"www-authenticate": challenge})


def _decoded(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
