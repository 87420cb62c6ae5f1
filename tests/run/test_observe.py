from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.observe import name_process, start_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_machine_gets_one_object_a_line() -> None:
    stream = io.StringIO()
    start_logging("info", "auto", stream)
    name_process("web")
    logging.getLogger("some.room").warning("kept %d", 3, extra={"series": "1.2.3"})
    logging.getLogger("some.room").debug("too low")
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {key: line[key] for key in ("level", "role", "message", "series")} == {
        "level": "warning",
        "role": "web",
        "message": "kept 3",
        "series": "1.2.3",
    }


def test_a_person_gets_text() -> None:
    stream = io.StringIO()
    start_logging("info", "text", stream)
    logging.getLogger("some.room").error("disk full")
    assert " ERROR   server[" in stream.getvalue()
    assert stream.getvalue().endswith("] disk full\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_trace_tells_kind_and_place_but_not_what_a_file_held(form: str) -> None:
    stream = io.StringIO()
    start_logging("info", form, stream)
    try:
        int("Doe^Jane")
    except ValueError:
        logging.getLogger("some.room").exception("failed")
    assert "test_observe.py" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert "Doe^Jane" not in stream.getvalue().replace('int("Doe^Jane")', "").replace('int(\\"Doe^Jane\\")', "")


def test_what_was_raised_on_purpose_keeps_its_words() -> None:
    stream = io.StringIO()
    start_logging("info", "json", stream)
    try:
        raise BackendFailed("the disk is full")
    except BackendFailed:
        logging.getLogger("some.room").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["trace"].endswith("BackendFailed: the disk is full")
