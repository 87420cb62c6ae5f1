"""Keys by which programs and people are let in, and what each may do. Only digests of keys are kept (A-06)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    READ = "read"
    """Search and retrieve, and follow what the server is doing."""
    STORE = "store"
    DELETE = "delete"
    OPERATE = "operate"
    """Steer the cache: the operations API, but for what only reads."""


_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    rights: frozenset[Right]
    digest: str
    """SHA-256 of the key, in hexadecimal. A key is 256 random bits, so it needs neither salt nor stretching."""

    def line(self) -> str:
        return f"{self.name} {','.join(sorted(self.rights))} {self.digest}"


def made(name: str, rights: Iterable[Right]) -> tuple[str, Key]:
    """A new key, and what is kept of it. Raises ValueError for a bad name, or for no right at all."""
    secret = secrets.token_urlsafe(32)
    key = Key(name, frozenset(rights), digest_of(secret))
    return secret, _checked(key)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def parsed(text: str) -> dict[str, Key]:
    """The keys of a file by their digests: on each line NAME RIGHT[,RIGHT…] DIGEST; what follows a # is passed over.

    Raises ValueError that names the line, and nothing of what stands there.
    """
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, rights, digest = words
            key = _checked(Key(name, frozenset(Right(each) for each in rights.split(",")), digest.lower()))
        except ValueError:
            raise ValueError(f"line {number} is not NAME RIGHT[,RIGHT...] DIGEST") from None
        if any(key.name == other.name for other in keys.values()) or key.digest in keys:
            raise ValueError(f"line {number} names a key that stands there already")
        keys[key.digest] = key
    return keys


def _checked(key: Key) -> Key:
    if not _NAME.fullmatch(key.name):
        raise ValueError("a key's name has up to 64 letters, digits, dots, dashes and underscores")
    if not key.rights:
        raise ValueError("a key has at least one right")
    if not _DIGEST.fullmatch(key.digest):
        raise ValueError("a digest has 64 hexadecimal digits")
    return key
