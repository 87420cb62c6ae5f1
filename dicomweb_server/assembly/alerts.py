"""Every way in which a site wants to be told."""

from __future__ import annotations

import os

from dicomweb_server.notices.base import Notices
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
        from dicomweb_server.notices.mail import MailNotices

        host, port = address(wanted.mail_server)
        ways.append(
            MailNotices(
                host,
                port,
                sender=wanted.mail_from or f"dicomweb-server@{host}",
                to=wanted.mail_to,
                user=wanted.mail_user,
                password=_password(wanted.mail_password_env),
                starttls=wanted.mail_starttls,
            )
        )
    return SeveralNotices(ways, quiet_seconds=wanted.quiet_seconds)


def _password(variable: str) -> str:
    if variable and variable not in os.environ:
        raise SettingsError(f"notices.mail_password_env: {variable} is not in the environment")
    return os.environ.get(variable, "") if variable else ""
