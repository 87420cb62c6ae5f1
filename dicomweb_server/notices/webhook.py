"""Notices as JSON, POSTed to a URL of the site."""

from __future__ import annotations

import httpx

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.notices.base import Notice, Notices

TIMEOUT_SECONDS = 10.0


class WebhookNotices:
    def __init__(self, url: str, *, headers: dict[str, str] | None = None) -> None:
        self._url = url
        self._headers = headers or {}

    def send(self, notice: Notice) -> None:
        body = {
            "subject": notice.subject,
            "about": notice.about,
            "text": notice.text,
            "facts": dict(notice.facts),
        }
        try:
            answer = httpx.post(self._url, json=body, headers=self._headers, timeout=TIMEOUT_SECONDS)
        except httpx.TransportError as error:
            raise BackendFailed(f"the webhook cannot be reached: {type(error).__name__}", passing=True) from None
        if answer.status_code >= 300:
            raise BackendFailed(f"the webhook answered {answer.status_code}", passing=answer.status_code >= 500)


_: type[Notices] = WebhookNotices
