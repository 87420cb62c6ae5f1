"""How graphics and text of a presentation state look: colours, lines and fills (PS3.3 C.10.5.1.2, C.10.7; R-15).

Patterns, shadows and fonts are not followed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dicomweb_server.dicom.dataset import Attributes

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_LINE, _FILL, _TEXT = "00700232", "00700233", "00700231"
_PATTERN_COLOUR, _TEXT_COLOUR = "00700251", "00700241"
_THICKNESS, _DASHING = "00700253", "00700254"
_OPACITY = "00700284"
_LAYERS, _LAYER, _ORDER = "00700060", "00700002", "00700062"
_LAYER_GREY, _LAYER_COLOUR = "00700066", "00700401"
THICKEST = 64

_D50 = np.array([0.9642, 1.0, 0.8249])
_TO_SRGB = np.array([[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]])
"""From XYZ adapted to D50."""


@dataclass(frozen=True, slots=True)
class Style:
    colour: Colour = WHITE
    thickness: int = 1
    dashed: bool = False
    fill: Colour = WHITE
    opacity: float = 1.0


def style_of(graphic: Attributes, layer: Colour) -> Style:
    """By its own styles, else in the colour of its layer."""
    line, fill = graphic.item(_LINE), graphic.item(_FILL)
    colour = srgb(line.numbers(_PATTERN_COLOUR)) or layer
    opacity = fill.number(_OPACITY)
    return Style(
        colour=colour,
        thickness=round(min(max(line.number(_THICKNESS) or 1.0, 1.0), THICKEST)),
        dashed=line.text(_DASHING) == "DASHED",
        fill=srgb(fill.numbers(_PATTERN_COLOUR)) or colour,
        opacity=1.0 if opacity is None else min(max(opacity, 0.0), 1.0),
    )


def text_colour(text: Attributes, layer: Colour) -> Colour:
    return srgb(text.item(_TEXT).numbers(_TEXT_COLOUR)) or layer


def layers_of(state: Attributes) -> dict[str, tuple[float, Colour]]:
    """Place and colour of each layer by its name; those to be drawn first come first."""
    return {layer.text(_LAYER): (layer.number(_ORDER) or 0.0, _recommended(layer)) for layer in state.items(_LAYERS)}


def _recommended(layer: Attributes) -> Colour:
    colour, grey = srgb(layer.numbers(_LAYER_COLOUR)), layer.number(_LAYER_GREY)
    if colour is None and grey is not None:
        return (min(max(int(grey), 0), 0xFFFF) >> 8,) * 3
    return colour or WHITE


def srgb(encoded: list[float]) -> Colour | None:
    """Of a CIELab value in three numbers of 16 bits (PS3.3 C.10.7.1.1); None where there is none."""
    if len(encoded) != 3:
        return None
    lightness, a, b = encoded[0] * 100 / 0xFFFF, encoded[1] * 255 / 0xFFFF - 128, encoded[2] * 255 / 0xFFFF - 128
    middle = (lightness + 16) / 116
    parts = np.array([middle + a / 500, middle, middle - b / 200])
    xyz = np.where(parts > 6 / 29, parts**3, (parts - 4 / 29) * 3 * (6 / 29) ** 2) * _D50
    linear = np.clip(_TO_SRGB @ xyz, 0.0, 1.0)
    shown = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value) for value in np.rint(shown * 255))
    return red, green, blue
