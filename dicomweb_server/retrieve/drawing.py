"""What is sent to the pool for a picture. Decoders are loaded there only: the sender needs the names alone.

What may make a decoder fail is positional: the pool remembers for a while that such a call broke a process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dicomweb_server.pool.base import image_done

if TYPE_CHECKING:
    from dicomweb_server.dicom.rendering.request import Rendering


def frames(path: str, numbers: Sequence[int], *, wanted: Rendering) -> list[bytes]:
    from dicomweb_server.dicom.drawing import draw_frames

    return draw_frames(path, numbers, wanted)


def animation(path: str, numbers: Sequence[int], *, wanted: Rendering) -> bytes:
    from dicomweb_server.dicom.drawing import draw_animation

    return draw_animation(path, numbers, wanted)


def states(path: str, numbers: Sequence[int], state: str, *, wanted: Rendering) -> list[bytes]:
    from dicomweb_server.dicom.drawing import draw_states

    return draw_states(path, numbers, state, wanted)


def blended(
    path: str,
    numbers: Sequence[int],
    state: str,
    others: Sequence[Sequence[tuple[int, str, int]]],
    registrations: Mapping[int, str],
    *,
    wanted: Rendering,
) -> list[bytes]:
    from dicomweb_server.dicom.drawing import draw_blended

    return draw_blended(path, numbers, state, others, wanted, registrations)


def report(path: str, media_type: str) -> bytes:
    from dicomweb_server.dicom.drawing import write_report

    return write_report(path, media_type)


def thumbnail(path: str, frame: int | None) -> bytes:
    from dicomweb_server.dicom.drawing import draw_thumbnail

    return draw_thumbnail(path, frame)


def fitted_thumbnail(path: str, frame: int | None, *, width: int, height: int, media_type: str) -> bytes:
    """A thumbnail scaled to fit a box."""
    from dicomweb_server.dicom.drawing import draw_thumbnail
    from dicomweb_server.dicom.thumbnail import fitted

    return fitted(draw_thumbnail(path, frame, max(width, height)), width, height, media_type)


def refitted(picture: bytes, width: int, height: int, media_type: str) -> bytes:
    """A finished thumbnail in another size or type."""
    from dicomweb_server.dicom.thumbnail import fitted

    return fitted(picture, width, height, media_type)


def transcoded(path: str, numbers: Sequence[int], syntax: str) -> list[bytes]:
    """Frames in another transfer syntax."""
    from dicomweb_server.dicom.drawing import transcode_frames

    return [frame.data for frame in transcode_frames(path, numbers, syntax)]


def saved(path: str, /, work: Callable[..., list[bytes]], *args: Any, draft: str, **dressed: Any) -> None:
    """What ``work`` makes of one frame, written to ``draft``: it may be larger than the sender wants to hold."""
    (made,) = work(path, *args, **dressed)
    with open(draft, "wb") as out:
        out.write(made)


def kept(path: str, numbers: Sequence[int]) -> list[bytes]:
    """Frames as a file has them."""
    from dicomweb_server.dicom.drawing import frames_as_stored

    return frames_as_stored(path, numbers)


def instance(path: str, syntax: str, *, draft: str) -> None:
    """The whole file in another transfer syntax, written to ``draft``."""
    from dicomweb_server.dicom.drawing import transcode_file

    transcode_file(path, draft, syntax, after_each=image_done)


def card(modality: str, width: int, height: int, media_type: str) -> bytes:
    """The icon of a modality."""
    from dicomweb_server.dicom.icons import icon

    return icon(modality, width=width, height=height, media_type=media_type)
