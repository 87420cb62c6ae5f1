"""Every way in which a site wants to be told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from dicomweb_server.model.collections import Collection
from dicomweb_server.notices.base import Notice, Notices
from dicomweb_server.settings import Settings, SettingsError, address


def open_notices(settings: Settings) -> Notices:
    """Raises SettingsError where a password is named that is not in the environment."""
    from dicomweb_server.notices.log import LogNotices
    from dicomweb_server.notices.several import SeveralNotices

    wanted = settings.notices
    ways: list[Notices] = [LogNotices()]
    if wanted.webhook:
        from dicomweb_server.notices.webhook import WebhookNotices

        ways.append(WebhookNotices(wanted.webhook))
    if wanted.mail_to:
        ways.append(_mail(settings, wanted.mail_to))
    return SeveralNotices(ways, quiet_seconds=wanted.quiet_seconds)


def open_told(settings: Settings) -> Callable[[Collection, Notice], None]:
    """Tells whoever asked for a collection, within what the site allows."""
    from dicomweb_server.notices.webhook import WebhookNotices

    def tell(ended: Collection, notice: Notice) -> None:
        wanted = ended.request.get("notify") or {}
        if notice.subject.value.rpartition("-")[2] not in wanted.get("on", ("ready", "failed")):
            return
        if wanted.get("webhook"):
            WebhookNotices(wanted["webhook"]).send(notice)
        if wanted.get("mail"):
            _mail(settings, (wanted["mail"],)).send(notice)

    return tell


def _mail(settings: Settings, to: Sequence[str]) -> Notices:
    from dicomweb_server.notices.mail import MailNotices

    wanted = settings.notices
    host, port = address(wanted.mail_server)
    return MailNotices(
        host,
        port,
        sender=wanted.mail_from or f"dicomweb-server@{host}",
        to=to,
        user=wanted.mail_user,
        password=_password(wanted.mail_password_env),
        starttls=wanted.mail_starttls,
    )


def _password(variable: str) -> str:
    if variable and variable not in os.environ:
        raise SettingsError(f"notices.mail_password_env: {variable} is not in the environment")
    return os.environ.get(variable, "") if variable else ""
