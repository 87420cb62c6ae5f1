"""Studies of many kinds that came with our own dependencies: nothing is downloaded."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_FOLDERS = ("dicomdirtests/77654033", "dicomdirtests/98892001", "dicomdirtests/98892003")
_FILES = (
    "CT_small.dcm",
    "MR_small.dcm",
    "JPEG2000.dcm",
    "JPGExtended.dcm",
    "examples_jpeg2k.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_rgb_color.dcm",
    "examples_ybr_color.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
    "rtdose_rle.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
)


def shipped() -> list[Path]:
    """Files and folders for an import: CR, CT, MR, US, NM, a segmentation, reports, a dose and a waveform.

    Those that this release of pydicom does not bring are left out; empty when it has none.
    """
    root = Path(str(files("pydicom"))) / "data" / "test_files"
    return [path for path in (root / name for name in (*_FOLDERS, *_FILES)) if path.exists()]
