"""The frames that a presentation state is for, in the order in which they are shown (PS3.18 8.3.5.1.6; R-15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.groups import of_frame
from dicomweb_server.dicom.rendering.inputs import INPUT_NUMBER, SUPERIMPOSED, inputs_of, shape_giving
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.model.ids import InstanceKey, SeriesKey, is_uid

T = TypeVar("T")

_CONTENT, _INDEX = "00209111", "00209157"
_SEGMENT_OF_FRAME, _SEGMENT = "0062000A", "0062000B"
_PATIENT = "00209113", "00200032", "00209116", "00200037"
_VOLUME = "0020930E", "00209301", "0020930F", "00209302"
"""Functional groups and attributes of position and orientation."""

MOST_REFERRED = 4096
"""Images of one presentation state."""

_Axis = tuple[str, str, np.ndarray]
"""Functional group and attribute of the position that counts, and along which direction."""

_MOST_ORDERED = 65536
"""Frames of one image; more of them than any image has stay as they are."""

Shown = tuple[T, Attributes, Sequence[int]]
"""An image, what it says of itself, and its frames that are referred to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a state refers to of an image: all of it where nothing is named."""

    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()

    def of(self, attributes: Attributes, every: Sequence[int]) -> Sequence[int]:
        """The frames that are meant, of all that the image has."""
        frames = tuple(number for number in self.frames if number in every) if self.frames else every
        if not self.segments:
            return frames
        return tuple(
            frame
            for frame in frames[:_MOST_ORDERED]
            if _at(attributes, frame, _SEGMENT_OF_FRAME).whole(_SEGMENT, 0) in self.segments
        )


def references(key: InstanceKey, state: Attributes) -> dict[InstanceKey, Wanted]:
    """Every image that a state names, with the frames it names of it; of a blending state the underlying ones.

    Raises NotAcceptable where they are too many.
    """
    return _once(chain(_named(key, state), _named(key, _image_set(state, "UNDERLYING"))))


@dataclass(frozen=True, slots=True)
class Named:
    """Images that are blended with others, as a state names them."""

    number: int = 0
    images: Mapping[InstanceKey, Wanted] = field(default_factory=dict)
    series: SeriesKey | None = None
    """All of it where no images are named."""
    registrations: Sequence[InstanceKey] = ()
    as_the_others: bool = False
    """There is one registration for all."""


def blended_inputs(key: InstanceKey, state: Attributes) -> list[Named]:
    """What a state blends with the images that it is for. Raises NotAcceptable where that is too much."""
    above = _image_set(state, "SUPERIMPOSED")
    if above.data:
        return [Named(SUPERIMPOSED, _once(_named(key, above)), as_the_others=True)]
    shown = shape_giving(state)
    return [_input(key, item) for item in inputs_of(state) if item.data is not shown.data]


def shown_input(key: InstanceKey, state: Attributes) -> Named:
    """The images that an advanced blending state is for: those whose geometry is displayed (PS3.3 C.11.33)."""
    return _input(key, shape_giving(state))


def own_registrations(key: InstanceKey, state: Attributes) -> list[InstanceKey]:
    """The registrations that bring the images a blending state is for into place (PS3.3 C.11.14, C.11.33)."""
    shown = shape_giving(state)
    return _registrations(key, shown if shown.data else state)


def _input(key: InstanceKey, item: Attributes) -> Named:
    series = item.text("0020000E")
    return Named(
        item.whole(INPUT_NUMBER, 0),
        _once(_of_series(key, item)),
        SeriesKey(key.study, series, tenant=key.tenant) if is_uid(series) else None,
        _registrations(key, item),
    )


def _registrations(key: InstanceKey, item: Attributes) -> list[InstanceKey]:
    places = [place for each in item.items("00700404") for place in (each, *each.items("00081115"))]
    return list(_once(named for place in places for named in _of_series(key, place)))


def _once(named: Iterable[tuple[InstanceKey, Wanted]]) -> dict[InstanceKey, Wanted]:
    """Each image once, in the order of first mention; all of it where it is named as a whole."""
    found: dict[InstanceKey, tuple[dict[int, None], dict[int, None]]] = {}
    whole = set()
    for image, wanted in named:
        frames, segments = found.setdefault(image, ({}, {}))
        frames.update(dict.fromkeys(wanted.frames))
        segments.update(dict.fromkeys(wanted.segments))
        if wanted == Wanted():
            whole.add(image)
    if len(found) > MOST_REFERRED:
        raise NotAcceptable(f"presentation states of more than {MOST_REFERRED} images are not drawn")
    return {
        image: Wanted() if image in whole else Wanted(tuple(frames), tuple(segments))
        for image, (frames, segments) in found.items()
    }


def _image_set(state: Attributes, position: str) -> Attributes:
    """Of the study of the state only: who may see the one need not be allowed to see others (PS3.3 C.11.14)."""
    return next((item for item in state.items("00700402") if item.text("00700405") == position), Attributes({}))


def _named(key: InstanceKey, state: Attributes) -> Iterator[tuple[InstanceKey, Wanted]]:
    for series in state.items("00081115"):
        yield from _of_series(key, series)


def _of_series(key: InstanceKey, series: Attributes) -> Iterator[tuple[InstanceKey, Wanted]]:
    for image in series.items("00081140") + series.items("00081199"):
        uids = series.text("0020000E"), image.text("00081155")
        if all(map(is_uid, uids)):
            frames, segments = (tuple(map(int, image.numbers(tag))) for tag in ("00081160", _SEGMENT))
            yield InstanceKey(key.study, *uids, tenant=key.tenant), Wanted(frames, segments)


def in_order(found: Sequence[Shown[T]]) -> list[tuple[T, Sequence[int]]]:
    """Frames of an image by their dimension index values, else by position; images by that of their first frame.

    Positions count along the normal of the first image, in the patient or else in its volume. What lacks them stays in
    the order of reference.
    """
    axis = _axis(found[0][1], found[0][2][0]) if found else None
    ordered = [(image, attributes, _frames(attributes, frames, axis)) for image, attributes, frames in found]
    places = [_along(attributes, frames[0], axis) for _, attributes, frames in ordered]
    if None not in places:
        ordered = [ordered[at] for at in sorted(range(len(ordered)), key=lambda at: places[at] or 0.0)]
    return [(image, frames) for image, _, frames in ordered]


def _frames(attributes: Attributes, frames: Sequence[int], axis: _Axis | None) -> Sequence[int]:
    if len(frames) > _MOST_ORDERED:
        return frames
    indexes = {frame: _at(attributes, frame, _CONTENT).numbers(_INDEX) for frame in frames}
    if all(indexes.values()):
        return tuple(sorted(frames, key=lambda frame: indexes[frame]))
    places = {frame: _along(attributes, frame, axis) for frame in frames}
    return frames if None in places.values() else tuple(sorted(frames, key=lambda frame: places[frame] or 0.0))


def _at(attributes: Attributes, frame: int, macro: str) -> Attributes:
    return of_frame(attributes, frame - 1, macro) or attributes


def _axis(attributes: Attributes, frame: int) -> _Axis | None:
    for place, position, oriented, orientation in (_PATIENT, _VOLUME):
        directions = _at(attributes, frame, oriented).numbers(orientation)
        if len(directions) == 6:
            return place, position, np.cross(directions[:3], directions[3:])
    return None


def _along(attributes: Attributes, frame: int, axis: _Axis | None) -> float | None:
    if axis is None:
        return None
    place, attribute, normal = axis
    position = _at(attributes, frame, place).numbers(attribute)
    return float(np.dot(position, normal)) if len(position) == 3 else None
