"""What each role loads: memory is for images, not for libraries a role has no use for (design: roles)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LISTING = """
import json, os, socket, sys, threading
from dicomweb_server import assembly, roles
from dicomweb_server.loading import load

role, data = sys.argv[1:]
settings, _ = load(environment={}, flags={"storage.data": data, "dimse.listen": "127.0.0.1:0"})

def list_modules():
    while True:
        line = sys.stdin.readline()
        print(json.dumps(sorted(sys.modules)), flush=True)
        if not line:
            return

threading.Thread(target=list_modules, daemon=True).start()
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.exit(roles.web(settings, listening) if role == "web" else getattr(roles, role)(settings))
"""

NEVER = {"aiobotocore", "botocore", "psycopg", "pytest", "multiprocessing.pool"}

UNWANTED = {
    "web": NEVER | {"pynetdicom", "imagecodecs", "dicomweb_server.dimse", "dicomweb_server.workers"},
    "dimse": NEVER | {"starlette", "uvicorn", "imagecodecs", "dicomweb_server.web", "dicomweb_server.workers"},
    "worker": NEVER | {"starlette", "uvicorn", "imagecodecs", "dicomweb_server.web", "dicomweb_server.dimse"},
}
NEEDED = {
    "web": {"dicomweb_server.web.app", "starlette"},
    "dimse": {"dicomweb_server.dimse.server"},
    "worker": {"dicomweb_server.reconcile.series"},
}


@pytest.mark.parametrize("role", ["web", "dimse", "worker"])
def test_a_role_loads_what_it_needs_and_no_more(tmp_path: Path, role: str) -> None:
    loaded = modules_of(role, tmp_path)
    assert NEEDED[role] <= loaded
    assert sorted(UNWANTED[role] & loaded) == []


def modules_of(role: str, data: Path) -> set[str]:
    """The modules of a running role, once it does its work."""
    command = [sys.executable, "-c", LISTING, role, str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        loaded: set[str] = set()
        while not NEEDED[role] <= loaded:
            process.stdin.write("\n")
            process.stdin.flush()
            loaded = set(json.loads(process.stdout.readline()))
        os.kill(process.pid, signal.SIGTERM)
    return loaded
