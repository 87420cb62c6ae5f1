"""The secret by which links are signed: given by the site, or made once and kept in the data folder."""

from __future__ import annotations

import os
import secrets
from hashlib import sha256

from dicomweb_server.settings import Settings, SettingsError

BYTES = 32


def link_key(settings: Settings) -> bytes:
    """The same in every process of a site. Raises SettingsError."""
    variable = settings.collections.link_key_env
    if variable:
        if not os.environ.get(variable):
            raise SettingsError(f"collections.link_key_env: {variable} is not in the environment")
        return sha256(os.environ[variable].encode()).digest()
    file = settings.data / "links.key"
    if not file.exists():
        settings.data.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".links.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(secrets.token_bytes(BYTES))
            written.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, file)  # whoever was first has made the key of all
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_bytes()
