"""Images through presentation states as dcmtk's dcmp2pgm shows them, where that is installed (R-15).

It knows neither shutters with edges nor displayed areas, overlays and graphics: other tests hold those.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests import corpus
from tests.web.retrieving import Door, door
from tests.web.states import GREY, item, made, overlay, shown, state, table

CT = "generated/ts/ct_evle.dcm"
"""144 x 120, signed"""
NEXT = iter(range(2000, 2100))
FLAT = {"PresentationLUTShape": "IDENTITY"}
ROOTS = np.sqrt(np.arange(1000) / 999) * 4095
SQUARES = (np.arange(4096) / 4095) ** 2 * 65535
COVERED = np.indices((120, 144)).sum(axis=0) < 90


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("by-dcmtk"), CT, GREY) as found:
        yield found


def window(center: float, width: float) -> list[Dataset]:
    return [item(WindowCenter=center, WindowWidth=width)]


def voi_table(first: int, vr: str) -> list[Dataset]:
    return [item(VOILUTSequence=[table(ROOTS, first, 12, vr)])]


def bitmap(value: int) -> dict[str, Any]:
    return {
        "more": overlay(120, 144, COVERED, at=[1, 1]),
        "ShutterShape": "BITMAP",
        "ShutterOverlayGroup": 0x6000,
        "ShutterPresentationValue": value,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {},
        *({**FLAT, "SoftcopyVOILUTSequence": window(300, width)} for width in (1, 2, 3, 4000)),
        *({"ImageRotation": turn, "ImageHorizontalFlip": flip} for turn in (0, 90, 180, 270) for flip in "NY"),
        {**FLAT, "SoftcopyVOILUTSequence": voi_table(-1000, "SS")},
        {**FLAT, "SoftcopyVOILUTSequence": voi_table(65536 - 1000, "US")},
        {**FLAT, "SoftcopyVOILUTSequence": []},
        {"SoftcopyVOILUTSequence": []},
        {**FLAT, "RescaleSlope": 2, "RescaleIntercept": -500, "RescaleType": "HU"},
        {**FLAT, "SoftcopyVOILUTSequence": [], "RescaleSlope": -0.5, "RescaleIntercept": 7, "RescaleType": "HU"},
        {**FLAT, "ModalityLUTSequence": [table(np.arange(2000) * 3, -1000, 16, "SS")]},
        {**FLAT, "SoftcopyVOILUTSequence": [], "ModalityLUTSequence": [table(np.arange(2000) * 2, -1000, 12, "SS")]},
        {"PresentationLUTSequence": [table(SQUARES, 0, 16)]},
        *({**bitmap(value), **FLAT} for value in (0, 0x4000, 0xFFFF)),
        bitmap(0x8000),
    ],
)
async def test_a_state_shows_what_dcmtk_shows(held: Door, tmp_path: Path, changed: dict[str, Any]) -> None:
    """Within a grey level, since rounding is left to each."""
    number = next(NEXT)
    wanted = by_dcmtk(made(held, number, **changed), tmp_path)
    if wanted is not None:
        assert np.abs(await shown(held, state(held, number, **changed)) - wanted).max() <= 1


def by_dcmtk(described: Dataset, folder: Path) -> np.ndarray[Any, Any] | None:
    """The picture; None without dcmtk."""
    dcmp2pgm = shutil.which("dcmp2pgm")
    if dcmp2pgm is None:
        return None
    described.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio = [1, 1]
    if "PresentationLUTSequence" in described:
        del described.PresentationLUTShape
    described.save_as(folder / "state.dcm")
    subprocess.run([dcmp2pgm, "-p", folder / "state.dcm", corpus.path(CT), folder / "picture.pgm"], check=True)
    return np.asarray(Image.open(folder / "picture.pgm"), int)
