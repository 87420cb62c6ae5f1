"""OHIF, the real one, on this server: what a radiologist would do, in headless Chromium."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.corpus import expected, names, path
from tests.journeys.asking import JSON, header
from tests.journeys.ohif import Viewer, viewer
from tests.journeys.server import RunningServer, running

VIDEOS = "generated/mod/video_"
"""Left out: the viewer asks for the middle frame of a video to draw its thumbnail, and a video has none (T-05)."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("ohif")
    with running(data) as server:
        installed = server.cli("viewer", "install")
        assert installed.returncode == 0, installed.stderr
        folders = ("generated/mod/", "generated/series/", "generated/ts/", "generated/encap/us_jpeg_bot_1frag")
        server.import_files(*(path(name) for name in names(*folders) if not name.startswith(VIDEOS)))
        yield server


@pytest.fixture
def ohif(server: RunningServer) -> Iterator[Viewer]:
    with viewer(server.root) as opened:
        yield opened
        assert opened.failed == []


def study_of(name: str) -> str:
    return str(header(name).StudyInstanceUID)


def series_of(name: str) -> str:
    return str(header(name).SeriesInstanceUID)


def display_set(ohif: Viewer, name: str) -> dict[str, Any]:
    return ohif.display_set(series_of(name))


def digest(name: str, pixels: list[int]) -> str:
    """Of pixels as little endian cells of the width and sign the file declares, as expected.json has them."""
    dataset = header(name)
    sign = "i" if dataset.PixelRepresentation else "u"
    return hashlib.sha256(np.asarray(pixels).astype(f"<{sign}{dataset.BitsAllocated // 8}").tobytes()).hexdigest()


def test_it_lists_the_studies(ohif: Viewer) -> None:
    ohif.list_studies()
    ohif.page.wait_for_selector(f"text={header('generated/series/ct_000.dcm').StudyDescription}", timeout=30_000)


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("generated/series/ct_027.dcm", 1),
        ("generated/ts/ct_evle.dcm", 1),
        ("generated/ts/ct_ivle.dcm", 1),
        ("generated/mod/overlay_separate_two_groups.dcm", 1),
        ("generated/mod/enhanced_mr_9frames.dcm", 5),
        ("generated/mod/nm_dynamic_8frames.dcm", 4),
        ("generated/mod/pt_slope_1.dcm", 1),
        ("generated/mod/xa_cine_12frames_jpegll.dcm", 7),
        ("generated/mod/enhanced_ct_9frames.dcm", 9),
        ("generated/ts/ct_rle.dcm", 1),
        ("generated/ts/ct_htj2k_lossless.dcm", 1),
        ("generated/ts/ct_evbe.dcm", 1),
        ("generated/ts/ct_deflated.dcm", 1),
        ("generated/mod/mg_mono1_14bit_padding_j2k.dcm", 1),
    ],
)
def test_decoded_pixels_equal_the_file(ohif: Viewer, name: str, frame: int) -> None:
    ohif.open(study_of(name))
    (image_id,) = [each for each in display_set(ohif, name)["imageIds"] if header(name).SOPInstanceUID in each][:1]
    shown = ohif.pixels(image_id.rpartition("/")[0] + f"/{frame}")
    assert (shown["rows"], shown["columns"]) == (header(name).Rows, header(name).Columns)
    assert digest(name, shown["pixels"]) == expected()[name]["frames_sha256"][frame - 1]


@pytest.mark.parametrize(
    "name",
    [
        "generated/encap/us_jpeg_bot_1frag.dcm",
        "generated/mod/sc_palette_8bit_lut.dcm",
        "generated/mod/sc_palette_16bit_lut.dcm",
    ],
)
def test_colour_is_drawn(ohif: Viewer, name: str) -> None:
    ohif.open(study_of(name))
    ohif.show(display_set(ohif, name)["uid"])
    ohif.wait_until_drawn(series_of(name))
    assert ohif.coloured()


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("generated/mod/seg_binary.dcm", "SEG"),
        ("generated/mod/rtstruct_96_contours.dcm", "RTSTRUCT"),
        ("generated/mod/sr_comprehensive.dcm", "SR"),
        ("generated/mod/encapsulated_pdf.dcm", "DOC"),
        ("generated/mod/ecg_12lead_2groups.dcm", "ECG"),
    ],
)
def test_what_is_no_image_opens_too(ohif: Viewer, name: str, modality: str) -> None:
    ohif.open(study_of(name))
    assert display_set(ohif, name)["modality"] == modality


def test_a_measurement_is_saved_and_found_again(tmp_path: Path, server: RunningServer) -> None:
    """Drawn with the mouse, stored by STOW as a structured report, there after the study is opened anew."""
    name = "generated/series/ct_000.dcm"
    with viewer(server.root) as ohif:
        ohif.open(study_of(name))
        ohif.wait_until_drawn(series_of(name))
        (length,) = ohif.measure()
        report = ohif.save_measurements("Journey")
        assert ohif.failed == []
    assert length.endswith(" mm")
    with server.client(headers=JSON) as client:
        (found,) = client.get(f"/instances?SOPInstanceUID={report}").json()
    assert found["0020000D"]["Value"] == [study_of(name)]
    with viewer(server.root) as ohif:
        ohif.open(study_of(name))
        assert ohif.display_set(found["0020000E"]["Value"][0])["modality"] == "SR"
        assert ohif.failed == []
