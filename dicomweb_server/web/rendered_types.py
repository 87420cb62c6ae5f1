"""Which media types what can be seen has, and the one a client gets (PS3.18 8.7.4; R-10)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dicomweb_server.dicom.rendering.media import IMAGES, REPORTS
from dicomweb_server.retrieve.nature import DOCUMENTS, Nature, nature_of
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web.accept import MULTIPART, Accepted

GIF = "image/gif"


@dataclass(frozen=True, slots=True)
class Form:
    media_type: str
    multipart: bool


def offered(held: Held) -> tuple[str, ...]:
    """The types of one instance, the default first; none where there is nothing to see (R-16)."""
    match nature_of(held):
        case Nature.IMAGE:
            return IMAGES
        case Nature.REPORT:
            return REPORTS
        case Nature.VIDEO:
            return (held.syntax.media_type,)
        case Nature.DOCUMENT:
            return (DOCUMENTS[held.version.sop_class],)
    return ()


@lru_cache(maxsize=1024)
def of_one(accepted: Accepted, types: tuple[str, ...]) -> Form | None:
    """For a single image or document; ``*/*`` means alone."""
    for each in accepted.ranges:
        for kind in types:
            if each.takes(kind):
                return Form(kind, each.multipart and not each.bare)
    return None


def of_several(accepted: Accepted, types: tuple[str, ...], *, alone: tuple[str, ...] = ()) -> Form | None:
    """For several pictures: multipart, or one of the types that can hold them all ``alone`` (C-34)."""
    for each in accepted.ranges:
        for kind in types if each.multipart else alone:
            if each.takes(kind):
                return Form(kind, each.multipart)
    return None


def available(types: tuple[str, ...], *, several: bool = False) -> tuple[str, ...]:
    """For the body of a 406 (C-40)."""
    return tuple(f'{MULTIPART}; type="{kind}"' for kind in types) if several else types
