"""What is made of a stored instance beforehand; runs in a pool process and gets paths, never pixels.

Decoders are loaded there only: the process that sends the work needs this module for its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb_server.dicom import syntaxes
from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.pool.base import image_done

GONE = "the instance is no longer here"
HTJ2K = syntaxes.HTJ2K_LOSSLESS_RPCL
"""With RPCL progression, so that the first part of a stream is a small picture (PS3.5 A.4.12)."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The picture of an instance, and why it is an icon only, or none at all."""

    jpeg: bytes | None
    reason: str | None = None


def draw_all(paths: Sequence[str]) -> list[Drawn]:
    found = []
    for path in paths:
        found.append(_drawn(path))
        image_done()
    return found


def write_htj2k(path: str, draft: str) -> str | None:
    """The file losslessly in HTJ2K, written to ``draft``; or the reason why there is none."""
    from dicomweb_server.dicom.drawing import has_single_bits, transcode_file

    try:
        if has_single_bits(path):
            return "its single bits would become bytes, which viewers of segmentations do not expect"
        transcode_file(path, draft, HTJ2K, after_each=image_done)
    except DicomwebError as error:
        return str(error)
    except FileNotFoundError:
        return GONE
    return None


def _drawn(path: str) -> Drawn:
    from dicomweb_server.dicom.drawing import thumbnail_or_icon

    try:
        return Drawn(*thumbnail_or_icon(path))
    except DicomwebError as error:
        return Drawn(None, str(error))
    except FileNotFoundError:
        return Drawn(None, GONE)
