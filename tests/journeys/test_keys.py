"""A browser's user gives the name of a key and the key, and everything works as it does without keys."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Response, sync_playwright

from tests.corpus import path
from tests.journeys.ohif import CHROMIUM_FLAGS
from tests.journeys.server import cli, running


def test_a_browser_is_asked_once_and_let_in(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    secret = cli("key", "make", "ward", "--set", f"access.keys={keys}").stdout.strip()
    refused: list[int] = []

    def note(response: Response) -> None:
        if response.status >= 400:
            refused.append(response.status)

    with running(tmp_path / "data", extra=("--set", f"access.keys={keys}")) as server, sync_playwright() as playwright:
        server.import_files(path("generated/ts/ct_evle.dcm"))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(http_credentials={"username": "ward", "password": secret})
        page.on("response", note)
        page.goto(server.root)
        page.get_by_text("1 studies, 1 instances").wait_for(timeout=10_000)
        browser.close()
    assert not refused
