"""Notices by e-mail, over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.notices.base import Notice, Notices

TIMEOUT_SECONDS = 20.0


class MailNotices:
    """``user`` and ``password`` are sent only after STARTTLS."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        to: Sequence[str],
        user: str = "",
        password: str = "",
        starttls: bool = True,
    ) -> None:
        self._host, self._port = host, port
        self._sender, self._to = sender, tuple(to)
        self._user, self._password = user, password
        self._starttls = starttls

    def send(self, notice: Notice) -> None:
        message = EmailMessage()
        message["Subject"] = f"[dicomweb-server] {notice.subject}: {notice.about}"
        message["From"] = self._sender
        message["To"] = ", ".join(self._to)
        message.set_content("\n".join([notice.text, "", *(f"{name}: {value}" for name, value in notice.facts.items())]))
        try:
            with smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS) as server:
                if self._starttls:
                    server.starttls(context=ssl.create_default_context())
                    if self._user:
                        server.login(self._user, self._password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise BackendFailed(f"mail cannot be sent: {type(error).__name__}", passing=True) from None


_: type[Notices] = MailNotices
