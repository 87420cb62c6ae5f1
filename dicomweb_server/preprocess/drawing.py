"""Draws many thumbnails in one call; runs in a pool process and gets paths, never pixels.

Decoders are loaded there only: the process that sends the work needs this module for its name.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb_server.model.errors import DicomwebError


def draw_all(paths: Sequence[str]) -> list[bytes | str]:
    """A JPEG for each file, or the reason why there is none."""
    return [_drawn(path) for path in paths]


def _drawn(path: str) -> bytes | str:
    from dicomweb_server.dicom.drawing import draw_thumbnail

    try:
        return draw_thumbnail(path)
    except DicomwebError as error:
        return str(error)
    except FileNotFoundError:
        return "the instance is no longer here"
