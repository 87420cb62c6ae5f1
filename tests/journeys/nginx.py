"""A real nginx in front of a server, on a port and in a folder of its own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.journeys.server import wait_for
from tests.ports import free_port

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    server {{
        listen 127.0.0.1:{port};
        location /older/ {{
            proxy_pass http://{server}/;
            proxy_set_header Host inside.example;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Prefix /older;
            proxy_set_header Forwarded "";
        }}
        location /newer/ {{
            proxy_pass http://{server}/;
            proxy_set_header Host inside.example;
            proxy_set_header Forwarded "$http_forwarded, for=$remote_addr;host=\\"$http_host\\";proto=$scheme";
            proxy_set_header X-Forwarded-Prefix /newer;
            proxy_set_header X-Forwarded-Host "";
            proxy_set_header X-Forwarded-Proto "";
        }}
    }}
    server {{
        listen 127.0.0.1:{http2_port} http2;
        location / {{
            proxy_pass http://{server};
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


@contextlib.contextmanager
def in_front_of(server: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Its root URLs, by HTTP/1.1 and by HTTP/2, while it runs. ``server`` is HOST:PORT."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    assert Path(program).exists(), "nginx is not installed"
    folder.mkdir()
    port, http2_port = free_port(), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, http2_port=http2_port, server=server))
    process = subprocess.Popen([program, "-p", folder, "-e", folder / "error.log", "-c", configuration])
    try:
        wait_for(lambda: _listens(process, port), "nginx")
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{http2_port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "nginx ended at once"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
