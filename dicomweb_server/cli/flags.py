"""Flags that several commands share, and the settings they lead to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from dicomweb_server.loading import Given, load
from dicomweb_server.settings import Settings, SettingsError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="the data folder (default: data)")
    parser.add_argument("--config", metavar="FILE", type=Path, help="a settings file; see config/dicomweb-server.toml")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="any setting, such as http.workers=2"
    )


def loaded(chosen: argparse.Namespace) -> tuple[Settings, list[Given]]:
    """Settings with what the command line says. Raises SettingsError."""
    flags = {}
    for text in chosen.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set takes KEY=VALUE, not {text!r}")
        flags[key.strip()] = value
    for name, keys in _SETTINGS.items():
        value = getattr(chosen, name, None)
        if value is not None:
            flags |= dict.fromkeys(keys, str(value))
    return load(file=chosen.config, flags=flags)


_SETTINGS = {
    "data": ("storage.data",),
    "http": ("http.listen",),
    "dimse": ("dimse.listen",),
    "aet": ("dimse.aet",),
    "allow_remote": ("access.allow_remote",),
}
"""Flags with a name of their own, and what they set."""
