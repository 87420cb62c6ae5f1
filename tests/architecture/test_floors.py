"""Imports go down only, and each outside library has its room (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dicomweb_server

PACKAGE = Path(dicomweb_server.__file__).parent

FLOORS = {
    "model": 0,
    "metrics": 0,
    "limits": 0,
    "cached": 0,
    "dicom": 1,
    "objects": 2,
    "catalog": 2,
    "queues": 2,
    "samples": 1,
    "signals": 2,
    "pool": 2,
    "sources": 2,
    "notices": 2,
    "ingest": 3,
    "preprocess": 3,
    "reconcile": 3,
    "retrieve": 3,
    "web": 4,
    "dimse": 4,
    "workers": 4,
}
TOP = 5

FENCES = {
    "starlette": {"web", "assembly"},
    "uvicorn": {"web", "assembly", "supervisor"},
    "pynetdicom": {"dimse", "sources"},
    "aiobotocore": {"objects", "queues", "notices"},
    "botocore": {"objects", "queues", "notices"},
    "sqlalchemy": {"catalog", "queues"},
    "alembic": {"catalog"},
    "httpx": {"sources", "notices"},
    "imagecodecs": {"dicom"},
    "prometheus_client": {"metrics"},
}

BACKEND_FACES = {"base", "layout"}
"""The files of a backend room that other rooms may see."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0] if parts else ""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def own(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))[1:] if name.startswith("dicomweb_server.") else ()


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    here = room(path)
    floor = FLOORS.get(here, TOP)
    for name in imports(path):
        there = own(name)
        if not there or there[0] == here or there[0] == "__version__":
            continue
        below = FLOORS.get(there[0], TOP)
        if floor == TOP and below == TOP:
            continue
        assert below < floor, f"{here} (floor {floor}) imports {name} (floor {below})"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_behind_their_fences(path: Path) -> None:
    here = room(path)
    for name in imports(path):
        allowed = FENCES.get(name.split(".")[0])
        assert allowed is None or here in allowed, f"{here} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_assembly_opens_backends(path: Path) -> None:
    here = room(path)
    if here == "assembly":
        return
    for name in imports(path):
        there = own(name)
        if len(there) >= 2 and FLOORS.get(there[0]) == 2 and there[0] != here:
            assert there[1] in BACKEND_FACES, f"{here} imports the backend {name}"
