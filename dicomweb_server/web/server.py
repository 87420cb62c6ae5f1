"""The app on a socket."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

from dicomweb_server.web.protocol import Bounds, bounded


def make_server(
    app: ASGIApp,
    *,
    bounds: Bounds | None = None,
    keep_alive_seconds: int = 75,
    graceful_seconds: int = 20,
) -> uvicorn.Server:
    """A server to be run with ``serve(sockets=[...])`` or ``run(sockets=[...])``.

    It writes no access log, because query strings name patients (H-26), and believes no forwarded headers:
    ``address`` does, of trusted peers.
    """
    config = uvicorn.Config(
        app,
        http=bounded(bounds or Bounds()),
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=graceful_seconds,
    )
    return uvicorn.Server(config)
