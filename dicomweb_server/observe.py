"""Logs: text for a person at a terminal, one JSON object a line for a machine. Never patient data (H-26)."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

import orjson

from dicomweb_server.model.errors import DicomwebError

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Discreet(logging.Formatter):
    """Of an error that was not raised on purpose only its kind and place: its text may quote what a file holds."""

    def formatException(self, ei: Any) -> str:
        error: BaseException | None = ei[1]
        parts = []
        while error is not None:
            text = f": {error}" if isinstance(error, DicomwebError | OSError) else ""
            parts.append("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + text)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\ncaused by\n".join(parts)


class JsonLines(Discreet):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: value for name, value in record.__dict__.items() if name not in STANDARD})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


TEXT = Discreet(
    "%(asctime)s %(levelname)-7s %(role)s[%(process)d] %(message)s", "%H:%M:%S", defaults={"role": "server"}
)


def start_logging(level: str, form: str, stream: TextIO | None = None, *, requests: bool = False) -> None:
    """Write everything from ``level`` up to ``stream`` (standard error), as text or JSON, or by what the stream is.

    ``requests``: a line for each HTTP request, too.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    as_text = form == "text" or (form == "auto" and stream.isatty())
    handler.setFormatter(TEXT if as_text else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("dicomweb_server.requests").setLevel(logging.INFO if requests else logging.WARNING)
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def share_metrics(folder: Path, *, anew: bool) -> None:
    """Count into files of ``folder`` from now on, together with the other processes of this server.

    Must come before anything counts: the library decides when it is loaded.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("something counts already, and would go on alone")
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def name_process(role: str) -> None:
    """From now on every line of this process names its role."""

    def named(record: logging.LogRecord) -> bool:
        record.role = role
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(named)
