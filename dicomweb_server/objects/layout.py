"""Where everything lies: every object key is made here and nowhere else, so that the data outlives the program.

    instances/{study}/{series}/{instance}-{version}.dcm    one Part 10 file, written once, never changed
    series/{study}/{series}/{etag}-{version}.json[.gz]     the metadata of a whole series at rest
    thumbnails/{study}/{series}/{instance}-{version}.jpg   the picture of one instance
    htj2k/{study}/{series}/{instance}-{version}.dcm        the same instance in HTJ2K, where the site keeps that form

``version`` is random, so no two contents ever share a key, and what is deleted late is never what was written since;
the digest of the content stands in the catalog. A tenant other than the default one puts ``tenants/{tenant}/`` in
front. UIDs are checked before they get here.
"""

from __future__ import annotations

from dicomweb_server.model.ids import DEFAULT_TENANT, InstanceKey, Scope, SeriesKey, StudyKey, is_uid

_ROOMS = frozenset({"instances", "series", "thumbnails", "htj2k"})


def instance(key: InstanceKey, version: str) -> str:
    return f"{_root(key)}instances/{_path(key)}-{version}.dcm"


def thumbnail(key: InstanceKey, version: str) -> str:
    return f"{_root(key)}thumbnails/{_path(key)}-{version}.jpg"


def htj2k(key: InstanceKey, version: str) -> str:
    return f"{_root(key)}htj2k/{_path(key)}-{version}.dcm"


def made_from(object_key: str) -> list[str]:
    """The keys of what may have been made from the instance at ``object_key``; none when that is no instance."""
    root, instances, path = object_key.rpartition("instances/")
    if not instances or not path.endswith(".dcm"):
        return []
    return [f"{root}thumbnails/{path.removesuffix('.dcm')}.jpg", f"{root}htj2k/{path}"]


def study_of(object_key: str) -> StudyKey | None:
    """The study an object belongs to; None for what is no object of a study."""
    parts = object_key.split("/")
    tenant = DEFAULT_TENANT
    if parts[0] == "tenants" and len(parts) > 2:
        tenant, parts = parts[1], parts[2:]
    return StudyKey(parts[1], tenant) if parts[0] in _ROOMS and len(parts) > 2 else None


def series_metadata(key: SeriesKey, etag: str, version: str) -> str:
    """The identity form; the gzip form has ``.gz`` after it."""
    return f"{series_documents(key)}{etag}-{version}.json"


def series_documents(key: SeriesKey) -> str:
    """The prefix of all documents of a series."""
    return f"{_root(key)}series/{_path(key)}/"


def _root(key: Scope) -> str:
    return "" if key.tenant == DEFAULT_TENANT else f"tenants/{key.tenant}/"


def _path(key: Scope) -> str:
    parts: tuple[str, ...]
    match key:
        case InstanceKey():
            parts = (key.study, key.series, key.instance)
        case SeriesKey():
            parts = (key.study, key.series)
        case StudyKey():
            parts = (key.study,)
    for part in parts:
        if not is_uid(part):
            raise ValueError(f"not a UID: {part[:80]!r}")
    return "/".join(parts)
