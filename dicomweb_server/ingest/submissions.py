"""A folder that is watched for manifests: each becomes a collection that is fetched at once.

    x.json          dropped here, best renamed into place when complete
    working/ID      taken, while it is fetched
    done/x.json, failed/x.json, and beside each x.json.report

A file is moved before anything is done with it and its collection has the name it was moved to, so a crash at any
moment leaves either a file to be taken or one whose collection is there or can be made again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.collections import ENDED, Action, Collection, Phase
from dicomweb_server.model.errors import BadRequest, DicomwebError, NotFound
from dicomweb_server.model.manifest import Manifest
from dicomweb_server.model.states import State

log = logging.getLogger(__name__)

SETTLED_SECONDS = 0.5
"""A file that was written to a moment ago may not be complete."""
PATIENCE_SECONDS = 10.0
"""One that is no JSON after so long without a change will never be."""
LONGEST_NAME = 180
"""Bytes of a file's name that are kept."""
_TAKEN = re.compile(r"(?P<id>[0-9a-f]{32})-(?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Submissions:
    folder: Path
    catalog: Catalog
    manifest: Callable[[bytes], Manifest]
    """Reads a manifest. Raises BadRequest, TooLarge."""
    largest: int
    now: Callable[[], float] = time.time

    def __call__(self) -> None:
        for name in ("working", "done", "failed"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for file in sorted(self.folder.glob("*.json")):
            if not file.name.startswith(".") and file.is_file():
                self._each(self._take, file)
        for file in sorted((self.folder / "working").iterdir()):
            self._each(self._follow, file)

    def _each(self, step: Callable[[Path], None], file: Path) -> None:
        """One file that cannot be read or moved keeps no other from its turn."""
        try:
            step(file)
        except OSError as error:
            log.warning("a submission cannot be worked on: %s", os.strerror(error.errno or 0))

    def _take(self, file: Path) -> None:
        """Move a complete file away under the name of its collection; another worker may be faster."""
        try:
            found = file.stat()
            age = self.now() - found.st_mtime
            if age < SETTLED_SECONDS or (age < PATIENCE_SECONDS and not self._is_json(file, found.st_size)):
                return
            file.rename(self.folder / "working" / f"{secrets.token_hex(16)}-{_short(file.name)}")
        except FileNotFoundError:
            return

    def _is_json(self, file: Path, size: int) -> bool:
        try:
            orjson.loads(file.read_bytes() if size <= self.largest else b"{}")
        except orjson.JSONDecodeError:
            return False
        return True

    def _follow(self, file: Path) -> None:
        taken = _TAKEN.fullmatch(file.name)
        if taken is None:
            return
        id, name = taken["id"], taken["name"]
        try:
            known = self.catalog.collections.get(id)
        except NotFound:
            self._begin(file, id, name)
            return
        if known.phase in ENDED:
            counts = self.catalog.collections.counts(id)
            studies = [{"study": each.member.study, **_by_name(each.counts)} for each in counts]
            self._end(file, name, known.phase, {"collection": id, "reason": known.reason, "studies": studies})

    def _begin(self, file: Path, id: str, name: str) -> None:
        try:
            if file.stat().st_size > self.largest:
                raise BadRequest(f"the manifest is longer than {self.largest} bytes")
            body = file.read_bytes()
            self.manifest(body)
        except FileNotFoundError:
            return
        except DicomwebError as error:
            self._end(file, name, Phase.FAILED, {"reason": str(error), "studies": []})
            return
        wanted = Collection(id, Action.STORE, Phase.REQUESTED, {"manifest": True}, self.now(), eager=True)
        self.catalog.collections.create(wanted, body)

    def _end(self, file: Path, name: str, phase: Phase, facts: dict[str, object]) -> None:
        """The report first: a file in ``done`` or ``failed`` always has one."""
        folder = self.folder / ("done" if phase is Phase.READY else "failed")
        name = _free(folder, name)
        report = orjson.dumps({"phase": phase, **facts}, option=orjson.OPT_INDENT_2)
        draft = folder / f".{file.name}.report"
        draft.write_bytes(report)
        draft.rename(folder / f"{name}.report")
        with contextlib.suppress(FileNotFoundError):
            file.rename(folder / name)


def _short(name: str) -> str:
    """The end of a name, so that there is room for an id before it and ``.report`` behind it."""
    return name.encode()[-LONGEST_NAME:].decode(errors="ignore")


def _free(folder: Path, name: str) -> str:
    """A name no other submission has."""
    stem, number = name.removesuffix(".json"), 1
    while (folder / name).exists():
        number += 1
        name = f"{stem}-{number}.json"
    return name


def _by_name(counts: Mapping[State, int]) -> dict[str, int]:
    return {state.name.lower(): count for state, count in counts.items()}
