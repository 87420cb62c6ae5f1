"""What an operator may set, each with its default and meaning. Read once at start (``loading``), frozen after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from dicomweb_server.settings.background import Log, Notices, Work
from dicomweb_server.settings.base import SettingsError, address
from dicomweb_server.settings.doors import Access, Dimse, Http, Ingest, Search, Storage
from dicomweb_server.settings.sources import Cache, Collections, RuleSettings, SourceSettings

__all__ = ["RuleSettings", "Settings", "SettingsError", "SourceSettings", "Storage", "address", "every_setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    storage: Storage = field(default_factory=Storage)
    access: Access = field(default_factory=Access)
    http: Http = field(default_factory=Http)
    search: Search = field(default_factory=Search)
    dimse: Dimse = field(default_factory=Dimse)
    ingest: Ingest = field(default_factory=Ingest)
    work: Work = field(default_factory=Work)
    cache: Cache = field(default_factory=Cache)
    collections: Collections = field(default_factory=Collections)
    notices: Notices = field(default_factory=Notices)
    log: Log = field(default_factory=Log)
    sources: tuple[SourceSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()

    @property
    def data(self) -> Path:
        return Path(self.storage.data).absolute()

    @property
    def objects_url(self) -> str:
        return self.storage.objects or (self.data / "objects").as_uri()

    @property
    def viewer(self) -> Path:
        return Path(self.storage.viewer).absolute() if self.storage.viewer else self.data / "viewer"

    @property
    def submissions(self) -> Path | None:
        """The folder watched for manifests, if any."""
        wanted = self.collections
        folder = Path(wanted.submissions).absolute() if wanted.submissions else self.data / "submissions"
        return folder if wanted.hosts else None

    @property
    def catalog_url(self) -> str:
        return self.storage.catalog or f"sqlite:///{self.data / 'catalog.sqlite'}"


def every_setting() -> Iterator[tuple[str, Any, Any]]:
    """Every setting: its key, its type and its default."""
    for section in fields(Settings):
        if section.name in ("sources", "rules"):
            continue
        kind = get_type_hints(Settings)[section.name]
        types = get_type_hints(kind)
        defaults = kind()
        for each in fields(kind):
            yield f"{section.name}.{each.name}", types[each.name], getattr(defaults, each.name)
