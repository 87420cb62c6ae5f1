"""OHIF in headless Chromium, driven as a person would, with every request and error on record."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Response, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)

LOAD_MS = 60_000

PIXELS = """
async (imageId) => {
  const image = await window.cornerstone.imageLoader.loadImage(imageId, { preScale: { enabled: false } });
  return { rows: image.rows, columns: image.columns, pixels: Array.from(image.voxelManager.getScalarData()) };
}
"""

DISPLAY_SETS = """
() => window.services.displaySetService.getActiveDisplaySets().map(set => ({
  uid: set.displaySetInstanceUID, modality: set.Modality, series: set.SeriesInstanceUID,
  imageIds: set.imageIds || (set.images || []).map(image => image.imageId), unsupported: !!set.unsupported,
}))
"""

SHOW = """
(uid) => {
  const { viewportGridService } = window.services;
  const viewportId = viewportGridService.getActiveViewportId();
  window.commandsManager.runCommand('setDisplaySetsForViewports', {
    viewportsToUpdate: [{ viewportId, displaySetInstanceUIDs: [uid] }] });
}
"""


DRAWN = """
() => {
  const ids = window.services.viewportGridService.getState().viewports;
  const active = window.services.viewportGridService.getActiveViewportId();
  const shown = ids.get(active)?.displaySetInstanceUIDs || [];
  const sets = shown.map(uid => window.services.displaySetService.getDisplaySetByUID(uid));
  const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(active);
  if (!viewport) return { series: sets.map(set => set.SeriesInstanceUID), colours: 0, grey: true };
  const canvas = viewport.getCanvas();
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set(); let grey = true;
  for (let i = 0; i < data.length; i += 4) {
    seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    if (Math.abs(data[i] - data[i + 1]) > 12 || Math.abs(data[i + 1] - data[i + 2]) > 12) grey = false;
  }
  return { series: sets.map(set => set.SeriesInstanceUID), colours: seen.size, grey };
}
"""
"""What the active viewport shows: its series, how many different colours, and whether all are grey."""


MEASUREMENTS = "() => window.services.measurementService.getMeasurements().map(m => m.displayText.primary[0])"

SAVE = """
async (description) => {
  const report = await window.commandsManager.runCommand('storeMeasurements', {
    measurementData: window.services.measurementService.getMeasurements(),
    dataSource: window.config.dataSources[0].sourceName,
    options: { SeriesDescription: description },
  }, 'CORNERSTONE_STRUCTURED_REPORT');
  return report.SOPInstanceUID;
}
"""
"""What the button 'Create report' does: the measurements as a structured report, by STOW."""


@dataclass(slots=True)
class Viewer:
    page: Page
    root: str
    failed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("response", lambda response: self._response(response))
        self.page.on("requestfailed", lambda request: self._note_failure(request.url, request.failure or ""))

    def _response(self, response: Response) -> None:
        self.asked.append(f"{response.request.method} {response.url}")
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _note_failure(self, url: str, why: str) -> None:
        if "ERR_ABORTED" not in why:  # the viewer itself cancels requests it no longer needs
            self.failed.append(f"{why} {url}")

    def list_studies(self) -> None:
        self.page.goto(f"{self.root}/viewer/", timeout=LOAD_MS)
        self.page.wait_for_selector("text=Study List", timeout=LOAD_MS)

    def open(self, *studies: str) -> None:
        """Open studies and wait until the first image is drawn."""
        self.page.goto(f"{self.root}/viewer/viewer?StudyInstanceUIDs={','.join(studies)}", timeout=LOAD_MS)
        self.page.wait_for_function(
            "() => window.services?.displaySetService?.getActiveDisplaySets().length > 0", timeout=LOAD_MS
        )

    def display_sets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate(DISPLAY_SETS)
        return found

    def display_set(self, series: str) -> dict[str, Any]:
        """The display set made of a series, as soon as there is one; the viewer loads series one by one."""
        deadline = time.monotonic() + LOAD_MS / 1000
        while not (found := [each for each in self.display_sets() if each["series"] == series]):
            assert time.monotonic() < deadline, f"no display set for {series}, failed: {self.failed}"
            self.page.wait_for_timeout(100)
        return found[0]

    def show(self, display_set: str) -> None:
        self.page.evaluate(SHOW, display_set)

    def drawn(self) -> dict[str, Any]:
        seen: dict[str, Any] = self.page.evaluate(DRAWN)
        return seen

    def wait_until_drawn(self, series: str) -> None:
        """Until the active viewport shows an image of the series with more than a few shades."""
        deadline = time.monotonic() + LOAD_MS / 1000
        while series not in (seen := self.drawn())["series"] or seen["colours"] < 8:
            assert time.monotonic() < deadline, f"nothing of {series} was drawn: {seen}, failed: {self.failed}"
            self.page.wait_for_timeout(100)

    def coloured(self) -> bool:
        return not self.drawn()["grey"]

    def end_tour(self) -> None:
        """Close the introduction that covers the first image a browser shows."""
        with contextlib.suppress(PlaywrightTimeout):
            self.page.click("text=Skip all", timeout=5_000)

    def measure(self) -> list[str]:
        """Draw a length across the image with the mouse; what all measurements say."""
        self.end_tour()
        self.page.evaluate("() => window.commandsManager.runCommand('setToolActive', { toolName: 'Length' })")
        box = self.page.locator(".cornerstone-canvas").first.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(x - 90, y - 40)
        mouse.down()
        mouse.move(x, y, steps=5)
        mouse.move(x + 90, y + 30, steps=5)
        mouse.up()
        self.page.wait_for_function(f"() => ({MEASUREMENTS})().length > 0", timeout=LOAD_MS)
        said: list[str] = self.page.evaluate(MEASUREMENTS)
        return said

    def save_measurements(self, description: str) -> str:
        """The UID of the report that holds them."""
        uid: str = self.page.evaluate(SAVE, description)
        return uid

    def pixels(self, image_id: str) -> dict[str, Any]:
        """Decoded pixels of one image, as the viewer sees them before any rescaling."""
        image: dict[str, Any] = self.page.evaluate(PIXELS, image_id)
        return image


@contextlib.contextmanager
def viewer(root: str) -> Iterator[Viewer]:
    """A browser on a server whose viewer is installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        opened = Viewer(page, root)
        opened.watch()
        try:
            yield opened
        finally:
            browser.close()
