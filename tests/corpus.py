"""The DICOM files the tests read: the corpus that ``DICOM_TESTDATA`` names, else the subset in the repository."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

CORPUS = Path(os.environ.get("DICOM_TESTDATA") or Path(__file__).parent / "data")

WHOLE = "DICOM_TESTDATA" in os.environ


@cache
def expected() -> dict[str, dict[str, Any]]:
    """Facts by file name relative to the corpus (``frames_sha256``, ``tags``, ``dcmdump``, ``transfer syntax``...)."""
    facts: dict[str, dict[str, Any]] = json.loads((CORPUS / "expected.json").read_text())
    return facts


@cache
def generated() -> dict[str, dict[str, Any]]:
    """What the script that made the generated files knows of each: ``truth``, ``lossless``, ``odd``, ``note``."""
    rows = json.loads((CORPUS / "generated" / "generated.json").read_text())
    return {f"generated/{row['file']}": row for row in rows}


@cache
def malformed() -> dict[str, dict[str, Any]]:
    """What was broken in each malformed file and what a server may do with it (``expect``)."""
    rows = json.loads((CORPUS / "malformed" / "malformed.json").read_text())
    return {f"malformed/{row['file']}": row for row in rows}


def names(*folders: str) -> list[str]:
    """Every file of the corpus, or of the folders named."""
    return sorted(name for name in expected() if not folders or name.startswith(folders))


def path(name: str) -> Path:
    return CORPUS / name


def file(name: str) -> bytes:
    return path(name).read_bytes()
