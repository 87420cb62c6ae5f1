"""Many images in one, as an advanced blending state shows them (PS3.3 C.11.33, C.11.34, PS3.4 N.2.6; R-15).

Thresholds are held against the values of the modality stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.pixels.decode import Frame, decode
from dicomweb_server.dicom.rendering.inputs import INPUT_NUMBER, inputs_of, shape_giving
from dicomweb_server.dicom.rendering.layers import Layer, bearable, grid
from dicomweb_server.dicom.rendering.modality import significant
from dicomweb_server.dicom.rendering.overlays import overlaid
from dicomweb_server.dicom.rendering.palette import has_palette, spread
from dicomweb_server.dicom.rendering.picture import Subject, padding, picture
from dicomweb_server.dicom.rendering.request import Viewport
from dicomweb_server.dicom.rendering.state import arranged, brightness, modal
from dicomweb_server.model.errors import Undecodable

_STEPS, _STEP_INPUTS, _MODE, _OPACITY = "00701B04", "00701B03", "00701B06", "00700403"
_THRESHOLDS, _KIND, _VALUES, _VALUE = "00701B11", "00701B13", "00701B12", "00701B14"
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class Coloured:
    """RGB from 0 to 1, and where there is any."""

    colours: Reals
    visible: NDArray[np.bool_]


def blended_with_all(
    base: Layer, others: Mapping[int, Layer], state: Attributes, viewport: Viewport | None
) -> Image.Image:
    """The frame with those of the other inputs as the steps of the state blend them, in the viewport.

    Raises Undecodable, also for steps that lead nowhere, and BadRequest for a picture larger than is drawn here.
    """
    bearable(base, 1 + len(others))
    own = shape_giving(state)
    found = {own.whole(INPUT_NUMBER, 0): _coloured(base, own)}
    shape = found[own.whole(INPUT_NUMBER, 0)].visible.shape
    for item in inputs_of(state):
        number = item.whole(INPUT_NUMBER, 0)
        if number not in found:
            found[number] = _laid(others[number], base, item) if number in others else _nothing(shape)
    mixed = _result(state.items(_STEPS)[:_MOST_STEPS], found)
    pixels = (np.where(mixed.visible[..., None], mixed.colours, 0.0) * 255 + 0.5).astype(np.uint8)
    drawn = overlaid(pixels, base.subject.attributes, state, base.subject.number)
    return arranged(drawn, base.subject, state, viewport)


def _result(steps: list[Attributes], found: dict[int, Coloured]) -> Coloured:
    """What the step without a number comes to; the others come first where their numbers are used."""
    last = next((step for step in steps if INPUT_NUMBER not in step), None)
    named = {step.whole(INPUT_NUMBER, 0): step for step in steps if INPUT_NUMBER in step}
    under_way: set[int] = set()

    def of(number: int) -> Coloured:
        if number not in found:
            if number not in named or number in under_way:
                raise Undecodable("the steps of the blending state lead nowhere")
            under_way.add(number)
            found[number] = after(named[number])
        return found[number]

    def after(step: Attributes) -> Coloured:
        parts = [of(each.whole(INPUT_NUMBER, 0)) for each in step.items(_STEP_INPUTS)[:_MOST_STEPS]]
        if not parts:
            raise Undecodable("a step of the blending state blends nothing")
        if step.text(_MODE) == "FOREGROUND" and len(parts) == 2:
            return _foreground(parts[0], parts[1], min(max(step.number(_OPACITY) or 0.0, 0.0), 1.0))
        return _equal(parts)

    if last is None:
        raise Undecodable("the blending state has no last step")
    return after(last)


def _foreground(first: Coloured, second: Coloured, opacity: float) -> Coloured:
    share = np.where(second.visible, np.where(first.visible, opacity, 0.0), 1.0)[..., None]
    return Coloured(first.colours * share + second.colours * (1.0 - share), first.visible | second.visible)


def _equal(parts: list[Coloured]) -> Coloured:
    total = sum((each.colours * each.visible[..., None] for each in parts), np.zeros_like(parts[0].colours))
    count = sum((each.visible.astype(np.float64) for each in parts), np.zeros(parts[0].visible.shape))
    return Coloured(total / np.maximum(count, 1.0)[..., None], count > 0)


def _nothing(shape: tuple[int, ...]) -> Coloured:
    return Coloured(np.zeros((*shape, 3)), np.zeros(shape, bool))


def _laid(layer: Layer, base: Layer, item: Attributes) -> Coloured:
    """The layer at the pixels of ``base``. Grey is resampled before it has its colours."""
    places = grid(layer, base)
    decoded = decode(layer.data, layer.subject.facts)
    visible = places.nearest(_visible(decoded, layer.subject, item)) & places.inside
    if _is_grey(decoded, layer.subject):
        bright = brightness(decoded, layer.subject, item, _no_others)
        bits = layer.subject.facts.bits_allocated == 1
        return Coloured(_in_colours(places.nearest(bright) if bits else places.between(bright), item), visible)
    return Coloured(places.between(_rgb(decoded, layer.subject)), visible)


def _coloured(layer: Layer, item: Attributes) -> Coloured:
    decoded = decode(layer.data, layer.subject.facts)
    visible = _visible(decoded, layer.subject, item)
    if _is_grey(decoded, layer.subject):
        return Coloured(_in_colours(brightness(decoded, layer.subject, item, _no_others), item), visible)
    return Coloured(_rgb(decoded, layer.subject), visible)


def _is_grey(decoded: Frame, subject: Subject) -> bool:
    return decoded.cells.ndim == 2 and not has_palette(subject.attributes)


def _rgb(decoded: Frame, subject: Subject) -> Reals:
    return _three(picture(decoded, subject) / 255.0)


def _in_colours(bright: Reals, item: Attributes) -> Reals:
    return spread(bright, item) / 255.0 if has_palette(item) else _three(bright)


def _three(values: Reals) -> Reals:
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def _visible(decoded: Frame, subject: Subject, item: Attributes) -> NDArray[np.bool_]:
    """What is no padding, and of a grey input what one of its thresholds lets through (C.11.33.1.2)."""
    shape = decoded.cells.shape[:2]
    if decoded.cells.ndim != 2:
        return np.ones(shape, bool)
    ends = padding(subject)
    shown = np.ones(shape, bool)
    if ends:
        stored = significant(decoded.cells, subject.facts).astype(np.float64)
        shown = (stored < ends[0]) | (stored > ends[1])
    thresholds = item.items(_THRESHOLDS)[:_MOST_STEPS]
    if thresholds:
        values = modal(decoded, subject, item)
        shown &= np.logical_or.reduce([_passes(values, threshold) for threshold in thresholds])
    return shown


def _passes(values: Reals, threshold: Attributes) -> NDArray[np.bool_]:
    found = [value.number(_VALUE) for value in threshold.items(_VALUES)]
    limits = sorted(limit for limit in found if limit is not None)
    if not limits:
        return np.zeros(values.shape, bool)
    low, high = limits[0], limits[-1]
    passing: NDArray[np.bool_]
    match threshold.text(_KIND):
        case "RANGE_INCL":
            passing = (values >= low) & (values <= high)
        case "RANGE_EXCL":
            passing = (values < low) | (values > high)
        case "GREATER_OR_EQUAL":
            passing = values >= low
        case "LESS_OR_EQUAL":
            passing = values <= low
        case "GREATER_THAN":
            passing = values > low
        case "LESS_THAN":
            passing = values < low
        case _:
            passing = np.ones(values.shape, bool)
    return passing


def _no_others(_number: int) -> tuple[bytes, Subject]:
    raise Undecodable("blended images are not subtracted")
