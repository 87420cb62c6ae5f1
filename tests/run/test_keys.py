"""Keys as an operator makes, lists and withdraws them, and a server that asks for them (A-06)."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx

from dicomweb_server.model import access
from tests.journeys.server import cli, running, wait_for
from tests.ports import free_port


def key(file: Path, *words: str) -> tuple[int, str]:
    done = cli("key", *words, "--set", f"access.keys={file}")
    return done.returncode, (done.stdout + done.stderr).strip()


def test_a_key_is_shown_once_and_only_its_digest_kept(tmp_path: Path) -> None:
    file = tmp_path / "site" / "keys"
    code, secret = key(file, "make", "viewer", "--rights", "read,store")
    assert (code, len(secret)) == (0, 43)
    assert file.read_text() == f"viewer read,store {access.digest_of(secret)}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key(file, "list") == (0, "viewer read,store")
    code, reason = key(file, "make", "viewer")
    assert (code, "withdraw it first" in reason) == (2, True)
    file.write_text("# ours\n" + file.read_text())
    assert key(file, "withdraw", "viewer") == (0, "")
    assert file.read_text() == "# ours\n"


def test_wrong_use_is_told(tmp_path: Path) -> None:
    assert "access.keys names no file" in cli("key", "list").stderr
    for words in (["make"], ["withdraw", "nobody"], ["make", "a b"], ["make", "a", "--rights", "everything"]):
        code, reason = key(tmp_path / "keys", *words)
        assert (code, reason.startswith("dicomweb-server: key ")) == (2, True), reason
    refused = cli("serve", "--data", tmp_path / "data", "--set", f"access.keys={tmp_path / 'missing'}")
    assert (refused.returncode, "access.keys: No such file" in refused.stderr) == (2, True)


def test_a_server_that_asks_for_keys_may_be_reached_by_others(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    _, secret = key(file, "make", "viewer")
    named = ("--set", f"access.keys={file}")
    with running(tmp_path / "data", extra=("--http", f"0.0.0.0:{free_port()}", *named)) as server:
        studies = f"{server.dicomweb}/studies"
        bearer = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(studies).status_code == 401
        assert httpx.get(studies, headers=bearer).status_code == 204
        assert httpx.get(studies, auth=("viewer", secret)).status_code == 204
        assert key(file, "withdraw", "viewer")[0] == 0
        wait_for(lambda: httpx.get(studies, headers=bearer).status_code == 401, "the key to be good no longer")
        assert secret not in server.log.read_text()
