"""Notices as warnings in the log."""

from __future__ import annotations

import logging

from dicomweb_server.notices.base import Notice, Notices

log = logging.getLogger("dicomweb_server.notices")


class LogNotices:
    def send(self, notice: Notice) -> None:
        log.warning("%s %s: %s", notice.subject, notice.about, notice.text, extra={"facts": dict(notice.facts)})


_: type[Notices] = LogNotices
