from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.notices.base import Notice, Subject
from dicomweb_server.notices.log import LogNotices
from dicomweb_server.notices.mail import MailNotices
from dicomweb_server.notices.several import SeveralNotices
from dicomweb_server.notices.webhook import WebhookNotices

NOTICE = Notice(
    Subject.DEAD_LETTER, "1.2.3", "It was given up after 5 attempts; send it again when mended.", {"tries": 5}
)


class Hook(ThreadingHTTPServer):
    def __init__(self, status: int) -> None:
        self.status = status
        self.bodies: list[dict[str, object]] = []
        super().__init__(("127.0.0.1", 0), HookHandler)


class HookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hook)
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(params=[204])
def hook(request: pytest.FixtureRequest) -> Iterator[Hook]:
    with Hook(request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def url(hook: Hook) -> str:
    return f"http://127.0.0.1:{hook.server_port}/notices"


def test_a_webhook_gets_the_whole_notice(hook: Hook) -> None:
    WebhookNotices(url(hook)).send(NOTICE)
    assert hook.bodies == [
        {"subject": "dead-letter", "about": "1.2.3", "text": NOTICE.text, "facts": {"tries": 5}},
    ]


@pytest.mark.parametrize(("hook", "passing"), [(500, True), (403, False)], indirect=["hook"])
def test_a_webhook_that_refuses_is_an_error(hook: Hook, passing: bool) -> None:
    with pytest.raises(BackendFailed) as caught:
        WebhookNotices(url(hook)).send(NOTICE)
    assert caught.value.passing is passing


class Postbox(socketserver.StreamRequestHandler):
    """As little SMTP as a client needs to hand over a message."""

    letters: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        letter: list[str] | None = None
        while line := self.rfile.readline().decode():
            if letter is not None:
                if line == ".\r\n":
                    self.letters.append("".join(letter))
                    letter = None
                    self.wfile.write(b"250 taken\r\n")
                else:
                    letter.append(line)
            elif line.upper().startswith("DATA"):
                letter = []
                self.wfile.write(b"354 go on\r\n")
            elif line.upper().startswith("QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


def test_mail_reaches_the_postbox() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Postbox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        MailNotices("127.0.0.1", port, sender="a@x", to=["b@x"], starttls=False).send(NOTICE)
        server.shutdown()
    assert "Subject: [dicomweb-server] dead-letter: 1.2.3" in Postbox.letters[0]
    assert "tries: 5" in Postbox.letters[0]


def test_mail_that_cannot_be_sent_may_pass() -> None:
    with pytest.raises(BackendFailed) as caught:
        MailNotices("127.0.0.1", 9, sender="a@x", to=["b@x"]).send(NOTICE)
    assert caught.value.passing


def test_the_log_names_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        LogNotices().send(NOTICE)
    assert "dead-letter 1.2.3" in caplog.text


def test_one_way_that_fails_leaves_the_others(hook: Hook) -> None:
    SeveralNotices([WebhookNotices("http://127.0.0.1:9/"), WebhookNotices(url(hook))]).send(NOTICE)
    assert len(hook.bodies) == 1


def test_the_same_notice_is_not_repeated_within_its_quiet_time(hook: Hook) -> None:
    clock = iter([0.0, 299.0, 301.0])
    several = SeveralNotices([WebhookNotices(url(hook))], quiet_seconds=300.0, now=lambda: next(clock))
    for _ in range(3):
        several.send(NOTICE)
    assert len(hook.bodies) == 2
