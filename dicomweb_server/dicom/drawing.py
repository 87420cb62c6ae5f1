"""The calls that are sent to pool processes: a path goes in, a finished picture or frame comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from dicomweb_server.dicom.rendering.inputs import BASE
from dicomweb_server.dicom.rendering.layers import Layer
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.render import render, render_animated, render_blended, render_state
from dicomweb_server.dicom.rendering.request import Rendering
from dicomweb_server.dicom.rendering.sr_text import is_report, report
from dicomweb_server.dicom.source import BytesSource, FileSource
from dicomweb_server.dicom.stored import Stored, stored
from dicomweb_server.dicom.thumbnail import SIDE, icon_of, thumbnail
from dicomweb_server.dicom.transcode import Transcoded, transcode
from dicomweb_server.dicom.transcoded import write_transcoded
from dicomweb_server.model.errors import NotAcceptable, NotFound, Undecodable

PRELOAD = ("dicomweb_server.dicom.drawing",)
"""What a fork server should have imported before it makes pool processes."""


_TOGETHER = 8 << 20
"""Bytes of images that are given together, and one image more."""


def draw_thumbnail(path: str, frame: int | None = None, side: int = SIDE) -> bytes:
    """A JPEG of a frame (the middle one unless named), or the icon of the modality where nothing can be drawn."""
    return thumbnail_or_icon(path, frame, side)[0]


def thumbnail_or_icon(path: str, frame: int | None = None, side: int = SIDE) -> tuple[bytes, str | None]:
    """The same, and why it is the icon though there are pixels."""
    with _file(path) as found:
        if not found.drawable:
            video = found.index is not None and found.index.video
            return icon_of(found.attributes, side=side, video=video), None
        try:
            return thumbnail(*found.frame(frame or found.middle_frame), side=side), None
        except Undecodable as error:
            return icon_of(found.attributes, side=side), str(error)


def draw_frame(path: str, frame: int, wanted: Rendering) -> bytes:
    """One frame rendered. Raises what ``render`` and ``Stored.frame`` raise."""
    with _file(path) as found:
        return render(*found.frame(frame), wanted)


def draw_frames(path: str, frames: Sequence[int], wanted: Rendering) -> list[bytes]:
    """Each frame as an image of its own; of large images fewer than were asked for."""
    with _file(path) as found:
        return _bearable(render(*found.frame(number), wanted) for number in frames)


def draw_animation(path: str, frames: Sequence[int], wanted: Rendering) -> bytes:
    """All frames named as one animated GIF; those of the whole instance where none is named."""
    with _file(path) as found:
        count = found.index.count if found.index is not None else 0
        return render_animated(_frames(found, frames or range(1, count + 1)), wanted)


def draw_states(path: str, frames: Sequence[int], state: str, wanted: Rendering) -> list[bytes]:
    """Each frame as the presentation state in the file ``state`` shows it; of large images fewer."""
    with _file(path) as found, _file(state) as shown_by:
        return _bearable(
            render_state(*found.frame(number), shown_by.attributes, wanted, found.frame) for number in frames
        )


def draw_blended(
    path: str,
    frames: Sequence[int],
    state: str,
    others: Sequence[Sequence[tuple[int, str, int]]],
    wanted: Rendering,
    registrations: Mapping[int, str],
) -> list[bytes]:
    """Each frame blended with its ``others`` as the state has it: number of the input, file and frame of each.

    ``registrations``: the files of those of the inputs. Of large images fewer.
    """
    with ExitStack() as opened:
        under, shown_by = opened.enter_context(_file(path)), opened.enter_context(_file(state))
        registers = {number: opened.enter_context(_file(file)).attributes for number, file in registrations.items()}

        def drawn(frame: int, beside: Sequence[tuple[int, str, int]]) -> bytes:
            with ExitStack() as files:
                layers = {
                    number: Layer(*files.enter_context(_file(file)).frame(each), registers.get(number))
                    for number, file, each in beside
                }
                base = Layer(*under.frame(frame), registers.get(BASE))
                return render_blended(base, layers, shown_by.attributes, wanted)

        return _bearable(map(drawn, frames, others))


def _bearable(images: Iterator[bytes]) -> list[bytes]:
    """The first of them, as many as whoever asked should hold at once."""
    found = []
    size = 0
    for image in images:
        found.append(image)
        size += len(image)
        if size > _TOGETHER:
            break
    return found


def write_report(path: str, media_type: str) -> bytes:
    """A structured report as text. Raises NotAcceptable where the object is none."""
    with _file(path) as found:
        if not is_report(found.attributes):
            raise NotAcceptable("the instance is no report")
        return report(found.attributes, media_type)


def transcode_frames(path: str, frames: Sequence[int], target: str, quality: int = 90) -> list[Transcoded]:
    """Each frame in another transfer syntax."""
    with _file(path) as found:
        parts = (found.frame(number) for number in frames)
        return [transcode(data, subject.facts, target, quality=quality) for data, subject in parts]


def frames_as_stored(path: str, frames: Sequence[int]) -> list[bytes]:
    """Each frame as the file has it."""
    with _file(path) as found:
        return [found.frame(number)[0] for number in frames]


def has_single_bits(path: str) -> bool:
    """Whether its pixels are stored as one bit each."""
    with _file(path) as found:
        return found.attributes.whole("00280100", 0) == 1


def transcode_file(
    path: str, draft: str, target: str, quality: int = 90, *, after_each: Callable[[], None] | None = None
) -> None:
    """The whole file in another transfer syntax, written to ``draft``; ``after_each`` is called after every frame.

    Raises what ``write_transcoded`` raises.
    """
    try:
        source = FileSource(path)
    except OSError as error:
        raise NotFound("the stored object is gone") from error
    with source, open(draft, "wb") as out:
        folder = str(Path(draft).parent)  # there is room, while the system's own may be small or read-only
        write_transcoded(source, target, out, quality=quality, folder=folder, after_each=after_each)


def _frames(found: Stored, numbers: Sequence[int]) -> Iterator[tuple[bytes, Subject]]:
    return (found.frame(number) for number in numbers)


@contextmanager
def _file(path: str) -> Iterator[Stored]:
    try:
        source = FileSource(path)
    except OSError as error:
        raise NotFound("the stored object is gone") from error
    with source:
        yield _stored(source)


_MANY = 16
"""Frames that make it worth while to keep a header."""
_kept: dict[tuple[int, ...], Stored] = {}
"""The header that was read last, if it is one of many frames: frame after frame is asked of the same file."""


def _stored(source: FileSource) -> Stored:
    kept = _kept.get(source.mark)
    if kept is not None:
        return replace(kept, stream=source)
    _kept.clear()
    found = stored(source)
    if found.stream is source and found.index is not None and found.index.count >= _MANY:
        _kept[source.mark] = replace(found, stream=BytesSource(b""))
    return found
