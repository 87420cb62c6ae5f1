"""What every settings file shares: the error, and addresses."""

from __future__ import annotations


class SettingsError(Exception):
    """A key or value that cannot be used; the text names it and where it came from."""


def address(text: str) -> tuple[str, int]:
    """HOST:PORT in its parts. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"must be HOST:PORT: {text!r}")
    return host.strip("[]"), int(port)
